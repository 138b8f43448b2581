"""Registers described once: what is refused, and what others make of the description."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from amaranth.hdl import Fragment
from systemrdl import RDLCompiler

from anda.registers_export import c_header, json_text, markdown, system_rdl
from hdl.accelerator_registers import EVENTS, Build, accelerator_registers
from hdl.axi_lite import AxiLiteRegisters
from hdl.job_checker import ERRORS, Error
from hdl.modules import flat_ports
from hdl.registers import Field, Register, RegisterMap

BUILD = Build(
    rows=4,
    columns=8,
    lanes=64,
    max_planes=10,
    columns_per_load=2,
    weight_word_bits=544,
    plane_words=1024,
    plane_groups=256,
    weight_words=2048,
    activations_bytes=8,
    weights_bytes=16,
    results_bytes=32,
    elementwise_words=64,
    silu=True,
)
MAP = accelerator_registers(BUILD)


def field(**given: Any) -> Field:
    return Field(**{"name": "a", "low": 0, "description": "A field."} | given)


def register(*fields: Field, **given: Any) -> Register:
    return Register(**{"name": "r", "offset": 0, "description": "A register.", "fields": fields} | given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": "A"}, "lower-case word, not 'A'"),
        ({"access": "rc"}, "must be one of rw, ro, w1c, wo, not 'rc'"),
        ({"low": 30, "bits": 3}, "but it is 3 bits from bit 30"),
        ({"bits": 2, "reset": 4}, "the 2 bits of a cannot hold 4"),
        ({"bits": 1, "values": (("x", 2, "X."),)}, "the 1 bits of a cannot hold 2"),
        ({"reset": None}, "only a read-only field takes its value from hardware, but a is rw"),
        ({"access": "wo", "reset": 1}, "must be 0 after a reset, not 1"),
    ],
)
def test_refused_fields(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        field(**given)


def test_refused_registers_and_maps() -> None:
    with pytest.raises(ValueError, match="multiple of 4, not 2"):
        register(field(), offset=2)
    with pytest.raises(ValueError, match="has no field"):
        register()
    with pytest.raises(ValueError, match="b begins in a"):
        register(field(bits=4), field(name="b", low=3))
    with pytest.raises(ValueError, match="more than one field named a"):
        register(field(), field(low=1))
    with pytest.raises(ValueError, match="has no register"):
        RegisterMap(name="m", registers=())
    with pytest.raises(ValueError, match="r is not behind r"):
        RegisterMap(name="m", registers=(register(field()), register(field())))
    with pytest.raises(ValueError, match="more than one register named r"):
        RegisterMap(name="m", registers=(register(field()), register(field(), offset=4)))
    # Two fields of one name in hardware: `r_a` of r, and all of a register of that name.
    whole = register(field(name="value"), name="r_a", offset=4)
    with pytest.raises(ValueError, match="more than one port named r_a"):
        RegisterMap(name="m", registers=(register(field()), whole))


def test_words_and_their_fields() -> None:
    word = MAP.encode("status", done=1, overflow=1)
    assert word == 0b10010
    assert MAP.decode("status", word | 1) == {
        name: int(name in ("busy", "done", "overflow")) for name in MAP.decode("status", 0)
    }
    assert MAP.encode("base", value=0xABCDEF) == 0xABCDEF
    with pytest.raises(ValueError, match=r"base\.value has 24 bits, which cannot hold 16777216"):
        MAP.encode("base", value=1 << 24)
    with pytest.raises(ValueError, match="the register keep has the fields value, not 'bit'"):
        MAP.encode("keep", bit=1)
    with pytest.raises(KeyError, match="nothing"):
        MAP["nothing"]


def test_the_map_of_an_accelerator() -> None:
    assert [register.offset for register in MAP.registers] == [4 * i for i in range(len(MAP.registers))]
    assert MAP.bytes == 256
    assert MAP.address_bits == 8
    assert {name: value for name, value, _ in MAP["error"].fields[0].values} == {
        e.name.lower(): e for e in Error
    }
    assert set(ERRORS) == set(Error)
    events = [(f.name, f.low) for f in MAP["status"].fields[1:]]
    assert events == [(f.name, f.low) for f in MAP["interrupt_enable"].fields]
    assert [name for name, _ in events] == list(EVENTS)
    constants = {f.name if f.name != "value" else r.name: f.reset for r, f in MAP.fields if f.is_constant}
    constants["elementwise_words"] = constants.pop("words")
    assert {name: constants[name] for name in vars(BUILD)} == vars(BUILD)


def test_a_build_without_an_elementwise_unit_has_no_place_for_scales() -> None:
    without = accelerator_registers(replace(BUILD, elementwise_words=0, silu=False))
    names = [register.name for register in without.registers]
    assert [register.name for register in MAP.registers][len(names) :] == [
        "scale_base",
        "scale_address",
        "scale_next",
    ]
    assert MAP["control"].writable & ~without["control"].writable == MAP.encode("control", load_scales=1)
    # Steps can be asked for, so that they are refused and not forgotten.
    assert without["elementwise"] == MAP["elementwise"]
    assert without.decode("elementwise_unit", without["elementwise_unit"].fields[0].reset or 0) == {
        "words": 0,
        "silu": 0,
    }


def test_ports_follow_from_the_fields() -> None:
    component = AxiLiteRegisters(MAP)
    Fragment.get(component, None)
    ports = {port.name: port for port in flat_ports(component) if not port.name.startswith("s_axil")}
    assert ports.pop("hold").is_input
    wanted: dict[str, tuple[bool, int]] = {}
    for owner, each in MAP.fields:
        name = owner.port(each)
        if not each.is_constant:
            wanted[name] = (each.access in ("ro", "w1c"), each.bits)
        if each.access == "w1c":
            wanted[f"{name}_clear"] = (False, each.bits)
    assert {name: (port.is_input, port.width) for name, port in ports.items()} == wanted


def test_system_rdl_compiles_to_the_same_registers(tmp_path: Path) -> None:
    file = tmp_path / "map.rdl"
    file.write_text(system_rdl(MAP))
    compiler = RDLCompiler()
    compiler.compile_file(str(file))
    found = list(compiler.elaborate().top.registers())
    assert [(node.inst_name, node.address_offset) for node in found] == [
        (r.name, r.offset) for r in MAP.registers
    ]
    for node, ours in zip(found, MAP.registers, strict=True):
        for theirs, each in zip(node.fields(), ours.fields, strict=True):
            assert (theirs.inst_name, theirs.low, theirs.width) == (each.name, each.low, each.bits)
            assert theirs.get_property("reset") == each.reset
            assert theirs.is_sw_writable == (each.access != "ro")
            assert theirs.is_sw_readable == (each.access != "wo")
            assert theirs.get_property("singlepulse") == (each.access == "wo")
            assert (theirs.get_property("onwrite") is not None) == (each.access == "w1c")
            assert theirs.get_property("desc") == each.description
    codes = next(node for node in found if node.inst_name == "error").fields()[0].get_property("encode")
    assert {member.name: member.value for member in codes} == {e.name.lower(): int(e) for e in Error}


def test_c_header_and_json_say_the_same() -> None:
    macros = dict(re.findall(r"^#define (\w+) (\w+)$", c_header(MAP), flags=re.M))
    number = {name: int(text.rstrip("u"), 0) for name, text in macros.items()}
    assert number["ANDA_STATUS_OFFSET"] == MAP["status"].offset
    assert number["ANDA_ERROR_OVERLAP"] == Error.OVERLAP
    for owner in json.loads(json_text(MAP))["registers"]:
        assert owner["offset"] == number[f"ANDA_{owner['name'].upper()}_OFFSET"]
        for each in owner["fields"]:
            stem = f"ANDA_{owner['name']}" + ("" if each["name"] == "value" else f"_{each['name']}")
            assert number[f"{stem.upper()}_SHIFT"] == each["low"]
            assert number[f"{stem.upper()}_MASK"] == ((1 << each["bits"]) - 1) << each["low"]


def test_the_page_in_the_documentation_is_the_map() -> None:
    page = Path(__file__).parents[2] / "docs" / "registers.md"
    assert page.read_text() == markdown(MAP, "Registers of the accelerator")
