"""What a synthesis run found, as one object: JSON for machines, a table for people."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from rich.table import Table

__all__ = ["AreaReport", "CellUse", "LibraryRecord", "LongestPath"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CellUse(_Record):
    """How often a cell type occurs, and the area of all its instances together."""

    count: int
    area: float


class LibraryRecord(_Record):
    """Which library was mapped to: its name, unit of area, and the digest of every file."""

    name: str
    area_unit: str
    sha256: dict[str, str]
    full_adder: str | None = Field(description="the library's full-adder cell, null without one")
    half_adder: str | None


class LongestPath(_Record):
    """The slowest path between registers and ports."""

    delay: float
    unit: str
    start: str
    end: str
    cells: list[str] = Field(description="cell types along the path")


class AreaReport(_Record):
    """Area of one design on one library.

    Attributes
    ----------
    top
        Name of the module that was synthesized.
    area
        Of all cells together, in `library.area_unit`; no wires, no clock tree, no empty space.
    cells
        By cell type, largest area first.
    flops, flop_area
        Flip-flops and latches among them.
    adders
        Full and half adders of the design that became the library's adder cells, by cell type.
    modules
        Area of each module without its submodules, times its instances; one entry when flat.
    longest_path
        Counted in cells when the library holds no delays; None when nothing leads anywhere.
    recipe, alternatives
        Which mapping was the smallest, and the area of each that was tried.
    """

    kind: Literal["area"] = "area"
    evidence: Literal["synthesized"] = "synthesized"
    top: str
    flat: bool
    area: float
    cell_count: int
    flops: int
    flop_area: float
    adders: dict[str, int]
    cells: dict[str, CellUse]
    modules: dict[str, CellUse]
    longest_path: LongestPath | None = None
    library: LibraryRecord
    verilog_sha256: str
    recipe: str
    alternatives: dict[str, float]
    tools: dict[str, str]

    @property
    def flop_share(self) -> float:
        """Part of the area that flip-flops and latches take, 0 to 1."""
        return self.flop_area / self.area if self.area else 0.0

    def table(self, *, rows: int = 12) -> Table:
        """The report for a terminal, the `rows` largest cell types apart and the rest summed."""
        unit = self.library.area_unit
        table = Table(title=f"{self.top} on {self.library.name}", title_justify="left")
        table.add_column("cell")
        for heading in ("count", f"area, {unit}", "share"):
            table.add_column(heading, justify="right")
        entries = list(self.cells.items())
        for name, use in entries[:rows]:
            self._row(table, name, use)
        if rest := [use for _, use in entries[rows:]]:
            together = CellUse(count=sum(use.count for use in rest), area=sum(use.area for use in rest))
            self._row(table, f"{len(rest)} other types", together)
        table.add_section()
        self._row(table, "flip-flops", CellUse(count=self.flops, area=self.flop_area))
        self._row(table, "all", CellUse(count=self.cell_count, area=self.area))
        if path := self.longest_path:
            table.caption = f"longest path {path.delay:,.4g} {path.unit}, {len(path.cells)} cells"
            table.caption_justify = "left"
        return table

    def _row(self, table: Table, name: str, use: CellUse) -> None:
        share = use.area / self.area if self.area else 0.0
        table.add_row(name, f"{use.count:,}", f"{use.area:,.2f}", f"{share:.1%}")
