"""Agents for ready/valid streams: a source that drives one, a sink that takes and judges one.

The ports of a stream are `<name>_valid`, `<name>_ready` and `<name>_<field>`, one for each field of the
payload. The rules are those of `amaranth.lib.stream`: a transfer happens in each cycle with `valid` and
`ready` set; once `valid` is set it stays, and the payload with it, until the transfer; `valid` must not
wait for `ready`; `ready` may do as it likes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random

from .bench import Bench

__all__ = ["STALLS", "Sink", "Source", "stall"]

#: How an agent pauses. "never": it does not. "rarely", "often": at random, in one of eight cycles or in
#: seven of eight. "bursts": on and off for random lengths. "alternate": every other cycle. "late": a sink
#: turns ready only after it has seen `valid` wait, the hardest case for a producer that (wrongly) waits for
#: `ready`; a source, to which such waiting is forbidden, then pauses up to three cycles after each
#: transfer.
STALLS = ("never", "rarely", "often", "bursts", "alternate", "late")


def stall(pattern: str, random: Random) -> Iterator[bool]:
    """For each cycle, whether the agent would go on; "late" is up to the agent and here a random short pause.

    Parameters
    ----------
    pattern : str
        One of `STALLS`.
    random : Random
        Source of the randomness.
    """
    if pattern not in STALLS:
        raise ValueError(f"a stall pattern is one of {', '.join(STALLS)}, not {pattern!r}")
    return _PATTERNS[pattern](random)


def _never(random: Random) -> Iterator[bool]:
    while True:
        yield True


def _rarely(random: Random) -> Iterator[bool]:
    while True:
        yield random.random() >= 0.125


def _often(random: Random) -> Iterator[bool]:
    while True:
        yield random.random() < 0.125


def _bursts(random: Random) -> Iterator[bool]:
    while True:
        for go in (True, False):
            for _ in range(random.randint(1, 12)):
                yield go


def _alternate(random: Random) -> Iterator[bool]:
    while True:
        yield True
        yield False


def _late(random: Random) -> Iterator[bool]:
    while True:
        for _ in range(random.randint(0, 3)):
            yield False
        yield True


_PATTERNS: dict[str, Callable[[Random], Iterator[bool]]] = {
    "never": _never,
    "rarely": _rarely,
    "often": _often,
    "bursts": _bursts,
    "alternate": _alternate,
    "late": _late,
}


class _Stream(ABC):
    """What both ends share: the handles, the pattern, the counts."""

    def __init__(
        self, bench: Bench, name: str, fields: Sequence[str], pattern: str, beside: Sequence[str] = ()
    ):
        self.name = name
        self.fields = (*fields, *beside)
        self.transfers = 0
        self._bench = bench
        self._valid = getattr(bench.dut, f"{name}_valid")
        self._ready = getattr(bench.dut, f"{name}_ready")
        ports = (*(f"{name}_{field}" for field in fields), *beside)
        self._payload = [getattr(bench.dut, port) for port in ports]
        self._widths = [len(handle) for handle in self._payload]
        self.stall(pattern)
        bench.agents.append(self)

    def stall(self, pattern: str) -> None:
        """Change the stall pattern."""
        self.pattern = pattern
        self._go = stall(pattern, self._bench.random)

    @abstractmethod
    def step(self) -> None:
        """One cycle."""

    @abstractmethod
    def reset(self) -> None:
        """Drive idle values and forget what was under way."""

    @property
    @abstractmethod
    def done(self) -> bool:
        """Whether nothing is left to do."""

    @abstractmethod
    def describe(self) -> str:
        """Progress and handshake, for messages."""


class Source(_Stream):
    """Drives a stream.

    While it has nothing to offer it drives random bits as payload, so a design that looks at the payload
    without `valid` is found out.

    Parameters
    ----------
    bench : Bench
    name : str
        Stem of the port names.
    fields : sequence of str
        Names of the payload's fields; ("payload",) for a payload that has none.
    pattern : str
        One of `STALLS`.
    beside : sequence of str
        Input ports that are no part of the stream but change with its items, and only then; their values
        follow those of the fields in each item.

    Attributes
    ----------
    taken : tuple of int or None
        The item that was transferred at this edge.
    hold : bool
        Offer nothing new, until it is cleared again.
    """

    def __init__(
        self,
        bench: Bench,
        name: str,
        fields: Sequence[str] = ("payload",),
        pattern: str = "never",
        beside: Sequence[str] = (),
    ):
        super().__init__(bench, name, fields, pattern, beside)
        self._queue: deque[tuple[int, ...]] = deque()
        self._offered = False
        self.hold = False
        self.taken: tuple[int, ...] | None = None
        self._masks = [(1 << width) - 1 for width in self._widths]
        self._scrambled = list(zip(self._payload, self._widths, strict=True))[: len(fields)]
        self.reset()

    def send(self, items: Iterable[Sequence[int]]) -> None:
        """Queue items, each a sequence of one integer for each field; negative ones as two's complement."""
        masks = self._masks
        for item in items:
            self._queue.append(tuple(v & mask for v, mask in zip(item, masks, strict=True)))

    def reset(self) -> None:
        """Stop offering and drop the queue."""
        self._queue.clear()
        self._idle()

    def step(self) -> None:
        """One cycle."""
        self.taken = None
        if self._offered:
            if int(self._ready.value) == 0:
                return
            self.transfers += 1
            self.taken = self._queue.popleft()
            if self.hold or not self._queue or not next(self._go):
                self._idle()
                return
        elif self.hold or not self._queue or not next(self._go):
            return
        for handle, value in zip(self._payload, self._queue[0], strict=True):
            handle.value = value
        if not self._offered:
            self._offered = True
            self._valid.value = 1

    def _idle(self) -> None:
        self._offered = False
        self._valid.value = 0
        for handle, width in self._scrambled:
            handle.value = self._bench.random.getrandbits(width)

    @property
    def done(self) -> bool:
        """Whether everything has been taken."""
        return not self._queue

    def describe(self) -> str:
        """Progress and handshake."""
        return (
            f"{self.name}: {self.transfers} taken, {len(self._queue)} to go, "
            f"valid {int(self._offered)}, ready {self._ready.value}"
        )


