# amaranth: UnusedElaboratable=no
"""The comparison on tiny parts: what is measured once, what rows are made of, and what is refused."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anda import comparison
from anda.comparison import ENERGIES, Comparison
from anda.comparison_catalog import SUBJECTS, subjects_named
from anda.comparison_rows import comparison_rows
from anda.comparison_subjects import ROWS, Part, Subject, Use, registers
from anda.config import load
from anda.flow.library import Library
from anda.flow.recipe import RECIPE, Mapped
from anda.flow.yosys import tool_versions
from anda.kept import Kept
from anda.tops import array_parameters
from hdl.baseline.catalog import BASELINES
from hdl.emit import emit_verilog
from hdl.heap import AdderCells
from hdl.modules import flat_ports
from hdl.pe import PeParameters, ProcessingElement
from hdl.weights import WeightBuffer

TINY = PeParameters(lanes=8, level_bits=2, max_planes=2)
TOP, BUFFER = ProcessingElement(TINY).module_name, WeightBuffer(lanes=8, level_bits=2).module_name


def tiny(element_share: float = 0.5) -> Subject:
    element = Part("element", lambda _: ProcessingElement(TINY))
    held = registers(8, 2, lambda planes: planes, lambda: np.zeros((1, 1, 8), dtype=np.int8))
    return Subject(
        "tiny",
        "a tiny element",
        "nobody",
        "ours",
        (Use(element, element_share),),
        held,
        (2,),
        lambda planes: Fraction(8, planes),
        converters=(Use(Part("converter", lambda _: WeightBuffer(lanes=8, level_bits=3)), 1 / ROWS),),
    )


def part(area: float, delay: float, serves: int, **energies: float) -> dict[str, Any]:
    """A measured part with energies for the subject `tiny` at two planes."""
    power = {**dict.fromkeys(ENERGIES, 0.0), "leakage_w": 0.0, **energies}
    found = {"serves": serves, "area": area, "delay": delay, "delay_unit": "ns"}
    return {**found, "power": {"tiny": {"2": power}} if energies else {}}


def test_rows_of_a_run_on_the_generic_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    libraries, told = {"generic": Library.generic()}, list[str]()
    run = Comparison(libraries, Kept(tmp_path), told.append)
    run.measure("generic", tiny())
    assert len(told) == 3
    data = run.data()
    areas = {name: found["area"] for name, found in data["parts"]["generic"].items()}
    assert areas[BUFFER] > 0
    shared, own = data["rows"]
    assert shared["area"] == pytest.approx(areas[TOP] / 2 + areas[BUFFER] / 16, abs=1e-3)
    assert own["area"] == pytest.approx(areas[TOP] / 2 + areas[BUFFER], abs=1e-3)
    assert own["area_per_mac"] == pytest.approx(own["area"] / 4, abs=1e-4)
    assert (shared["accounting"], own["accounting"]) == ("shared", "own")
    assert own["command"] == "anda compare --only tiny --planes 2"
    # Logical effort knows no seconds, so it knows no clock and no energy.
    assert (own["mhz"], own["meets_clock"], own["energy"]) == (None, None, None)
    [converter] = data["converters"]
    assert 0 < converter["share_of_array"] < 1
    assert converter["share_of_array"] == pytest.approx(
        converter["area"] / 16 / (converter["area"] / 16 + shared["area"]), abs=1e-5
    )

    def refuse(*_: object, **__: object) -> Mapped:
        raise AssertionError("what is kept must not be mapped again")

    monkeypatch.setattr(comparison, "map_to_library", refuse)
    again = Comparison(libraries, Kept(tmp_path))
    again.measure("generic", tiny())
    assert again.data() == data


@pytest.mark.parametrize(
    ("change", "taken"), [({}, True), ({"verilog_sha256": "0"}, False), ({"recipe": "area-0: nf"}, False)]
)
def test_recorded_areas_are_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, str], taken: bool
) -> None:
    """Of the same Verilog, library, recipe and tools; nothing else."""
    library = Library.generic()
    row = {
        "verilog_sha256": hashlib.sha256(emit_verilog(ProcessingElement(TINY)).encode()).hexdigest(),
        "library": {"sha256": library.sha256},
        "recipe": f"{RECIPE}: nf",
        "tools": tool_versions(),
        "area": 12345.0,
        "cell_count": 7,
        "flops": 3,
        "longest_path": {"delay": 1.5, "unit": "tau"},
    }
    run = Comparison({"generic": library}, Kept(tmp_path))
    run.take_over({"rows": [{**row, **change}]})
    subject = replace(tiny(), registers=None, converters=())

    def refuse(*_: object, **__: object) -> Mapped:
        raise LookupError("nothing was taken over")

    monkeypatch.setattr(comparison, "map_to_library", refuse)
    if taken:
        run.measure("generic", subject)
        assert [row["area"] for row in run.data()["rows"]] == [12345.0 / 2] * 2
    else:
        with pytest.raises(LookupError):
            run.measure("generic", subject)


def test_energies_add_up_by_what_an_element_has_of_each_part() -> None:
    """The element half, its registers a sixteenth; the first part counts for two elements."""
    parts = {
        TOP: part(100.0, 5.0, 2, dynamic_fj_per_mac=30.0, clock_fj_per_mac=3.0, leakage_w=1e-6),
        BUFFER: part(160.0, 2.0, 1, dynamic_fj_per_mac=16.0, clock_fj_per_mac=8.0, leakage_w=16e-6),
    }
    data: dict[str, Any] = {"parts": {"real": parts}, "libraries": {"real": {"clock_mhz": 100.0}}}
    shared, own = comparison_rows(data, [tiny()])
    assert shared["energy"]["dynamic_fj"] == pytest.approx(0.5 * 2 * 30 + 16 / 16)
    assert shared["energy"]["clock_fj"] == pytest.approx(0.5 * 2 * 3 + 8 / 16)
    # 1.5 uW at 100 MHz and 4 MAC a cycle.
    assert shared["energy"]["leakage_fj"] == pytest.approx(1.5e-6 / 4e8 * 1e15, rel=1e-5)
    assert shared["energy"]["power_w"] == pytest.approx(shared["energy"]["total_fj"] * 1e-15 * 4e8, rel=1e-5)
    assert own["energy"]["dynamic_fj"] == pytest.approx(30 + 16)
    assert shared["mhz"] == 200
    assert shared["meets_clock"]
    assert shared["command"].endswith("--liberty real=FILE[,FILE...]")
    data["libraries"]["real"]["clock_mhz"] = 201.0
    assert not next(comparison_rows(data, [tiny()]))["meets_clock"]


def test_what_leads_into_an_element_is_in_front_of_its_path() -> None:
    leading = Part("decoder", lambda _: WeightBuffer(lanes=8, level_bits=4), leads=True)
    subject = replace(tiny(), element=(*tiny().element, Use(leading, 1 / ROWS)), accountings=("shared",))
    front = WeightBuffer(lanes=8, level_bits=4).module_name
    for buffer, expected in ((2.0, 6.5), (7.0, 7.0)):
        parts = {TOP: part(100.0, 5.0, 1), BUFFER: part(160.0, buffer, 1), front: part(32.0, 1.5, 1)}
        data = {"parts": {"real": parts}, "libraries": {"real": {"clock_mhz": 100.0}}}
        [row] = comparison_rows(data, [subject])
        assert row["delay"] == expected
    assert row["area"] == pytest.approx(50 + 32 / 16 + 160 / 16)
    assert row["made_of"][-1] == [BUFFER, 1 / 16]


def test_pairs_share_what_stands_around_them() -> None:
    subject = SUBJECTS["compact-pairs-2x3"]
    shares = {use.part.what: use.share for use in subject.uses("shared")}
    assert shares == {
        "element": 1.0,
        "accumulator": 1 / 3,
        "sums of pairs": 1 / 16,
        "lines of pairs": 1 / 16,
        "weight registers": 1 / 16,
    }
    assert subject.macs_per_cycle(6) == SUBJECTS["compact-2x3"].macs_per_cycle(6) == Fraction(64, 3)
    assert subject.planes == SUBJECTS["compact-2x3"].planes == (5, 6, 7, 8, 9, 10)
    assert SUBJECTS["compact-pairs-1x4"].planes == SUBJECTS["compact"].planes


def test_energies_of_another_element_do_not_count() -> None:
    parts = {
        TOP: part(100.0, 5.0, 1, dynamic_fj_per_mac=30.0),
        BUFFER: {**part(160.0, 2.0, 1), "power": {"other": {"2": {}}}},
    }
    data = {"parts": {"real": parts}, "libraries": {"real": {"clock_mhz": 100.0}}}
    assert [row["energy"] for row in comparison_rows(data, [tiny()])] == [None, None]


def test_rows_wait_for_all_their_parts() -> None:
    parts = {TOP: part(100.0, 5.0, 1)}
    data = {"parts": {"real": parts}, "libraries": {"real": {"clock_mhz": 100.0}}}
    assert list(comparison_rows(data, [tiny()])) == []


def test_every_peer_is_compared_with_registers_for_a_beat() -> None:
    assert set(BASELINES) <= set(SUBJECTS)
    sets = {}
    for name in BASELINES:
        held = SUBJECTS[name].registers
        assert held is not None
        buffer = held.component(AdderCells.PLAIN)
        assert isinstance(buffer, WeightBuffer)
        sets[name] = (buffer.lanes, buffer.level_bits)
    assert sets["fp-fp"] == (4, 16)
    assert sets["figna"] == sets["bitmod"] == (4, 4)
    assert sets["ifpu"] == (16, 4)
    assert sets["mxint8-mxint8"] == (4, 8)
    assert sets["bfp6"] == (64, 4)


@pytest.mark.parametrize("name", [*BASELINES, "compact", "published", "exact-width", "compact-pairs-2x3"])
def test_real_data_fit_every_part(name: str) -> None:
    """Replays have the ports of their components, and weights as many bits as their registers."""
    subject = SUBJECTS[name]
    planes = subject.planes[0]
    for use in subject.uses("own"):
        assert use.part.replay is not None
        replay = use.part.replay(AdderCells.PLAIN, planes)
        component = use.part.component(AdderCells.PLAIN)
        ports = {port.name: port.width for port in flat_ports(component) if port.is_input}
        assert {port: bits.shape[2] for port, bits in replay.inputs.items()} == ports
        assert replay.runs == 256


def test_accuracy_of_planes() -> None:
    """A sign plane carries no bit of the mantissa."""
    published, compact = SUBJECTS["published"], SUBJECTS["compact"]
    assert published.mantissa_bits(7) == compact.mantissa_bits(6) == 6
    assert published.macs_per_cycle(7) == Fraction(64, 7)
    assert compact.macs_per_cycle(6) == Fraction(64, 6)


def test_unknown_elements_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected an element among compact, .*, not 'fp-pf'"):
        subjects_named(["compact", "fp-pf"])
    assert [subject.name for subject in subjects_named(["figna"])] == ["figna"]


def test_dense_is_the_preset_of_that_name() -> None:
    """What tables call `dense` has the element of the preset, and as many of them on an accumulator."""
    array = array_parameters(load("dense"))
    element, accumulator = SUBJECTS["compact-pairs-2x3"].element[:2]
    assert element.part.component(AdderCells.PLAIN).module_name == array.pe.name
    assert accumulator.share == 1 / array.sharing
