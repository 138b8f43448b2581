"""Tables of accumulator-aware quantization: against its peer, against other methods, and what widths cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from statistics import geometric_mean
from typing import Any

__all__ = [
    "AXE_TABLES",
    "METHODS",
    "area_unit",
    "cell_rows",
    "joined_areas",
    "method_errors",
    "method_rows",
    "ratio_rows",
    "speed_rows",
    "width_rows",
]

Table = tuple[list[str], list[list[str]]]
Row = Mapping[str, Any]

METHODS = {
    "naive": "narrower formats",
    "peer": "Brevitas, better of two",
    "axe": "AXE at A8, ours",
    "joint": "AXE, widths searched, ours",
    "wrap": "no guarantee: W4A8, wraps",
    "saturate": "no guarantee: W4A8, saturates",
}
"""Methods in the order of the table and the plot, and what they are called there."""

_UNSAFE = ("wrap", "saturate")


def ratio_rows(data: Row) -> Table:
    """Our error over the peer's: geometric mean over the layers, and the worst layer."""
    cells = data["cells"]
    widths = _distinct(cells, "inner_bits")
    worst = max(cell["ratio"] for cell in cells)
    rows = []
    for tile in _distinct(cells, "tile"):
        texts = []
        for width in widths:
            ratios = [c["ratio"] for c in cells if (c["tile"], c["inner_bits"]) == (tile, width)]
            highest = _bold(f"{max(ratios):.3f}", max(ratios) == worst)
            texts.append(f"{geometric_mean(ratios):.3f}, {highest}")
        rows.append([tile_name(tile), *texts])
    return ["tile", *(f"{width} bits" for width in widths)], rows


def cell_rows(data: Row) -> Table:
    """Every cell: our error, and its ratio to the lower one of the peer's two."""
    cells = data["cells"]
    widths = _distinct(cells, "inner_bits")
    worst = max(cell["ratio"] for cell in cells)
    rows = []
    for problem in _distinct(cells, "problem"):
        for tile in _distinct(cells, "tile"):
            own = {c["inner_bits"]: c for c in cells if (c["problem"], c["tile"]) == (problem, tile)}
            texts = [
                f"{own[width]['ours']['best']:.4f}, "
                + _bold(f"{own[width]['ratio']:.3f}", own[width]["ratio"] == worst)
                for width in widths
            ]
            rows.append([f"`{problem}`", tile_name(tile), *texts])
    return ["layer", "tile", *(f"{width} bits" for width in widths)], rows


def method_rows(data: Row) -> Table:
    """Every method's error, a geometric mean over the layers; of the safe ones the best is marked."""
    errors = method_errors(data)
    rows = []
    for tile, width in dict.fromkeys((tile, width) for tile, width, _ in errors):
        found = {name: errors.get((tile, width, name)) for name in METHODS}
        least = min(e for name, e in found.items() if e is not None and name not in _UNSAFE)
        rows.append(
            [
                tile_name(tile),
                str(width),
                *("" if e is None else _bold(f"{e:.3f}", e == least) for e in found.values()),
                _share(data, tile, width),
            ]
        )
    return ["tile", "bits", *METHODS.values(), "sums that overflow"], rows


def method_errors(data: Row) -> dict[tuple[int | None, int, str], float]:
    """Geometric mean of each method's error over the layers that have it, by tile, width and method."""
    gathered: dict[tuple[int | None, int, str], list[float]] = {}
    for row in data["methods"]:
        gathered.setdefault((row["tile"], row["inner_bits"], row["method"]), []).append(row["error"])
    measured = {(row["problem"], row["tile"], row["inner_bits"]) for row in data["methods"]}
    for cell in data["cells"]:
        if (cell["problem"], cell["tile"], cell["inner_bits"]) in measured:
            at = cell["tile"], cell["inner_bits"], "peer"
            gathered.setdefault(at, []).append(min(cell["peer"].values()))
    return {key: geometric_mean(errors) for key, errors in gathered.items()}


def width_rows(data: Row) -> Table:
    """Errors of our solver by width of the register."""
    rows = data["widths"]
    widths = sorted(_distinct(rows, "inner_bits"))
    body = []
    for problem in _distinct(rows, "problem"):
        for bits in _distinct(rows, "activation_bits"):
            for tile in _distinct(rows, "tile"):
                own = {
                    row["inner_bits"]: row["error"]
                    for row in rows
                    if (row["problem"], row["activation_bits"], row["tile"]) == (problem, bits, tile)
                }
                texts = [f"{own[width]:.3f}" if width in own else "" for width in widths]
                body.append([f"`{problem}`", f"W4A{bits}", tile_name(tile), *texts])
    return ["layer", "", "tile", *(f"{width} bits" for width in widths)], body


def speed_rows(data: Row) -> Table:
    """Seconds of one large layer beside the peer's."""
    rows = [
        [
            f"`{row['solver']}`",
            f"{row['channels']} x {row['inputs']}, {row['rows']} rows",
            f"{row['seconds']:.1f} s",
            f"{row['target']:.0f} s",
            f"{row['peer']}: {row['peer_seconds']:.1f} s",
            f"{row['seconds'] / row['peer_seconds']:.2f}",
        ]
        for row in data["speed"]
    ]
    return ["solver", "layer", "time", "asked", "peer in the same run", "ratio"], rows


def joined_areas(data: Row, area: Row) -> list[dict[str, Any]]:
    """Errors by width with the areas of the hardware for that tile and inner width.

    Parameters
    ----------
    data : mapping
        Of docs/data/axe.json.
    area : mapping
        Of docs/data/axe_area.json. A row there is of longer sums than the layer's: of outer registers the
        one nearest in width is taken.

    Returns
    -------
    list of dict
        Each with everything that both rows say; those without an area are left out.
    """
    joined = []
    for row in data["widths"]:
        key = row["activation_bits"], row["tile"], row["inner_bits"]
        fitting = [a for a in area["rows"] if (a["activation_bits"], a["tile"], a["inner_bits"]) == key]
        for component, library in dict.fromkeys((a["component"], a["library"]) for a in fitting):
            own = [a for a in fitting if (a["component"], a["library"]) == (component, library)]
            nearest = min(own, key=lambda a: abs(a["outer_bits"] - row["outer_bits"]))
            joined.append({**nearest, **row})
    return joined


def area_unit(area: Row, library: str) -> str:
    """Unit of the areas on a library."""
    unit = next(iter(area["parts"][library].values()))["library"]["area_unit"]
    return str({"um2": "µm²"}.get(unit, unit))


def tile_name(tile: int | None) -> str:
    """How a tile is called: None is the whole row."""
    return "none" if tile is None else str(tile)


def _share(data: Row, tile: int | None, width: int) -> str:
    shares = [
        row["overflow"]
        for row in data["methods"]
        if (row["tile"], row["inner_bits"], row["method"]) == (tile, width, "wrap")
    ]
    return f"{sum(shares) / len(shares):.1%}"


def _distinct(rows: Iterable[Row], key: str) -> list[Any]:
    return list(dict.fromkeys(row[key] for row in rows))


def _bold(text: str, yes: bool) -> str:
    return f"**{text}**" if yes else text


#: By the name of the table, what writes it from docs/data/axe.json.
AXE_TABLES: dict[str, Callable[[Row], Table]] = {
    "axe": ratio_rows,
    "axe-cells": cell_rows,
    "axe-methods": method_rows,
    "axe-widths": width_rows,
    "axe-speed": speed_rows,
}
