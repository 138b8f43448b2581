"""Plots of searches: what was tried in which order, and which lengths the layers got."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from anda.figures import BLUE, GREY, RED, finish
from anda.llm.arithmetic import KINDS

__all__ = ["GOALS", "plot_lengths", "plot_trace", "plot_traces"]

GOALS = {"bops": "bit operations", "cycles": "cycles", "traffic": "memory traffic", "energy": "energy"}
"""Objectives in words."""


def plot_trace(record: Mapping[str, Any]) -> Figure:
    """One search (`Answer.as_dict`): saving over evaluations, and the lengths of the best combination."""
    best = record["best"]
    figure = Figure(figsize=(9.6, 3.6), layout="constrained")
    trace, lengths = figure.subplots(1, 2, width_ratios=(3, 2))
    _trace(trace, record["visits"])
    goal = GOALS[record["objective"]["goal"]]
    finish(trace, title=f"{record['method']} search", x="evaluation", y=f"saving in {goal}")
    trace.legend(frameon=False, fontsize="small")
    if best is not None:
        plot_lengths(lengths, best["lengths"])
    finish(lengths, title="best combination", x="layer", y="length")
    return figure


def plot_traces(searches: Mapping[str, Sequence[Mapping[str, Any]]], goal: str) -> Figure:
    """Several searches side by side: the visits of each, in its own panel under its name."""
    figure = Figure(figsize=(3.2 * len(searches), 3.4), layout="constrained")
    panels: Sequence[Axes] = figure.subplots(1, len(searches), sharex=True, sharey=True, squeeze=False)[0]
    for panel, (name, visits) in zip(panels, searches.items(), strict=True):
        _trace(panel, visits)
        finish(panel, title=name, x="evaluation")
    panels[0].set_ylabel(f"saving in {GOALS[goal]}")
    panels[0].legend(frameon=False, fontsize="small")
    return figure


def plot_lengths(panel: Axes, lengths: Mapping[str, int]) -> None:
    """The length of each kind over the layers; a kind with one length for all is a level line."""
    for kind, marker in zip(KINDS, "osv^", strict=True):
        own = [(name, length) for name, length in lengths.items() if name.rpartition(".")[2] == kind]
        if len(own) == 1:
            panel.axhline(own[0][1], color=f"C{KINDS.index(kind)}", label=f"{kind}: {own[0][1]}")
        else:
            layers = [int(name.partition(".")[0]) for name, _ in own]
            panel.plot(layers, [n for _, n in own], f"{marker}-", markersize=3, linewidth=0.8, label=kind)
    panel.yaxis.set_major_locator(MaxNLocator(integer=True))
    panel.legend(frameon=False, fontsize="small")


def _trace(panel: Axes, found: Sequence[Mapping[str, Any]]) -> None:
    """Passed and failed combinations in their order, and the best so far as a step."""
    visits = list(enumerate(found, start=1))
    for passed, marker, color, label in (
        (True, "o", BLUE, "within the tolerance"),
        (False, "x", RED, "not within"),
    ):
        some = [(number, visit["saving"]) for number, visit in visits if visit["passed"] is passed]
        if some:
            panel.plot(*zip(*some, strict=True), marker, color=color, markersize=5, label=label)
    best = [(number, visit["saving"]) for number, visit in visits if visit["accepted"]]
    if best:
        best.append((len(visits), best[-1][1]))
        panel.step(*zip(*best, strict=True), where="post", color=GREY, linewidth=0.9, label="best so far")
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
