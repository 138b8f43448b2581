"""Gate-level simulation of a mapped netlist on a replay: right results, and how often each net toggles.

Every net is a row of 64-bit words, one bit a run. All cells of one type and level are computed together
from their Liberty functions. Toggles are counted twice:

- **functional**: the settled values of successive cycles are compared (zero delay);
- **with glitches**: every cell takes one unit of time, and all changes until nothing changes any more count.

Every result that the replay expects is compared, so there are no toggle counts of a wrong netlist.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anda.flow.gate_code import GateCode, gate_code
from anda.flow.logic import truth_table
from anda.flow.netlist import CLOCK, RESET, CellGroup, GateNetlist, Indices
from sim.replay_data import Bits, Expected, Replay, integers_from_bits

__all__ = ["Activity", "ReplayError", "simulate"]

Words = NDArray[np.uint64]
#: A NumPy call with its arguments.
Step = tuple[Callable[..., Any], tuple[Any, ...]]

_UFUNCS: dict[str, Callable[..., Any]] = {
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
}
_ONES = np.uint64(0xFFFFFFFFFFFFFFFF)
#: Cycles in reset before the first one.
_RESET_CYCLES = 2


class ReplayError(ValueError):
    """The netlist does not fit the replay, or computed something else."""


@dataclass(frozen=True, eq=False)
class Activity:
    """What happened on every net, in all cycles of all runs together.

    Attributes
    ----------
    runs, cycles : int
        How many independent runs, and cycles of each.
    toggles : int array [nets]
        Changes from one settled value to the next; of the clock two a cycle.
    glitches : int array [nets] or None
        Changes with one unit of delay a cell, the functional ones included; None if it was not asked for.
    ones : float array [nets]
        Part of the cycles in which the net is high.
    results : int
        Results that were compared, all equal.
    seconds : float
        CPU time.
    """

    runs: int
    cycles: int
    toggles: NDArray[np.int64]
    glitches: NDArray[np.int64] | None
    ones: NDArray[np.float64]
    results: int
    seconds: float


def simulate(netlist: GateNetlist, replay: Replay, *, glitches: bool = False) -> Activity:
    """Run a replay on a netlist.

    The reset is held for two cycles with all inputs low, then the first cycle begins; changes count from
    there on. Flip-flops without reset begin at 0.

    Parameters
    ----------
    netlist
    replay
    glitches
        Count changes with unit delays too.

    Raises
    ------
    ReplayError
        When ports are missing or have other widths, or a result is not the expected one: the message says
        which.
    """
    start = time.process_time()
    _require_ports(netlist, replay)
    machine = _Machine(netlist, replay.runs)
    columns = {name: machine.words(bits) for name, bits in replay.inputs.items()}
    reset = netlist.inputs.get(RESET)
    if reset is not None:
        machine.values[reset] = _ONES
    machine.settle()
    for _ in range(_RESET_CYCLES):
        machine.clock()
        machine.settle()
    machine.before[:] = machine.values
    if reset is not None:
        machine.values[reset] = 0
    watched = np.unique(np.concatenate([_nets(netlist, expected) for expected in replay.results]))
    seen = np.empty((replay.cycles, len(watched), machine.width), dtype=np.uint64)
    for cycle in range(replay.cycles):
        machine.clock()
        for name, words in columns.items():
            machine.values[netlist.inputs[name]] = words[cycle]
        machine.count_settling(glitches)
        seen[cycle] = machine.values[watched]
    results = sum(_compare(netlist, expected, replay, seen, watched) for expected in replay.results)
    return machine.activity(replay, results, glitches, time.process_time() - start)


class _Machine:
    """The values of all nets, and the operations that bring them up to date."""

    def __init__(self, netlist: GateNetlist, runs: int) -> None:
        self.netlist = netlist
        self.width = -(-runs // 64)
        self.mask = np.full(self.width, _ONES)
        if runs % 64:
            self.mask[-1] = np.uint64((1 << runs % 64) - 1)
        # Behind the nets, the states of all flip-flops and their complements.
        flops = sum(len(group.names) for group in netlist.flops)
        self.states = np.arange(netlist.nets, netlist.nets + flops)
        self.complements = self.states + flops
        self.next_states = np.zeros((flops, self.width), dtype=np.uint64)
        self.values = np.zeros((netlist.nets + 2 * flops, self.width), dtype=np.uint64)
        self.values[1] = self.values[self.complements] = _ONES
        # What was settled before, and where unit delays put the next values.
        self.before = self.values.copy()
        self.changed = np.zeros_like(self.values)
        self.after = np.zeros_like(self.values[netlist.first_logic_net : netlist.nets])
        self.toggles = np.zeros(len(self.values), dtype=np.int64)
        self.glitches = np.zeros(len(self.values), dtype=np.int64)
        self.ones = np.zeros(len(self.values), dtype=np.int64)
        self.scratch: dict[int, Words] = {}
        codes = {group.cell.name: _logic_code(group) for group in netlist.logic}
        self.levelled = [
            step
            for level in range(1, netlist.depth + 1)
            for group in netlist.logic
            for step in self._steps(group, codes[group.cell.name], *_at(group, level), self.values, 0)
        ]
        first = netlist.first_logic_net
        self.by_time = [
            [
                step
                for group in netlist.logic
                for step in self._steps(
                    group, codes[group.cell.name], *_from(group, moment), self.after, first
                )
            ]
            for moment in range(1, netlist.depth + 1)
        ]
        self.edge = [*self._next_state_steps(), *self._state_steps()]

    def words(self, bits: Bits) -> Words:
        """The values of a port [runs, cycles, width] as words [cycles, width, words]."""
        runs, cycles, width = bits.shape
        padded = np.zeros((cycles, width, 64 * self.width), dtype=np.bool_)
        padded[:, :, :runs] = bits.transpose(1, 2, 0)
        return np.packbits(padded, axis=-1, bitorder="little").view("<u8").astype(np.uint64)

    def settle(self) -> None:
        """Compute all logic once, level after level."""
        for function, arguments in self.levelled:
            function(*arguments)

    def clock(self) -> None:
        """Flip-flops take their next states; all of them are read before the first one changes."""
        for function, arguments in self.edge:
            function(*arguments)

    def count_settling(self, glitches: bool) -> None:
        """Settle the logic and count what toggles."""
        if glitches:
            self._settle_slowly()
        else:
            self.settle()
        np.bitwise_xor(self.values, self.before, out=self.changed)
        self.toggles += self._population(self.changed)
        self.ones += self._population(self.values)
        self.before[:] = self.values

    def _settle_slowly(self) -> None:
        first, end = self.netlist.first_logic_net, self.netlist.nets
        logic = self.values[first:end]
        changed = self.changed[first:end]
        self.after[:] = logic
        for steps in self.by_time:
            for function, arguments in steps:
                function(*arguments)
            np.bitwise_xor(self.after, logic, out=changed)
            count = self._population(changed)
            if not count.any():
                return
            self.glitches[first:end] += count
            logic[:] = self.after

    def _population(self, words: Words) -> NDArray[np.int64]:
        """How many runs have a one, for each row."""
        counted = np.bitwise_count(words if self.mask[-1] == _ONES else words & self.mask)
        found: NDArray[np.int64] = counted.sum(axis=1, dtype=np.int64)
        return found

    def _steps(
        self, group: CellGroup, code: GateCode, low: int, high: int, target: Words, first: int
    ) -> Iterator[Step]:
        """Compute the instances from `low` to `high` of a group of logic."""
        if low == high:
            return
        inputs = [group.nets[pin][low:high] for pin in group.cell.inputs]
        outputs = {}
        for name in code.outputs:
            nets = group.nets[name]
            outputs[name] = target[nets[low] - first : nets[low] - first + high - low]
        yield from self._code_steps(code, inputs, outputs)

    def _code_steps(
        self, code: GateCode, inputs: Sequence[Indices], outputs: Mapping[str, Words]
    ) -> Iterator[Step]:
        """Read the inputs, compute, and leave every output at its place."""
        count = len(next(iter(outputs.values())))
        registers = [self._register(k, count) for k in range(code.registers)]
        used = {register for operation in code.operations for register in operation[2:]}
        used |= set(code.outputs.values())
        copied = []
        direct: set[int] = set()
        for name, register in code.outputs.items():
            if isinstance(register, bool) or register < len(inputs) or register in direct:
                copied.append((name, register))
            else:
                registers[register] = outputs[name]
                direct.add(register)
        for k, nets in enumerate(inputs):
            if k in used:
                yield np.take, (self.values, nets, 0, registers[k], "clip")
        for kind, to, left, right in code.operations:
            if kind == "not":
                yield np.invert, (registers[left], registers[to])
            else:
                yield _UFUNCS[kind], (registers[left], registers[right], registers[to])
        for name, register in copied:
            if isinstance(register, bool):
                yield np.copyto, (outputs[name], _ONES if register else np.uint64(0))
            else:
                yield np.copyto, (outputs[name], registers[register])

    def _next_state_steps(self) -> Iterator[Step]:
        """Every next state into a place of its own."""
        begin = 0
        for group in self.netlist.flops:
            cell, end = group.cell, begin + len(group.names)
            state = [self.states[begin:end], self.complements[begin:end]]
            names = [*cell.inputs, *cell.state[:2]]
            code = gate_code({"next": truth_table(cell.next_state, names)}, len(names))
            inputs = [*(group.nets[pin] for pin in cell.inputs), *state]
            yield from self._code_steps(code, inputs, {"next": self.next_states[begin:end]})
            begin = end

    def _state_steps(self) -> Iterator[Step]:
        """States, their complements, and the outputs as functions of both."""
        if not self.netlist.flops:
            return
        flops, first = len(self.states), self.netlist.nets
        yield np.copyto, (self.values[first : first + flops], self.next_states)
        yield np.invert, (self.next_states, self.values[first + flops :])
        begin = 0
        for group in self.netlist.flops:
            end = begin + len(group.names)
            state = [self.states[begin:end], self.complements[begin:end]]
            tables = {pin.name: truth_table(pin.function, group.cell.state[:2]) for pin in group.cell.outputs}
            outputs = {name: self.values[group.nets[name][0] : group.nets[name][-1] + 1] for name in tables}
            yield from self._code_steps(gate_code(tables, 2), state, outputs)
            begin = end

    def activity(self, replay: Replay, results: int, glitches: bool, seconds: float) -> Activity:
        """What was counted, the clock included."""
        nets, first = self.netlist.nets, self.netlist.first_logic_net
        moments = replay.runs * replay.cycles
        toggles, ones = self.toggles[:nets], self.ones[:nets] / moments
        clock = self.netlist.inputs.get(CLOCK, np.empty(0, dtype=np.intp))
        toggles[clock] = 2 * moments
        ones[clock] = 0.5
        slow = np.concatenate([toggles[:first], self.glitches[first:nets]]) if glitches else None
        return Activity(replay.runs, replay.cycles, toggles, slow, ones, results, seconds)

    def _register(self, number: int, count: int) -> Words:
        """A part of a register that all groups share."""
        if number not in self.scratch:
            cells = max(len(g.names) for g in (*self.netlist.logic, *self.netlist.flops))
            self.scratch[number] = np.empty((cells, self.width), dtype=np.uint64)
        return self.scratch[number][:count]


def _logic_code(group: CellGroup) -> GateCode:
    return gate_code(group.cell.tables(), len(group.cell.inputs))


def _at(group: CellGroup, level: int) -> tuple[int, int]:
    """The instances of one level, as a range."""
    return _from(group, level)[0], _from(group, level + 1)[0]


def _from(group: CellGroup, level: int) -> tuple[int, int]:
    """The instances of one level and of those above."""
    return int(np.searchsorted(group.levels, level)), len(group.levels)


def _require_ports(netlist: GateNetlist, replay: Replay) -> None:
    """Every input port has its values, and every result its ports."""
    needed = {name: len(nets) for name, nets in netlist.inputs.items() if name not in (CLOCK, RESET)}
    given = {name: bits.shape[2] for name, bits in replay.inputs.items()}
    if needed != given:
        raise ReplayError(
            f"expected values for the input ports {_listed(needed)} of {netlist.top}, got {_listed(given)}"
        )
    for expected in replay.results:
        for name in (expected.valid, expected.data):
            if name not in netlist.outputs:
                raise ReplayError(
                    f"expected results at an output port of {netlist.top} "
                    f"({', '.join(netlist.outputs)}), not at {name}"
                )
        width = len(netlist.outputs[expected.data])
        if not 1 <= (expected.bits or width - expected.low) <= min(width - expected.low, 64):
            raise ReplayError(
                f"expected a result of up to 64 bits from bit {expected.low} on of {expected.data}, "
                f"which has {width}"
            )


def _listed(ports: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({width})" for name, width in sorted(ports.items())) or "none"


def _nets(netlist: GateNetlist, expected: Expected) -> Indices:
    """The nets of a result: whether it is valid, and then its bits."""
    data = netlist.outputs[expected.data][expected.low :][: expected.bits]
    return np.concatenate([netlist.outputs[expected.valid][:1], data])


def _compare(netlist: GateNetlist, expected: Expected, replay: Replay, seen: Words, watched: Indices) -> int:
    """Raise unless exactly the expected results came, in order; how many there were."""
    rows = seen[:, np.searchsorted(watched, _nets(netlist, expected))]
    bits = np.unpackbits(rows.astype("<u8").view(np.uint8), axis=-1, bitorder="little").astype(np.bool_)
    valid = bits[:, 0, : replay.runs].T  # [runs, cycles]
    width = rows.shape[1] - 1
    values = integers_from_bits(np.moveaxis(bits[:, 1:, : replay.runs], (0, 1, 2), (1, 2, 0)))
    wanted = expected.values.astype(np.uint64) & (_ONES >> np.uint64(64 - width))
    counts = valid.sum(axis=1)
    if wrong := np.flatnonzero(counts != wanted.shape[1]).tolist():
        raise ReplayError(
            f"expected {wanted.shape[1]} results at {expected.data} of {netlist.top} in every run, "
            f"got {counts[wrong[0]]} in run {wrong[0]}"
        )
    found = values[valid].reshape(wanted.shape)
    if len(differing := np.argwhere(found != wanted)):
        run, result = differing[0]
        raise ReplayError(
            f"expected {int(wanted[run, result]):#x} as result {result} of run {run} at {expected.data} of "
            f"{netlist.top}, got {int(found[run, result]):#x}"
        )
    return int(wanted.size)
