"""RTLIL rewritten so that its Verilog leaves nothing to context rules.

Amaranth's back end and Yosys rely on what Verilog does by itself: operands are widened to their operator,
numbers in a condition are compared with zero, the first matching case wins. That is correct but unreadable to
a lint, which cannot tell what is meant from a mistake. Here each of these is spelled out by cells of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["spell_out"]

#: Operators whose operands are as wide as the result.
_ARITHMETIC = ("add", "sub", "mul", "neg", "not", "and", "or", "xor", "xnor")
#: Operators whose operands are as wide as each other.
_COMPARISON = ("eq", "ne", "lt", "le", "gt", "ge")
#: Operators whose first operand is as wide as the result.
_SHIFT = ("shl", "shr", "sshl", "sshr")

_CELL = re.compile(
    rf"^  cell \$({'|'.join(_ARITHMETIC + _COMPARISON + _SHIFT)}) (\S+)\n(.*?)^  end\n", flags=re.M | re.S
)

_NEGATION = re.compile(
    r"^  cell \$logic_not (\S+)\n"
    r"    parameter \\A_SIGNED \d\n    parameter \\A_WIDTH (\d+)\n    parameter \\Y_WIDTH 1\n"
    r"    connect \\A (.*)\n    connect \\Y (.*)\n  end\n",
    flags=re.M,
)


_SELECTION = re.compile(
    r"^  cell \$pmux (\S+)\n    parameter \\S_WIDTH (\d+)\n    parameter \\WIDTH (\d+)\n"
    r"    connect \\A (.*)\n    connect \\B (.*)\n    connect \\S (.*)\n    connect \\Y (.*)\n  end\n",
    flags=re.M,
)


def spell_out(rtlil: str) -> str:
    """The same design with every operand at full width, negation of single bits and choice between two."""
    serial = iter(range(1 << 62))
    rtlil = _SELECTION.sub(lambda match: "".join(_chained(match, f"$pick${next(serial)}")), rtlil)
    rtlil = _NEGATION.sub(lambda match: _reduced(match, f"$any${next(serial)}"), rtlil)
    return _CELL.sub(lambda match: "".join(_widened(match, serial)), rtlil)


def _chained(match: re.Match[str], stem: str) -> Iterator[str]:
    """A choice among many as choices between two, the first condition that holds winning."""
    _, count, width, default, options, conditions, result = match.groups()
    n, bits = int(count), int(width)
    yield f"  wire width {n * bits} {stem}_b\n  connect {stem}_b {options}\n"
    yield f"  wire width {n} {stem}_s\n  connect {stem}_s {conditions}\n"
    otherwise = default
    for i in reversed(range(n)):
        chosen = f"{stem}_{i}" if i else result
        if i:
            yield f"  wire width {bits} {chosen}\n"
        yield (
            f"  cell $mux {stem}_{i}_cell\n    parameter \\WIDTH {bits}\n    connect \\A {otherwise}\n"
            f"    connect \\B {stem}_b [{(i + 1) * bits - 1}:{i * bits}]\n"
            f"    connect \\S {stem}_s [{i}]\n    connect \\Y {chosen}\n  end\n"
        )
        otherwise = chosen


def _reduced(match: re.Match[str], wire: str) -> str:
    """A number compared with zero, as the negation of the OR of its bits."""
    name, width, operand, result = match.groups()
    return (
        f"  wire {wire}\n"
        f"  cell $reduce_or {wire}_cell\n"
        f"    parameter \\A_SIGNED 0\n    parameter \\A_WIDTH {width}\n    parameter \\Y_WIDTH 1\n"
        f"    connect \\A {operand}\n    connect \\Y {wire}\n  end\n"
        f"  cell $logic_not {name}\n"
        f"    parameter \\A_SIGNED 0\n    parameter \\A_WIDTH 1\n    parameter \\Y_WIDTH 1\n"
        f"    connect \\A {wire}\n    connect \\Y {result}\n  end\n"
    )


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
