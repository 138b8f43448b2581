"""How every plot of tensors looks, and its SVG and PNG as bytes."""

from __future__ import annotations

import io

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["BLUE", "GREY", "RED", "finish", "rendered"]

RED, BLUE, GREY = "#b05a3c", "#2f6f8f", "#8a8a8a"


def finish(panel: Axes, *, title: str, x: str, y: str = "") -> None:
    """Titles, labels, a faint grid, and no frame above and to the right."""
    panel.set_title(title, fontsize="medium")
    panel.set_xlabel(x)
    panel.set_ylabel(y)
    panel.grid(alpha=0.3)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)


def rendered(figure: Figure, name: str) -> dict[str, bytes]:
    """The figure as `NAME.svg` and `NAME.png`; equal figures give equal bytes."""
    files = {}
    # A fixed salt and no date.
    with mpl.rc_context({"svg.hashsalt": "anda", "svg.fonttype": "none"}):
        for kind, metadata in (("svg", {"Date": None}), ("png", {"Software": None})):
            stream = io.BytesIO()
            figure.savefig(stream, format=kind, dpi=144, metadata=metadata)
            files[f"{name}.{kind}"] = stream.getvalue()
    return files
