"""How every command talks: tables or JSON on standard output, one sentence on standard error."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar

import typer
from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

__all__ = [
    "Components",
    "Json",
    "Liberty",
    "Seed",
    "Simulator",
    "Source",
    "console",
    "one_sentence_errors",
    "print_json",
    "print_table",
    "progress",
]

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

Source = Annotated[
    str,
    typer.Argument(
        metavar="PRESET|FILE.toml", help="A preset, such as `compact` or `accelerator`, or a design file."
    ),
]

Components = Annotated[
    list[str] | None,
    typer.Option("--component", "-c", help="Only this component, such as `pe`; may be repeated."),
]

Liberty = Annotated[
    list[Path] | None,
    typer.Option("--liberty", "-l", help="Liberty file to map to; repeat it for a library in several files."),
]

Seed = Annotated[int, typer.Option("--seed", min=0, max=2**32 - 1, help="Seed of everything random.")]

Simulator = Annotated[
    str, typer.Option("--simulator", help="verilator, icarus, or auto for the first one that is here.")
]

P = ParamSpec("P")
R = TypeVar("R")

BAD_INPUT = 2


def console(*, stderr: bool = False) -> Console:
    """A console on the standard stream of this moment."""
    return Console(stderr=stderr, highlight=False, soft_wrap=stderr)


def one_sentence_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Turn the errors of bad input into one sentence and exit status 2 (docs/contract.md, section 9)."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except ValueError as error:
            sentence = str(error)
        except OSError as error:
            sentence = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        console(stderr=True).print(f"anda: {sentence}", markup=False)
        raise typer.Exit(BAD_INPUT)

    return wrapped


def print_json(value: Any) -> None:
    """Print a value as JSON, and nothing else, on standard output."""
    typer.echo(json.dumps(value, indent=2))


def print_table(title: str, headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table; columns of numbers are set to the right."""
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for index, header in enumerate(headers):
        numeric = all(isinstance(row[index], (int, float)) for row in rows)
        table.add_column(header, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    console().print(table)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}"
    if isinstance(value, int):
        return f"{value:,}"
    return "-" if value is None else str(value)


def progress() -> Progress:
    """Progress on standard error, so that standard output stays clean."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console(stderr=True),
    )
