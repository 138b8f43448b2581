"""Which flip-flops of a library to map to, by area.

Yosys' `dfflibmap` prefers the cell of the right polarity, and uses a flip-flop with enable whenever
there is one. Both can cost area: ASAP7's flip-flop with inverted output plus an inverter is smaller
than its plain one, and a multiplexer in front of a plain flip-flop can melt into the logic before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from anda.flow.library import Cell, Library
from anda.flow.logic import complement, truth_table

__all__ = ["enable_flops", "oversized_flops"]


def oversized_flops(library: Library) -> list[str]:
    """Names of plain flip-flops that `dfflibmap` must not choose, because another one does it smaller."""
    plain = list(_plain(library))
    best = min((cost for _, cost in plain), default=inf)
    return sorted(cell.name for cell, cost in plain if cost > best)


def enable_flops(library: Library) -> list[str]:
    """Names of flip-flops with an enable input."""
    return sorted(cell.name for cell in library.usable if _has_enable(cell))


def _plain(library: Library) -> Iterator[tuple[Cell, float]]:
    """Flip-flops that just store their data input, and their cost with a plain output."""
    inverter = library.inverter.area if library.inverter else inf
    for cell in library.usable:
        if cell.sequential != "ff" or cell.has_set_or_clear or len(cell.inputs) != 2:
            continue
        data = next((pin for pin in cell.inputs if pin not in cell.clocked_on), "")
        if len(cell.state) < 2 or cell.next_state.strip("()! ") != data:
            continue
        plain_state = cell.state["!" in cell.next_state]
        has_plain_output = any(pin.function.strip("() ") == plain_state for pin in cell.outputs)
        yield cell, cell.area + (0 if has_plain_output else inverter)


def _has_enable(cell: Cell) -> bool:
    """Whether the next state is `enable ? data : state`, in either polarity of the enable."""
    if cell.sequential != "ff" or cell.has_set_or_clear or len(cell.inputs) != 3 or not cell.state:
        return False
    free = [pin for pin in cell.inputs if pin not in cell.clocked_on]
    if len(free) != 2:
        return False
    try:
        table = truth_table(cell.next_state, [*free, cell.state[0]])
    except ValueError:
        return False
    pins = ("p", "q", "state")
    loads = ("p q + state !q", "q p + state !p", "p !q + state q", "q !p + state p")
    tables = {truth_table(function, pins) for function in loads}
    return table in tables or complement(table, 3) in tables