class Sink(_Stream):
    """Takes a stream, checks the rules a producer has to keep, and compares with what is expected.

    Parameters
    ----------
    bench : Bench
    name : str
        Stem of the port names.
    fields : sequence of str
        Names of the payload's fields; ("payload",) for a payload that has none.
    pattern : str
        One of `STALLS`.
    signed : sequence of str
        The fields that are two's-complement numbers.

    Attributes
    ----------
    taken : tuple of int or None
        The item that was transferred at this edge.
    received : list of tuple of int
        All items so far.
    """

    def __init__(
        self,
        bench: Bench,
        name: str,
        fields: Sequence[str] = ("payload",),
        pattern: str = "never",
        signed: Sequence[str] = (),
    ):
        super().__init__(bench, name, fields, pattern)
        self._expected: deque[tuple[tuple[int, ...], str]] = deque()
        self._signed = [field in signed for field in self.fields]
        self._waiting: tuple[str, ...] | None = None
        self.taken: tuple[int, ...] | None = None
        self.received: list[tuple[int, ...]] = []
        self.reset()

    def expect(self, items: Iterable[Sequence[int]], note: str = "") -> None:
        """Queue what should come next; `note` is repeated in the message when it does not."""
        self._expected.extend((tuple(int(v) for v in item), note) for item in items)

    def reset(self) -> None:
        """Forget what was expected and turn not ready."""
        self._expected.clear()
        self._waiting = None
        self._drive(False)

    def _drive(self, ready: bool) -> None:
        self._is_ready = ready
        self._ready.value = int(ready)

    def step(self) -> None:
        """One cycle."""
        self.taken = None
        if int(self._valid.value):
            payload = tuple(str(handle.value) for handle in self._payload)
            if self._waiting is not None and payload != self._waiting:
                before, now = (self._named(self._numbers(bits)) for bits in (self._waiting, payload))
                self._broken(f"the payload changed from {before} to {now} before it was taken")
            if self._is_ready:
                self._accept(payload)
                self._waiting = None
            else:
                self._waiting = payload
        elif self._waiting is not None:
            self._broken("valid was taken back before the transfer")
        may = self.pattern != "late" or self._waiting is not None
        ready = may and next(self._go)
        if ready != self._is_ready:
            self._drive(ready)

    def _numbers(self, payload: tuple[str, ...]) -> tuple[int, ...]:
        return tuple(
            int(bits, 2) - (1 << len(bits) if signed and bits[0] == "1" else 0)
            for bits, signed in zip(payload, self._signed, strict=True)
        )

    def _accept(self, payload: tuple[str, ...]) -> None:
        values = self._numbers(payload)
        number = self.transfers
        self.transfers += 1
        self.taken = values
        self.received.append(values)
        if not self._expected:
            self._broken(f"item {number} is {self._named(values)}, but nothing more was expected")
        wanted, note = self._expected.popleft()
        if values != wanted:
            about = f" ({note})" if note else ""
            self._broken(f"item {number}{about} should be {self._named(wanted)} but is {self._named(values)}")

    def _named(self, values: tuple[int, ...]) -> str:
        return ", ".join(f"{field} {value}" for field, value in zip(self.fields, values, strict=True))

    def _broken(self, what: str) -> None:
        raise AssertionError(f"stream {self.name}, cycle {self._bench.cycle}: {what}")

    @property
    def done(self) -> bool:
        """Whether everything expected has come, and nothing else waits."""
        return not self._expected and self._waiting is None

    def describe(self) -> str:
        """Progress and handshake."""
        return (
            f"{self.name}: {self.transfers} came, {len(self._expected)} to come, "
            f"valid {self._valid.value}, ready {int(self._is_ready)}"
        )
