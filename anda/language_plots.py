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
_DIVERGENCES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
_BLOCK_COLORS = (BLUE, "#7fb3c8", RED)


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
    rows = sorted(rows_of(data, f"weights-{BLOCKS[0]}", text), key=lambda row: float(row["kl"]), reverse=True)
    place = {row["format"]: y for y, row in enumerate(rows)}
    figure = Figure(figsize=(8.4, 1.2 + 0.19 * len(rows)), layout="constrained")
    panel = figure.subplots()
    for block, color in zip(BLOCKS, _BLOCK_COLORS, strict=True):
        found = [row for row in rows_of(data, f"weights-{block}", text) if row["block"] == block]
        panel.plot(
            [row["kl"] for row in found],
            [place[row["format"]] for row in found],
            "o",
            color=color,
            markersize=5,
            label=f"blocks of {block}",
        )
    for row in rows:
        if row["block"] != BLOCKS[0]:
            panel.plot(row["kl"], place[row["format"]], "D", color=GREY, markersize=5)
            panel.annotate(
                f"blocks of {row['block']}",
                (row["kl"], place[row["format"]]),
                (6, 0),
                textcoords="offset points",
                fontsize="x-small",
                va="center",
            )
    panel.set_xscale("log")
    limits = panel.get_xlim()
    panel.set_xticks(_DIVERGENCES, [f"{kl:g}" for kl in _DIVERGENCES])
    panel.set_xticks((), minor=True)
    panel.set_xlim(limits)
    panel.set_yticks(list(place.values()), list(place), fontsize="small")
    panel.set_ylim(-0.6, len(rows) - 0.4)
    finish(panel, title=f"4-bit weights, {text}", x="KL, nats")
    panel.legend(frameon=False, fontsize="small", loc="upper right")
    return figure
