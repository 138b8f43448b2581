"""The accumulator of several stages next to a model of it, for proofs (contract, section 6).

The model is in plain integers, wide for certain, stage by stage: it adds what comes, lets the policy of the
stage decide what is kept, counts the values of a run, and hands the sum on a cycle later. Whatever terms come
and whoever stalls or resets, every register, hand-over, result and flag is that of the model. The number of
terms is not bounded, save by the promise of a safe outermost stage.

A safe stage needs a promise about its terms. There are three of them:

- "types": terms from all of `term_range`. With the range of the processing element's sums this is the bound
  of the data types, for any weights and any activations.
- "budget": each term lies in an arbitrary interval around 0 of its own, that of the levels behind it, and
  these intervals add up to one inside the range of each stage that has a certified one. For the budget of a
  tile (`sim.proofs.budget`) that is `-L..L` and the first stage; the next ones take whatever it may hand on.
- intervals, one for each term of a row: those of very particular weights.

With them the running bounds of each register are carried along.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import reduce
from operator import add
from typing import Literal

from amaranth.hdl import Assert, Assume, Const, Elaboratable, Fragment, Module, Mux, Signal, Value, signed

from golden.interval import Interval
from golden.multistage import Policy, Stage
from hdl.multistage import MultiStageAccumulator

__all__ = ["MultiStageProof", "Promise"]

#: What is known of the terms; see above. None: nothing, so that no stage can be safe.
Promise = Literal["types", "budget"] | tuple[Interval, ...] | None


@dataclass
class _Came:
    """What comes to a stage of the model, and between which bounds it lies."""

    valid: Value
    value: Value
    first: Value
    last: Value
    low: Value
    high: Value


@dataclass
class _Model:
    """The registers of a stage of the model."""

    stage: Stage
    bits: int
    index: int
    held: Signal = field(init=False)
    total: Signal = field(init=False)
    low: Signal = field(init=False)
    high: Signal = field(init=False)

    def __post_init__(self) -> None:
        shape, n = signed(self.bits), self.index
        self.held, self.total, self.low, self.high = (
            Signal(shape, name=f"{name}_{n}", reset_less=True) for name in ("held", "total", "low", "high")
        )
        most = self.stage.count or 1
        # How many values are in the sum; how many of an unfinished run; whether its row goes on.
        self.added = Signal(range(most + 2), name=f"added_{n}", reset_less=True)
        self.place = Signal(range(most + 1), name=f"run_{n}")
        self.open = Signal(name=f"open_{n}")
        self.first_run = Signal(name=f"first_run_{n}", reset_less=True)
        self.gives = Signal(name=f"gives_{n}")
        self.gives_first = Signal(name=f"gives_first_{n}", reset_less=True)
        self.gives_last = Signal(name=f"gives_last_{n}", reset_less=True)

    def kept(self, exact: Value) -> tuple[Value, Value]:
        """What the register keeps of a sum, and whether the sum is outside its range."""
        span = self.stage.range
        above, below = exact > span.max, exact < span.min
        if self.stage.policy == "saturate":
            return Mux(above, span.max, Mux(below, span.min, exact)), above | below
        if self.stage.policy == "wrap":
            return exact[: self.stage.bits].as_signed(), above | below
        return exact, above | below


class MultiStageProof(Elaboratable):
    """The accumulator next to its model.

    Parameters
    ----------
    accumulator : MultiStageAccumulator
        With one slot.
    promise : str, tuple of Interval or None
        About the terms.
    policies : tuple of str or None
        Of the model, one a stage; None takes those of the accumulator, and a twin has others.
    slack : int
        How far the bounds of "budget" may be outside the certified range; more than 0 in a twin.
    induction : bool
        State what carries the induction too. A twin must fail without.
    """

    def __init__(
        self,
        accumulator: MultiStageAccumulator,
        promise: Promise = None,
        *,
        policies: tuple[Policy, ...] | None = None,
        slack: int = 0,
        induction: bool = True,
    ):
        p = accumulator.parameters
        if p.slots != 1:
            raise ValueError(f"this proof is for one slot, not for {p.slots}")
        self.accumulator = accumulator
        self.promise = promise
        self.slack = slack
        intervals = promise if isinstance(promise, tuple) else ()
        self.number = Signal(range(len(intervals) + 1), name="term_number")
        self.induction = induction
        bits = max(p.term_bits, *(stage.bits for stage in p.stages)) + 4
        stages = p.stages
        if policies is not None:
            stages = tuple(replace(s, policy=policy) for s, policy in zip(stages, policies, strict=True))
        self.models = [_Model(stage, bits, n) for n, stage in enumerate(stages)]
        self.term_low, self.term_high = (
            Signal(signed(p.term_bits + 1), name=f"term_{end}") for end in ("low", "high")
        )

    def ports(self) -> list[Value]:
        """Inputs, outputs, and the bounds of the terms where they are free."""
        flat = self.accumulator.signature.flatten(self.accumulator)
        bounds = [self.term_low, self.term_high] if self.promise == "budget" else []
        return [*(Value.cast(value) for _, _, value in flat), *bounds]

    def elaborate(self, platform: object) -> Module:
        """Both, and what joins them."""
        m = Module()
        dut = self.accumulator
        built = Fragment.get(dut, None)
        m.submodules.accumulator = built
        registers = {s.name: s for statement in built.statements["sync"] for s in statement._lhs_signals()}
        term = dut.terms.payload
        m.d.comb += Assume(~dut.terms.valid | (term.first == ~self.models[0].open), "rows follow each other")
        low, high = self._term_bounds(m)
        came = _Came(dut.terms.valid, term.term, term.first, term.last, low, high)
        outside = []
        for model in self.models:
            came, left = self._stage(m, model, came)
            outside.append(left)
        last = self.models[-1]
        m.d.comb += Assert(dut.results.valid == last.gives, "a result comes at the end of a row")
        with m.If(last.gives):
            m.d.comb += Assert(dut.results.payload.value == last.held, "the result is that of the model")
        if dut.parameters.has_flags:
            flags = Signal(len(outside))
            for n, left in enumerate(outside):
                with m.If(left):
                    m.d.sync += flags[n].eq(1)
                with m.Elif(dut.clear_overflow):
                    m.d.sync += flags[n].eq(0)
            m.d.comb += Assert(dut.overflow == flags, "a flag tells of an overflow until it is cleared")
        for n, model in enumerate(self.models):
            total = registers[f"sum_{n}_0"]
            m.d.comb += Assert(total == model.held, f"register {n} is that of the model")
            if model.stage.policy == "wrap":
                m.d.comb += Assert(
                    total == model.total[: model.stage.bits].as_signed(), f"register {n} is the sum, modulo"
                )
            if self.induction:
                self._join(m, n, model, registers)
        if self.induction and self.promise is not None:
            self._carry_bounds(m)
        return m

    def _stage(self, m: Module, model: _Model, came: _Came) -> tuple[_Came, Value]:
        """What a stage of the model does in a cycle; returns what it hands on, and whether it overflows."""
        go = self.accumulator.terms.ready
        outermost = model is self.models[-1]
        start = ~model.open if outermost else model.place == 0
        most = model.stage.count
        ends = came.last if outermost or most is None else came.last | (model.place == most - 1)
        exact, lowest, highest = (
            Signal(signed(model.bits), name=f"{name}_{model.index}")
            for name in ("exact", "lowest", "highest")
        )
        m.d.comb += [
            exact.eq(Mux(start, 0, model.held) + came.value),
            lowest.eq(Mux(start, 0, model.low) + came.low),
            highest.eq(Mux(start, 0, model.high) + came.high),
        ]
        low: Value = lowest
        high: Value = highest
        kept, outside = model.kept(exact)
        step = Signal(name=f"model_steps_{model.index}")
        m.d.comb += step.eq(came.valid & go)
        if outermost and most is not None and model.stage.policy == "safe":
            promised = ~step | start | (model.added < most)
            m.d.comb += Assume(promised, "a row is no longer than promised")
        span = self.accumulator.parameters.certified(model.index)
        if self.promise == "budget" and span is not None:
            within = (high <= span.max + self.slack) & (low >= span.min - self.slack)
            m.d.comb += Assume(~step | within, f"the weights keep the range of stage {model.index}")
        if model.stage.policy != "safe":
            low, high = (
                Const(end, signed(model.bits)) for end in (model.stage.range.min, model.stage.range.max)
            )
        with m.If(step):
            m.d.sync += [
                model.held.eq(kept),
                model.total.eq(Mux(start, 0, model.total) + came.value),
                model.low.eq(low),
                model.high.eq(high),
                model.added.eq(Mux(start, 1, model.added + 1)),
                model.open.eq(~came.last),
                model.first_run.eq(Mux(start, ~model.open, model.first_run)),
            ]
            if not outermost:
                m.d.sync += model.place.eq(Mux(ends, 0, model.place + 1))
        with m.If(go):
            m.d.sync += [
                model.gives.eq(step & ends),
                model.gives_first.eq(Mux(start, ~model.open, model.first_run)),
                model.gives_last.eq(came.last),
            ]
        handed = _Came(model.gives, model.held, model.gives_first, model.gives_last, model.low, model.high)
        return handed, step & outside

    def _term_bounds(self, m: Module) -> tuple[Value, Value]:
        """Between what each term lies, as it is promised."""
        p = self.accumulator.parameters
        low, high = self.term_low, self.term_high
        term = self.accumulator.terms.payload.term
        if self.promise == "types":
            m.d.comb += [low.eq(p.terms.min), high.eq(p.terms.max)]
        elif self.promise == "budget":
            around = (low <= 0) & (low >= p.terms.min) & (high >= 0) & (high <= p.terms.max)
            m.d.comb += Assume(around, "the bounds of a term are around 0")
        elif self.promise is not None:
            self._number_terms(m, self.promise)
        if self.promise is not None:
            within = (term >= low) & (term <= high)
            m.d.comb += Assume(~self.accumulator.terms.valid | within, "a term is in its range")
        return low, high

    def _number_terms(self, m: Module, intervals: tuple[Interval, ...]) -> None:
        """Rows of exactly as many terms as there are intervals, each term in its own."""
        terms = self.accumulator.terms
        ends = self.number == len(intervals) - 1
        m.d.comb += Assume(~terms.valid | (terms.payload.last == ends), "a row has a term for each group")
        with m.If(terms.valid & terms.ready):
            m.d.sync += self.number.eq(Mux(ends, 0, self.number + 1))
        with m.Switch(self.number):
            for n, interval in enumerate(intervals):
                with m.Case(n):
                    m.d.comb += [self.term_low.eq(interval.min), self.term_high.eq(interval.max)]

    def _join(self, m: Module, n: int, model: _Model, registers: dict[str, Signal]) -> None:
        """The control of stage `n` is that of the model: what carries the induction."""
        gives = registers[f"given_valid_{n}"] == model.gives
        m.d.comb += Assert(gives, f"stage {n} hands on when the model does")
        if n == len(self.models) - 1:
            return
        following = self.models[n + 1]
        m.d.comb += [
            Assert(
                model.place < (model.stage.count or 1), f"a run of stage {n} is not longer than its count"
            ),
            Assert(model.open | (model.place == 0), f"no run of stage {n} goes on between rows"),
        ]
        if f"place_{n}_0" in registers:
            place, opened = registers[f"place_{n}_0"], registers[f"opened_{n}_0"]
            m.d.comb += Assert(~model.open | (place == model.place), f"stage {n} counts as the model does")
            with m.If(model.place != 0):
                m.d.comb += Assert(opened == model.first_run, f"stage {n} knows its first run")
        with m.If(model.gives):
            m.d.comb += [
                Assert(registers[f"given_first_{n}"] == model.gives_first, f"first run of stage {n}"),
                Assert(registers[f"given_last_{n}"] == model.gives_last, f"last run of stage {n}"),
                Assert(model.gives_first == ~following.open, f"rows of stage {n} follow each other"),
                Assert(model.gives_last == ~model.open, f"a row of stage {n} ends with its last run"),
                Assert(model.place == 0, f"a run of stage {n} has ended"),
            ]
        with m.Elif(model.place == 0):
            m.d.comb += Assert(model.open == following.open, f"stage {n} and the next agree on the row")
        with m.Else():
            first = model.first_run == ~following.open
            m.d.comb += Assert(first, f"the first run of stage {n} is new to the next")

    def _carry_bounds(self, m: Module) -> None:
        """Between what the sums lie, and why that fits."""
        p = self.accumulator.parameters
        for n, model in enumerate(self.models):
            between = (model.held >= model.low) & (model.held <= model.high)
            m.d.comb += Assert(between, f"sum {n} is between its bounds")
            if isinstance(self.promise, tuple):
                continue
            span = model.stage.range if model.stage.policy != "safe" else p.certified(n)
            if span is None:
                each = p.stage_ranges[n - 1] if n else p.terms
                most = model.stage.count or 1
                low, high = (model.added * end for end in (each.min, each.max))
                m.d.comb += Assert(model.added <= most, f"stage {n} adds no more than promised")
                if n < len(self.models) - 1:
                    so_far = (model.place == 0) | (model.added == model.place)
                    m.d.comb += Assert(so_far, f"stage {n} has added the run so far")
            else:
                low, high = Const(span.min, signed(model.bits)), Const(span.max, signed(model.bits))
            m.d.comb += Assert((model.low >= low) & (model.high <= high), f"bounds {n} are as promised")
        if isinstance(self.promise, tuple):
            self._carry_intervals(m, self.promise)

    def _carry_intervals(self, m: Module, intervals: tuple[Interval, ...]) -> None:
        """The bounds of two stages, from the place in the row; the inner one has tiles of `count` terms."""
        inner, outer = self.models
        count = inner.stage.count or 1
        tiles = [intervals[i : i + count] for i in range(0, len(intervals), count)]
        totals = [reduce(add, tile) for tile in tiles]
        arrived = Signal(range(len(tiles) + 1), name="tiles_arrived")
        m.d.comb += arrived.eq(Mux(outer.open, outer.added, 0))
        with m.Switch(self.number):
            for n in range(len(intervals)):
                before = (n - 1) % len(intervals)
                place = before % count
                bound = reduce(add, tiles[before // count][: place + 1])
                now = (inner.low == bound.min) & (inner.high == bound.max)
                ended = place == count - 1 or before == len(intervals) - 1
                with m.Case(n):
                    waits = inner.gives & (arrived == before // count)
                    taken = ~inner.gives & (arrived == (n // count))
                    m.d.comb += [
                        Assert((waits & now) | taken if ended else taken & now, f"bounds before term {n}"),
                        Assert(inner.place == (0 if ended else place + 1), f"place before term {n}"),
                    ]
        with m.Switch(outer.added):
            for n in range(1, len(tiles) + 1):
                bound = reduce(add, totals[:n])
                with m.Case(n):
                    now = (outer.low == bound.min) & (outer.high == bound.max)
                    m.d.comb += Assert(now, f"bounds after {n} tiles")
        m.d.comb += [
            Assert(self.number < len(intervals), "no more terms than there are"),
            Assert(inner.open == (self.number != 0), "a row is open until its last term"),
            Assert(~outer.open | (outer.added != 0), "an open row has added a tile"),
            Assert(outer.added <= len(tiles), "no more tiles than there are"),
        ]
