"""From a design to its hardware: the components to build, each with its parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import Enum
from functools import partial
from typing import Any

from anda.config import Design
from golden import formats
from golden.formats import Format
from golden.interval import Interval
from golden.multistage import Stage
from hdl.accelerator import Accelerator, AcceleratorParameters
from hdl.accumulator import Accumulator, AccumulatorParameters
from hdl.array import Array, ArrayParameters
from hdl.column import PeColumn
from hdl.compressor import Compressor, CompressorParameters
from hdl.datapath import Datapath, DatapathParameters
from hdl.elementwise import Elementwise
from hdl.engine import Engine, EngineParameters
from hdl.group_buffer import GroupBuffer
from hdl.heap import AdderCells
from hdl.modules import NamedComponent
from hdl.multistage import MultiStageAccumulator, MultiStageParameters
from hdl.pe import PeParameters, ProcessingElement
from hdl.pipelined_array import PipelinedArrayParameters
from hdl.plane_store import PlaneStore
from hdl.weight_store import WeightStore

__all__ = [
    "Top",
    "accelerator_parameters",
    "accumulator_parameters",
    "array_parameters",
    "choose",
    "compressor_parameters",
    "datapath_parameters",
    "engine_parameters",
    "multistage_parameters",
    "parts",
    "pe_parameters",
    "tops",
]


@dataclass(frozen=True)
class Top:
    """One component of a design, which becomes one Verilog file.

    Attributes
    ----------
    role : str
        What it is in the design: compressor, pe, column, accumulator, multistage, datapath, array, engine or
        accelerator; or a part of an engine.
    make : callable
        Makes the component; its parameters are valid.
    parameters : dict
        What shapes it, as JSON holds it.
    latency : int or None
        Cycles from the last input of a group to its result; None where nothing is computed.
    ranges : dict of Interval
        Exact ranges of its integers, by name.
    """

    role: str
    make: Callable[[], NamedComponent]
    parameters: dict[str, Any]
    latency: int | None
    ranges: dict[str, Interval]


def tops(design: Design, adder_cells: AdderCells = AdderCells.PLAIN) -> list[Top]:
    """The components of a design, in the order that data flows through them.

    Parameters
    ----------
    design : Design
    adder_cells : AdderCells
        Polarity of the adder cells of the library to map to; for a file to read, the plain ones.

    Raises
    ------
    ValueError
        When a component cannot be built, such as an accumulator too narrow for its sums.
    """
    found = []
    if design.compressor is not None:
        found.append(_top("compressor", Compressor, compressor_parameters(design)))
    if design.pe is not None:
        parameters = pe_parameters(design, adder_cells)
        found.append(_top("pe", ProcessingElement, parameters))
        if design.column_rows is not None:
            found.append(_column(design, design.column_rows, parameters))
        if design.accumulator is not None:
            found.append(_top("accumulator", Accumulator, accumulator_parameters(design, adder_cells)))
        if design.multistage is not None:
            found.append(
                _top("multistage", MultiStageAccumulator, multistage_parameters(design, adder_cells))
            )
        if design.datapath is not None:
            found.append(_top("datapath", Datapath, datapath_parameters(design, adder_cells)))
    if design.array is not None:
        found.append(_top("array", Array, array_parameters(design, adder_cells)))
    if design.engine is not None:
        found.append(_top("engine", Engine, engine_parameters(design, adder_cells)))
    if design.accelerator is not None:
        found.append(_top("accelerator", Accelerator, accelerator_parameters(design, adder_cells)))
    return found


def parts(design: Design) -> list[Top]:
    """What an engine is made of besides its array: no files of their own, but checks of their own.

    The list is empty without an engine. A compressor is named only if the design has no other.
    """
    if design.engine is None:
        return []
    engine = engine_parameters(design)
    found = [
        _top("plane_store", PlaneStore, engine.planes),
        _top("weight_store", WeightStore, engine.weights),
        _top("group_buffer", GroupBuffer, engine.groups),
    ]
    if design.compressor is None:
        found.append(_top("compressor", Compressor, engine.compressor))
    if engine.elementwise is not None:
        found.append(_top("elementwise", Elementwise, engine.elementwise))
    return found


def choose(found: list[Top], roles: Sequence[str] | None) -> list[Top]:
    """The tops of the named roles, or all of them without names.

    Raises
    ------
    ValueError
        When the design has no component of a name.
    """
    known = [top.role for top in found]
    for role in roles or ():
        if role not in known:
            raise ValueError(f"expected a component of the design ({', '.join(known)}), not {role!r}")
    return [top for top in found if not roles or top.role in roles]


def compressor_parameters(design: Design) -> CompressorParameters:
    """Parameters of the compressor.

    Raises
    ------
    ValueError
        When the design has none.
    """
    if design.compressor is None:
        raise ValueError(f"the design {design.name} has no compressor: its file needs a table [compressor]")
    return CompressorParameters(
        group=design.format.group,
        lanes=design.compressor.lanes,
        max_planes=design.format.max_planes,
        encoding=design.format.encoding,
        rounding=design.format.rounding,
    )


def accumulator_parameters(
    design: Design, adder_cells: AdderCells = AdderCells.PLAIN
) -> AccumulatorParameters:
    """Parameters of the accumulator.

    Raises
    ------
    ValueError
        When the design has none, or it cannot be built.
    """
    if design.accumulator is None:
        raise ValueError(f"the design {design.name} has no accumulator: its file needs a table [accumulator]")
    return AccumulatorParameters(
        sum_bits=pe_parameters(design).sum_bits,
        max_planes=design.format.max_planes,
        slots=design.accumulator.elements,
        output=design.accumulator.output,
        adder_cells=adder_cells,
    )


def datapath_parameters(design: Design, adder_cells: AdderCells = AdderCells.PLAIN) -> DatapathParameters:
    """Parameters of the datapath.

    Raises
    ------
    ValueError
        When the design has none, or its parts do not fit each other.
    """
    if design.datapath is None:
        raise ValueError(f"the design {design.name} has no datapath: its file needs a table [datapath]")
    return DatapathParameters(
        compressor=compressor_parameters(design),
        pe=pe_parameters(design, adder_cells),
        accumulator=accumulator_parameters(design, adder_cells),
        columns=design.datapath.columns,
    )


def multistage_parameters(design: Design, adder_cells: AdderCells = AdderCells.PLAIN) -> MultiStageParameters:
    """Parameters of the multi-stage accumulator.

    Raises
    ------
    ValueError
        When the design has none, or a safe stage cannot hold its worst case.
    """
    if design.multistage is None:
        raise ValueError(
            f"the design {design.name} has no multi-stage accumulator: its file needs a table [multistage]"
        )
    pe, stages = pe_parameters(design, adder_cells), design.multistage.stages
    ranges = tuple(_interval(stage.certified) for stage in stages)
    return MultiStageParameters(
        term_bits=pe.sum_bits,
        stages=tuple(Stage(stage.bits, stage.count, stage.policy) for stage in stages),
        slots=design.multistage.slots,
        term_range=pe.sum_range,
        ranges=ranges if any(ranges) else (),
        adder_cells=adder_cells,
    )


def array_parameters(design: Design, adder_cells: AdderCells = AdderCells.PLAIN) -> ArrayParameters:
    """Parameters of the array.

    Raises
    ------
    ValueError
        When the design has none, or its parts do not fit each other.
    """
    if design.array is None:
        raise ValueError(f"the design {design.name} has no array: its file needs a table [array]")
    is_pipelined = design.engine is not None and design.engine.pipelined
    kind = PipelinedArrayParameters if is_pipelined else ArrayParameters
    return kind(
        pe=pe_parameters(design, adder_cells), format=_weight_format(design), **design.array.model_dump()
    )


def engine_parameters(design: Design, adder_cells: AdderCells = AdderCells.PLAIN) -> EngineParameters:
    """Parameters of the matrix engine.

    Raises
    ------
    ValueError
        When the design has none, or its parts do not fit each other.
    """
    if design.engine is None:
        raise ValueError(f"the design {design.name} has no engine: its file needs a table [engine]")
    unit = design.elementwise
    return EngineParameters(
        array=array_parameters(design, adder_cells),
        rounding=design.format.rounding,
        **design.engine.model_dump(),
        elementwise_words=unit.words if unit else 0,
        silu=bool(unit and unit.silu),
    )


def accelerator_parameters(
    design: Design, adder_cells: AdderCells = AdderCells.PLAIN
) -> AcceleratorParameters:
    """Parameters of the accelerator.

    Raises
    ------
    ValueError
        When the design has none, or its parts do not fit each other.
    """
    if design.accelerator is None:
        raise ValueError(f"the design {design.name} has no accelerator: its file needs a table [accelerator]")
    return AcceleratorParameters(
        engine=engine_parameters(design, adder_cells), **design.accelerator.model_dump()
    )


def pe_parameters(design: Design, adder_cells: AdderCells = AdderCells.PLAIN) -> PeParameters:
    """Parameters of the processing element.

    Raises
    ------
    ValueError
        When the design has none, or it cannot be built.
    """
    if design.pe is None:
        raise ValueError(f"the design {design.name} has no processing element: its file needs a table [pe]")
    return PeParameters(
        lanes=design.format.group,
        level_bits=design.pe.level_bits,
        max_planes=design.format.max_planes,
        encoding=design.format.encoding,
        planes_per_cycle=design.pe.planes_per_cycle,
        weights="inside" if design.pe.weights == "inside" else "outside",
        reduction=design.pe.reduction,
        products=design.pe.products,
        adder_cells=adder_cells,
        accumulator_bits=design.pe.accumulator_bits,
        certified=_interval(design.pe.certified),
    )


def _interval(bounds: Sequence[int] | None) -> Interval | None:
    """A range as a design file has it."""
    if bounds is None:
        return None
    low, high = bounds
    return Interval(low, high)


def _column(design: Design, rows: int, parameters: PeParameters) -> Top:
    """A column, whose rows and format are no parameters of its elements."""
    form = _weight_format(design)
    column = _top("column", partial(PeColumn, rows=rows, format=form), parameters)
    more = {"rows": rows} | ({"format": form.name} if form else {})
    return replace(column, parameters=column.parameters | more)


def _weight_format(design: Design) -> Format | None:
    """Of the codes that are loaded; None: levels are."""
    name = design.pe.weight_format if design.pe else None
    return formats.get(name) if name else None


def _top(role: str, component: Callable[[Any], NamedComponent], parameters: Any) -> Top:
    """A component whose parameters are a dataclass: what is a property of that, is a fact for the sidecar."""
    facts = {
        name: getattr(parameters, name)
        for kind in type(parameters).__mro__
        for name, member in vars(kind).items()
        if isinstance(member, property)
    }
    ranges = {name: value for name, value in facts.items() if isinstance(value, Interval)}
    return Top(role, partial(component, parameters), _values(parameters), facts.get("latency"), ranges)


def _values(parameters: Any) -> dict[str, Any]:
    return {field.name: _plain(getattr(parameters, field.name)) for field in fields(parameters)}


def _plain(value: Any) -> Any:
    """A parameter as JSON holds it."""
    if isinstance(value, Format):
        return value.name
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if is_dataclass(value):
        return _values(value)
    return value.name.lower() if isinstance(value, Enum) else value
