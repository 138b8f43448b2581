"""Real projections of a language model on the simulated accelerator: every bit, and how busy the array is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anda import fixture
from anda.accelerator_files import accelerator_parameters
from anda.extras import require
from golden.weights import IntegerWeights
from hdl.emit import tool_versions
from sim.accelerator_projection import SimulatedAccelerator, accelerator_cycles
from sim.build import available_simulators, pick_simulator

__all__ = [
    "CONFIGURATION",
    "QUESTIONS",
    "Question",
    "RealProjection",
    "configuration_hash",
    "fixture_projections",
    "measure_projections",
    "real_projection",
]

CONFIGURATION: Mapping[str, Any] = MappingProxyType(
    {
        "rows": 4,
        "columns": 16,
        "sharing": 4,
        "columns_per_load": 4,
        "lanes": 64,
        "max_planes": 10,
        "plane_words": 1024,
        "plane_groups": 128,
        "weight_words": 4096,
        "activations_bits": 1024,
        "weights_bits": 1024,
        "results_bits": 256,
    }
)
"""The accelerator that is measured, as `anda.accelerator_files.accelerator_parameters` takes it: 4 x 16
elements of 64 lanes, and buffers that hold the largest of the projections."""

TOKENS = 16
BLOCK = 64
TEXT = "gettysburg.txt"


@dataclass(frozen=True)
class Question:
    """One product to measure.

    Attributes
    ----------
    matrix : str
        A weight matrix of a block, as GGUF files name it, such as `attn_q`.
    planes : int
        Of its activations.
    """

    matrix: str
    planes: int


QUESTIONS = (
    Question("attn_q", 8),
    Question("attn_output", 7),
    Question("ffn_up", 8),
    Question("ffn_down", 8),
    *(Question("attn_q", planes) for planes in (4, 5, 6, 7, 9, 10)),
)
"""Matrices of a block with the planes that the search found for them (docs/search.md, divergence within 1 %),
and one of them with every other number of planes at which this array loses no cycles: four elements share an
accumulator."""


@dataclass(frozen=True, eq=False)
class RealProjection:
    """A whole weight matrix of a model and what enters it.

    Attributes
    ----------
    tensor : str
        Name of the matrix in the model.
    x : float16 [tokens, K]
        Activations, captured while the model reads the text.
    weights : IntegerWeights
        [C, K], INT4 with an FP16 scale per 64, rounded to nearest.
    """

    tensor: str
    x: NDArray[np.float16]
    weights: IntegerWeights


def real_projection(
    matrices: Sequence[str], *, model: Path | None = None, layer: int | None = None, tokens: int = TOKENS
) -> dict[str, RealProjection]:
    """Whole matrices of one block with the activations of the first tokens of the Gettysburg address.

    Parameters
    ----------
    matrices : sequence of str
        As GGUF files name them, without block and suffix: `attn_q`, `ffn_up`.
    model : Path, optional
        GGUF file of a Llama-family model; by default SmolLM2-135M.
    layer : int, optional
        The block; by default the middle one.
    tokens : int

    Raises
    ------
    ValueError
        When the model or an extra is not installed, the text is not there, or there is no such matrix.
    """
    require("gguf", "llm", "a projection of a language model")
    from anda.llm.arithmetic import PROJECTIONS
    from anda.llm.capture import capture_inputs
    from anda.llm.gguf import GgufFile, find_smollm2
    from anda.llm.llama import Llama
    from anda.llm.tokenizer import Tokenizer

    kinds = {part: kind for kind, parts in PROJECTIONS.items() for part in parts}
    for matrix in matrices:
        if matrix not in kinds:
            raise ValueError(f"a matrix must be one of {', '.join(kinds)}, not {matrix!r}")
    file = GgufFile(model or find_smollm2())
    text = (fixture.data_directory() / TEXT).read_text(encoding="utf-8")
    numbers = Tokenizer(file).encode(text)[:tokens]
    # In float64, so that the order in which a machine adds does not show after the rounding to FP16.
    llama = Llama(file, np.float64)
    layer = llama.config.layers // 2 if layer is None else layer
    inputs = capture_inputs(llama, numbers, [layer], {kinds[matrix] for matrix in matrices})
    found = {}
    for matrix in matrices:
        tensor = f"blk.{layer}.{matrix}"
        weights = IntegerWeights.quantize(llama.weight(tensor), block=BLOCK)
        found[matrix] = RealProjection(tensor, inputs[layer, kinds[matrix]].astype(np.float16), weights)
    return found


def fixture_projections(tokens: int = TOKENS) -> dict[str, RealProjection]:
    """The real data of a checkout in the same form, 32 channels each: they need no model.

    Parameters
    ----------
    tokens : int
        How many of the 64.
    """
    return {
        name: RealProjection(name, real.x[:tokens], real.weights) for name, real in fixture.load().items()
    }


def configuration_hash(configuration: Mapping[str, Any]) -> str:
    """SHA-256 of a table such as `CONFIGURATION`."""
    return hashlib.sha256(json.dumps(dict(configuration), sort_keys=True).encode()).hexdigest()


def measure_projections(
    report: Callable[[str], None],
    questions: Sequence[Question] = QUESTIONS,
    configuration: Mapping[str, Any] = CONFIGURATION,
    *,
    projections: Mapping[str, RealProjection] | None = None,
    simulator: str = "auto",
    work: Path = Path("build/sim"),
) -> dict[str, Any]:
    """Run real projections through the bus of the accelerator: every bit compared, every cycle accounted for.

    Parameters
    ----------
    report : callable
        Told what is done next, and what came of each product.
    questions : sequence of Question
    configuration : mapping
        Of the accelerator, as `CONFIGURATION`.
    projections : mapping, optional
        By matrix; by default `real_projection` gives them.
    simulator : str
        "verilator", "icarus", or "auto".
    work : Path
        Where simulations are compiled and run.

    Returns
    -------
    dict
        What `docs/data/projection.json` holds: for each product the accelerator's own counters.

    Raises
    ------
    ValueError
        When something is not installed, or an operand does not fit a buffer.
    AssertionError
        A bit is wrong, or the cycles are not those of the cycle model.
    """
    parameters = accelerator_parameters(configuration)
    matrices = list(dict.fromkeys(question.matrix for question in questions))
    if projections is None:
        report(f"reading {', '.join(matrices)}, and what enters them")
        projections = real_projection(matrices)
    report("generating the accelerator")
    accelerator = SimulatedAccelerator.generate(parameters, simulator=simulator, work=work)
    rows = []
    for number, question in enumerate(questions, start=1):
        report(f"{number} of {len(questions)}: {question.matrix} with {question.planes} planes")
        row = _measured(accelerator, question, projections[question.matrix])
        report(f"{row['results']:,} results right; {row['macs_per_cycle']:,.1f} MAC a cycle")
        rows.append(row)
    used = pick_simulator(simulator)
    return {
        "evidence": "simulated",
        "command": "python scripts/measure_projection.py",
        "tools": {
            **tool_versions(),
            **{name: version(name) for name in ("cocotb", "cocotbext-axi", "numpy", "gguf", "tokenizers")},
            used: available_simulators()[used],
        },
        "configuration": dict(configuration),
        "configuration_sha256": configuration_hash(configuration),
        "verilog_sha256": hashlib.sha256(accelerator.verilog.encode()).hexdigest(),
        "text": TEXT,
        "block": BLOCK,
        "rows": rows,
    }


def _measured(
    accelerator: SimulatedAccelerator, question: Question, projection: RealProjection
) -> dict[str, Any]:
    x, weights = projection.x, projection.weights
    n, k, c = *x.shape, weights.channels
    run = accelerator.run(x, weights, question.planes)
    model = accelerator_cycles(accelerator.parameters, n, k, c, question.planes)
    if run.cycles != model:
        raise AssertionError(
            f"{question.matrix} with {question.planes} planes took {run.cycles} cycles, "
            f"but the cycle model says {model}"
        )
    return {
        "matrix": question.matrix,
        "tensor": projection.tensor,
        "n": n,
        "k": k,
        "c": c,
        "planes": question.planes,
        "results": run.outputs,
        "macs": run.macs,
        "cycles": run.cycles,
        "model_cycles": model,
        "beats": run.beats,
        "check": run.check,
        "stalls": run.stalls,
        "macs_per_cycle": round(run.macs_per_cycle, 3),
        "peak_macs_per_cycle": round(run.peak_macs, 3),
        "utilization": round(run.utilization, 6),
        "simulated_seconds": round(run.result.run_seconds, 1),
    }
