"""Every layer of the comparison: the made ones, and projections of SmolLM2 on a real text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anda.llm.arithmetic import PROJECTIONS, Kind
from anda.llm.capture import capture_inputs
from anda.llm.gguf import GgufFile, find_smollm2
from anda.llm.llama import Llama
from anda.llm.texts import read_text
from anda.llm.tokenizer import Tokenizer
from anda.ptq.problems import SYNTHETIC, Problem, synthetic_problem

__all__ = ["REAL", "TEXT", "RealLayer", "all_problems"]

WINDOW = 512
CALIBRATION, HELD_OUT = 6, 2
CHANNELS = 64
TEXT = "tales"


@dataclass(frozen=True)
class RealLayer:
    """One projection of the model, `channels` of its outputs evenly spread."""

    block: int
    kind: Kind
    signed: bool

    @property
    def name(self) -> str:
        return f"smollm2-{self.block}-{self.kind}"


#: Unsigned ones have a zero point.
REAL = (
    RealLayer(5, "qkv", True),
    RealLayer(8, "o", False),
    RealLayer(11, "up_gate", True),
    RealLayer(12, "down", True),
)


def all_problems() -> list[Problem]:
    """In the order of the tables."""
    return [*map(synthetic_problem, SYNTHETIC), *real_problems(REAL)]


def real_problems(layers: Iterable[RealLayer]) -> list[Problem]:
    """Calibrated on the beginning of the text, judged on the windows after it.

    The first token of a window is left out: what it makes the model compute happens at no other place.
    """
    chosen = list(layers)
    file = GgufFile(find_smollm2())
    model = Llama(file)
    count = CALIBRATION + HELD_OUT
    tokens = Tokenizer(file).encode(read_text(TEXT))[: count * WINDOW].reshape(count, WINDOW)
    inputs = capture_inputs(
        model, tokens, {layer.block for layer in chosen}, {layer.kind for layer in chosen}
    )
    problems = []
    for layer in chosen:
        parts = [model.weight(f"blk.{layer.block}.{part}") for part in PROJECTIONS[layer.kind]]
        x = inputs[layer.block, layer.kind].reshape(count, WINDOW, -1)[:, 1:]
        seen, unseen = (windows.reshape(-1, x.shape[-1]) for windows in np.split(x, [CALIBRATION]))
        problems.append(Problem.of(layer.name, _spread(np.concatenate(parts)), seen, unseen, layer.signed))
    return problems


def _spread(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Some channels, the first included, evenly spread."""
    chosen: NDArray[np.float32] = weights[:: len(weights) // CHANNELS][:CHANNELS]
    return chosen
