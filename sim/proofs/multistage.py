"""Theorems about the accumulator of several stages as it is built (contract, section 6).

`sim.proofs.multistage_model` has the statements. Here they meet configurations, and each gets its twins.
"""

from __future__ import annotations

from dataclasses import fields, replace
from functools import reduce
from math import prod
from operator import add
from typing import Any

from amaranth.hdl import Elaboratable, Module, Signal, Value

from golden.interval import Interval
from golden.multistage import Policy, Stage
from hdl.multistage import MultiStageAccumulator, MultiStageParameters
from hdl.pe import PeParameters

from .multistage_model import MultiStageProof, Promise
from .theorem import Theorem

__all__ = [
    "FlagsPerRow",
    "UncheckedParameters",
    "multistage_examples",
    "multistage_theorems",
    "row_theorems",
]


class UncheckedParameters(MultiStageParameters):
    """Twins with a fault: registers of safe stages as narrow as one likes."""

    def _require_safe(self, number: int) -> None:
        """Nothing is refused."""

    @property
    def stage_ranges(self) -> tuple[Interval, ...]:
        """What the registers hold."""
        return tuple(Interval.of_bits(stage.bits, signed=True) for stage in self.stages)


class FlagsPerRow(MultiStageAccumulator):
    """A twin with a fault: a new row clears the flags."""

    def build(self) -> Module:
        """The flags are not sticky."""
        asked, self.clear_overflow = self.clear_overflow, Signal(name="cleared")
        m = super().build()
        cleared, self.clear_overflow = self.clear_overflow, asked
        starts = self.terms.valid & self.terms.ready & self.terms.payload.first
        m.d.comb += cleared.eq(asked | starts)
        return m


def multistage_theorems(parameters: MultiStageParameters) -> list[Theorem]:
    """The accumulator of these stages, for one of its slots, and its twins.

    Twins: each safe stage with a bit less than its range needs, certified ranges that are off by one, flags
    that a new row clears, and one policy in place of the other.
    """
    p = replace(parameters, slots=1)
    name = f"stages {p.name.removeprefix('anda_multistage_').removesuffix('_s1')}"
    promise: Promise = "budget" if any(p.ranges) else "types"
    if p.has_flags:
        statement = "Registers, results and flags are those of a model in plain integers, whatever comes."
    elif any(p.ranges):
        statement = "No terms that keep the certified ranges make a register overflow."
    else:
        statement = "No terms of this range make a register overflow, and every result is exact."
    theorems = [_proved(name, statement, p, promise)]
    longest = _terms_of_row(p)
    for n, stage in enumerate(p.stages):
        if stage.policy != "safe" or longest > _LONGEST_TWIN:
            continue
        if not Interval.of_bits(stage.bits - 1, signed=True).contains(p.stage_ranges[n]):
            narrow = tuple(replace(s, bits=s.bits - (i == n)) for i, s in enumerate(p.stages))
            twin = UncheckedParameters(**{**_fields(p), "stages": narrow})
            refuted = f"Stage {n} overflows with {stage.bits - 1} bits, one less than its range needs."
            theorems.append(_refuted(name, f"narrow {n}", refuted, twin, promise, longest))
        if p.certified(n) is not None and not stage.range.contains(_grown(p.certified(n))):
            refuted = f"Stage {n} overflows when its certified range is off by one."
            theorems.append(_refuted(name, f"loose {n}", refuted, p, promise, longest, slack=1))
    if p.has_flags:
        refuted = "Flags that a new row clears are not sticky."
        theorems.append(_refuted(name, "flags", refuted, p, promise, 8, kind=FlagsPerRow))
        policies = tuple(_OTHER[stage.policy] for stage in p.stages)
        refuted = "A stage that wraps is not one that saturates."
        theorems.append(_refuted(name, "policy", refuted, p, promise, 8, policies=policies))
    return theorems


