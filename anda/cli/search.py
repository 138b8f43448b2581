"""`anda search`: which length each projection input of a model gets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.progress import Progress

from anda.cli.output import Json, console, one_sentence_errors, print_json, print_table, progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from anda.llm.gguf import GgufFile
    from anda.llm.search import Goal, Metric, Objective, Visit
    from anda.llm.search.run import Answer, Method
    from golden.bitplanes import Encoding

__all__ = ["search"]

_INTERRUPTED = 130
"""What a shell gives for Ctrl-C."""


@one_sentence_errors
def search(
    model: Annotated[str, typer.Argument(metavar="MODEL.gguf", help="A GGUF file, or `smollm2`.")],
    text: Annotated[str, typer.Option("--text", "-t", help="The calibration text: a file, or a name.")],
    tokens: Annotated[int, typer.Option("--tokens", min=2, help="Tokens of the text to use.")] = 2048,
    window: Annotated[int, typer.Option("--window", min=2, help="Tokens the model sees at a time.")] = 512,
    method: Annotated[
        str, typer.Option("--method", help="sensitivity, or published: algorithm 1 of the Anda paper.")
    ] = "sensitivity",
    tolerance: Annotated[
        str, typer.Option("--tolerance", help="Accuracy to give up: 1%, or of kl also 0.02nats.")
    ] = "1%",
    metric: Annotated[
        str,
        typer.Option("--metric", help="What the tolerance is on: perplexity, or kl from the float model."),
    ] = "kl",
    encoding: Annotated[
        str,
        typer.Option("--encoding", help="twos-complement (to nearest), or sign-magnitude (truncated)."),
    ] = "twos-complement",
    group: Annotated[int, typer.Option("--group", help="Elements that share an exponent.")] = 64,
    objective: Annotated[
        str, typer.Option("--objective", help="What to save: bops, cycles, traffic or energy.")
    ] = "cycles",
    per_layer: Annotated[
        bool, typer.Option("--per-layer", help="Lengths for each kind of input in each layer.")
    ] = False,
    probe_tokens: Annotated[
        int, typer.Option("--probe-tokens", min=2, help="Tokens on which inputs are measured one by one.")
    ] = 128,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Most evaluations on the whole text.")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes of this machine.")] = 1,
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", help="A Dask scheduler instead, such as tcp://host:8786.")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option("--cache", help="Where results are kept; the user's cache by default.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Directory for search.json, plan.json and the plot of the trace."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Find the cheapest lengths of a model's activations within a tolerance.

    The published method starts from uniform lengths and shortens one at a time. The other one measures every
    input alone, solves for the cheapest combination, and corrects it by a few evaluations. All results are
    kept: the same command again takes no time, and an interrupted one goes on where it was.

    With -o, search.json holds the question, the trace and the answer, the same every time; plan.json the best
    combination as a plan; timings.json the seconds.
    """
    from anda.flow.cache import cache_folder
    from anda.llm.cache import ResultCache
    from anda.llm.measure import Meter
    from anda.llm.search import parse_tolerance
    from anda.llm.search.run import run_search
    from anda.pool import open_workers

    file, chosen = _open(model, text, tokens)
    goal = _objective(file, encoding, group, objective, per_layer=per_layer)
    directory = cache_folder("llm") if cache is None else cache
    with _told_how_to_go_on(directory), open_workers(jobs, scheduler) as workers, progress() as bar:
        kept = ResultCache(directory, lambda sentence: bar.console.print(f"anda: {sentence}", markup=False))
        whole, sample = (
            Meter(file.path, some, window=window, stride=window, cache=kept, workers=workers)
            for some in (chosen, chosen[:probe_tokens])
        )
        watch = _Watch(bar, goal, method)
        plain = whole.float().scores
        answer = run_search(
            cast("Method", method),
            goal,
            parse_tolerance(tolerance, cast("Metric", metric), plain.perplexity),
            whole,
            sample,
            limit=limit,
            report=watch.visited,
            probed=watch.probed,
        )
    record = {
        "evidence": "computed",
        "model": {"file": file.path.name, "sha256": whole.model_sha256},
        "text": {"name": Path(text).name, "tokens": len(chosen), "sha256": whole.tokens_sha256},
        "window": window,
        **answer.as_dict(),
    }
    if output is not None:
        _write(output, record, answer, whole.measured + sample.measured)
    if as_json:
        print_json(record)
    else:
        _show(record, answer)
        if output is not None:
            typer.echo(f"\nsearch.json, plan.json, timings.json and the plot of the trace are in {output}")


