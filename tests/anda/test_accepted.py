# amaranth: UnusedElaboratable=no
"""Every top of every preset is taken by Verilator -Wall, Icarus and both Yosys front ends as it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from anda.config import load, preset_names
from anda.flow.accept import accept
from anda.tops import tops
from golden import formats
from golden.interval import Interval
from golden.multistage import Stage
from hdl.array import Array, ArrayParameters
from hdl.column import PeColumn
from hdl.compressor import Compressor, CompressorParameters
from hdl.decoder import LevelDecoder
from hdl.emit import WAIVER, emit_verilog
from hdl.heap import AdderCells
from hdl.mac import MacParameters, MultiplyAccumulate
from hdl.modules import NamedComponent
from hdl.multistage import MultiStageAccumulator, MultiStageParameters
from hdl.pe import PeParameters, ProcessingElement

SMALL = PeParameters(lanes=16, level_bits=5, max_planes=5)

#: Elements and rows of them; the whole of an accelerator has every part of its own.
PRESETS = {f"{preset}-{top.role}": top.make for preset in preset_names() for top in tops(load(preset))}
WHOLE = {name for name in PRESETS if name.endswith("-accelerator")}
ELEMENTS = {name for name in PRESETS if name.startswith(("compact", "published"))}

MADE: dict[str, Callable[[], NamedComponent]] = {
    name: PRESETS[name] for name in sorted(ELEMENTS | {"accelerator-accelerator"})
} | {
    "column-of-codes": lambda: PeColumn(SMALL, rows=2, format=formats.get("e2m1-sp")),
    "column-of-codes-with-zero": lambda: PeColumn(SMALL, rows=2, format=formats.get("int4-zp")),
    "inverting-two-planes": lambda: ProcessingElement(
        PeParameters(planes_per_cycle=2, adder_cells=AdderCells.INVERTING)
    ),
    "four-planes-in-a-tree": lambda: ProcessingElement(
        PeParameters(planes_per_cycle=4, reduction="tree", encoding="sign-magnitude", lanes=16)
    ),
    "column-of-pairs": lambda: PeColumn(
        replace(SMALL, products="pairs"), rows=2, format=formats.get("e2m1-sp")
    ),
    "array-of-pairs": lambda: Array(
        ArrayParameters(pe=replace(SMALL, products="pairs", planes_per_cycle=2), rows=2, columns=2, sharing=2)
    ),
    "inverting-pairs": lambda: PeColumn(
        PeParameters(lanes=16, products="pairs", adder_cells=AdderCells.INVERTING), rows=1
    ),
    "certified": lambda: ProcessingElement(PeParameters(max_planes=8, certified=Interval(-4095, 4095))),
    "unsigned-activations": lambda: ProcessingElement(
        PeParameters(lanes=16, max_planes=8, planes_per_cycle=2, activations="unsigned")
    ),
    "safe-stages": lambda: MultiStageAccumulator(
        MultiStageParameters(term_bits=16, stages=(Stage(17, 2), Stage(21, 16)), slots=8)
    ),
    "stages-that-overflow": lambda: MultiStageAccumulator(
        MultiStageParameters(
            term_bits=16,
            stages=(Stage(16, 3, "saturate"), Stage(14, 5, "wrap"), Stage(18, None, "saturate")),
            adder_cells=AdderCells.INVERTING,
        )
    ),
    "compressor-lanes": lambda: Compressor(CompressorParameters(group=16, lanes=3)),
    "compressor-magnitudes": lambda: Compressor(
        CompressorParameters(group=16, encoding="sign-magnitude", rounding="nearest")
    ),
    "decoder-of-a-byte": lambda: LevelDecoder(formats.get("e4m3")),
    "mac-of-levels": lambda: MultiplyAccumulate(MacParameters(format=formats.get("int4"))),
    "mac-of-magnitudes": lambda: MultiplyAccumulate(MacParameters(format=formats.get("e2m1-sp"))),
}


@pytest.mark.nightly
@pytest.mark.parametrize("name", sorted(WHOLE - MADE.keys()))
def test_every_tool_takes_a_large_accelerator(name: str) -> None:
    test_every_tool_takes_the_file(name)


@pytest.mark.parametrize("name", MADE)
def test_every_tool_takes_the_file(name: str) -> None:
    component = (MADE | PRESETS)[name]()
    verdicts = accept(emit_verilog(component), component.module_name, waiver=WAIVER)
    # Icarus may be absent; the others come with the project.
    present = [verdict for verdict in verdicts if verdict.accepted is not None]
    assert len(present) >= 3
    assert [f"{v.tool}: {v.messages}" for v in present if not v.accepted] == []
