"""The drawn block diagram names the parts that the hardware is made of."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_part_of_the_diagram_is_a_component() -> None:
    parts = runpy.run_path(str(ROOT / "scripts" / "draw_accelerator.py"))["PARTS"]
    texts = [path.read_text() for path in (ROOT / "hdl").glob("*.py")]
    made = {found for text in texts for found in re.findall(r"= ((?:[A-Z][a-z]+)+)\(", text)}
    assert set(parts) <= made, set(parts) - made
    drawn = (ROOT / "docs" / "figures" / "accelerator.svg").read_text()
    for name in parts:
        for word in re.split("(?=Receiver|Sender)", name):
            assert word in drawn, name
