"""Measure a language model on accumulators of several widths: docs/data/axe_language.json.

Usage: measure_axe_language.py

Finished rows are kept in the data file, so that an interrupted run goes on where it ended.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from anda.llm.evaluate import Reference, evaluate
from anda.llm.gguf import GgufFile
from anda.llm.llama import Llama
from anda.llm.narrow import IntegerArithmetic, IntegerRecipe, quantize_model
from anda.llm.texts import find_model, read_text
from anda.llm.tokenizer import Tokenizer

DATA = Path(__file__).resolve().parent.parent / "docs" / "data" / "axe_language.json"
TEXT, WINDOW = "tales", 512
#: Windows of the text to calibrate on, and the tokens after them to judge on.
CALIBRATION, TOKENS = 1, 2048
#: W4A8 and W4A4 on tiles of 64: no limit, then narrower and narrower.
RECIPES = [
    IntegerRecipe(activation_bits=bits, inner_bits=inner)
    for bits, widths in ((8, (None, 16, 15, 14, 13, 12)), (4, (None, 12, 11, 10)))
    for inner in widths
]


def main() -> None:
    console = Console()
    file = GgufFile(find_model("smollm2"))
    numbers = Tokenizer(file).encode(read_text(TEXT))
    model = Llama(file)
    calibration = numbers[: CALIBRATION * WINDOW].reshape(CALIBRATION, WINDOW)
    tokens = numbers[CALIBRATION * WINDOW :][:TOKENS]
    reference = Reference.of(model, tokens, window=WINDOW, stride=WINDOW)
    data = json.loads(DATA.read_text()) if DATA.exists() else {"rows": []}
    kept = [row for row in data["rows"] if row["recipe"] in [asdict(recipe) for recipe in RECIPES]]
    for recipe in RECIPES:
        if asdict(recipe) in [row["recipe"] for row in kept]:
            continue
        started = time.process_time()
        layers = quantize_model(model, calibration, recipe)
        solved = time.process_time() - started
        arithmetic = IntegerArithmetic(layers, recipe.activation_bits)
        scores = evaluate(model, tokens, arithmetic, window=WINDOW, stride=WINDOW, reference=reference)
        row: dict[str, Any] = {
            "recipe": asdict(recipe),
            "inner_bits": max(layer.inner_bits for layer in layers.values()),
            "outer_bits": max(layer.outer_bits for layer in layers.values()),
            "perplexity": scores.perplexity,
            "kl": scores.kl,
            "top1": scores.top1,
            "solver_seconds": round(solved, 1),
        }
        console.print(row)
        kept.append(row)
        save(kept, file, len(tokens))


def save(rows: list[dict[str, Any]], file: GgufFile, tokens: int) -> None:
    """Write the data file."""
    order = [asdict(recipe) for recipe in RECIPES]
    data = {
        "evidence": "computed",
        "command": "python scripts/measure_axe_language.py",
        "tools": {name: version(name) for name in ("anda", "numpy", "scipy")},
        "model": file.path.name,
        "text": TEXT,
        "calibration_tokens": CALIBRATION * WINDOW,
        "tokens": tokens,
        "window": WINDOW,
        "rows": sorted(rows, key=lambda row: order.index(row["recipe"])),
    }
    DATA.write_text(json.dumps(data, indent=1) + "\n")


if __name__ == "__main__":
    main()
