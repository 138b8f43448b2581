"""One measurement, and how it is taken."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

__all__ = ["Measurement", "seconds"]


@dataclass(frozen=True)
class Measurement:
    """How fast something ran, beside something comparable that ran just before it."""

    name: str
    unit: str
    rate: float
    """In `unit`, higher is better."""
    target: float
    """What the project asks for, in the same unit."""
    peer: str
    peer_rate: float

    @property
    def times_slower(self) -> float:
        """How many times as long as the peer it takes for the same work."""
        return self.peer_rate / self.rate

    def as_json(self) -> dict[str, object]:
        return asdict(self) | {"times_slower": self.times_slower}


def seconds(run: Callable[..., object], *arguments: object, repeats: int = 5) -> float:
    """The shortest of several runs, the first, cold, one left out: what the machine does undisturbed."""
    run(*arguments)
    gc.collect()
    shortest = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        run(*arguments)
        shortest = min(shortest, time.perf_counter() - start)
    return shortest
