"""The multi-stage integer accumulator: sums of sums, a register of its own width a stage (contract 6)."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value, signed, unsigned
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from golden.interval import Interval
from golden.multistage import REGISTER_BITS, MultiStage, Stage

from .heap import AdderCells, BitHeap
from .modules import NamedComponent
from .ranges import Ranged, RangeError

__all__ = ["MultiStageAccumulator", "MultiStageParameters", "term_layout", "total_layout"]


@dataclass(frozen=True, kw_only=True)
class MultiStageParameters:
    """Everything that shapes a multi-stage accumulator.

    Parameters
    ----------
    term_bits : int
        Width of the signed terms, 1 to 62.
    stages : tuple of Stage
        Width, count and policy of each stage, the innermost first. A `safe` stage is refused unless its exact
        worst case fits: that of its terms and its count, or `ranges` where a certificate knows better.
    slots : int
        Independent accumulators, one for each processing element served, 1 to 64.
    term_range : Interval or None
        What the terms reach; None: everything that `term_bits` can hold.
    ranges : tuple of Interval or None
        Certified ranges, one a stage: every value the register of this stage takes, partial sums included.
        None for a stage: its worst case is computed. Empty: all of them are.
    adder_cells : AdderCells
        The polarity of the library's adder cells.

    Raises
    ------
    ValueError
        A parameter is out of its range.
    RangeError
        The register of a `safe` stage cannot hold its worst case.
    """

    term_bits: int
    stages: tuple[Stage, ...]
    slots: int = 1
    term_range: Interval | None = None
    ranges: tuple[Interval | None, ...] = ()
    adder_cells: AdderCells = AdderCells.PLAIN

    def __post_init__(self) -> None:
        for name, high in (("term_bits", REGISTER_BITS.max), ("slots", 64)):
            value = getattr(self, name)
            if not 1 <= value <= high:
                raise ValueError(f"{name} must be from 1 to {high}, not {value}")
        MultiStage(self.stages)
        if self.ranges and len(self.ranges) != len(self.stages):
            raise ValueError(
                f"ranges must be empty or one for each of the {len(self.stages)} stages, "
                f"not {len(self.ranges)}"
            )
        _require_fit(self.terms, self.term_bits, "the terms")
        for number in range(len(self.stages)):
            self._require_safe(number)

    def _require_safe(self, number: int) -> None:
        stage, certified = self.stages[number], self.certified(number)
        if stage.policy != "safe":
            if certified is not None:
                raise ValueError(
                    f"a certified range is for a safe stage, but stage {number} is built to {stage.policy}"
                )
            return
        if certified is None and stage.count is None:
            raise RangeError(
                f"stage {number} is to be safe, but it adds any number of values: "
                "give its count or a certified range"
            )
        _require_fit(self.stage_ranges[number], stage.bits, f"stage {number}")

    def certified(self, number: int) -> Interval | None:
        """The certified range of a stage, if it has one."""
        return self.ranges[number] if self.ranges else None

    @property
    def terms(self) -> Interval:
        """Every term."""
        return self.term_range or Interval.of_bits(self.term_bits, signed=True)

    @property
    def stage_ranges(self) -> tuple[Interval, ...]:
        """For each stage every value that its register takes: sums of up to `count` values of the one before.

        A stage that wraps or saturates is taken to reach everything that its register can hold.
        """
        found: list[Interval] = []
        for number, stage in enumerate(self.stages):
            came = found[-1] if found else self.terms
            certified = self.certified(number)
            if certified is not None:
                found.append(certified)
            elif stage.policy != "safe" or stage.count is None:
                found.append(Interval.of_bits(stage.bits, signed=True))
            else:
                found.append(came.times(stage.count).hull(Interval(0, 0)))
        return tuple(found)

    @property
    def result_range(self) -> Interval:
        """Every result."""
        return self.stage_ranges[-1]

    @property
    def value_bits(self) -> int:
        """Width of a result."""
        return self.stages[-1].bits

    @property
    def slot_bits(self) -> int:
        """Width of a slot number."""
        return (self.slots - 1).bit_length()

    @property
    def has_flags(self) -> bool:
        """Whether a stage may overflow, so that there are flags."""
        return any(stage.policy != "safe" for stage in self.stages)

    @property
    def latency(self) -> int:
        """Cycles from the transfer of a term with `last` to its result: one a stage."""
        return len(self.stages)

    @property
    def name(self) -> str:
        """The parameters in a word, as a Verilog module name carries them."""
        stages = (f"{stage.policy}{stage.bits}x{stage.count or 'n'}" for stage in self.stages)
        parts = ["anda_multistage", f"t{self.term_bits}", *stages, f"s{self.slots}"]
        return "_".join(parts) + ("_inv" if self.adder_cells is AdderCells.INVERTING else "")


def _require_fit(interval: Interval, bits: int, what: str) -> None:
    if not Interval.of_bits(bits, signed=True).contains(interval):
        raise RangeError(
            f"{what} must hold {interval.min} to {interval.max}, which does not fit {bits} signed bits"
        )


def term_layout(term_bits: int, slot_bits: int) -> data.StructLayout:
    """One term, whose it is, and where a row of terms begins and ends."""
    return data.StructLayout({"term": signed(term_bits), **_slot(slot_bits), "first": 1, "last": 1})


def total_layout(value_bits: int, slot_bits: int) -> data.StructLayout:
    """One row's result, and whose it is."""
    return data.StructLayout({"value": signed(value_bits), **_slot(slot_bits)})


