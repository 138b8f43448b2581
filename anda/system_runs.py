"""Whole models on the array of the Anda paper: cycles and traffic of their linear layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import reduce
from operator import add
from types import MappingProxyType
from typing import Any

from anda.models import KINDS, MODELS, TOLERANCES, Kind, Model, Tolerance
from anda.system_traffic import LayerPlan, LayerTraffic, System, plan_layer
from hdl.array import ArrayParameters
from hdl.emit import tool_versions
from hdl.engine import EngineParameters
from hdl.pe import PeParameters

__all__ = [
    "BASELINE",
    "CLOCK_MHZ",
    "PHASES",
    "SYSTEMS",
    "measure_systems",
    "model_traffic",
    "plan_model",
    "total_traffic",
]

PHASES: Mapping[str, int] = MappingProxyType({"prefill": 2048, "decode": 1})
"""Tokens that enter the model at once: the paper's, one sequence of the longest input; and one token."""

CLOCK_MHZ = 285
"""Of the paper."""

OPERANDS = ("activations", "weights", "results")

_ROWS = _COLUMNS = 16
_LANES, _MAX_PLANES = 64, 17
_MEGABYTE = 1 << 20


def _engine(element: PeParameters, sharing: int) -> EngineParameters:
    """16 x 16 elements, 1 MB of plane words and 1 MB of weights, four columns of weights a cycle."""
    array = ArrayParameters(pe=element, rows=_ROWS, columns=_COLUMNS, sharing=sharing, columns_per_load=4)
    words = 8 * _MEGABYTE // (_ROWS * _LANES)
    engine = EngineParameters(array=array, plane_words=words, plane_groups=words)
    return EngineParameters(
        array=array,
        plane_words=words,
        plane_groups=words,
        weight_words=_MEGABYTE // -(-engine.weights.word_bits // 8),
    )


_PUBLISHED = _engine(
    PeParameters(
        lanes=_LANES,
        max_planes=_MAX_PLANES,
        encoding="sign-magnitude",
        weights="inside",
        reduction="tree",
    ),
    sharing=1,
)

BASELINE = System("FP16", _PUBLISHED, exponent_bits=0, always=16)
"""Activations as FP16, a group in 16 cycles: the FP-FP element of equal throughput that the paper compares
with. Weights are INT4 here too."""

SYSTEMS: Mapping[str, System] = MappingProxyType(
    {
        "published": System("published", _PUBLISHED, added_words=1),
        "compact": System("compact", _engine(PeParameters(lanes=_LANES, max_planes=_MAX_PLANES), sharing=4)),
    }
)
"""A mantissa of M bits takes M + 1 words with a sign plane, and as many planes of two's complement rounded to
nearest as bits, which are as accurate (docs/results.md)."""


def plan_model(
    system: System, model: Model, n: int, tolerance: Tolerance | None = None
) -> dict[Kind, LayerPlan]:
    """The linear layers of one block, by kind.

    Parameters
    ----------
    system : System
    model : Model
    n : int
        Tokens.
    tolerance : str, optional
        Whose mantissa lengths; only FP16 needs none.
    """
    lengths = _lengths(model, tolerance)
    return {
        layer.kind: plan_layer(
            system, layer, n, lengths[layer.kind], lengths["down"] if layer.kind == "up_gate" else None
        )
        for layer in model.layers
    }


def model_traffic(
    system: System, model: Model, n: int, tolerance: Tolerance | None = None
) -> dict[Kind, LayerTraffic]:
    """What all blocks of a model move, by the kind of layer; parameters as of `plan_model`."""
    plans = plan_model(system, model, n, tolerance)
    return {kind: plan.total * model.blocks for kind, plan in plans.items()}


def total_traffic(traffic: Mapping[Kind, LayerTraffic]) -> LayerTraffic:
    """Of all kinds of layers."""
    return reduce(add, traffic.values())


def measure_systems(report: Callable[[str], None], models: Sequence[Model] = MODELS) -> dict[str, Any]:
    """Every model, phase, system and tolerance.

    Parameters
    ----------
    report : callable
        Told about each model.
    models : sequence of Model

    Returns
    -------
    dict
        What `docs/data/system_cycles.json` holds: one row for each kind of layer, of one block.
    """
    rows = []
    for model in models:
        report(model.name)
        for phase in PHASES:
            rows += _rows(BASELINE, model, phase, None)
            for tolerance in TOLERANCES:
                for system in SYSTEMS.values():
                    rows += _rows(system, model, phase, tolerance)
    weights = _PUBLISHED.weights
    return {
        "evidence": "computed",
        "command": "python scripts/measure_system.py",
        "tools": tool_versions(),
        "array": {"rows": _ROWS, "columns": _COLUMNS, "lanes": _LANES, "clock_mhz": CLOCK_MHZ},
        "buffers": {
            "plane_words": _PUBLISHED.plane_words,
            "plane_word_bits": _ROWS * _LANES,
            "weight_words": _PUBLISHED.weight_words,
            "weight_word_bits": weights.word_bits,
        },
        "phases": dict(PHASES),
        "models": [_described(model) for model in models],
        "rows": rows,
    }


def _lengths(model: Model, tolerance: Tolerance | None) -> dict[Kind, int]:
    return {kind: model.length(kind, tolerance or TOLERANCES[0]) for kind in KINDS}


def _described(model: Model) -> dict[str, Any]:
    sizes = ("name", "hidden", "feed_forward", "blocks", "heads", "gated", "parameters")
    lengths = {tolerance: " ".join(map(str, found)) for tolerance, found in model.lengths.items()}
    return {**{name: getattr(model, name) for name in sizes}, "lengths": lengths}


def _rows(system: System, model: Model, phase: str, tolerance: Tolerance | None) -> list[dict[str, Any]]:
    lengths = _lengths(model, tolerance)
    plans = plan_model(system, model, PHASES[phase], tolerance)
    return [
        {
            "model": model.name,
            "phase": phase,
            "system": system.name,
            "tolerance": tolerance,
            "kind": kind,
            "words": system.words(lengths[kind]),
            "order": plan.order,
            "row_blocks": plan.row_blocks,
            "column_blocks": plan.column_blocks,
            "beats": plan.beats,
            **asdict(plan.total),
            **{f"dram_{name}": getattr(plan, name).dram_bytes for name in OPERANDS},
            **{f"sram_{name}": getattr(plan, name).sram_bytes for name in OPERANDS},
        }
        for kind, plan in plans.items()
    ]
