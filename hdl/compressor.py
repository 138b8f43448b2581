"""The bit-plane compressor: groups of FP16 values in, plane words and shared exponents out."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from golden.interval import Interval

from .compressor_front import CompressorFront
from .compressor_lane import CompressorLane
from .compressor_parameters import CompressorParameters
from .modules import NamedComponent
from .ranges import Ranged, assign, saturate

__all__ = ["Compressor", "CompressorParameters", "group_layout", "planes_layout"]


def group_layout(parameters: CompressorParameters) -> data.StructLayout:
    """One group of FP16 values, lowest K index in the least significant bits; `last` ends a batch."""
    return data.StructLayout({"values": 16 * parameters.group, "last": 1})


def planes_layout(parameters: CompressorParameters) -> data.StructLayout:
    """One plane of every lane, lane 0 in the least significant bits of each field.

    A lane that is not in `lanes_valid` has no group this time: its word is 0 and its exponent 1.
    """
    p = parameters
    return data.StructLayout(
        {
            "words": p.lanes * p.group,
            "exponents": p.lanes * p.exponent_range.bits,
            "lanes_valid": p.lanes,
            "first": 1,
            "last": 1,
        }
    )


class Compressor(NamedComponent):
    """FP16 activations to Anda groups at run time, one plane a cycle (contract, sections 1 to 3).

    Lanes are filled one after the other and give out their planes in lockstep: `parameters.lanes` groups take
    `parameters.cycles(planes)` cycles, and the first plane is there `parameters.latency` cycles after the
    group that filled the last lane was taken. With one lane that is a group every `planes` cycles without a
    gap.

    Parameters
    ----------
    parameters : CompressorParameters

    Members
    -------
    activations : In(stream.Signature(group_layout(parameters)))
        Groups in ascending order. `last` marks the final group of a batch: the lanes are given out even if
        not all are filled, and the next batch begins in lane 0.
    group_planes : In
        Words a group occupies: offered together with the first group of a batch and as long, and kept to the
        end of the batch. A number below 2 counts as 2, one above `max_planes` as `max_planes`.
    planes : Out(stream.Signature(planes_layout(parameters)))
        The planes of all lanes, sign or top plane first.
    nonfinite : Out(1)
        Set the cycle after a group with an infinity or NaN was taken, until it is cleared.
    clear_nonfinite : In(1)
        Clears `nonfinite`, unless a non-finite group is taken in the same cycle.
    """

    activations: stream.Interface
    group_planes: Signal
    planes: stream.Interface
    nonfinite: Signal
    clear_nonfinite: Signal

    def __init__(self, parameters: CompressorParameters):
        self.parameters = p = parameters
        super().__init__(
            {
                "activations": In(stream.Signature(group_layout(p))),
                "group_planes": In(p.planes_range.bits),
                "planes": Out(stream.Signature(planes_layout(p))),
                "nonfinite": Out(1),
                "clear_nonfinite": In(1),
            }
        )

    @property
    def module_name(self) -> str:
        """The parameters in a word."""
        return f"anda_compressor_{self.parameters.lanes}x{self.parameters.front_name}"

    def build(self) -> Module:
        """The front end, the lanes, and what keeps them together."""
        m = Module()
        p = self.parameters
        plane = self.planes.payload
        m.submodules.front = front = CompressorFront(p)
        lanes = [CompressorLane(p) for _ in range(p.lanes)]
        accept, step, full, ready = Signal(), Signal(), Signal(), Signal()
        skipped, taken = self._skipped(m, accept)
        free = ~full | (step & plane.last)
        m.d.comb += [
            ready.eq(free & front.found if p.exponent_register else free),
            accept.eq(self.activations.valid & ready),
            self.activations.ready.eq(ready),
            step.eq(full & self.planes.ready),
            self.planes.valid.eq(full),
            front.values.eq(self.activations.payload.values),
            front.skipped.eq(skipped.value),
        ]
        if p.exponent_register:
            m.d.comb += [front.valid.eq(self.activations.valid), front.take.eq(accept)]
        final, loads = self._fill(m, accept)
        phase = self._count(m, accept & final, step, taken)
        for i, lane in enumerate(lanes):
            m.submodules[f"lane_{i}"] = lane
            m.d.comb += [
                lane.load.eq(loads[i]),
                lane.step.eq(step),
                lane.last.eq(plane.last),
                lane.phase.eq(phase.value[: p.start_range.bits]),
                lane.aligned.eq(front.aligned),
            ]
            if not p.signed_digits:
                m.d.comb += lane.first.eq(plane.first)
        self._give(m, lanes, full, free, accept & final)
        with m.If(accept & front.nonfinite):
            m.d.sync += self.nonfinite.eq(1)
        with m.Elif(self.clear_nonfinite):
            m.d.sync += self.nonfinite.eq(0)
        return m

    def _skipped(self, m: Module, accept: Value) -> tuple[Ranged, Ranged]:
        """`max_planes - P`: from the port for the first group of a batch, from then on as it was.

        First for the front end, then for a group that is taken: what the front end saw, a cycle ago if it has
        a register.
        """
        p = self.parameters
        planes = saturate(Ranged.of(self.group_planes), p.planes_range)
        skipped = Ranged.signal(p.skipped_range, "skipped")
        before = Ranged.signal(p.skipped_range, "skipped_before", reset_less=True)
        inside = Signal(name="inside_batch")
        with m.If(inside):
            m.d.comb += assign(skipped, before)
        with m.Else():
            m.d.comb += assign(skipped, Ranged.constant(p.max_planes) - planes)
        m.d.sync += assign(before, skipped)
        with m.If(accept):
            m.d.sync += inside.eq(~self.activations.payload.last)
        return skipped, before if p.exponent_register else skipped

    def _fill(self, m: Module, accept: Value) -> tuple[Value, list[Value]]:
        """Whether the group at the input is the final one before the lanes give, and which lane takes it."""
        lanes = self.parameters.lanes
        if lanes == 1:
            return Const(1, 1), [accept]
        lane = Ranged.signal(Interval(0, lanes - 1), "filling")
        final = Signal()
        m.d.comb += final.eq((lane.value == lanes - 1) | self.activations.payload.last)
        with m.If(accept & final):
            m.d.sync += lane.value.eq(0)
        with m.Elif(accept):
            not_the_last = Ranged(lane.value, Interval(0, lanes - 2))
            m.d.sync += assign(lane, not_the_last + Ranged.constant(1))
        return final, [accept & ~(lane.value ^ i).any() for i in range(lanes)]

    def _count(self, m: Module, start: Value, step: Value, skipped: Ranged) -> Ranged:
        """Number of the plane, so that the last one is `max_planes` whatever their number."""
        p = self.parameters
        first = Signal(reset_less=True)
        phase = Ranged.signal(p.phase_range, "phase", reset_less=True)
        last = Signal()
        m.d.comb += [
            last.eq(~(phase.value ^ p.phase_range.max).any()),
            self.planes.payload.first.eq(first),
            self.planes.payload.last.eq(last),
        ]
        with m.If(start):
            m.d.sync += [first.eq(1), assign(phase, skipped + Ranged.constant(1))]
        with m.Elif(step & ~last):
            not_the_last = Ranged(phase.value, Interval(p.phase_range.min, p.phase_range.max - 1))
            m.d.sync += [first.eq(0), assign(phase, not_the_last + Ranged.constant(1))]
        return phase

    def _give(self, m: Module, lanes: list[CompressorLane], full: Signal, free: Value, start: Value) -> None:
        """The planes of all lanes side by side, and whether they are there."""
        plane = self.planes.payload
        filled = Cat(lane.filled for lane in lanes)
        if len(lanes) == 1:
            m.d.comb += [
                full.eq(filled),
                plane.words.eq(lanes[0].word),
                plane.exponents.eq(lanes[0].exponent),
            ]
        else:
            with m.If(free):
                m.d.sync += full.eq(start)
            nothing = Const(self.parameters.exponent_range.min, self.parameters.exponent_range.bits)
            m.d.comb += [
                plane.words.eq(Cat(Mux(lane.filled, lane.word, 0) for lane in lanes)),
                plane.exponents.eq(Cat(Mux(lane.filled, lane.exponent, nothing) for lane in lanes)),
            ]
        m.d.comb += plane.lanes_valid.eq(filled)