def _slot(bits: int) -> dict[str, int]:
    return {"slot": bits} if bits else {}


@dataclass(frozen=True)
class _Moving:
    """What comes to a stage in a cycle: a term, or a sum that the stage before hands on."""

    valid: Value
    value: Value
    slot: Value
    first: Value
    last: Value


class MultiStageAccumulator(NamedComponent):
    """Sums of sums: stage j adds `count` results of stage j-1 into a register of `bits` bits (contract 6).

    The terms of a row come in ascending order. After `count` values a stage hands its sum on and starts again
    at zero; the last, perhaps short, run of every stage is handed on at the end of the row. The outermost
    stage gives the result of the row. One term a cycle, whatever its slot; while a result waits to be taken,
    everything waits.

    The count of the outermost stage is a promise, and not counted: a row has no more terms than the counts
    of all stages multiplied.

    Parameters
    ----------
    parameters : MultiStageParameters

    Members
    -------
    terms : In(stream.Signature(term_layout(term_bits, slot_bits)))
        `first` starts the slot anew, whatever it held; `last` asks for its result. Slots may be interleaved
        in any way.
    results : Out(stream.Signature(total_layout(value_bits, slot_bits)))
        In the order of the terms with `last`.
    overflow : Out(number of stages)
        Only if a stage is built to wrap or to saturate. Sticky, one bit a stage, the innermost lowest: the
        exact sum did not fit the register of the stage. The bit of a safe stage is always 0.
    clear_overflow : In(1)
        Along with it. Clears all of its bits, except those of stages that overflow in the same cycle.
    """

    terms: stream.Interface
    results: stream.Interface
    overflow: Signal
    clear_overflow: Signal

    def __init__(self, parameters: MultiStageParameters):
        self.parameters = p = parameters
        ports = {
            "terms": In(stream.Signature(term_layout(p.term_bits, p.slot_bits))),
            "results": Out(stream.Signature(total_layout(p.value_bits, p.slot_bits))),
        }
        if p.has_flags:
            ports |= {"overflow": Out(len(p.stages)), "clear_overflow": In(1)}
        super().__init__(ports)

    @property
    def module_name(self) -> str:
        """The parameters in a word."""
        return self.parameters.name

    def build(self) -> Module:
        """The stages in a row, each a cycle behind the one before; all of them wait together."""
        m = Module()
        p = self.parameters
        go = Signal()
        term = self.terms.payload
        m.d.comb += [go.eq(~self.results.valid | self.results.ready), self.terms.ready.eq(go)]
        slot = term.slot if p.slot_bits else Const(0, 1)
        moving = _Moving(self.terms.valid, term.term, slot, term.first, term.last)
        flags = []
        for number in range(len(p.stages)):
            moving, flag = self._stage(m, number, moving, go)
            flags.append(flag)
        m.d.comb += [self.results.valid.eq(moving.valid), self.results.payload.value.eq(moving.value)]
        if p.slot_bits:
            m.d.comb += self.results.payload.slot.eq(moving.slot)
        if p.has_flags:
            m.d.comb += self.overflow.eq(Cat(*flags))
        return m

    def _stage(self, m: Module, number: int, came: _Moving, go: Value) -> tuple[_Moving, Value]:
        """One stage.

        Returns
        -------
        _Moving
            What it hands on, a cycle later.
        Value
            Its flag.
        """
        p = self.parameters
        step = Signal(name=f"step_{number}")
        m.d.comb += step.eq(came.valid & go)
        start, ends, first = self._run(m, number, came, step)
        held = _Bank(m, f"sum_{number}", signed(p.stages[number].bits), came.slot, p.slots)
        total, outside = self._add(m, number, came.value, Cat(*(bit & ~start for bit in held.value)))
        held.write(m, step, total.value)
        flag: Value = Const(0, 1)
        if p.stages[number].policy != "safe":
            flag = Signal(name=f"overflow_{number}")
            m.d.sync += flag.eq((step & outside) | (flag & ~self.clear_overflow))

        # The sum stays where it is when there is one slot only. Of several it moves to a register in common,
        # so that the next stage has no choice to make among them.
        value, slot = held.value, came.slot
        if p.slot_bits:
            value = Signal(held.value.shape(), name=f"given_{number}", reset_less=True)
            slot = Signal(p.slot_bits, name=f"given_slot_{number}", reset_less=True)
            with m.If(step & ends):
                m.d.sync += [value.eq(total.value), slot.eq(came.slot)]
        valid = Signal(name=f"given_valid_{number}")
        with m.If(go):
            m.d.sync += valid.eq(step & ends)
        if number == len(p.stages) - 1:
            return _Moving(valid, value, slot, Const(1, 1), Const(1, 1)), flag
        given_first = Signal(name=f"given_first_{number}", reset_less=True)
        given_last = Signal(name=f"given_last_{number}", reset_less=True)
        with m.If(step & ends):
            m.d.sync += [given_first.eq(first), given_last.eq(came.last)]
        return _Moving(valid, value, slot, given_first, given_last), flag

    def _run(self, m: Module, number: int, came: _Moving, step: Value) -> tuple[Value, Value, Value]:
        """Where a stage is in its run.

        Returns
        -------
        start, ends : Value
            Whether what comes is the first of its run, and the last.
        first : Value
            Whether the run is the first of its row.
        """
        p = self.parameters
        count = p.stages[number].count
        if number == len(p.stages) - 1 or count is None:
            return came.first, came.last, Const(1, 1)
        if count == 1:
            return Const(1, 1), Const(1, 1), came.first
        bits = (count - 1).bit_length()
        place = _Bank(m, f"place_{number}", unsigned(bits), came.slot, p.slots)
        opened = _Bank(m, f"opened_{number}", unsigned(1), came.slot, p.slots)
        now, following, start, ends, first = (
            Signal(shape, name=f"{name}_{number}")
            for name, shape in (("now", bits), ("following", bits), ("start", 1), ("ends", 1), ("first", 1))
        )
        m.d.comb += [
            now.eq(Mux(came.first, 0, place.value)),
            start.eq(now == 0),
            ends.eq(came.last | (now == count - 1)),
            first.eq(Mux(start, came.first, opened.value)),
        ]
        with m.If(~ends):
            m.d.comb += following.eq(now + 1)
        place.write(m, step, following)
        opened.write(m, step, first)
        return start, ends, first

    def _add(self, m: Module, number: int, value: Value, held: Value) -> tuple[Ranged, Value]:
        """What a stage holds with `value` added to what it held, and whether that overflows."""
        p = self.parameters
        stage = p.stages[number]
        came = p.term_bits if number == 0 else p.stages[number - 1].bits
        safe = stage.policy == "safe"
        width = stage.bits if safe else max(stage.bits, came) + 1
        heap = BitHeap(width, p.adder_cells, prefix=f"stage_{number}_")
        heap.add_number(held.as_signed())
        heap.add_number(value)
        total = heap.sum(m)
        if safe:
            # Modulo the width, and so exact: the worst case of the stage fits.
            return Ranged(total.as_signed(), p.stage_ranges[number]), Const(0, 1)
        kept, above = total[: stage.bits], total[stage.bits - 1 :]
        outside = Signal(name=f"outside_{number}")
        m.d.comb += outside.eq(above.any() & ~above.all())
        if stage.policy == "saturate":
            negative = total[-1]
            end = Cat((~negative).replicate(stage.bits - 1), negative)
            kept = Mux(outside, end, kept)
        return Ranged.of(kept.as_signed()), outside


class _Bank:
    """One register a slot: that of `slot` is read, and written."""

    def __init__(self, m: Module, name: str, shape: Shape, slot: Value, slots: int):
        self._registers = [Signal(shape, name=f"{name}_{i}", reset_less=True) for i in range(slots)]
        self._slot = slot
        # A tree of multiplexers; an odd one out moves up as it is.
        level: list[Value] = list(self._registers)
        for bit in slot if slots > 1 else ():
            pairs = [Mux(bit, high, low) for low, high in zip(level[::2], level[1::2], strict=False)]
            level = pairs + level[2 * len(pairs) :]
        self.value: Value = self._registers[0]
        if slots > 1:
            self.value = Signal(shape, name=f"{name}_read")
            m.d.comb += self.value.eq(level[0])

    def write(self, m: Module, step: Value, value: Value) -> None:
        """Keep `value` where `step` is set."""
        for i, register in enumerate(self._registers):
            with m.If(step & (self._slot == i) if len(self._registers) > 1 else step):
                m.d.sync += register.eq(value)
