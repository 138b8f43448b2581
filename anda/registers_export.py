"""A register map for others: Markdown, JSON, a C header, and SystemRDL for PeakRDL's tools."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hdl.registers import DATA_BITS, Field, RegisterMap

__all__ = ["c_header", "json_text", "markdown", "system_rdl"]

_ACCESS = {"rw": "read, write", "ro": "read", "w1c": "read, write 1 to clear", "wo": "command"}


def markdown(registers: RegisterMap, title: str) -> str:
    """A page: a table of the registers, then one of the fields of each.

    Parameters
    ----------
    registers : RegisterMap
    title : str
        Of the page.
    """
    lines = [
        f"# {title}",
        "",
        f"{registers.description} Registers are {DATA_BITS} bits wide. A write with a one",
    ]
    lines += ["in a reserved bit, or outside the map, is answered with SLVERR and changes nothing.", ""]
    lines += ["| offset | register | meaning |", "|---|---|---|"]
    lines += [f"| `{r.offset:#04x}` | {r.name} | {r.description} |" for r in registers.registers]
    for register in registers.registers:
        lines += [
            "",
            f"## {register.name}",
            "",
            f"Offset `{register.offset:#04x}`. {register.description}",
            "",
        ]
        lines += ["| bits | field | access | after reset | meaning |", "|---|---|---|---|---|"]
        for field in register.fields:
            place = f"{field.high}:{field.low}" if field.bits > 1 else str(field.low)
            reset = "" if field.reset is None else f"`{field.reset:#x}`"
            lines.append(
                f"| {place} | {field.name} | {_ACCESS[field.access]} | {reset} | {field.description} |"
            )
        for field in register.fields:
            if field.values:
                lines += ["", f"| {field.name} | name | meaning |", "|---|---|---|"]
                lines += [f"| {number} | {name} | {text} |" for name, number, text in field.values]
    return "\n".join(lines) + "\n"


def as_dict(registers: RegisterMap) -> dict[str, Any]:
    """The whole map, as JSON holds it."""
    return {
        "name": registers.name,
        "description": registers.description,
        "data_bits": DATA_BITS,
        "bytes": registers.bytes,
        "registers": [
            {
                "name": register.name,
                "offset": register.offset,
                "description": register.description,
                "fields": [_field(field) for field in register.fields],
            }
            for register in registers.registers
        ],
    }


def _field(field: Field) -> dict[str, Any]:
    values = [{"name": name, "value": value, "description": text} for name, value, text in field.values]
    return {
        "name": field.name,
        "low": field.low,
        "bits": field.bits,
        "access": field.access,
        "reset": field.reset,
        "description": field.description,
        **({"values": values} if values else {}),
    }


def json_text(registers: RegisterMap) -> str:
    """The whole map as JSON."""
    return json.dumps(as_dict(registers), indent=2) + "\n"


def c_header(registers: RegisterMap, prefix: str = "ANDA") -> str:
    """Offsets, masks, shifts and values as macros of C.

    Parameters
    ----------
    registers : RegisterMap
    prefix : str
        Of every macro, in upper case.
    """
    guard = f"{prefix}_REGISTERS_H"
    lines = [f"/* {registers.description} */", f"#ifndef {guard}", f"#define {guard}"]
    for register in registers.registers:
        stem = f"{prefix}_{register.name.upper()}"
        lines += ["", f"/* {register.description} */", f"#define {stem}_OFFSET {register.offset:#04x}u"]
        for field in register.fields:
            name = stem if field.name == "value" else f"{stem}_{field.name.upper()}"
            lines += [f"#define {name}_SHIFT {field.low}", f"#define {name}_MASK {field.mask:#010x}u"]
            if field.is_constant:
                lines.append(f"#define {name}_CONSTANT {field.reset:#x}u")
            lines += [f"#define {name}_{value.upper()} {number}u" for value, number, _ in field.values]
    return "\n".join([*lines, "", f"#endif /* {guard} */"]) + "\n"


def system_rdl(registers: RegisterMap) -> str:
    """The map in SystemRDL 2.0, for a register compiler such as PeakRDL's.

    What hardware does is said in its terms: constants are known to software alone, events are set by hardware
    and cleared by ones, commands last a cycle.
    """
    return "\n".join(_rdl(registers)) + "\n"


def _rdl(registers: RegisterMap) -> Iterator[str]:
    yield f"addrmap {registers.name} {{"
    yield f'    desc = "{_quoted(registers.description)}";'
    yield f"    default regwidth = {DATA_BITS};"
    for register in registers.registers:
        for field in register.fields:
            if field.values:
                yield f"    enum {register.name}_{field.name}_e {{"
                for name, number, text in field.values:
                    yield f'        {_rdl_name(name)} = {number} {{ desc = "{_quoted(text)}"; }};'
                yield "    };"
        yield "    reg {"
        yield f'        desc = "{_quoted(register.description)}";'
        for field in register.fields:
            reset = "" if field.reset is None else f" = {field.bits}'h{field.reset:x}"
            yield f"        field {{ {_rdl_access(field)}"
            yield f'            desc = "{_quoted(field.description)}";'
            if field.values:
                yield f"            encode = {register.name}_{field.name}_e;"
            yield f"        }} {_rdl_name(field.name)}[{field.high}:{field.low}]{reset};"
        yield f"    }} {_rdl_name(register.name)} @ {register.offset:#x};"
    yield "};"


def _rdl_access(field: Field) -> str:
    if field.is_constant:
        return "sw = r; hw = na;"
    return {
        "rw": "sw = rw; hw = r;",
        "ro": "sw = r; hw = w;",
        "w1c": "sw = rw; onwrite = woclr; hw = w; hwset;",
        "wo": "sw = w; singlepulse; hw = r;",
    }[field.access]


def _rdl_name(name: str) -> str:
    """With a backslash, so that a keyword is a name as well."""
    return f"\\{name}"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
