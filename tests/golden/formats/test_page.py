"""The page about formats does what it says."""

from __future__ import annotations

import re
from pathlib import Path

from golden import formats

PAGE = (Path(__file__).parents[3] / "docs" / "formats.md").read_text(encoding="utf-8")


def test_the_examples_run() -> None:
    names: dict[str, object] = {}
    for example in re.findall(r"```python\n(.*?)```", PAGE, flags=re.S):
        exec(example, names)
    assert isinstance(names["mine"], formats.Format)
    assert names["mine"].level_bits == 4


def test_the_codebooks_are_those_of_the_catalogue() -> None:
    rows = re.findall(r"^\| `(anda4[\w-]*)` \| (-[-\d ]+) \|", PAGE, flags=re.M)
    assert len(rows) == 4
    for name, levels in rows:
        assert formats.get(name).integer_levels == tuple(map(int, levels.split()))