def row_theorems(name: str, groups: tuple[Interval, ...], count: int) -> list[Theorem]:
    """Rows of groups with weights of their own: inner and outer register exactly as wide as these need.

    Parameters
    ----------
    name : str
        Of the weights.
    groups : tuple of Interval
        What the sum of each group can reach, for any activations.
    count : int
        Groups of a tile.
    """
    tiles = [groups[i : i + count] for i in range(0, len(groups), count)]
    totals = [reduce(add, tile) for tile in tiles]
    inner = reduce(Interval.hull, (reduce(add, tile[: n + 1]) for tile in tiles for n in range(len(tile))))
    outer = reduce(Interval.hull, (reduce(add, totals[: n + 1]) for n in range(len(totals))))
    term = reduce(Interval.hull, groups)
    inner_bits, outer_bits, term_bits = (x.hull(Interval(-1, 0)).bits for x in (inner, outer, term))
    stages = (Stage(inner_bits, count), Stage(outer_bits, len(tiles)))
    p = MultiStageParameters(term_bits=term_bits, stages=stages, term_range=term, ranges=(inner, outer))
    title = f"stages of {name} {inner_bits}x{count} {outer_bits}x{len(tiles)}"
    statement = (
        f"With these weights {inner_bits} and {outer_bits} bits never overflow, for any activations: "
        "every sum on the way is exact."
    )
    theorems = [_proved(title, statement, p, groups)]
    for n, which in enumerate(("inner", "outer")):
        narrow = tuple(replace(stage, bits=stage.bits - (i == n)) for i, stage in enumerate(stages))
        twin = UncheckedParameters(**{**_fields(p), "stages": narrow})
        refuted = f"With one bit less the {which} register overflows."
        theorems.append(_refuted(title, f"narrow {n}", refuted, twin, groups, len(groups)))
    return theorems


def multistage_examples() -> list[Theorem]:
    """Small stages of each policy, and those behind elements of 64 lanes with tiles of 128, W4A8."""
    limit = (1 << 15) - 1
    tile = Interval(-limit, limit)
    element = PeParameters(max_planes=8).sum_range
    examples = [
        MultiStageParameters(term_bits=6, stages=(Stage(6, 3, "wrap"), Stage(7, None, "wrap"))),
        MultiStageParameters(term_bits=6, stages=(Stage(6, 3, "saturate"), Stage(7, None, "saturate"))),
        MultiStageParameters(term_bits=5, stages=(Stage(7, 3), Stage(8, 2), Stage(8, None, "wrap"))),
        MultiStageParameters(term_bits=18, term_range=element, stages=(Stage(19, 2), Stage(21, 4))),
        MultiStageParameters(
            term_bits=16, term_range=tile, stages=(Stage(16, 2), Stage(18, 4)), ranges=(tile, None)
        ),
    ]
    return [theorem for parameters in examples for theorem in multistage_theorems(parameters)]


#: Rows of more terms than this take the prover too long to find that a bit is missing.
_LONGEST_TWIN = 16
_OTHER: dict[Policy, Policy] = {"safe": "safe", "wrap": "saturate", "saturate": "wrap"}


def _terms_of_row(p: MultiStageParameters) -> int:
    return prod((stage.count or 1 for stage in p.stages), start=1)


def _fields(p: MultiStageParameters) -> dict[str, Any]:
    return {f.name: getattr(p, f.name) for f in fields(p)}


def _grown(span: Interval | None) -> Interval:
    if span is None:
        raise ValueError("only a certified range can be off by one")
    return span + Interval(-1, 1)


def _proved(name: str, statement: str, p: MultiStageParameters, promise: Promise) -> Theorem:
    def design() -> tuple[Elaboratable, list[Value]]:
        proof = MultiStageProof(MultiStageAccumulator(p), promise)
        return proof, proof.ports()

    return Theorem(name, statement, design, 1, reach=_terms_of_row(p) + len(p.stages) + 2)


def _refuted(
    name: str,
    fault: str,
    statement: str,
    p: MultiStageParameters,
    promise: Promise,
    terms: int,
    *,
    kind: type[MultiStageAccumulator] = MultiStageAccumulator,
    policies: tuple[Policy, ...] | None = None,
    slack: int = 0,
) -> Theorem:
    def design() -> tuple[Elaboratable, list[Value]]:
        proof = MultiStageProof(kind(p), promise, policies=policies, slack=slack, induction=False)
        return proof, proof.ports()

    depth = terms + len(p.stages) + 2
    return Theorem(f"{name} {fault}", statement, design, depth, mode="bmc", expected="failed", twin_of=name)
