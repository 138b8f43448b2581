"""Rows of terms for the multi-stage accumulator, and what its registers do with them, one term at a time.

The golden model says what comes out of a row; this one says when which stage overflows, which a sticky flag
shows, and what the bench has met.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from math import prod
from random import Random

from golden.interval import Interval
from golden.multistage import Stage
from sim.bench import coverage, parameters
from sim.stream import STALLS

__all__ = [
    "CONFIGURATION",
    "SLOTS",
    "STAGES",
    "cover_row",
    "declare_coverage",
    "directed_rows",
    "overflows",
    "random_row",
]

P = parameters()
_TERMS = Interval(*P["terms"])
STAGES = [Stage(*stage) for stage in P["stages"]]
#: What a register may hold: all of it, or in a safe stage what was promised.
_RANGES = [Interval(*ends) for ends in P["ranges"]]
SLOTS = P["slots"]
_COUNTS = [stage.count for stage in STAGES]
_INNER = prod(count or 1 for count in _COUNTS[:-1])
#: The longest row that is tried: as long as a row may be, within reason.
_LONGEST = min(512, _INNER * (_COUNTS[-1] or 40))
CONFIGURATION = f"{', '.join(stage.policy for stage in STAGES)}, slots {SLOTS}"
_KINDS = {0: "zero", _TERMS.min: "lowest", _TERMS.max: "highest"}


class _Registers:
    """The registers of one slot during a row."""

    def __init__(self) -> None:
        self.sums = [0] * len(STAGES)
        self.places = [0] * len(STAGES)

    def add(self, term: int, last: bool) -> list[str]:
        """Take one term; for each stage that is reached, whether its sum fits or lies above or below."""
        kinds = []
        value = term
        for index, stage in enumerate(STAGES):
            exact = self.sums[index] + value
            kinds.append(
                "above" if exact > stage.range.max else "below" if exact < stage.range.min else "fits"
            )
            value = self.sums[index] = _kept(stage, exact)
            self.places[index] += 1
            if not last and (index == len(STAGES) - 1 or self.places[index] != stage.count):
                break
            self.sums[index] = self.places[index] = 0
        return kinds

    def may(self, term: int, spare: int = 0) -> bool:
        """Whether every safe stage, and every one below `spare`, would hold its sum if the row ended here."""
        value = term
        for index, stage in enumerate(STAGES):
            exact = self.sums[index] + value
            if (stage.policy == "safe" or index < spare) and not _within(_RANGES[index], exact):
                return False
            value = _kept(stage, exact)
        return True


def _within(interval: Interval, value: int) -> bool:
    return interval.min <= value <= interval.max


def _kept(stage: Stage, exact: int) -> int:
    if stage.policy == "saturate":
        return min(max(exact, stage.range.min), stage.range.max)
    return (exact - stage.range.min) % (1 << stage.bits) + stage.range.min


def _row(length: int, wish: Callable[[int, _Registers], int], spare: int = 0) -> list[int]:
    """A row of terms as wished, or of zeros where a promise would be broken."""
    registers = _Registers()
    row = []
    for place in range(length):
        term = wish(place, registers)
        term = term if registers.may(term, spare) else 0
        registers.add(term, last=False)
        row.append(term)
    return row


def _listed(terms: list[int], place: int, registers: _Registers) -> int:
    return terms[place]


def _pushed(target: int, up: bool) -> list[int]:
    """As long a row as can be that drives one stage out of its range, and none of those before it."""

    def wish(place: int, registers: _Registers) -> int:
        term = _TERMS.max if up else _TERMS.min
        held = 0
        for index in range(target):
            held += registers.sums[index]
            room = (_RANGES[index].max if up else _RANGES[index].min) - held
            term = min(term, room) if up else max(term, room)
        return term

    return _row(_LONGEST, wish, target)


@cache
def directed_rows() -> list[tuple[str, list[int]]]:
    """Rows of extreme terms, of every length that matters, and one that drives each stage over each end."""
    lengths = {1, _LONGEST, _LONGEST - 1, _INNER, _INNER + 1, (_COUNTS[0] or 1) + 1, _COUNTS[0] or 1}
    rows = []
    for length in sorted(length for length in lengths if 1 <= length <= _LONGEST):
        low, high = _TERMS.min, _TERMS.max
        shapes = {
            "lowest": [low] * length,
            "highest": [high] * length,
            "alternating": [low if place % 2 else high for place in range(length)],
            "zero": [0] * length,
            "lowest at the end": [0] * (length - 1) + [low],
        }
        for name, terms in shapes.items():
            wished = partial(_listed, terms)
            rows.append((f"{name}, {length} terms", _row(length, wished)))
    for index in range(len(STAGES)):
        rows += [
            (f"stage {index} driven {'up' if up else 'down'}", _pushed(index, up)) for up in (True, False)
        ]
    return rows


def random_row(random: Random) -> list[int]:
    """A row of a random length: uniform terms, extreme ones, small ones, or all of one sign."""
    run = _COUNTS[0] or 8
    length = random.choice(
        (1, random.randint(1, run), random.randint(1, _INNER), random.randint(1, _LONGEST))
    )
    style = random.choice(("uniform", "extreme", "small", "one sign"))
    sign = random.choice((-1, 1))

    def wish(place: int, registers: _Registers) -> int:
        if style == "extreme":
            return random.choice((_TERMS.min, _TERMS.max, _TERMS.min, _TERMS.max, 0))
        if style == "small":
            return min(max(random.randint(-2, 2), _TERMS.min), _TERMS.max)
        term = random.randint(_TERMS.min, _TERMS.max)
        return term if style == "uniform" or term * sign >= 0 else 0

    return _row(min(length, 48), wish)


def overflows(row: list[int]) -> list[int]:
    """For each term the stages that overflow on its account, one bit each, the innermost lowest."""
    registers = _Registers()
    found = []
    for place, term in enumerate(row):
        kinds = registers.add(term, place == len(row) - 1)
        found.append(sum((kind != "fits") << index for index, kind in enumerate(kinds)))
    return found


def _situations(row: list[int]) -> set[tuple[str, str]]:
    """Points and bins that a row meets."""
    registers = _Registers()
    run = _COUNTS[0] or len(row)
    whole = "whole runs" if len(row) % run == 0 else "short last run"
    met = {("multistage: row", "one term" if len(row) == 1 else whole)}
    for place, term in enumerate(row):
        met.add(("multistage: term", _KINDS.get(term, "negative" if term < 0 else "positive")))
        for index, kind in enumerate(registers.add(term, place == len(row) - 1)):
            met.add((_stage_point(index), kind))
    return met


def _stage_point(index: int) -> str:
    return f"multistage: stage {index}, {STAGES[index].policy}"


@cache
def _expected() -> set[tuple[str, str]]:
    return set().union(*(_situations(row) for _, row in directed_rows()))


def cover_row(slot: int, row: list[int]) -> None:
    """Count what a row is like."""
    coverage.hit({"multistage: slot": slot})
    for point, situation in _situations(row) & _expected():
        coverage.hit({point: situation})


def declare_coverage() -> None:
    """The points of this component; what no directed row can reach, such as some ends, is not declared."""
    for point, situation in sorted(_expected()):
        coverage.point(point, [situation])
    coverage.point("multistage: slot", range(SLOTS))
    coverage.point("multistage: source stalls", STALLS)
    coverage.point("multistage: sink stalls", STALLS)
    stalls = ("multistage: source stalls", "multistage: sink stalls")
    coverage.cross("multistage: source & sink stalls", stalls)
    coverage.point("multistage: reset", ["inside a row", "while a result waits"])
    coverage.point("multistage: configuration", [CONFIGURATION])
    if P["flags"]:
        coverage.point("multistage: clear", ["flags clear"])
    if any(kind in ("above", "below") for _, kind in _expected()):
        coverage.point("multistage: clear", ["flags set", "in the cycle of an overflow"])
