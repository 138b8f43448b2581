"""What is measured of ABQ on a real language model for the documentation."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anda.abq_language import AbqRecipe, AffineArithmetic, calibrate
from anda.files import write_all
from anda.llm.arithmetic import FLOAT
from anda.llm.cache import file_sha256, tokens_sha256
from anda.llm.evaluate import Reference, evaluate
from anda.llm.llama import Llama
from anda.ptq.abq.stored import bits_per_weight
from anda.ptq.abq.training import Training, plus_for

__all__ = ["PAIRS", "RUNS", "Run", "Texts", "measure_abq", "windows_of"]

TOKENS, WINDOW = 2048, 512
"""Of each text its first tokens are judged on, and how many of them the model sees at a time."""

CALIBRATION, CALIBRATION_WINDOWS, CALIBRATION_LENGTH = "manual", 64, 256
"""Windows of this text, evenly spaced behind the tokens that are judged on."""

PAIRS = (("2*", "8"), ("4", "4"), ("2", "8"), ("3", "8"), ("4", "8"), ("6", "6"), ("8", "8"))
"""Bits of weights and activations in the order of their interest."""

FIRST = PAIRS[:2]
"""Those that are measured with every method."""

NARROW = PAIRS[:5]
"""Those that are learnt for three epochs instead of one: weights of four bits or fewer."""

PUBLISHED = Training(epochs=2)
"""ABQ-LLM's own losses, start and rates, but far fewer steps than its 20 or 40 epochs of 128 long windows."""


@dataclass(frozen=True)
class Run:
    """One row: a name of the method, and the recipe."""

    method: str
    recipe: AbqRecipe


def runs() -> Iterator[Run]:
    """Everything that is measured, in order."""
    for pair in PAIRS:
        weights, activations = pair
        yield Run("RTN", AbqRecipe(*pair, "rtn"))
        yield Run("GPTQ", AbqRecipe(*pair, "gptq"))
        # From 4 bits on, clipping of least error gains little.
        if pair in FIRST or int(weights[0]) < 4:
            yield Run("RTN, clipped", AbqRecipe(*pair, "rtn", clip=True))
            yield Run("GPTQ, clipped", AbqRecipe(*pair, "gptq", clip=True))
        if pair in FIRST:
            yield Run("ABQ", AbqRecipe(*pair, "abq", training=PUBLISHED))
        training = plus_for(int(activations), 3 if pair in NARROW else 1)
        yield Run("ABQ+", AbqRecipe(*pair, "abq", training=training))


RUNS = tuple(runs())
"""The rows of the table."""


@dataclass(frozen=True, eq=False)
class Texts:
    """Tokens to calibrate on [windows, T], and tokens to judge on, by the name of the text."""

    calibration: NDArray[np.int64]
    judged: dict[str, NDArray[np.int64]]

    @classmethod
    def of(cls, tokens: dict[str, NDArray[np.int64]]) -> Texts:
        """Of whole texts: what is judged on is never calibrated on."""
        return cls(windows_of(tokens[CALIBRATION][TOKENS:]), {n: t[:TOKENS] for n, t in tokens.items()})


def windows_of(
    tokens: NDArray[np.int64], count: int = CALIBRATION_WINDOWS, length: int = CALIBRATION_LENGTH
) -> NDArray[np.int64]:
    """So many windows of a text [count, length], evenly spaced.

    Raises
    ------
    ValueError
        When the text is too short.
    """
    whole = len(tokens) // length
    if whole < count:
        raise ValueError(f"the text should have {count} windows of {length} tokens, but has {whole}")
    places = np.linspace(0, whole - 1, count).astype(int)
    return np.asarray(tokens[: whole * length].reshape(whole, length)[places])


def measure_abq(
    model: Llama,
    texts: Texts,
    directory: Path,
    report: Callable[[str], None],
    wanted: Callable[[Run], bool] = lambda run: True,
    block_done: Callable[[Run, int], None] = lambda run, layer: None,
) -> dict[str, Any]:
    """Scores of every run.

    Parameters
    ----------
    model : Llama
    texts : Texts
    directory : Path
        Where calibrated blocks and scores are kept.
    report : callable
        Told about each result.
    wanted : callable
        Which runs to measure; of the others, those that are kept are told as well.
    block_done : callable
        Called after every block.

    Returns
    -------
    dict
        What `docs/data/abq_language.json` holds.
    """
    judges = {
        name: Reference.of(model, tokens, window=WINDOW, stride=WINDOW)
        for name, tokens in texts.judged.items()
    }
    rows = []
    for run in RUNS:
        folder = directory / _key(model, texts, run.recipe)
        kept = folder / "scores.json"
        if kept.exists():
            row = json.loads(kept.read_text())
        elif wanted(run):
            row = _measure(model, texts, judges, run, folder, block_done)
            write_all(folder, {kept.name: json.dumps(row, indent=1) + "\n"})
        else:
            continue
        rows.append({"method": run.method, **row})
        report(f"W{run.recipe.weights} A{run.recipe.activations} {run.method}: {row['scores']}")
    plain = {
        name: evaluate(model, tokens, FLOAT, window=WINDOW, stride=WINDOW, reference=judges[name]).perplexity
        for name, tokens in texts.judged.items()
    }
    return {
        "evidence": "computed",
        "command": "python scripts/measure_abq_language.py",
        "tools": {name: version(name) for name in ("anda", "numpy", "scipy", "torch")},
        "model": {"file": model.file.path.name, "sha256": file_sha256(model.file.path)},
        "calibration": {
            "text": CALIBRATION,
            "windows": len(texts.calibration),
            "length": texts.calibration.shape[1],
            "tokens_sha256": tokens_sha256(texts.calibration),
        },
        "window": WINDOW,
        "tokens": TOKENS,
        "float": {name: _short(value) for name, value in plain.items()},
        "rows": rows,
    }


def _measure(
    model: Llama,
    texts: Texts,
    judges: dict[str, Reference],
    run: Run,
    folder: Path,
    block_done: Callable[[Run, int], None],
) -> dict[str, Any]:
    recipe = run.recipe
    blocks = calibrate(model, texts.calibration, recipe, folder, lambda layer, losses: block_done(run, layer))
    scores = {}
    for name, tokens in texts.judged.items():
        arithmetic = AffineArithmetic(blocks, recipe.activation_format)
        found = evaluate(model, tokens, arithmetic, window=WINDOW, stride=WINDOW, reference=judges[name])
        scores[name] = {key: _short(getattr(found, key)) for key in ("perplexity", "kl", "top1")}
    return {
        "recipe": recipe.about(),
        "bits_per_weight": _short(bits_per_weight(blocks)),
        "processor_seconds": round(sum(block.seconds for block in blocks)),
        "scores": scores,
    }


def _key(model: Llama, texts: Texts, recipe: AbqRecipe) -> str:
    """Name of the folder of a run: by what it depends on."""
    about = {
        "recipe": recipe.about(),
        "model": file_sha256(model.file.path),
        "calibration": tokens_sha256(texts.calibration),
        "judged": [tokens_sha256(tokens) for tokens in texts.judged.values()],
    }
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]


def _short(value: float) -> float:
    return float(f"{value:.6g}")
