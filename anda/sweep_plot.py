"""A sweep as a plot: area over the first key, a line for each combination of the others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from matplotlib.figure import Figure

from anda.figures import finish, rendered
from anda.sweep import Row

__all__ = ["plot_sweep"]


def plot_sweep(rows: Sequence[Row], keys: Sequence[str], planes: int | None = None) -> dict[str, bytes]:
    """Area, and area a multiply-accumulate a cycle where something is multiplied.

    Parameters
    ----------
    rows
        Of `anda.sweep.sweep`.
    keys
        The keys of its axes; the first one becomes the horizontal axis.
    planes
        Of a group, for the second panel; the most that a component takes by default.

    Returns
    -------
    dict
        `sweep.svg` and `sweep.png`.
    """
    built = [row for row in rows if row.report]
    lines: dict[str, list[Row]] = defaultdict(list)
    for row in built:
        others = [f"{key} = {row.settings[key]}" for key in keys[1:]]
        lines[", ".join([row.role, row.library, *others])].append(row)
    multiplied = any(row.macs_per_cycle for row in built)
    figure = Figure(figsize=(10.4 if multiplied else 5.6, 4.4), layout="constrained")
    panels = figure.subplots(1, 2 if multiplied else 1, squeeze=False)[0]
    for label, points in lines.items():
        places = [str(row.settings[keys[0]]) for row in points]
        areas = [row.report.area for row in points if row.report]
        panels[0].plot(places, areas, "o-", label=label)
        if multiplied:
            rates = [row.area_per_mac(planes or max(row.macs_per_cycle, default=0)) for row in points]
            panels[1].plot(
                places, [float("nan") if rate is None else rate for rate in rates], "o-", label=label
            )
    units = sorted({row.report.library.area_unit for row in built if row.report})
    finish(panels[0], title="area", x=keys[0], y=" or ".join(units))
    if multiplied:
        of = f"{planes} planes" if planes else "the most planes"
        finish(panels[1], title=f"area for one MAC a cycle, groups of {of}", x=keys[0], y=" or ".join(units))
    for panel in panels:
        panel.set_ylim(bottom=0)
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize="small"
    )
    return rendered(figure, "sweep")