def _open(model: str, text: str, tokens: int) -> tuple[GgufFile, NDArray[np.int64]]:
    """The model's file and the first tokens of the text."""
    from anda.extras import require

    for package in ("gguf", "tokenizers"):
        require(package, "llm", "a language model")
    from anda.llm.gguf import GgufFile
    from anda.llm.texts import find_model, read_text
    from anda.llm.tokenizer import Tokenizer

    file = GgufFile(find_model(model))
    found = Tokenizer(file).encode(read_text(text))
    if len(found) < tokens:
        raise ValueError(f"the text {text} should have at least {tokens} tokens, but has {len(found)}")
    return file, found[:tokens]


def _objective(file: GgufFile, encoding: str, group: int, goal: str, *, per_layer: bool) -> Objective:
    from anda.llm.llama import LlamaConfig
    from anda.llm.search import Objective, Space, llama_variables

    feed_forward = file.shape("blk.0.ffn_up.weight")[0]
    variables = llama_variables(LlamaConfig.of(file), feed_forward, per_layer=per_layer)
    return Objective(cast("Goal", goal), Space(variables, cast("Encoding", encoding), group=group))


@contextmanager
def _told_how_to_go_on(directory: Path) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        sentence = (
            f"interrupted; what was measured is kept in {directory}: the same command goes on from there"
        )
        console(stderr=True).print(f"anda: {sentence}", markup=False)
        raise typer.Exit(_INTERRUPTED) from None


class _Watch:
    """Progress of a search: inputs measured one by one, then combinations."""

    def __init__(self, bar: Progress, objective: Objective, method: str) -> None:
        self.bar = bar
        probes = len(objective.space.variables) if method == "sensitivity" else 0
        self.probes = bar.add_task("measuring inputs one by one", total=probes, visible=probes > 0)
        self.visits = bar.add_task("evaluating combinations", total=None)

    def probed(self) -> None:
        self.bar.advance(self.probes)

    def visited(self, visit: Visit) -> None:
        verdict = "best so far" if visit.accepted else "within" if visit.passed else "not within"
        self.bar.advance(self.visits)
        self.bar.update(self.visits, description=f"saving {visit.saving:.2f}: {verdict}")


def _write(output: Path, record: Mapping[str, Any], answer: Answer, measured: int) -> None:
    from anda.figures import rendered
    from anda.files import write_all
    from anda.llm.search.plot import plot_trace

    timings = {
        "measured_now": measured,
        "evaluations_seconds": answer.timing.evaluations,
        "probes_seconds": answer.timing.probes,
    }
    plan = {} if answer.plan is None else answer.plan.as_dict()
    texts = {"search.json": record, "timings.json": timings, **({"plan.json": plan} if plan else {})}
    write_all(
        output,
        {
            **{name: json.dumps(value, indent=1) + "\n" for name, value in texts.items()},
            **rendered(plot_trace(record), "search"),
        },
    )


def _show(record: Mapping[str, Any], answer: Answer) -> None:
    found, goal, tolerance = answer.found, answer.objective, answer.tolerance
    per_layer = "." in goal.space.names[0]
    rows = [
        (
            number,
            f"{mean(n or 0 for n in visit.lengths):.3f}" if per_layer else " ".join(map(str, visit.lengths)),
            visit.saving,
            f"{visit.scores.perplexity:.4f}",
            f"{visit.scores.kl:.6f}",
            f"{visit.scores.top1:.2%}",
            "best" if visit is found.best else "pass" if visit.passed else "fail",
        )
        for number, visit in enumerate(found.visits, start=1)
    ]
    lengths = "mean length" if per_layer else " ".join(goal.space.names)
    print_table(
        f"{answer.method} search for {goal.goal}, {goal.space.encoding}: "
        f"{tolerance.metric} up to {tolerance.limit:.6g}, perplexity in float {tolerance.reference:.4f}",
        ["", lengths, "saving", "perplexity", "KL", "top-1", "verdict"],
        rows,
    )
    best = record["best"]
    if best is None:
        typer.echo("Nothing that was evaluated is within the tolerance.")
    elif per_layer:
        kinds: dict[str, list[int]] = {}
        for name, length in best["lengths"].items():
            kinds.setdefault(name.partition(".")[2], []).append(length)
        shown = [(kind, " ".join(map(str, own)), f"{mean(own):.2f}") for kind, own in kinds.items()]
        print_table("Lengths of the best combination", ["input", "layer by layer", "mean"], shown)
    probed = f", {len(found.probes)} probes of {answer.probe_tokens} tokens" if found.probes else ""
    typer.echo(
        f"{len(found.visits)} evaluations{probed}: as much as {answer.effort:.1f} evaluations, "
        f"{answer.timing.total:.1f} s of processor time when they were measured"
    )
