"""What is measured on a real language model for the documentation: plans, texts, and their scores as data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from anda.language_tables import BLOCKS, ENCODINGS
from anda.llm.arithmetic import KINDS
from anda.llm.cache import ResultCache
from anda.llm.gguf import GgufFile, find_smollm2
from anda.llm.measure import Meter
from anda.llm.plan import Plan
from anda.llm.plan_formats import ActivationFormat, WeightPlan, activation_text, anda_codec, parse_activation
from anda.llm.texts import TEXTS
from anda.llm.tokenizer import Tokenizer
from golden import formats
from golden.anda import AndaCodec

__all__ = ["ORDER", "SECTIONS", "TOKENS", "Run", "measure_language", "open_meters"]

TOKENS, WINDOW = 2048, 512
"""Of each text, its first tokens, and how many of them the model sees at a time."""

_DIGITS = 6

LENGTHS = range(3, 13)
ACTIVATIONS = ("fp16", "int8", "int7", "int6", "int8@64", "mxint8", "mxfp8-e4m3", "mxfp6-e2m3", "e4m3")


@dataclass(frozen=True)
class Run:
    """One row of the data: a plan, and what a table says of it.

    Attributes
    ----------
    plan : Plan
    facts : mapping
        As JSON holds it.
    """

    plan: Plan
    facts: Mapping[str, Any] = field(default_factory=dict)


def _plane_runs() -> Iterator[Run]:
    """Every length of both encodings: M and P alike, which are M + 1 and P planes."""
    for name, encoding in ENCODINGS.items():
        for length in LENGTHS:
            form = anda_codec(length, encoding)
            yield Run(Plan.uniform(form), {"encoding": name, "planes": form.planes, **_about(form)})


def _activation_runs() -> Iterator[Run]:
    for text in ACTIVATIONS:
        form = parse_activation(text)
        yield Run(Plan.uniform(form), _about(form))


def _weight_runs(block: int) -> Iterator[Run]:
    """All 4-bit formats in blocks of this size; those that fix their own are in the largest one's section."""
    for form in formats.catalogue().values():
        fixed = form.scale_format != "fp32"
        if form.code_bits == 4 and (block == BLOCKS[0] or not fixed):
            plan = WeightPlan(form.name, None if fixed else block)
            facts = {"format": form.name, "block": plan.block, "scale_format": plan.scale_format}
            yield Run(Plan(weights=plan), {**facts, "bits": plan.bits_per_weight})


def _kv_runs() -> Iterator[Run]:
    """Keys and values alone in both encodings, and all that enters the attention's products."""
    for name, encoding in ENCODINGS.items():
        for planes in (5, 6, 7, 8):
            form = anda_codec(planes - (name == "2a"), encoding)
            yield Run(Plan(kv=form), {"encoding": name, "planes": planes, **_about(form)})
    for planes in (6, 7, 8):
        form = AndaCodec(planes)
        facts = {"encoding": "2b", "planes": planes, **_about(form)}
        yield Run(Plan(kv=form, attention=AndaCodec(8)), facts)


def _together_runs() -> Iterator[Run]:
    """4-bit weights under Anda activations, and the KV cache with them."""
    for weights in ("int4", "anda4"):
        plan = WeightPlan(weights)
        yield Run(Plan(weights=plan), {"planes": None})
        for name, encoding in ENCODINGS.items():
            for planes in (6, 7, 8):
                forms: dict[str, ActivationFormat] = dict.fromkeys(
                    KINDS, anda_codec(planes - (name == "2a"), encoding)
                )
                yield Run(Plan(forms, plan), {"encoding": name, "planes": planes})
    yield Run(Plan.parse("anda:7,weights=anda4,kv=anda:6"), {"encoding": "2b", "planes": 7})


SECTIONS: dict[str, Callable[[], Iterator[Run]]] = {
    "float": lambda: iter([Run(Plan())]),
    "planes": _plane_runs,
    "weights-128": lambda: _weight_runs(128),
    "kv": _kv_runs,
    "together": _together_runs,
    "activations": _activation_runs,
    "weights-64": lambda: _weight_runs(64),
    "weights-32": lambda: _weight_runs(32),
}
"""What is measured, by the name that its rows carry."""

_FIRST = ("weights-128", "kv", "together", "activations", "weights-32", "weights-64")
_SECOND = ("kv", "together", "activations", "weights-128")

ORDER: tuple[tuple[int, str], ...] = (
    *((text, section) for text in (0, 1) for section in ("float", "planes")),
    *((0, section) for section in _FIRST),
    *((1, section) for section in _SECOND),
)
"""Texts and sections in the order of their interest; small blocks on the first text only."""


def open_meters(cache: Path, warn: Callable[[str], None]) -> dict[str, Meter]:
    """What measures SmolLM2 on both texts, by their names.

    Parameters
    ----------
    cache : Path
        Directory where results are kept as they come.
    warn : callable
        Told of results that are damaged.

    Raises
    ------
    ValueError
        When the model or a text is not installed.
    """
    model = find_smollm2()
    tokenizer = Tokenizer(GgufFile(model))
    kept = ResultCache(cache, warn)
    return {
        name: Meter(model, tokenizer.encode(text.read())[:TOKENS], window=WINDOW, stride=WINDOW, cache=kept)
        for name, text in TEXTS.items()
    }


def measure_language(
    meters: Mapping[str, Meter],
    report: Callable[[str], None],
    order: Sequence[tuple[int, str]] = ORDER,
) -> dict[str, Any]:
    """Scores of every plan of every section on every text.

    Parameters
    ----------
    meters : mapping of str to Meter
        By the name of the text.
    report : callable
        Told about each result.
    order : sequence of (int, str)
        Which text, by its place, and which section.

    Returns
    -------
    dict
        What `docs/data/language.json` holds.
    """
    names = list(meters)
    rows = []
    for place, section in order:
        name = names[place]
        for run in SECTIONS[section]():
            (entry,) = meters[name]([run.plan])
            scores = {key: _short(value) for key, value in entry.scores.as_dict().items() if key != "tokens"}
            report(f"{name} {section} {run.plan}: " + ", ".join(f"{k} {v:g}" for k, v in scores.items()))
            rows.append({"section": section, "text": name, "plan": str(run.plan), **run.facts, **scores})
    first = next(iter(meters.values()))
    return {
        "evidence": "computed",
        "command": "python scripts/measure_language.py",
        "tools": {name: version(name) for name in ("anda", "numpy", "gguf", "tokenizers")},
        "model": {"file": first.model.name, "sha256": first.model_sha256},
        "window": first.window,
        "stride": first.stride,
        "texts": [_about_text(name, meter) for name, meter in meters.items()],
        "rows": rows,
    }


def _about_text(name: str, meter: Meter) -> dict[str, Any]:
    text = TEXTS[name]
    return {
        "name": name,
        "description": text.description,
        "package": f"{text.package} {text.version}",
        "licence": text.licence,
        "sha256": text.sha256,
        "tokens": len(meter.tokens),
        "tokens_sha256": meter.tokens_sha256,
    }


def _about(form: ActivationFormat) -> dict[str, Any]:
    """Name of a format and memory that an element takes, without the scale of a whole token."""
    if isinstance(form, AndaCodec):
        bits = form.bits_per_element
    else:
        bits = formats.get(form.format).bits_per_weight(form.block, form.scale_format)
    return {"format": activation_text(form), "bits": bits}


def _short(value: float) -> float:
    """Digits that mean something, so that the data file stays small."""
    return float(f"{value:.{_DIGITS}g}")
