"""The tables of docs/system.md, from docs/data/system_cycles.json."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import exp, log
from typing import Any

__all__ = ["SYSTEM_TABLES", "Totals"]

Data = Mapping[str, Any]
Table = tuple[list[str], list[list[str]]]

#: Speed over FP-FP as the paper prints it, figure 16.
PAPER_SPEED = {"0.1%": "2.14", "1%": "2.49"}

_SHOWN = ("LLaMA-13B", "1%")
_ORDERS = {"activations stay": "activations", "weights stay": "weights"}
_POINTS = [(system, tolerance) for tolerance in ("0.1%", "1%") for system in ("published", "compact")]


class Totals:
    """Sums over the kinds of layers and the blocks of a model.

    Parameters
    ----------
    data : mapping
    """

    def __init__(self, data: Data):
        self._blocks = {model["name"]: model["blocks"] for model in data["models"]}
        self._rows = data["rows"]

    def rows(self, model: str, phase: str, system: str, tolerance: str | None) -> list[Data]:
        """Of one block."""
        wanted = {"model": model, "phase": phase, "system": system, "tolerance": tolerance}
        return [row for row in self._rows if all(row[key] == value for key, value in wanted.items())]

    def of(self, what: str, model: str, phase: str, system: str, tolerance: str | None) -> int:
        """The sum of one column."""
        per_block = sum(int(row[what]) for row in self.rows(model, phase, system, tolerance))
        return int(self._blocks[model]) * per_block

    def dram(self, model: str, phase: str, system: str, tolerance: str | None) -> int:
        """Bytes to and from DRAM."""
        return sum(self.of(f"dram_{way}_bytes", model, phase, system, tolerance) for way in ("read", "write"))

    def sram(self, model: str, phase: str, system: str, tolerance: str | None) -> int:
        """Bytes to and from the buffers."""
        return sum(self.of(f"sram_{way}_bytes", model, phase, system, tolerance) for way in ("read", "write"))


def _models(data: Data) -> Table:
    """Sizes and published precisions."""
    headers = ["model", "hidden", "feed-forward", "blocks", "heads", "weights of linear layers, 10⁹"]
    headers += ["qkv o up down: 0.1 %", "1 %"]
    body = [
        [
            model["name"],
            f"{model['hidden']:,}",
            f"{model['feed_forward']:,}" + (" x 2" if model["gated"] else ""),
            str(model["blocks"]),
            str(model["heads"]),
            f"{model['parameters'] / 1e9:.2f}",
            *model["lengths"].values(),
        ]
        for model in data["models"]
    ]
    return headers, body


def _speed(data: Data) -> Table:
    """Prefill: cycles of the baseline, and how many times fewer the others take."""
    totals = Totals(data)
    headers = ["prefill", "FP16, 10⁹ cycles"]
    headers += [f"`{system}`, {tolerance.replace('%', ' %')}" for system, tolerance in _POINTS]
    body, found = [], []
    for model in (each["name"] for each in data["models"]):
        base = totals.of("cycles", model, "prefill", "FP16", None)
        found.append([base / totals.of("cycles", model, "prefill", *point) for point in _POINTS])
        body.append([model, f"{base / 1e9:.2f}", *(f"{ratio:.2f}" for ratio in found[-1])])
    means = [f"**{_geometric(column):.2f}**" for column in zip(*found, strict=True)]
    body.append(["geometric mean", "", *means])
    paper = [PAPER_SPEED[tolerance] if system == "published" else "" for system, tolerance in _POINTS]
    body.append(["the paper's mean", "", *paper])
    return headers, body


def _traffic(data: Data) -> Table:
    """Prefill: bytes of the baseline, and how many times fewer the others move."""
    totals = Totals(data)
    headers = ["prefill", "FP16: DRAM, GB", "SRAM, GB"]
    headers += [
        f"`{system}`, {tolerance.replace('%', ' %')}: {where}"
        for system, tolerance in _POINTS
        for where in ("DRAM", "SRAM")
    ]
    body, found = [], []
    for model in (each["name"] for each in data["models"]):
        base = [kind(model, "prefill", "FP16", None) for kind in (totals.dram, totals.sram)]
        found.append(
            [
                before / kind(model, "prefill", *point)
                for point in _POINTS
                for before, kind in zip(base, (totals.dram, totals.sram), strict=True)
            ]
        )
        body.append([model, *(f"{b / 1e9:,.1f}" for b in base), *(f"{ratio:.2f}" for ratio in found[-1])])
    means = [f"**{_geometric(column):.2f}**" for column in zip(*found, strict=True)]
    body.append(["geometric mean", "", "", *means])
    return headers, body


def _layers(data: Data) -> Table:
    """One block of one model, layer by layer."""
    model, tolerance = _SHOWN
    headers = ["one block, prefill", "layer", "cycles a group", "10⁶ cycles", "busy", "stay"]
    headers += ["blocks: rows x columns", "DRAM, MB: activations", "weights", "results"]
    headers += ["SRAM, GB: activations", "weights", "results"]
    body = []
    for system, own in (("FP16", None), ("published", tolerance), ("compact", tolerance)):
        for row in Totals(data).rows(model, "prefill", system, own):
            body.append(
                [
                    f"`{system}`" if own else system,
                    row["kind"],
                    str(row["words"]),
                    f"{row['cycles'] / 1e6:.1f}",
                    f"{row['beats'] / row['cycles']:.2%}",
                    _ORDERS[row["order"]],
                    f"{row['row_blocks']} x {row['column_blocks']}",
                    *(f"{row[f'dram_{name}'] / 1e6:,.1f}" for name in ("activations", "weights", "results")),
                    *(f"{row[f'sram_{name}'] / 1e9:,.2f}" for name in ("activations", "weights", "results")),
                ]
            )
    return headers, body


def _decode(data: Data) -> Table:
    """One token: what it costs, and the bandwidth that it asks for."""
    totals = Totals(data)
    clock = data["array"]["clock_mhz"]
    headers = ["decode", "DRAM, GB a token"]
    for system, tolerance in (("FP16", None), ("published", "1%"), ("compact", "1%")):
        title = f"`{system}`, {tolerance.replace('%', ' %')}" if tolerance else system
        headers += [f"{title}: ms a token", "GB/s of DRAM"]
    body = []
    for model in (each["name"] for each in data["models"]):
        cells = [model, f"{totals.dram(model, 'decode', 'FP16', None) / 1e9:.2f}"]
        for point in (("FP16", None), ("published", "1%"), ("compact", "1%")):
            seconds = totals.of("cycles", model, "decode", *point) / clock / 1e6
            bandwidth = totals.dram(model, "decode", *point) / seconds / 1e9
            cells += [f"{1000 * seconds:,.0f}", f"{bandwidth:.1f}"]
        body.append(cells)
    return headers, body


def _geometric(values: Iterable[float]) -> float:
    logarithms = [log(value) for value in values]
    return exp(sum(logarithms) / len(logarithms))


SYSTEM_TABLES: dict[str, Callable[[Data], Table]] = {
    "system-models": _models,
    "system-speed": _speed,
    "system-traffic": _traffic,
    "system-layers": _layers,
    "system-decode": _decode,
}
"""For each table what makes its headers and rows of the data."""
