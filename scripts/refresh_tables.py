"""Measure every figure of the documentation again and write the tables.

Usage: refresh_tables.py [--pages | NAME=FILE[,FILE...] ...]

Each argument names a Liberty library to measure on besides the generic one that comes with the project. With
--pages nothing is measured: the tables are written from the data that are there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rich.console import Console

from anda import fixture
from anda.accuracy import compare_encodings
from anda.design_page import write_keys
from anda.flow.library import Library
from anda.mac_plot import plot_mac
from anda.mac_table import measure_mac
from anda.report import plot_accuracy
from anda.tables import measure_accuracy, measure_area, read_data, write_tables

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "docs" / "data"
FIGURES = ROOT / "docs" / "figures"
#: Libraries of the MAC table, which has a row for every format: more of them would not fit a page.
MAC_LIBRARIES = ("generic", "sky130")


def main(arguments: list[str]) -> None:
    if arguments == ["--pages"]:
        return write_pages()
    console = Console()
    libraries = {"generic": Library.generic()}
    for argument in arguments:
        name, _, files = argument.partition("=")
        libraries[name] = Library.from_files([Path(file) for file in files.split(",")])
    for directory in (DATA, FIGURES):
        directory.mkdir(parents=True, exist_ok=True)
    measured = {
        "accuracy": measure_accuracy(),
        "area": measure_area(libraries, console.print),
        "mac": measure_mac(
            {name: libraries[name] for name in MAC_LIBRARIES if name in libraries}, console.print
        ),
    }
    for name, found in measured.items():
        (DATA / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")
    plot_accuracy(compare_encodings(fixture.load()), FIGURES / "accuracy")
    plot_mac(measured["mac"], FIGURES / "mac.svg")
    write_pages()


def write_pages() -> None:
    """Put the data that are there into the pages."""
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        page.write_text(write_keys(write_tables(page.read_text(), read_data(DATA))))


if __name__ == "__main__":
    main(sys.argv[1:])
