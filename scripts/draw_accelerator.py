"""Draw the parts of an accelerator and what goes between them: docs/figures/accelerator.svg."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from anda.figures import BLUE, GREY, RED, rendered
from anda.files import write_all

FIGURES = Path(__file__).resolve().parent.parent / "docs" / "figures"

Point = tuple[float, float]
Box = tuple[float, float, float, float]
"""Left, bottom, width, height."""

INK = "#223344"
BUS, MEMORY, COMPUTE, CONTROL = ("#eeeeee", GREY), ("#dfeaf0", BLUE), ("#f5e6df", RED), ("#ffffff", INK)
"""Fill and edge of a part, by what it is."""

REGISTERS: Box = (20, 104, 26, 8)
CHECKER: Box = (60, 89, 26, 9)
RECEIVER: Box = (20, 72, 14, 9)
COMPRESSOR: Box = (40, 72, 14, 9)
WRITER: Box = (60, 72, 14, 9)
PLANES: Box = (80, 68, 18, 15)
ARRAY: Box = (74, 28, 30, 30)
WEIGHT_RECEIVER: Box = (20, 8, 14, 9)
WEIGHTS: Box = (80, 4, 18, 14)
GROUPS: Box = (110, 52, 18, 11)
UNIT: Box = (110, 32, 18, 12)
GATES: Box = (134, 14, 14, 9)
SENDER: Box = (134, 33, 14, 10)
CORE: Box = (16, 1, 136, 100)
ENGINE: Box = (37, 2.5, 93.5, 83)

PARTS: dict[str, tuple[Box, tuple[str, str], str]] = {
    "AxiLiteRegisters": (REGISTERS, CONTROL, "from the register map"),
    "JobChecker": (CHECKER, CONTROL, "shape to tiles; bounds"),
    "ActivationReceiver": (RECEIVER, BUS, ""),
    "Compressor": (COMPRESSOR, COMPUTE, "one lane"),
    "PlaneWriter": (WRITER, COMPUTE, ""),
    "PlaneStore": (PLANES, MEMORY, "plane words\nexponents\nreader"),
    "WeightReceiver": (WEIGHT_RECEIVER, BUS, ""),
    "WeightStore": (WEIGHTS, MEMORY, "codes, scales\nreader"),
    "GroupBuffer": (GROUPS, MEMORY, "two halves"),
    "Elementwise": (UNIT, COMPUTE, "scale, bias, ReLU,\nSiLU, gate"),
    "GateReceiver": (GATES, BUS, ""),
    "ResultSender": (SENDER, BUS, ""),
}
"""By the name of the class: place, look and note."""


def main() -> int:
    write_all(FIGURES, {"accelerator.svg": rendered(draw(), "accelerator")["accelerator.svg"]})
    return 0


def draw() -> Figure:
    """The whole picture, in units of its own: 168 wide, 116 high."""
    figure = Figure(figsize=(10.5, 7.2), layout="constrained")
    panel = figure.subplots()
    panel.set_xlim(0, 168)
    panel.set_ylim(0, 116)
    panel.set_axis_off()
    _frame(panel, CORE, "AcceleratorCore")
    _frame(panel, ENGINE, "Engine")
    for name, (box, look, note) in PARTS.items():
        _part(panel, box, look, name, note)
    _grid(panel)
    _wires(panel)
    return figure


def _grid(panel: Axes) -> None:
    """The array: elements, and the accumulators that those of a column share."""
    left, bottom, width, height = ARRAY
    panel.add_patch(Rectangle((left, bottom), width, height, facecolor="white", edgecolor=RED, linewidth=1.2))
    panel.text(left + 1, bottom + height - 1, "Array", va="top", color=INK, fontsize=9, weight="bold")
    for column in range(4):
        x = left + 2.5 + 6.6 * column
        for row in range(4):
            box = (x, bottom + 8 + 4.4 * row)
            panel.add_patch(Rectangle(box, 5, 3.5, facecolor=COMPUTE[0], edgecolor=RED, linewidth=0.8))
        panel.add_patch(Rectangle((x, bottom + 2), 5, 4, facecolor=MEMORY[0], edgecolor=BLUE, linewidth=0.8))
        panel.text(x + 2.5, bottom + 4, "FP32", ha="center", va="center", fontsize=6, color=INK)
    panel.text(left + width - 1, bottom + height - 1, "rows x columns\nelements", fontsize=7, **_corner())


def _wires(panel: Axes) -> None:
    _bus(panel, [(0, 105), (20, 105)], "AXI4-Lite")
    _bus(panel, [(20, 110), (0, 110)], "irq", at=(1, 111.4))
    _bus(panel, [(46, 108), (73, 108), (73, 98)], "the next job", at=(48, 109.4))
    _bus(panel, [(73, 89), (73, 85.5)], "jobs for all parts", at=(74.5, 86))
    _bus(panel, [(0, 76.5), (20, 76.5)], "activations")
    _bus(panel, [(34, 76.5), (40, 76.5)], "")
    _bus(panel, [(54, 76.5), (60, 76.5)], "")
    _bus(panel, [(74, 76.5), (80, 76.5)], "")
    _bus(panel, [(89, 68), (89, 58)], "one plane of all rows a cycle", at=(64, 60.5))
    _bus(panel, [(0, 12.5), (20, 12.5)], "weights, scales")
    _bus(panel, [(34, 10.5), (80, 10.5)], "words of several columns", at=(45, 11.9))
    _bus(
        panel,
        [(34, 14.5), (41, 14.5), (41, 20.5), (106, 20.5), (106, 35), (110, 35)],
        "scales, biases",
        at=(45, 21.9),
    )
    _bus(panel, [(89, 18), (89, 28)], "next group's weights", at=(70, 23))
    _bus(panel, [(104, 55), (110, 55)], "")
    _bus(panel, [(119, 52), (119, 44)], "FP16", at=(120.5, 47))
    _bus(panel, [(168, 18.5), (148, 18.5)], "gates", at=(155, 19.9))
    _bus(panel, [(134, 18.5), (119, 18.5), (119, 32)], "")
    _bus(panel, [(128, 38), (134, 38)], "")
    _bus(panel, [(148, 38), (168, 38)], "results", at=(155, 39.4))
    _bus(panel, [(129.3, 38), (129.3, 65), (47, 65), (47, 72)], "results that stay", at=(99.5, 66.2))


def _part(panel: Axes, box: Box, look: tuple[str, str], name: str, note: str) -> None:
    left, bottom, width, height = box
    fill, edge = look
    panel.add_patch(
        FancyBboxPatch(
            (left, bottom),
            width,
            height,
            boxstyle="round,pad=0,rounding_size=1",
            facecolor=fill,
            edgecolor=edge,
        )
    )
    middle = left + width / 2
    # These parts are narrow.
    name = re.sub("(?=Receiver|Sender)", "-\n", name)
    if note:
        panel.text(middle, bottom + height - 1.2, name, ha="center", va="top", **_title())
        panel.text(middle, bottom + 1.2, note, ha="center", va="bottom", fontsize=7, color=INK)
    else:
        panel.text(middle, bottom + height / 2, name, ha="center", va="center", **_title())


def _frame(panel: Axes, box: Box, name: str) -> None:
    left, bottom, width, height = box
    panel.add_patch(
        Rectangle(
            (left, bottom), width, height, facecolor="none", edgecolor=GREY, linestyle="--", linewidth=0.8
        )
    )
    panel.text(left + width - 0.8, bottom + height - 0.8, name, fontsize=7, **_corner())


def _bus(panel: Axes, points: Sequence[Point], label: str, at: Point | None = None) -> None:
    """A wire with corners and an arrow at its end; its label above the start unless told otherwise."""
    xs, ys = zip(*points, strict=True)
    panel.plot(xs[:-1], ys[:-1], color=INK, linewidth=1.1, solid_joinstyle="miter")
    panel.annotate(
        "",
        xy=points[-1],
        xytext=points[-2],
        arrowprops={"arrowstyle": "-|>", "color": INK, "linewidth": 1.1, "shrinkA": 0, "shrinkB": 0},
    )
    if label:
        x, y = at or (points[0][0] + 1, points[0][1] + 1.4)
        panel.text(x, y, label, fontsize=7.5, color=INK, va="bottom")


def _title() -> dict[str, Any]:
    return {"fontsize": 8.5, "weight": "bold", "color": INK}


def _corner() -> dict[str, Any]:
    return {"ha": "right", "va": "top", "color": INK}


if __name__ == "__main__":
    sys.exit(main())
