"""Power of components, from Verilog to the report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anda.flow.liberty import LibertyError
from anda.flow.library import Library
from anda.flow.power import PowerMeter, measure_power
from golden.anda import AndaCodec
from hdl.pe import PeParameters, ProcessingElement
from sim.replays import pe
from tests.anda.flow.samples import gate
from tests.anda.flow.test_power_sum import LIBERTY


def test_a_library_without_energies_is_refused() -> None:
    parameters = PeParameters(lanes=8, level_bits=2, max_planes=3)
    with pytest.raises(LibertyError, match="Expected a library with tables of internal power"):
        PowerMeter(ProcessingElement(parameters), Library.generic())


ENERGY = 'internal_power () {{ related_pin : "{pin}"; power (by_slope) {{ values ("1, 1"); }} }}'


def mappable(folder: Path) -> Library:
    """Cells enough to map anything, each output with an energy of 1 and each input with a load of 1."""
    head = LIBERTY.split("cell (and2)")[0]
    flop = "cell (flop)" + LIBERTY.split("cell (flop)")[1].rsplit("}", 1)[0]
    gates = (
        gate("inv", 1, "A", Y="!A")
        + gate("buf", 1, "A", Y="A")
        + gate("nand2", 1, "AB", Y="!(A B)")
        + gate("xor2", 2, "AB", Y="A ^ B")
    )
    gates = gates.replace("direction : input;", "direction : input; capacitance : 0.001;")
    gates = gates.replace("pin (Y) {", "pin (Y) { " + ENERGY.format(pin="A"))
    path = folder / "mappable.lib"
    path.write_text(head + gates + flop + "}", encoding="utf-8")
    return Library.from_files([path])


def test_power_of_an_element(tmp_path: Path) -> None:
    parameters = PeParameters(lanes=8, level_bits=2, max_planes=4)
    rng = np.random.default_rng(2)
    activations = rng.normal(size=(64, 4, 8)).astype(np.float16)
    weights = rng.integers(-2, 2, (64, 4, 8))
    replay = pe.replay(parameters, AndaCodec(4, group=8), activations, weights)
    meter = PowerMeter(ProcessingElement(parameters), mappable(tmp_path))
    report = meter.measure(replay, 100e6)
    parts = ("switching", "inputs", "logic", "flops", "clock")
    assert report.dynamic_fj_per_mac == pytest.approx(
        sum(getattr(report, f"{part}_fj_per_mac") for part in parts)
    )
    assert report.glitch_fj_per_mac > report.dynamic_fj_per_mac
    assert report.glitch_toggles_per_cycle > report.toggles_per_cycle
    cycles_per_mac = report.cycles / report.macs
    flops = report.flops * (2 * 2 + 2 * 0.1 * 4)
    assert report.clock_fj_per_mac == pytest.approx(flops * cycles_per_mac)
    assert report.total_w == pytest.approx(report.dynamic_w + report.leakage_w)
    assert report.dynamic_w == pytest.approx(
        report.dynamic_fj_per_mac * 1e-15 * 100e6 * report.macs_per_cycle
    )
    assert report.total_fj_per_mac == pytest.approx(report.total_w / (100e6 * report.macs_per_cycle) * 1e15)
    assert (report.results, report.runs, report.macs) == (64 * 4, 64, 32)
    # Zeros move nothing but the clock and the control.
    idle = pe.replay(parameters, AndaCodec(4, group=8), activations * np.float16(0), weights * 0)
    still = meter.measure(idle, 100e6)
    assert still.clock_fj_per_mac == pytest.approx(report.clock_fj_per_mac)
    assert still.switching_fj_per_mac < report.switching_fj_per_mac / 3
    # Twice the clock is twice the dynamic power and the same energy.
    again = measure_power(ProcessingElement(parameters), replay, meter.library, 200e6)
    assert again.dynamic_fj_per_mac == pytest.approx(report.dynamic_fj_per_mac)
    assert again.dynamic_w == pytest.approx(2 * report.dynamic_w)
    with pytest.raises(ValueError, match="positive frequency, not 0 Hz"):
        meter.measure(replay, 0)
