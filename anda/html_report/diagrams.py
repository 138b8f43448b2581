"""Block diagrams as SVG: the tree of modules below one, with port widths and counts of instances."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

__all__ = ["hierarchy_svg", "short_name", "streams"]

WIDTH, GAP, INDENT, MARGIN = 212, 10, 52, 8
LINE, HEAD = 15, 24
#: Lines of ports that a box shows; the rest is in its tooltip.
PORT_LINES = 7

_HANDSHAKE = ("valid", "ready", "tvalid", "tready")

Ports = Sequence[Sequence[Any]]


@dataclass
class _Box:
    """A module at one place of the tree, in px."""

    module: str
    count: int
    lines: list[str]
    tip: str
    known: bool
    parts: list[_Box] = field(default_factory=list)
    x: float = 0
    y: float = 0

    @property
    def height(self) -> float:
        """Title, lines, and what is free below."""
        return HEAD + LINE * len(self.lines) + 7 * bool(self.lines)

    @property
    def end(self) -> tuple[float, float]:
        """Its lower right corner."""
        return self.x + WIDTH, self.y + self.height

    def all(self) -> Iterator[_Box]:
        """This box and everything below it."""
        yield self
        for part in self.parts:
            yield from part.all()


def hierarchy_svg(blocks: Mapping[str, Any], title: str, name: str) -> str:
    """The tree of modules, the top at the left, drawn once where a module occurs several times.

    Parameters
    ----------
    blocks : mapping
        As of `anda.html_report.blocks.netlist_blocks`.
    title : str
        What readers of the text alone are told.
    name : str
        Prefix of all ids.

    Returns
    -------
    str
        An SVG element.
    """
    root = _tree(blocks["modules"], blocks["top"], 1, set())
    _place(root, 0, [])
    boxes = list(root.all())
    width, height = (max(ends) + MARGIN for ends in zip(*(box.end for box in boxes), strict=True))
    body = [_lines(box) for box in boxes] + [_drawn(box) for box in boxes]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="blocks" role="img" aria-labelledby="{name}-title" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}">'
        f'<title id="{name}-title">{escape(title)}</title>' + "".join(body) + "</svg>"
    )


def short_name(module: str) -> tuple[str, str]:
    """A module's name without the prefix of the project, and its parameters.

    >>> short_name("anda_pe_64x4_tc10_p1")
    ('pe', '64x4_tc10_p1')
    """
    words = module.removeprefix("anda_").split("_")
    plain = next((at for at, word in enumerate(words) if re.search(r"\d", word) and word != "fp16"), None)
    at = len(words) if plain is None else max(plain, 1)
    return " ".join(words[:at]), "_".join(words[at:])


def streams(ports: Ports) -> list[tuple[str, str, int]]:
    """Ports as a reader thinks of them: streams by their stems, everything else by its own name.

    Parameters
    ----------
    ports : sequence
        Name, direction and width of each.

    Returns
    -------
    list of tuple
        Name, direction of the data, and bits without handshake; clock and reset are left out.
    """
    stems = {match[1]: way for name, way, _ in ports if (match := re.fullmatch(r"(\w+)_t?valid", name))}
    found: dict[tuple[str, str], int] = {}
    for name, way, bits in ports:
        if name in ("clk", "rst"):
            continue
        stem = max((s for s in stems if name.startswith(f"{s}_")), key=len, default=None)
        if stem is None:
            found[name, way] = bits
        elif name.removeprefix(f"{stem}_") not in _HANDSHAKE:
            found[stem, stems[stem]] = found.get((stem, stems[stem]), 0) + bits
    return [(name, way, bits) for (name, way), bits in found.items()]


def _tree(modules: Mapping[str, Any], name: str, count: int, drawn: set[str]) -> _Box:
    module = modules[name]
    known = name in drawn
    drawn.add(name)
    shown = streams(module["ports"])
    lines = [] if known else _port_lines(shown)
    if not known and (state := _state(module)):
        lines.append(state)
    tip = [f"{name}", *(f"{'in' if way == 'input' else 'out'} {port}: {bits}" for port, way, bits in shown)]
    box = _Box(name, count, lines, "\n".join(tip), known)
    if not known:
        box.parts = [_tree(modules, part, times, drawn) for part, times in sorted(module["parts"].items())]
    return box


def _port_lines(shown: Sequence[tuple[str, str, int]]) -> list[str]:
    """The widest ports, inputs before outputs; single bits alone, as of an adder, need no lines."""
    if all(bits == 1 for _, _, bits in shown):
        return []
    widest = sorted(shown, key=lambda port: -port[2])[:PORT_LINES]
    kept = [port for port in shown if port in widest]
    kept.sort(key=lambda port: port[1] != "input")
    lines = [f"{'→' if way == 'input' else '←'} {_cut(name)} [{bits:,}]" for name, way, bits in kept]
    if rest := len(shown) - len(kept):
        lines.append(f"and {rest} more, {sum(b for _, _, b in shown) - sum(b for _, _, b in kept):,} bits")
    return lines


def _state(module: Mapping[str, Any]) -> str:
    told = [
        f"{module[key]:,} {what}"
        for key, what in (("flip_flops", "flip-flops"), ("memory_bits", "bits of memory"))
        if module[key]
    ]
    return ", ".join(told)


def _cut(name: str, at: int = 22) -> str:
    return name if len(name) <= at else name[: at - 1] + "…"


def _place(box: _Box, depth: int, free: list[float]) -> None:
    """Put a box and its parts as high as the columns allow, the first part beside the box.

    Parameters
    ----------
    depth : int
        Its column.
    free : list of float
        Where each column is free from.
    """
    chain, last = [box], box
    while last.parts:
        last = last.parts[0]
        chain.append(last)
    free += [MARGIN] * (depth + len(chain) - len(free))
    box.x = MARGIN + depth * (WIDTH + INDENT)
    box.y = max(free[depth : depth + len(chain)])
    free[depth] = box.y + box.height + GAP
    for at, part in enumerate(box.parts):
        if not at:
            free[depth + 1] = box.y
        _place(part, depth + 1, free)


def _lines(box: _Box) -> str:
    """Wires from a module to its parts, along one spine."""
    if not box.parts:
        return ""
    start, spine = box.x + WIDTH, box.x + WIDTH + INDENT / 2 - 10
    first, last = (part.y + HEAD / 2 for part in (box.parts[0], box.parts[-1]))
    out = [f'<path class="wire" d="M{start:g} {first:g}H{spine:g}M{spine:g} {first:g}V{last:g}"/>']
    for part in box.parts:
        at = part.y + HEAD / 2
        out.append(f'<path class="wire" d="M{spine:g} {at:g}H{part.x:g}"/>')
        if part.count > 1:
            place = f'x="{part.x - 4:g}" y="{at - 4:g}" text-anchor="end"'
            out.append(f'<text class="count" {place}>{part.count:,} &#215;</text>')
    return "".join(out)


def _drawn(box: _Box) -> str:
    name, parameters = short_name(box.module)
    kind = "known" if box.known else "leaf" if not box.parts else "inner"
    text = [f'<tspan class="name">{escape(name)}</tspan>']
    if parameters and len(name) < 22:
        room = int((WIDTH - 28 - 8 * len(name)) / 5.9)
        text.append(f'<tspan class="parameters" dx="6">{escape(_cut(parameters, room))}</tspan>')
    lines = [
        f'<text class="port" x="{box.x + 9:g}" y="{box.y + HEAD + LINE * at + 11:g}">{escape(line)}</text>'
        for at, line in enumerate(box.lines)
    ]
    return (
        f'<g class="{kind}"><title>{escape(box.tip)}</title>'
        f'<rect x="{box.x:g}" y="{box.y:g}" width="{WIDTH}" height="{box.height:g}" rx="4"/>'
        f'<text x="{box.x + 9:g}" y="{box.y + 16:g}">{"".join(text)}</text>{"".join(lines)}</g>'
    )
