"""`anda perplexity`: what number formats cost a language model in accuracy."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from anda.cli.language import Model, Text, Tokens, Window, open_model, read_tokens
from anda.cli.output import Json, one_sentence_errors, print_json, print_table, progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from anda.llm.cache import Entry, Measurement, ResultCache
    from anda.llm.evaluate import Reference
    from anda.llm.gguf import GgufFile
    from anda.llm.plan import Plan

__all__ = ["perplexity"]

Progress = Callable[[int, int], None]


@one_sentence_errors
def perplexity(
    model: Model,
    text: Text,
    plan: Annotated[
        list[str] | None,
        typer.Option(
            "--plan",
            "-p",
            help="Formats, such as anda:7 or anda:7-7-6-5,weights=sf4@64, or a .toml or .json file; "
            "repeat it to compare.",
        ),
    ] = None,
    tokens: Tokens = 2048,
    window: Window = 512,
    stride: Annotated[
        int | None,
        typer.Option("--stride", min=1, help="Tokens from one window to the next; a window if left out."),
    ] = None,
    cache: Annotated[
        Path | None, typer.Option("--cache", help="Where results are kept; the user's cache by default.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Perplexity, divergence from the float model, and agreement with it, on a text.

    KL is the mean of KL(float || model) over the predicted tokens, in nats; top-1 how often the most likely
    token is that of the float model. Look at all three: a format that shrinks activations can lower the
    perplexity while it moves away from the model. Weights count as the file has them, dequantized.

    With a stride below the window, windows overlap and each counts only what the one before did not have.
    Results are kept, so that the same evaluation again takes no time.
    """
    # First of all: it says so when a package is missing that the others import.
    file = open_model(model)
    from anda.flow.cache import cache_folder
    from anda.llm.cache import ResultCache
    from anda.llm.plan import Plan

    plans = {"float": Plan(), **{name: Plan.parse(name) for name in plan or ()}}
    chosen = read_tokens(file, text, tokens)
    step = window if stride is None else stride
    with progress() as bar:
        directory = cache_folder("llm") if cache is None else cache
        kept = ResultCache(directory, lambda said: bar.console.print(f"anda: {said}", markup=False))
        runs = _Runs(file, chosen, window, step, kept)
        rows: list[dict[str, Any]] = []
        for name, formats in plans.items():
            task = bar.add_task(name, total=1)

            def told(done: int, total: int, task: Any = task) -> None:
                bar.update(task, completed=done, total=total)

            entry = runs.entry(formats, told)
            bar.update(task, total=1, completed=1)
            rows.append({"plan": name, **asdict(entry.scores), "seconds": round(entry.seconds, 2)})
    answer = {
        "evidence": "computed",
        "model": {"file": file.path.name, "sha256": runs.model},
        "text": {"name": Path(text).name, "tokens": len(chosen), "sha256": runs.tokens},
        "window": window,
        "stride": step,
        "rows": rows,
    }
    if as_json:
        print_json(answer)
        return
    print_table(
        f"{file.path.name} on {rows[0]['tokens']:,} predicted tokens of {Path(text).name}, "
        f"windows of {window} every {step}",
        ["formats", "perplexity", "KL, nats", "top-1", "seconds"],
        [
            (
                row["plan"],
                f"{row['perplexity']:.4f}",
                f"{row['kl']:.6f}",
                f"{row['top1']:.2%}",
                f"{row['seconds']:.1f}",
            )
            for row in rows
        ],
    )


class _Runs:
    """Results of plans on one text: kept ones, or computed now and kept."""

    def __init__(
        self, file: GgufFile, tokens: NDArray[np.int64], window: int, stride: int, cache: ResultCache
    ) -> None:
        from anda.llm.cache import file_sha256, tokens_sha256
        from anda.llm.evaluate import windows
        from anda.llm.llama import Llama

        windows(len(tokens), window, stride)
        self.text, self.window, self.stride, self.cache = tokens, window, stride, cache
        self.model, self.tokens = file_sha256(file.path), tokens_sha256(tokens)
        # Reads what it needs when it computes.
        self.llama = Llama(file)
        self.reference: Reference | None = None

    def entry(self, plan: Plan, told: Progress) -> Entry:
        """The result of one plan."""
        from anda.llm.arithmetic import FLOAT
        from anda.llm.cache import Entry, Measurement
        from anda.llm.evaluate import evaluate
        from anda.llm.plan import Plan

        key = Measurement(self.model, self.tokens, self.window, self.stride, plan.key())
        found = self.cache.get(key)
        if found is None:
            plain = plan == Plan()
            arithmetic = FLOAT if plain else plan.arithmetic(self.llama)
            started = time.perf_counter()
            reference = self._reference(key, told)
            if not plain:
                started = time.perf_counter()
            scores = evaluate(
                self.llama,
                self.text,
                arithmetic,
                window=self.window,
                stride=self.stride,
                reference=reference,
                progress=told,
            )
            found = Entry(scores, time.perf_counter() - started)
            self.cache.put(key, found)
        return found

    def _reference(self, key: Measurement, told: Progress) -> Reference:
        from anda.llm.evaluate import Reference

        if self.reference is None:
            self.reference = self.cache.get_reference(key)
        if self.reference is None:
            self.reference = Reference.of(
                self.llama, self.text, window=self.window, stride=self.stride, progress=told
            )
            self.cache.put_reference(key, self.reference)
        return self.reference
