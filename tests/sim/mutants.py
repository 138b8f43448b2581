"""Faulty versions of generated Verilog: one operator or constant changed in each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random

_CHANGED = {" & ": " | ", " | ": " & ", " ^ ": " & ", " + ": " - ", " - ": " + ", "~": "", "1'h0": "1'h1"}
_CHANGED["1'h1"] = "1'h0"


def mutants(verilog: str, count: int, random: Random) -> Iterator[tuple[str, str]]:
    """`count` different faults at random places, or all there are: what was changed, and the text."""
    lines = verilog.splitlines()
    places = [
        (number, match.start(), old)
        for number, line in enumerate(lines)
        if re.match(r"\s*(assign|if|.* <= )", line)
        for old in _CHANGED
        for match in re.finditer(re.escape(old), line)
        if match.start() > line.find("=")
    ]
    for number, start, old in random.sample(places, min(count, len(places))):
        line = lines[number]
        broken = line[:start] + _CHANGED[old] + line[start + len(old) :]
        yield (
            f"{line.strip()} -> {broken.strip()}",
            "\n".join([*lines[:number], broken, *lines[number + 1 :]]),
        )
