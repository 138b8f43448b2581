"""What all proofs have in common: a statement for people, a design for the prover, and what should come
out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amaranth.hdl import Elaboratable, Value
from rich.table import Table

from sim.formal import Mode, ProofResult, Status, prove

__all__ = ["Theorem", "Verdict", "proof_table", "prove_all"]


@dataclass(frozen=True)
class Theorem:
    """A statement about hardware that the prover can decide.

    Attributes
    ----------
    name : str
        Short, for tables and directories.
    statement : str
        One sentence.
    design : callable
        Makes the module with the properties, and the signals that are free or to be shown.
    depth : int
    mode : str
        As for `sim.formal.prove`.
    expected : str
        "proved", "holds" or "covered"; or "failed" for a twin with a fault that the prover must find.
    reach : int or None
        As for `sim.formal.prove`.
    twin_of : str or None
        For a twin with a fault: the name of the theorem it is a copy of.
    """

    name: str
    statement: str
    design: Callable[[], tuple[Elaboratable, list[Value]]]
    depth: int
    mode: Mode = "prove"
    expected: Status = "proved"
    reach: int | None = None
    twin_of: str | None = None

    def twin(
        self,
        fault: str,
        statement: str,
        design: Callable[[], tuple[Elaboratable, list[Value]]],
        depth: int | None = None,
    ) -> Theorem:
        """The same with a fault, which the prover must find within `depth` cycles; None: within the reach."""
        cycles = depth or self.reach or self.depth
        name = f"{self.name} {fault}"
        return Theorem(name, statement, design, cycles, mode="bmc", expected="failed", twin_of=self.name)

    def decide(self, work: Path) -> Verdict:
        """Let the prover decide, in a directory of its own below `work`."""
        module, ports = self.design()
        directory = work / self.name.replace(" ", "-")
        result = prove(module, ports, depth=self.depth, mode=self.mode, work=directory, reach=self.reach)
        return Verdict(self, result)


@dataclass(frozen=True)
class Verdict:
    """A theorem and what came of it."""

    theorem: Theorem
    result: ProofResult

    @property
    def ok(self) -> bool:
        """Whether the outcome is the one expected."""
        return self.result.status == self.theorem.expected

    def check(self) -> Verdict:
        """Return the verdict itself, or raise an AssertionError with the outcome and its trace."""
        if not self.ok:
            raise AssertionError(str(self))
        return self

    def __str__(self) -> str:
        head = f"{self.theorem.name}: {self.theorem.statement}"
        return f"{head} This should be {self.theorem.expected}, and is {self.result}"

    def as_dict(self) -> dict[str, Any]:
        """Everything, as JSON holds it."""
        return {
            "name": self.theorem.name,
            "statement": self.theorem.statement,
            "expected": self.theorem.expected,
            "status": self.result.status,
            "ok": self.ok,
            "seconds": round(self.result.seconds, 2),
            "failing_property": self.result.failing_property,
            "trace": self.result.trace.text() if self.result.trace else None,
        }


def prove_all(
    theorems: Iterable[Theorem], work: Path, progress: Callable[[Verdict], None] | None = None
) -> list[Verdict]:
    """Decide theorems one after the other; `progress` is called with each verdict as it comes."""
    verdicts = []
    for theorem in theorems:
        verdicts.append(theorem.decide(work))
        if progress is not None:
            progress(verdicts[-1])
    return verdicts


def proof_table(verdicts: Iterable[Verdict]) -> Table:
    """For people: a row a theorem."""
    table = Table(title="proofs")
    for column in ("theorem", "statement", "expected", "outcome", "seconds"):
        table.add_column(column, justify="right" if column == "seconds" else "left")
    for verdict in verdicts:
        theorem, result = verdict.theorem, verdict.result
        shown = result.status if verdict.ok else f"[bold red]{result.status}[/]"
        table.add_row(theorem.name, theorem.statement, theorem.expected, shown, f"{result.seconds:.1f}")
    return table
