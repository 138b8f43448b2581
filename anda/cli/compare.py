"""`anda compare`: elements of this project and of others, measured alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from anda.cli.output import Json, one_sentence_errors, print_json, print_table, progress
from anda.cli.planes import planes_from

if TYPE_CHECKING:
    from anda.flow.library import Library

__all__ = ["compare"]


@one_sentence_errors
def compare(
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="NAME", help="Such as compact or figna; may be repeated."),
    ] = None,
    liberty: Annotated[
        list[str] | None,
        typer.Option("--liberty", "-l", metavar="[NAME=]FILE[,FILE...]", help="A library; may be repeated."),
    ] = None,
    planes: Annotated[
        str | None, typer.Option("--planes", help="Words of a group, such as 6 or 4-10; all by default.")
    ] = None,
    clock: Annotated[
        float | None,
        typer.Option(
            "--clock", help="Common clock in MHz; by default 150 for a library called ASAP7, 40 for others."
        ),
    ] = None,
    power: Annotated[
        bool, typer.Option(help="Energies, which need a Liberty file of a real process.")
    ] = True,
    converters: Annotated[bool, typer.Option(help="Also what converts activations or weights.")] = False,
    cache: Annotated[
        Path | None, typer.Option("--cache", help="Where results are kept; the user's cache by default.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Directory for comparison.json.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure elements on one or more libraries: area, longest path, energy, all treated alike.

    Without --liberty on the project's own generic library, which has no energies. Weight registers are
    counted in two ways: shared by 16 rows, and in every element. Results are kept by content.
    """
    from anda.comparison import CLOCKS_MHZ, Comparison
    from anda.comparison_catalog import subjects_named
    from anda.files import write_all
    from anda.flow.cache import cache_folder
    from anda.kept import Kept

    subjects = subjects_named(only)
    wanted = None if planes is None else planes_from(planes)
    if wanted is not None and not any({0, *wanted}.intersection(subject.planes) for subject in subjects):
        raise ValueError(f"none of these elements takes groups of {planes} planes")
    libraries = _libraries(liberty or [])
    if clock is not None and not clock > 0:
        raise ValueError(f"expected a clock above 0 MHz, not {clock:g}")
    clocks = CLOCKS_MHZ if clock is None else dict.fromkeys(libraries, clock)
    with progress() as bar:
        task = bar.add_task("comparing", total=len(subjects) * len(libraries))
        comparison = Comparison(
            libraries,
            Kept(cache or cache_folder("comparison")),
            lambda text: bar.update(task, description=text),
            clocks,
        )
        for on in libraries:
            for subject in subjects:
                comparison.measure(on, subject, planes=wanted, power=power, converters=converters)
                bar.advance(task)
    found = comparison.data()
    if wanted is not None:
        found["rows"] = [row for row in found["rows"] if row["planes"] in (0, *wanted)]
    if output is not None:
        write_all(output, {"comparison.json": json.dumps(found, indent=1) + "\n"})
    if as_json:
        print_json(found)
        return
    for on, library in libraries.items():
        _print(found, on, library)


def _libraries(given: list[str]) -> dict[str, Library]:
    from anda.flow.library import Library

    found = {}
    for text in given:
        name, equals, files = text.rpartition("=")
        paths = [Path(file) for file in files.split(",")]
        called = name if equals else paths[0].stem
        if called in found:
            raise ValueError(f"expected libraries of different names (NAME=FILE), not {called} twice")
        found[called] = Library.from_files(paths)
    return found or {"generic": Library.generic()}


def _print(found: dict[str, Any], on: str, library: Library) -> None:
    rows = []
    for row in found["rows"]:
        if row["library"] == on:
            energy = row["energy"] or {}
            numbers = [row["macs_per_cycle"], row["area"], row["area_per_mac"]]
            path = f"{row['delay']:,.4g} {row['delay_unit']}"
            powers = [energy.get("total_fj"), energy["power_w"] * 1e6 if energy else None]
            rows.append((row["name"], row["planes"] or None, row["accounting"], *numbers, path, *powers))
    unit = library.area_unit
    headers = ["element", "planes", "registers", "MAC/cycle", f"area, {unit}", f"{unit} per MAC/cycle"]
    clock = found["libraries"][on]["clock_mhz"]
    title = on if clock is None else f"{on} at {clock:g} MHz"
    print_table(title, [*headers, "longest path", "fJ/MAC", "µW"], rows)
    converters = [
        (row["name"], row["converter"], row["area"], f"{row['share_of_array']:.1%}")
        for row in found["converters"]
        if row["library"] == on
    ]
    if converters:
        print_table("converters", ["element", "converter", f"area, {unit}", "of a 16 x 16 array"], converters)
