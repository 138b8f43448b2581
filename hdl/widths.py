"""Operands brought to the width of their operator in RTLIL, so that the Verilog widens nothing implicitly.

Amaranth's back end drops repeated sign bits of an operand and leaves it to Verilog's context rules to bring
them back. That is correct but unreadable to a width lint, which then cannot tell a meant widening from a
mistake. Here each short operand is extended by a cell of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["widen_operands"]

#: Operators whose operands are as wide as the result.
_ARITHMETIC = ("add", "sub", "mul", "neg", "not", "and", "or", "xor", "xnor")
#: Operators whose operands are as wide as each other.
_COMPARISON = ("eq", "ne", "lt", "le", "gt", "ge")
#: Operators whose first operand is as wide as the result.
_SHIFT = ("shl", "shr", "sshl", "sshr")

_CELL = re.compile(
    rf"^  cell \$({'|'.join(_ARITHMETIC + _COMPARISON + _SHIFT)}) (\S+)\n(.*?)^  end\n", flags=re.M | re.S
)


def widen_operands(rtlil: str) -> str:
    """The same design with every operand at full width."""
    serial = iter(range(1 << 62))
    return _CELL.sub(lambda match: "".join(_widened(match, serial)), rtlil)


def _widened(match: re.Match[str], serial: Iterator[int]) -> Iterator[str]:
    kind, name, body = match.groups()
    width = {port: int(bits) for port, bits in re.findall(r"parameter \\([ABY])_WIDTH (\d+)", body)}
    operands = [port for port in ("A", "B") if port in width]
    if kind in _COMPARISON:
        target = max(width[port] for port in operands)
    elif kind in _SHIFT:
        operands, target = ["A"], max(width["A"], width["Y"])
    else:
        target = max(width.values())
    for port in operands:
        if width[port] < target:
            wire = f"$wide${next(serial)}"
            signed = re.search(rf"parameter \\{port}_SIGNED (\d)", body)
            source = re.search(rf"connect \\{port} (.*)\n", body)
            if signed is None or source is None:
                raise ValueError(f"cell {name} of kind {kind} lacks its operand {port}")
            yield (
                f"  wire width {target} {wire}\n"
                f"  cell $pos {wire}_cell\n"
                f"    parameter \\A_SIGNED {signed.group(1)}\n"
                f"    parameter \\A_WIDTH {width[port]}\n"
                f"    parameter \\Y_WIDTH {target}\n"
                f"    connect \\A {source.group(1)}\n"
                f"    connect \\Y {wire}\n"
                f"  end\n"
            )
            body = body.replace(source.group(0), f"connect \\{port} {wire}\n")
            body = body.replace(f"\\{port}_WIDTH {width[port]}\n", f"\\{port}_WIDTH {target}\n")
    yield f"  cell ${kind} {name}\n{body}  end\n"
