# amaranth: UnusedElaboratable=no
"""Power of an element with its share of what elements have in common.

An element of a design is its processing element, its part of the weight registers of a column, and its part
of the FP32 accumulator: the same parts that the area of an element is made of. Each is measured on its own
netlist at the pace of the element; energies per multiply-accumulate add up, because every part counts the
multiply-accumulates of all the elements that it serves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from anda.config import Design
from anda.flow.library import Library
from anda.flow.power import PowerMeter, PowerReport
from anda.flow.power_sample import Sample, sample
from anda.tops import accumulator_parameters, pe_parameters
from golden.anda import AndaCodec
from hdl.accumulator import Accumulator
from hdl.heap import AdderCells
from hdl.pe import ProcessingElement
from hdl.weights import WeightBuffer
from sim.replay_data import Replay
from sim.replays import accumulator, pe, weights
from sim.replays.beats import require_codec

__all__ = ["PARTS", "ElementMeter", "ElementPower", "Part", "PartPower"]

PARTS = ("pe", "weights", "accumulator")
"""What an element may be made of."""


class PartPower(BaseModel):
    """One part of an element, and how much of it belongs to one element."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    part: str
    share: float
    report: PowerReport


class ElementPower(BaseModel):
    """Energy and power of one element with its shares, for groups of so many planes.

    Attributes
    ----------
    planes
        Words that a group occupies; sign-magnitude groups have one for the signs.
    macs_per_cycle
        Of one element: lanes over the cycles of a group.
    area
        Of all parts, by their shares.
    dynamic_fj_per_mac, glitch_fj_per_mac, total_fj_per_mac
        As in `PowerReport`; leakage by shares.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    planes: int
    clock_hz: float
    macs_per_cycle: float
    area: float
    area_unit: str
    dynamic_fj_per_mac: float
    glitch_fj_per_mac: float
    total_fj_per_mac: float
    leakage_w: float
    total_w: float
    parts: list[PartPower]


@dataclass(frozen=True)
class Part:
    """A part of an element on its own netlist, and how much of it belongs to one element."""

    name: str
    share: float
    meter: PowerMeter


class ElementMeter:
    """The parts of a design's element, mapped to a library once.

    Parameters
    ----------
    design
        With a processing element.
    library
        With energies.
    parts
        Which of `PARTS`; all that the design has by default.
    runs
        Runs of the replays.
    wire_ff
        Wire load in fF for each input pin.

    Raises
    ------
    ValueError
        When the design lacks a part, or cannot be built or mapped.
    """

    def __init__(
        self,
        design: Design,
        library: Library,
        *,
        parts: tuple[str, ...] = PARTS,
        runs: int = 256,
        wire_ff: float = 0.0,
    ) -> None:
        cells = AdderCells.INVERTING if library.adder_style == "inverting" else AdderCells.PLAIN
        self.design = design
        self.library = library
        self.pe = pe_parameters(design, cells)
        if self.pe.products == "pairs":
            raise ValueError(
                f"the element of {design.name} takes products of pairs, whose sums and lines it shares with "
                "others: anda compare measures these"
            )
        self.accumulator = accumulator_parameters(design, cells) if design.accumulator else None
        # Weights outside are left to the user; inside, they are a part of the element.
        self.rows = design.pe.rows if design.pe else None
        has = {"pe": True, "weights": self.rows is not None, "accumulator": self.accumulator is not None}
        missing = [part for part in parts if parts != PARTS and not has.get(part)]
        if missing:
            there = ", ".join(part for part in PARTS if has[part])
            raise ValueError(f"expected a part of the element of {design.name} ({there}), not {missing[0]!r}")
        self.parts = [
            Part(name, share, PowerMeter(component, library, wire_ff=wire_ff))
            for name, share, component in self._components()
            if name in parts
        ]
        slots = self.accumulator.slots if self.accumulator else 1
        self.sample: Sample = sample(runs, rows=slots, lanes=self.pe.lanes)

    def _components(self) -> Iterator[tuple[str, float, ProcessingElement | WeightBuffer | Accumulator]]:
        p = self.pe
        yield "pe", 1.0, ProcessingElement(p)
        if self.rows is not None:
            yield "weights", 1 / self.rows, WeightBuffer(lanes=p.lanes, level_bits=p.level_bits)
        if self.accumulator is not None:
            yield "accumulator", 1 / self.accumulator.slots, Accumulator(self.accumulator)

    def measure(self, planes: int, clock_hz: float) -> ElementPower:
        """Replay groups of so many planes.

        Raises
        ------
        ValueError
            When groups cannot have so many planes, or a netlist computes anything but the golden results.
        """
        found = [
            PartPower(
                part=part.name,
                share=part.share,
                report=part.meter.measure(self.replay(part.name, planes), clock_hz),
            )
            for part in self.parts
        ]
        macs_per_cycle = self.pe.lanes / self.pe.beats(planes)
        leakage = sum(part.share * part.report.leakage_w for part in found)
        dynamic = sum(part.report.dynamic_fj_per_mac for part in found)
        per_second = clock_hz * macs_per_cycle
        return ElementPower(
            planes=planes,
            clock_hz=clock_hz,
            macs_per_cycle=macs_per_cycle,
            area=sum(part.share * part.report.area for part in found),
            area_unit=self.library.area_unit,
            dynamic_fj_per_mac=dynamic,
            glitch_fj_per_mac=sum(part.report.glitch_fj_per_mac for part in found),
            total_fj_per_mac=dynamic + leakage * 1e15 / per_second,
            leakage_w=leakage,
            total_w=dynamic * 1e-15 * per_second + leakage,
            parts=found,
        )

    def replay(self, part: str, planes: int) -> Replay:
        """What a part sees for groups of so many planes.

        Raises
        ------
        ValueError
            When the design has no such part, or its groups cannot have so many planes.
        """
        f, s, p = self.design.format, self.sample, self.pe
        codec = AndaCodec(planes, f.encoding, f.rounding, f.group)
        require_codec(p, codec)
        beats = p.beats(planes)
        if part == "pe":
            return pe.replay(p, codec, s.activations[:, 0], s.weights)
        if part == "weights" and self.rows is not None:
            return weights.replay(s.weights, p.level_bits, beats, self.rows)
        if part == "accumulator" and self.accumulator is not None:
            return accumulator.replay(self.accumulator, codec, beats, s.activations, s.weights, s.scales)
        raise ValueError(f"the element of {self.design.name} has no part {part!r}")
