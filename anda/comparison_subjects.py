# amaranth: UnusedElaboratable=no
"""What is compared: elements with their shares of weight registers and accumulators, all treated alike.

Every element has its weights at ports. Registers for them are two banks of what the element uses at a time,
as `hdl.weights.WeightBuffer` has them, and are counted in two ways for everybody: as one copy for the 16 rows
of a column, or as one in every element, as the Anda paper has it. FP32 accumulators are part of the elements
of peers; ours are counted by the share that an element has of one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any, Literal

from numpy.typing import NDArray

from anda.flow.power_sample import Sample, sample
from hdl.heap import AdderCells
from hdl.modules import NamedComponent
from hdl.weights import WeightBuffer
from sim.replay_data import Replay
from sim.replays import weights

__all__ = ["ACCOUNTINGS", "ROWS", "Accounting", "Kind", "Part", "Subject", "Use", "real_data", "registers"]

Accounting = Literal["shared", "own"]
ACCOUNTINGS: tuple[Accounting, ...] = ("shared", "own")
"""Weight registers: one copy for `ROWS` rows, or one in every element."""

ROWS = 16
"""Of an array, which share the weight registers of a column."""

Kind = Literal["ours", "peer", "ablation", "planes per cycle", "pairs", "accumulator"]


@dataclass(frozen=True)
class Part:
    """A component that is synthesized, and replayed, on its own.

    Attributes
    ----------
    what : str
        Such as "element".
    component : callable
        Makes it for a kind of adder cells.
    replay : callable or None
        From (adder cells, planes of a group) what it sees; None: its power is not measured.
    serves : int
        Elements whose multiply-accumulates its replay counts.
    leads : bool
        Its outputs are inputs of the element in the same cycle, so that its path goes on there.
    """

    what: str
    component: Callable[[AdderCells], NamedComponent]
    replay: Callable[[AdderCells, int], Replay] | None = None
    serves: int = 1
    leads: bool = False


@dataclass(frozen=True)
class Use:
    """How much of a part belongs to one element."""

    part: Part
    share: float


@dataclass(frozen=True)
class Subject:
    """An element of the comparison.

    Attributes
    ----------
    name, title : str
    source : str
        Who describes it.
    kind : str
        Which tables it belongs to.
    element : tuple of Use
        The element itself first; without weight registers.
    registers : Part or None
        The weight registers that serve it alone; None where they are not compared.
    planes : tuple of int
        Words of a group that rows are made for; 0 alone where there are no planes.
    macs_per_cycle : callable
        From the planes, in steady state.
    mantissa_bits : callable
        From the planes, `M` of the paper's elements with the same accuracy; 0 without planes.
    converters : tuple of Use
        With their share in an array of `ROWS` rows and columns: what one element needs.
    accountings : tuple of str
    """

    name: str
    title: str
    source: str
    kind: Kind
    element: tuple[Use, ...]
    registers: Part | None
    planes: tuple[int, ...]
    macs_per_cycle: Callable[[int], Fraction]
    mantissa_bits: Callable[[int], int] = lambda _: 0
    converters: tuple[Use, ...] = ()
    accountings: tuple[Accounting, ...] = ACCOUNTINGS

    def uses(self, accounting: Accounting) -> tuple[Use, ...]:
        """The element with its weight registers."""
        share = 1.0 if accounting == "own" else 1 / ROWS
        return self.element + ((Use(self.registers, share),) if self.registers else ())


@cache
def real_data(rows: int = 1) -> Sample:
    """What replays hold: every run is one output channel, for so many tokens."""
    return sample(256, rows=rows)


def registers(lanes: int, bits: int, beats: Callable[[int], int], levels: Callable[[], NDArray[Any]]) -> Part:
    """Registers of `lanes` weights, each set used for so many cycles."""

    def replay(_: AdderCells, planes: int) -> Replay:
        found = levels()
        return weights.replay(found.reshape(len(found), -1, lanes), bits, beats(planes), 1)

    return Part("weight registers", lambda _: WeightBuffer(lanes=lanes, level_bits=bits), replay)
