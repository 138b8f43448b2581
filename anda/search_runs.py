"""What the documentation measures of precision searches: which are asked, and their answers as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from anda.llm.cache import ResultCache
from anda.llm.evaluate import Scores
from anda.llm.gguf import GgufFile
from anda.llm.llama import LlamaConfig
from anda.llm.measure import Meter
from anda.llm.plan import Plan
from anda.llm.search import Goal, Lengths, Metric, Objective, Space, Tolerance, llama_variables
from anda.llm.search.run import Answer, Method, run_search
from anda.llm.texts import find_model, read_text
from anda.llm.tokenizer import Tokenizer
from anda.tensors import MODEL_NAME
from golden.bitplanes import Encoding

__all__ = ["DELTAS", "GOAL_QUESTIONS", "QUESTIONS", "Bench", "Question", "measure_searches", "open_bench"]

ENCODINGS: dict[str, Encoding] = {"2a": "sign-magnitude", "2b": "twos-complement"}
GOALS: tuple[Goal, ...] = ("bops", "cycles", "traffic", "energy")
DELTAS = (0.01, 0.001)
UNIFORM = range(6, 11)

TEXT = "tales"
CALIBRATION, HELD_OUT, PROBE = 1024, 1024, 128
"""Tokens that a search sees, those after them that it does not, and the first ones that sensitivities are
measured on."""

WINDOW = 512

_PAPER = ("published", "perplexity")
_DIGITS = 6


@dataclass(frozen=True)
class Question:
    """One search.

    Attributes
    ----------
    encoding : str
        "2a" or "2b".
    method : str
    per_layer : bool
    metric : str
        What the tolerance is on.
    goal : str
    kl_of : str, optional
        The tolerance is the divergence of what the published search on perplexity found for this encoding.
    """

    encoding: str
    method: Method
    per_layer: bool = False
    metric: Metric = "kl"
    goal: Goal = "bops"
    kl_of: str | None = None


QUESTIONS = (
    Question("2a", "published", metric="perplexity"),
    Question("2b", "published", metric="perplexity"),
    Question("2b", "sensitivity", metric="perplexity"),
    Question("2b", "sensitivity", per_layer=True, metric="perplexity"),
    Question("2b", "sensitivity", kl_of="2a"),
    Question("2b", "sensitivity", per_layer=True, kl_of="2a"),
    Question("2b", "sensitivity", kl_of="2b"),
    Question("2b", "sensitivity", per_layer=True, kl_of="2b"),
    Question("2b", "published"),
    Question("2a", "sensitivity"),
    Question("2b", "sensitivity"),
    Question("2a", "sensitivity", per_layer=True),
    Question("2b", "sensitivity", per_layer=True),
)
"""Asked at each tolerance."""

GOAL_QUESTIONS = tuple(
    Question("2b", "sensitivity", per_layer=True, goal=goal) for goal in ("traffic", "energy")
)
"""Asked at the first tolerance. Bit operations and cycles have the same best combination."""


@dataclass(frozen=True)
class Bench:
    """A model with the parts of its text.

    Attributes
    ----------
    config : LlamaConfig
    feed_forward : int
    calibration, held_out, sample : Meter
    """

    config: LlamaConfig
    feed_forward: int
    calibration: Meter
    held_out: Meter
    sample: Meter

    def objective(self, question: Question) -> Objective:
        """The space of a question and what it makes small."""
        variables = llama_variables(self.config, self.feed_forward, per_layer=question.per_layer)
        return Objective(question.goal, Space(variables, ENCODINGS[question.encoding]))


def open_bench(cache: Path, warn: Callable[[str], None]) -> Bench:
    """The model and text of the documentation, with results kept in a directory.

    Raises
    ------
    ValueError
        When the model or the text is not installed.
    """
    file = GgufFile(find_model(MODEL_NAME))
    tokens = Tokenizer(file).encode(read_text(TEXT))[: CALIBRATION + HELD_OUT]
    kept = ResultCache(cache, warn)
    parts = (tokens[:CALIBRATION], tokens[CALIBRATION:], tokens[:PROBE])
    meters = (Meter(file.path, part, window=WINDOW, stride=WINDOW, cache=kept) for part in parts)
    return Bench(LlamaConfig.of(file), file.shape("blk.0.ffn_up.weight")[0], *meters)


def measure_searches(
    bench: Bench,
    report: Callable[[str], None],
    deltas: tuple[float, ...] = DELTAS,
    questions: tuple[Question, ...] = QUESTIONS,
    uniform: range = UNIFORM,
) -> dict[str, Any]:
    """Ask every question at every tolerance; measure each answer on text that the search did not see.

    Parameters
    ----------
    bench : Bench
    report : callable
        Told about each answer.
    deltas : tuple of float
        Shares of accuracy to lose.
    questions : tuple of Question
    uniform : range
        Lengths to measure everywhere alike.

    Returns
    -------
    dict
        What `docs/data/search.json` holds.
    """
    plain = {"calibration": bench.calibration.float().scores, "held_out": bench.held_out.float().scores}
    searches = []
    for delta in deltas:
        published: dict[str, Scores] = {}
        for question in (*questions, *(GOAL_QUESTIONS if delta == deltas[0] else ())):
            reference = plain["calibration"].perplexity
            tolerance = Tolerance.relative(question.metric, delta, reference)
            if question.kl_of is not None:
                if question.kl_of not in published:
                    continue
                tolerance = Tolerance("kl", published[question.kl_of].kl, reference)
            objective = bench.objective(question)
            answer = run_search(question.method, objective, tolerance, bench.calibration, bench.sample)
            if answer.found.best is not None and (question.method, question.metric) == _PAPER:
                published[question.encoding] = answer.found.best.scores
            row = {"delta": delta, **_asked(question, tolerance), **_answered(bench, answer)}
            searches.append(row)
            report(f"{delta:g} {question}: {row['best'] and row['best']['savings']}")
    return {
        "evidence": "computed",
        "command": "python scripts/measure_search.py",
        "tools": {name: version(name) for name in ("anda", "numpy", "gguf", "tokenizers")},
        "model": {"file": bench.calibration.model.name, "sha256": bench.calibration.model_sha256},
        "text": {
            "name": TEXT,
            "window": bench.calibration.window,
            **{
                name: {"tokens": len(meter.tokens), "sha256": meter.tokens_sha256}
                for name, meter in (
                    ("calibration", bench.calibration),
                    ("held_out", bench.held_out),
                    ("sample", bench.sample),
                )
            },
        },
        "float": {name: _scores(scores) for name, scores in plain.items()},
        "uniform": [
            _uniform(bench, encoding, length, report) for encoding in ENCODINGS for length in uniform
        ],
        "searches": searches,
    }


def _asked(question: Question, tolerance: Tolerance) -> dict[str, Any]:
    return {
        "encoding": question.encoding,
        "method": question.method,
        "per_layer": question.per_layer,
        "goal": question.goal,
        "metric": question.metric,
        "kl_of": question.kl_of,
        "limit": _short(tolerance.limit),
    }


def _answered(bench: Bench, answer: Answer) -> dict[str, Any]:
    found, space = answer.found, answer.objective.space
    best = found.best
    layers = len(space.variables) > len(bench.objective(QUESTIONS[0]).space.variables)
    return {
        "evaluations": len(found.visits),
        "pending": found.pending,
        "probes": len(found.probes),
        "effort": _short(answer.effort),
        "seconds": round(answer.timing.total, 1),
        "visits": [
            {
                # The combinations of a search in layers are long, and the best one is below.
                **({} if layers else {"lengths": _text(visit.lengths)}),
                "saving": _short(visit.saving),
                **_scores(visit.scores),
                "passed": visit.passed,
                "accepted": visit.accepted,
            }
            for visit in found.visits
        ],
        "best": None if best is None else _measured(bench, space, best.lengths),
    }


def _measured(bench: Bench, space: Space, lengths: Lengths) -> dict[str, Any]:
    """A combination: what it saves by every objective, and its scores on both parts of the text."""
    plan = Plan(space.activations(lengths))
    calibration, held_out = (meter([plan])[0].scores for meter in (bench.calibration, bench.held_out))
    kinds: dict[str, list[int]] = {}
    for name, length in zip(space.names, lengths, strict=True):
        kinds.setdefault(name.rpartition(".")[2], []).append(length or 0)
    return {
        "lengths": {kind: _text(tuple(own)) for kind, own in kinds.items()},
        "savings": {goal: _short(Objective(goal, space).saving(lengths)) for goal in GOALS},
        "calibration": _scores(calibration),
        "held_out": _scores(held_out),
    }


def _uniform(bench: Bench, encoding: str, length: int, report: Callable[[str], None]) -> dict[str, Any]:
    space = bench.objective(Question(encoding, "published")).space
    report(f"{encoding} uniform {length}")
    return {"encoding": encoding, "length": length, **_measured(bench, space, space.uniform(length))}


def _text(lengths: Lengths) -> str:
    return " ".join(map(str, lengths))


def _scores(scores: Scores) -> Mapping[str, float]:
    return {name: _short(getattr(scores, name)) for name in ("perplexity", "kl", "top1")}


def _short(value: float) -> float:
    """Digits that mean something, so that the data file stays small."""
    return float(f"{value:.{_DIGITS}g}")
