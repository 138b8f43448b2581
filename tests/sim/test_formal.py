"""The prover proves what is true, refutes what is false with a trace, and refuses to prove nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from amaranth.hdl import Assert, Assume, Cover, Elaboratable, Module, Signal, signed

from sim.formal import Mode, ProofResult, prove


class Total(Elaboratable):
    """Sums up to seven 4-bit numbers in a register of `bits` bits, next to one that is wide for certain."""

    def __init__(self, bits: int, *, items: int = 7, target: int = -56, helper: bool = True):
        self.bits = bits
        self.items = items
        self.target = target
        self.helper = helper
        self.item = Signal(signed(4))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        total = Signal(signed(self.bits))
        wide = Signal(signed(16))
        count = Signal(4)
        m.d.comb += Assume(count <= self.items, "no more items than this")
        with m.If(count < 7):
            m.d.sync += [total.eq(total + self.item), wide.eq(wide + self.item), count.eq(count + 1)]
        if self.helper:
            m.d.comb += Assert((wide >= -8 * count) & (wide <= 7 * count), "wide sum is in range")
        with m.If(count == 7):
            m.d.comb += Assert(total == wide, "total is exact")
        m.d.comb += Cover(total == self.target, "lowest total")
        return m


def attempt(design: Total, work: Path, mode: Mode = "prove", depth: int = 9) -> ProofResult:
    return prove(design, [design.item], depth=depth, work=work, mode=mode)


def test_a_true_property_is_proved(tmp_path: Path) -> None:
    result = attempt(Total(7), tmp_path)
    assert result.ok
    assert (result.status, result.assertions, result.failing_property) == ("proved", 2, None)


def test_one_bit_less_fails_and_shows_a_true_run(tmp_path: Path) -> None:
    result = attempt(Total(6), tmp_path)
    assert not result.ok
    assert (result.status, result.failing_property) == ("failed", "total_is_exact")
    assert result.trace is not None
    assert result.trace.cycles == 8
    signals = result.trace.signals
    final = signals["wide"][-1]
    assert final != signals["total"][-1]
    assert sum(v for v in signals["item"][:-1] if v is not None) == final
    text = str(result)
    assert "failed" in text
    assert "total_is_exact" in text
    assert any(line.split()[:1] == ["wide"] and str(final) in line for line in text.splitlines())


def test_an_assertion_that_can_never_fire_is_found(tmp_path: Path) -> None:
    result = attempt(Total(7, items=6, target=-48), tmp_path)
    assert (result.status, result.failing_property) == ("vacuous", "total_is_exact")


def test_a_situation_that_cannot_be_reached_is_found(tmp_path: Path) -> None:
    result = attempt(Total(7, target=-57), tmp_path)
    assert (result.status, result.failing_property) == ("vacuous", "lowest_total")
    assert attempt(Total(7, target=-57), tmp_path, mode="cover").status == "unreached"


def test_an_induction_that_does_not_close_is_not_a_proof(tmp_path: Path) -> None:
    result = attempt(Total(7, helper=False), tmp_path, depth=4)
    assert (result.status, result.ok) == ("unknown", False)
    assert result.trace is not None
    assert attempt(Total(7, helper=False), tmp_path, mode="bmc").status == "holds"


def test_covers_are_shown(tmp_path: Path) -> None:
    result = attempt(Total(7), tmp_path, mode="cover")
    assert result.status == "covered"
    assert result.trace is not None
    assert result.trace.signals["total"][-1] == -56


def test_nothing_to_prove_is_an_error(tmp_path: Path) -> None:
    class Empty(Elaboratable):
        def elaborate(self, platform: object) -> Module:
            m = Module()
            m.d.sync += Signal(4).eq(1)
            return m

    with pytest.raises(ValueError, match="nothing to prove: the design has no Assert"):
        prove(Empty(), [], depth=2, work=tmp_path)
    with pytest.raises(ValueError, match="nothing to reach: the design has no Cover"):
        prove(Empty(), [], depth=2, work=tmp_path, mode="cover")
