"""The plots of docs/language.md: scores against planes, and 4-bit weight formats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from anda.figures import BLUE, GREY, RED, finish
from anda.language_tables import BLOCKS, ENCODINGS, rows_of, texts_of

__all__ = ["plot_planes", "plot_weights"]

_COLORS = {"2a": RED, "2b": BLUE}
_STYLES = ("-", "--")
_MARKERS = ("s", "o", "D")


def plot_planes(data: Mapping[str, Any]) -> Figure:
    """KL, top-1 agreement and change of perplexity against planes, for both encodings and all texts."""
    figure = Figure(figsize=(11.4, 3.8), layout="constrained")
    divergence, agreement, perplexity = figure.subplots(1, 3)
    for text, style in zip(texts_of(data), _STYLES, strict=False):
        (plain,) = rows_of(data, "float", text)
        for name in ENCODINGS:
            rows = rows_of(data, "planes", text, encoding=name)
            planes = [row["planes"] for row in rows]
            look: dict[str, Any] = {
                "color": _COLORS[name],
                "linestyle": style,
                "marker": ".",
                "linewidth": 1.2,
            }
            divergence.plot(planes, [row["kl"] for row in rows], label=f"{name}, {text}", **look)
            agreement.plot(planes, [100 * (1 - row["top1"]) for row in rows], **look)
            change = [100 * (row["perplexity"] / plain["perplexity"] - 1) for row in rows]
            perplexity.plot(planes, change, **look)
    divergence.set_yscale("log")
    agreement.set_yscale("log")
    agreement.yaxis.set_major_formatter("{x:g}")
    # Coarse formats are orders of magnitude away, fine ones on both sides of zero.
    perplexity.set_yscale("symlog", linthresh=1)
    perplexity.yaxis.set_major_formatter("{x:g}")
    perplexity.axhline(0, color=GREY, linewidth=0.8)
    finish(divergence, title="divergence from the float model", x="planes", y="KL, nats")
    finish(agreement, title="another top token than the float model's", x="planes", y="%")
    finish(perplexity, title="change of perplexity", x="planes", y="%")
    divergence.legend(frameon=False, fontsize="small")
    return figure


def plot_weights(data: Mapping[str, Any]) -> Figure:
    """Divergence of every 4-bit weight format on the first text, blocks beside each other."""
    text = texts_of(data)[0]
    largest, *smaller = BLOCKS
    rows = sorted(rows_of(data, f"weights-{largest}", text), key=lambda row: float(row["kl"]), reverse=True)
    place = {row["format"]: y for y, row in enumerate(rows)}
    figure = Figure(figsize=(8.4, 1.2 + 0.2 * len(rows)), layout="constrained")
    panel = figure.subplots()
    colors = [GREY if row["block"] != largest else BLUE for row in rows]
    panel.barh(list(place.values()), [row["kl"] for row in rows], color=colors, alpha=0.65, height=0.7)
    for block, marker in zip(smaller, _MARKERS, strict=False):
        found = rows_of(data, f"weights-{block}", text)
        at = [place[row["format"]] for row in found]
        panel.plot(
            [row["kl"] for row in found], at, marker, color=RED, markersize=3, label=f"blocks of {block}"
        )
    panel.set_yticks(
        list(place.values()),
        [row["format"] + ("" if row["block"] == largest else f", block {row['block']}") for row in rows],
        fontsize="small",
    )
    panel.set_ylim(-0.6, len(rows) - 0.4)
    finish(panel, title=f"4-bit weights, bars: blocks of {largest}; {text}", x="KL, nats")
    panel.grid(visible=False, axis="y")
    if smaller:
        panel.legend(frameon=False, fontsize="small", loc="lower right")
    return figure
