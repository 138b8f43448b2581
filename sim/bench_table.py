"""The bench of every kind of component, and what it must be told about one.

A new component gets a line in `BENCHES`; the function that the line names reads the bench's parameters off
the component, as JSON holds them. Its `effort` is 10, or 1 for a quick run: how much is drawn at random.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from amaranth.hdl import Shape

from golden.baseline.mxint8 import CODES
from hdl.accelerator import Accelerator
from hdl.accumulator import Accumulator
from hdl.array import Array
from hdl.array_column import weights_layout
from hdl.baseline.aligner import Aligner
from hdl.baseline.axcore import AxCore
from hdl.baseline.bfp import Bfp
from hdl.baseline.bitmod import BitMod
from hdl.baseline.block import BlockParameters
from hdl.baseline.fp_fp import FpFp
from hdl.baseline.fp_fp_dot import FpFpDot
from hdl.baseline.fp_int import FpInt
from hdl.baseline.ifpu import Ifpu
from hdl.baseline.mxint8 import MxInt8
from hdl.baseline.to_mxint8 import MxInt8Converter
from hdl.binary import BinaryElement, binary_flags
from hdl.binary_column import BinaryColumn
from hdl.binary_engine import BinaryEngine
from hdl.column import PeColumn
from hdl.compressor import Compressor
from hdl.datapath import Datapath
from hdl.elementwise import Elementwise
from hdl.engine import Engine
from hdl.group_buffer import GroupBuffer
from hdl.modules import NamedComponent
from hdl.multistage import MultiStageAccumulator
from hdl.pairs import PairWeights
from hdl.pe import ProcessingElement
from hdl.pipelined_array import PipelinedArrayParameters
from hdl.plane_store import PlaneStore
from hdl.weight_store import WeightStore
from hdl.weights import WeightBuffer

from .binary_projection import engine_facts, engine_formats
from .units import HeapUnit

__all__ = ["BENCHES", "bench_of"]

#: Elements of a full group of the peers.
_GROUP = 64


def _pe(component: Any, effort: int) -> dict[str, Any]:
    shape = (
        "lanes",
        "level_bits",
        "max_planes",
        "encoding",
        "planes_per_cycle",
        "weights",
        "reduction",
        "products",
    )
    p = component.parameters
    given = {name: getattr(p, name) for name in (*shape, "activations", "sum_bits", "latency")}
    form = getattr(component, "format", None)
    return given | {
        "certified": [p.certified.min, p.certified.max] if p.certified else None,
        "rows": getattr(component, "rows", 0),
        # A column decodes pairs itself, unless its lines come from outside.
        "lines": p.products == "pairs" and getattr(component, "lines", True),
        "format": form.name if form else None,
        "groups": 3 * effort,
    }


def _binary(component: Any, effort: int) -> dict[str, Any]:
    p = component.parameters
    sides = [f"{side}_planes{rate}" for side in ("activation", "weight") for rate in ("", "_per_cycle")]
    shape = ("lanes", *sides, "activations", "weights", "terms", "sum_bits", "latency")
    return {name: getattr(p, name) for name in shape} | {
        "certified": [p.certified.min, p.certified.max] if p.certified else None,
        "flags": binary_flags(p),
        "rows": getattr(component, "rows", 0),
        "sums": effort,
    }


def _binary_engine(component: Any, effort: int) -> dict[str, Any]:
    p = component.parameters
    return engine_facts(p) | {
        "terms": p.array.element.terms,
        "formats": engine_formats(p),
        "jobs": effort,
    }


def _compressor(component: Any, effort: int) -> dict[str, Any]:
    shape = ("group", "lanes", "max_planes", "encoding", "rounding", "latency")
    p = component.parameters
    given = {name: getattr(p, name) for name in shape}
    cycles = {planes: p.cycles(planes) for planes in range(2, p.max_planes + 1)}
    return given | {"cycles": cycles, "planes_bits": len(component.group_planes), "batches": effort}


def _accumulator(component: Any, effort: int) -> dict[str, Any]:
    shape = ("sum_bits", "max_planes", "slots", "slot_bits", "output", "latency")
    given = {name: getattr(component.parameters, name) for name in shape}
    return given | {"rows": 3 * effort}


def _multistage(component: Any, effort: int) -> dict[str, Any]:
    p = component.parameters
    given = {name: getattr(p, name) for name in ("slots", "slot_bits", "latency")}
    return given | {
        "terms": [p.terms.min, p.terms.max],
        "stages": [[stage.bits, stage.count, stage.policy] for stage in p.stages],
        "ranges": [[reached.min, reached.max] for reached in p.stage_ranges],
        "flags": p.has_flags,
        "rows": 3 * effort,
    }


def _datapath(component: Any, effort: int) -> dict[str, Any]:
    p = component.parameters
    return {
        "group": p.pe.lanes,
        "max_planes": p.pe.max_planes,
        "encoding": p.pe.encoding,
        "rounding": p.compressor.rounding,
        "level_bits": p.pe.level_bits,
        "columns": p.columns,
        "column_bits": p.column_bits,
        "output": p.accumulator.output,
        "rows": effort,
    }


def _array(component: Any, effort: int) -> dict[str, Any]:
    p = component.parameters
    shape = ("rows", "columns", "sharing", "columns_per_load", "output")
    of_element = ("lanes", "level_bits", "max_planes", "encoding", "planes_per_cycle")
    return {name: getattr(p, name) for name in shape} | {
        **{name: getattr(p.pe, name) for name in of_element},
        "weight_bits": Shape.cast(weights_layout(p)["weights"].shape).width,
        "format": p.format.name if p.format else None,
        "tiles": effort,
    }


def _plane_store(component: Any, effort: int) -> dict[str, Any]:
    return asdict(component.parameters) | {"jobs": effort}


def _weight_store(component: Any, effort: int) -> dict[str, Any]:
    p, array = component.parameters, component.parameters.array
    return {
        "columns": array.columns,
        "columns_per_load": array.columns_per_load,
        "weight_bits": Shape.cast(weights_layout(array)["weights"].shape).width,
        "words": p.words,
        "jobs": effort,
    }


def _group_buffer(component: Any, effort: int) -> dict[str, Any]:
    p, array = component.parameters, component.parameters.array
    shape = {name: getattr(array, name) for name in ("rows", "columns", "sharing")}
    return {**shape, "group": p.group, "jobs": effort}


def _elementwise(component: Any, effort: int) -> dict[str, Any]:
    p = component.parameters
    shape = {name: getattr(p, name) for name in ("columns", "words", "silu", "latency")}
    return {**shape, "rows": p.groups.array.rows, "tiles": p.groups.tiles, "jobs": effort}


def _engine(component: Any, effort: int) -> dict[str, Any]:
    p, array = component.parameters, component.parameters.array
    of_element = ("lanes", "level_bits", "max_planes", "encoding")
    return {
        **{name: getattr(array, name) for name in ("rows", "columns", "columns_per_load")},
        **{name: getattr(array.pe, name) for name in of_element},
        **{name: getattr(p, name) for name in ("rounding", "plane_words", "plane_groups", "weight_words")},
        **{name: getattr(p, name) for name in ("elementwise_words", "silu")},
        "weight_bits": Shape.cast(weights_layout(array)["weights"].shape).width,
        "format": array.format.name if array.format else None,
        "chains": effort,
    }


def _accelerator(component: Any, effort: int) -> dict[str, Any]:
    p, pe = component.parameters, component.parameters.engine.array.pe
    return {
        "build": asdict(p.build),
        "sharing": p.engine.array.sharing,
        "level_bits": pe.level_bits,
        "encoding": pe.encoding,
        "format": p.engine.array.format.name if p.engine.array.format else None,
        "rounding": p.engine.rounding,
        "pipelined": p.engine.pipelined,
        "pipelined_array": isinstance(p.engine.array, PipelinedArrayParameters),
        "chains": effort,
    }


def _weights(component: Any, effort: int) -> dict[str, Any]:
    pairs = isinstance(component, PairWeights)
    if pairs and component.format is not None:
        raise ValueError(
            f"the bench of weight registers loads levels, not codes of {component.format.name}: "
            "those are for the bench of a column"
        )
    shape = {name: getattr(component, name) for name in ("lanes", "level_bits")}
    return {**shape, "pairs": pairs, "sets": 3 * effort}


def _heap(component: Any, effort: int) -> dict[str, Any]:
    terms = [[t.bits, t.signed, t.shift, t.subtract] for t in component.terms]
    shape = {"width": component.width, "constant": component.constant, "latency": component.latency}
    return {**shape, "terms": terms, "cycles": 300 * effort}


def _block(p: BlockParameters, effort: int) -> dict[str, Any]:
    shape = ("bits", "encoding", "wires", "level_bits", "block", "lanes", "weights")
    return {name: getattr(p, name) for name in shape} | {"rows": 2 * effort}


def _bfp(component: Any, effort: int) -> dict[str, Any]:
    p = component.parameters
    return _block(p.block, effort) | {
        "slots": p.slots,
        "slot_bits": p.accumulator.slot_bits,
        "latency": p.latency,
        "exponents": [1, 30],
        "weight_exponents": None,
        "unit": -13 - p.block.bits,
    }


def _fp_fp(component: Any, effort: int) -> dict[str, Any]:
    shape = ("lanes", "slots", "slot_bits", "weights", "latency")
    return {name: getattr(component.parameters, name) for name in shape} | {"rows": effort}


def _fp_fp_dot(component: Any, effort: int) -> dict[str, Any]:
    return _fp_fp(component, effort) | {"guard": component.parameters.guard}


def _mxint8(component: Any, effort: int) -> dict[str, Any]:
    p = component.parameters
    codes = [CODES.min, CODES.max]
    return _block(p.block, effort) | {
        "slots": 1,
        "slot_bits": 0,
        "latency": p.latency,
        "exponents": codes,
        "weight_exponents": None if p.accumulator.scaled else codes,
        "unit": p.accumulator.unit,
    }


def _aligner(component: Any, effort: int) -> dict[str, Any]:
    shape = ("bits", "encoding", "rounding", "wires", "group", "lanes", "latency")
    given = {name: getattr(component.parameters, name) for name in shape}
    return given | {"kind": "aligned", "groups": 2 * effort}


def _to_mxint8(component: Any, effort: int) -> dict[str, Any]:
    given = {name: getattr(component.parameters, name) for name in ("group", "lanes", "latency")}
    return given | {"kind": "mxint8", "bits": 8, "groups": 2 * effort}


def _fp_int(component: Any, effort: int) -> dict[str, Any]:
    p = component.parameters
    shape = {name: getattr(p, name) for name in ("lanes", "weights", "latency")}
    return {**shape, "steps": _GROUP // p.lanes, "rows": -(-effort // 3)}


def _bitmod(component: Any, effort: int) -> dict[str, Any]:
    shape = ("lanes", "terms", "guard", "group", "latency")
    return {name: getattr(component.parameters, name) for name in shape} | {"rows": effort}


def _ifpu(component: Any, effort: int) -> dict[str, Any]:
    shape = ("lanes", "mantissa_bits", "weights", "latency")
    given = {name: getattr(component.parameters, name) for name in shape}
    return {**given, "rows": -(-effort // 3)}


def _axcore(component: Any, effort: int) -> dict[str, Any]:
    given = {name: getattr(component.parameters, name) for name in ("lanes", "weights", "latency")}
    return {**given, "rows": -(-effort // 3)}


#: Which bench a component has: its module in sim.benches, and how its parameters are read off it.
BENCHES: dict[type[NamedComponent], tuple[str, Callable[[Any, int], dict[str, Any]]]] = {
    ProcessingElement: ("pe", _pe),
    PeColumn: ("pe", _pe),
    BinaryElement: ("binary", _binary),
    BinaryColumn: ("binary", _binary),
    BinaryEngine: ("binary_engine", _binary_engine),
    Compressor: ("compressor", _compressor),
    Accumulator: ("accumulator", _accumulator),
    MultiStageAccumulator: ("multistage", _multistage),
    Datapath: ("datapath", _datapath),
    Array: ("array", _array),
    PlaneStore: ("plane_store", _plane_store),
    WeightStore: ("weight_store", _weight_store),
    GroupBuffer: ("group_buffer", _group_buffer),
    Elementwise: ("elementwise", _elementwise),
    Engine: ("engine", _engine),
    Accelerator: ("accelerator", _accelerator),
    WeightBuffer: ("weights", _weights),
    PairWeights: ("weights", _weights),
    HeapUnit: ("heap", _heap),
    Bfp: ("baseline_block", _bfp),
    MxInt8: ("baseline_block", _mxint8),
    BitMod: ("baseline_bitmod", _bitmod),
    Aligner: ("baseline_converter", _aligner),
    MxInt8Converter: ("baseline_converter", _to_mxint8),
    FpFp: ("baseline_fp_fp", _fp_fp),
    FpFpDot: ("baseline_fp_fp_dot", _fp_fp_dot),
    FpInt: ("baseline_fp_int", _fp_int),
    Ifpu: ("baseline_ifpu", _ifpu),
    AxCore: ("baseline_axcore", _axcore),
}


def bench_of(component: NamedComponent, *, quick: bool = False) -> tuple[str, dict[str, Any]]:
    """The bench for a component, and the parameters it needs.

    Parameters
    ----------
    component : NamedComponent
    quick : bool
        A tenth of the random data.

    Raises
    ------
    ValueError
        When there is no bench for this kind of component.
    """
    for kind, (bench, parameters) in BENCHES.items():
        if isinstance(component, kind):
            return f"sim.benches.{bench}", parameters(component, 1 if quick else 10)
    raise ValueError(f"there is no bench for a {type(component).__name__}")
