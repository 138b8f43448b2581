"""Draw what ports do: docs/figures/accelerator-load.svg, accelerator-product.svg and array-steady.svg."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from anda.accelerator_files import accelerator_parameters
from hdl.accelerator import Accelerator
from hdl.array import Array, ArrayParameters
from hdl.emit import emit_verilog
from hdl.modules import NamedComponent
from hdl.pe import PeParameters
from sim.runner import run_bench

Ports = dict[str, list[int | None]]
"""For each port its values cycle by cycle; None where it is unknown."""

FIGURES = Path(__file__).parents[1] / "docs" / "figures"
STEP, HEIGHT, ROW, LEFT = 18, 12, 24, 210


def main() -> None:
    """Simulate, and draw."""
    for name, values in {**accelerator(), **array()}.items():
        (FIGURES / f"{name}.svg").write_text(draw(values))


def accelerator() -> dict[str, Ports]:
    """A load and a product on the bus."""
    sizes = accelerator_parameters(
        {"rows": 1, "columns": 2, "sharing": 1, "lanes": 8, "max_planes": 4, "weight_words": 16}
    )
    told = {"build": asdict(sizes.build), "level_bits": sizes.engine.array.pe.level_bits}
    load, product = recorded("sim.benches.accelerator_timing", Accelerator(sizes), told)
    return {"accelerator-load": load, "accelerator-product": product}


def array() -> dict[str, Ports]:
    """Groups of as many planes as there are loads of weights, and rows that share an accumulator."""
    element = PeParameters(lanes=8, max_planes=4)
    top = Array(ArrayParameters(pe=element, rows=4, columns=4, sharing=4, columns_per_load=1))
    (steady,) = recorded("sim.benches.array_timing", top, {"tiles": 2, "groups": 2, "planes": 4, "loads": 4})
    return {"array-steady": steady}


def recorded(bench: str, top: NamedComponent, told: Mapping[str, Any]) -> list[Ports]:
    """What the bench noted."""
    with tempfile.TemporaryDirectory() as work:
        result = run_bench(
            bench, emit_verilog(top), top.module_name, parameters=told, seed=1, work=Path(work)
        ).check()
        parts: list[Ports] = json.loads((result.log.parent / "timing.json").read_text())
    return parts


def draw(ports: Ports) -> str:
    """One line a port: a level for a bit, a box with its value for a number."""
    cycles = len(next(iter(ports.values())))
    width, height = LEFT + STEP * cycles + 10, ROW * (len(ports) + 1) + 6
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="monospace" '
        'font-size="11" fill="none" stroke="#345" stroke-width="1.2">',
        f'<rect width="{width}" height="{height}" fill="#fff" stroke="none"/>',
    ]
    for cycle in range(cycles + 1):
        x = LEFT + STEP * cycle
        parts.append(f'<path d="M{x} {ROW - 6}V{height - 6}" stroke="#dde" stroke-width="0.6"/>')
        if cycle % 5 == 0 and cycle < cycles:
            parts.append(_text(x + 2, ROW - 10, str(cycle)))
    for row, (port, values) in enumerate(ports.items()):
        bottom = ROW * (row + 2) - 6
        parts.append(_text(4, bottom - 1, port))
        numbers = max((value or 0 for value in values), default=0) > 1
        parts += _number(values, bottom) if numbers else [_level(values, bottom)]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _level(values: list[int | None], bottom: int) -> str:
    """Half way where it is unknown."""
    heights = [bottom - (HEIGHT // 2 if value is None else HEIGHT * value) for value in values]
    path = "".join(f"V{y}h{STEP}" for y in heights)
    return f'<path d="M{LEFT} {heights[0]}{path}"/>'


def _number(values: list[int | None], bottom: int) -> list[str]:
    parts, start = [], 0
    for cycle in range(1, len(values) + 1):
        if cycle == len(values) or values[cycle] != values[start]:
            x, width = LEFT + STEP * start, STEP * (cycle - start)
            parts.append(f'<rect x="{x}" y="{bottom - HEIGHT}" width="{width}" height="{HEIGHT}"/>')
            parts.append(_text(x + 3, bottom - 2, f"{values[start] or 0:x}"))
            start = cycle
    return parts


def _text(x: int, y: int, text: str) -> str:
    return f'<text x="{x}" y="{y}" fill="#123" stroke="none">{text}</text>'


if __name__ == "__main__":
    main()
