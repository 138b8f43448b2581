"""Modules of a netlist, and the picture of them."""

from __future__ import annotations

import re

import pytest

from anda.html_report.blocks import netlist_blocks
from anda.html_report.diagrams import hierarchy_svg, short_name, streams
from tests.anda.html_report.parsed import parse


def port(way: str, bits: int) -> dict[str, object]:
    return {"direction": way, "bits": list(range(bits))}


def cell(kind: str, **connections: int) -> dict[str, object]:
    return {
        "type": kind,
        "parameters": {"WIDTH": "100", "SIZE": "1000"},
        "connections": {name: list(range(bits)) for name, bits in connections.items()},
    }


NETLIST = {
    "modules": {
        "anda_top_4x4": {
            "ports": {
                "x_payload": port("input", 40),
                "x_valid": port("input", 1),
                "x_ready": port("output", 1),
            },
            "cells": {
                "a": cell("anda_pe_64"),
                "b": cell("anda_pe_64"),
                "c": cell("anda_adder"),
                "d": cell("$sdffe", Q=7),
                "e": cell("$and", Y=5),
                "m": cell("$mem_v2"),
            },
        },
        "anda_pe_64": {"ports": {"sum": port("output", 20)}, "cells": {"a": cell("anda_adder")}},
        "anda_adder": {"ports": {"a": port("input", 1), "sum": port("output", 1)}, "cells": {}},
        "unused": {"ports": {}, "cells": {}},
    }
}


def test_modules_below_the_top_with_instances_and_state() -> None:
    blocks = netlist_blocks(NETLIST, "anda_top_4x4")
    assert set(blocks["modules"]) == {"anda_top_4x4", "anda_pe_64", "anda_adder"}
    top = blocks["modules"]["anda_top_4x4"]
    assert top["parts"] == {"anda_pe_64": 2, "anda_adder": 1}
    assert (top["flip_flops"], top["memory_bits"]) == (7, 4 * 8)
    assert ["x_payload", "input", 40] in top["ports"]


def test_an_unknown_top_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a module 'other'"):
        netlist_blocks(NETLIST, "other")


def test_ports_of_a_stream_are_one_with_the_bits_of_its_data() -> None:
    ports = [
        ["clk", "input", 1],
        ["x_payload", "input", 40],
        ["x_first", "input", 1],
        ["x_valid", "input", 1],
        ["x_ready", "output", 1],
        ["m_axis_tdata", "output", 64],
        ["m_axis_tvalid", "output", 1],
        ["m_axis_tready", "input", 1],
        ["planes", "input", 5],
    ]
    assert streams(ports) == [("x", "input", 41), ("m_axis", "output", 64), ("planes", "input", 5)]


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("anda_pe_64x4_tc10", ("pe", "64x4_tc10")),
        ("anda_fp16_fields", ("fp16 fields", "")),
        ("anda_fp16_rounder_26_m45", ("fp16 rounder", "26_m45")),
    ],
)
def test_names_are_told_from_parameters(module: str, name: tuple[str, str]) -> None:
    assert short_name(module) == name


def test_the_picture_has_every_module_with_widths_and_counts() -> None:
    svg = hierarchy_svg(netlist_blocks(NETLIST, "anda_top_4x4"), "A description.", "here")
    page = parse(svg)
    words = page.words
    for told in ("→ x [40]", "← sum [20]", "7 flip-flops, 32 bits of memory", "2 \N{MULTIPLICATION SIGN}"):
        assert told in words
    # The adder occurs in two places and is drawn in full in one.
    assert [len(page.of_class(kind)) for kind in ("inner", "leaf", "known")] == [2, 1, 1]


def test_boxes_do_not_overlap_and_lie_inside() -> None:
    svg = hierarchy_svg(netlist_blocks(NETLIST, "anda_top_4x4"), "A description.", "here")
    (drawing,) = parse(svg).all("svg")
    width, height = float(drawing.attributes["width"]), float(drawing.attributes["height"])
    boxes = [
        [float(rect.attributes[name]) for name in ("x", "y", "width", "height")]
        for rect in drawing.all("rect")
    ]
    assert len(boxes) == 4
    for at, (x, y, w, h) in enumerate(boxes):
        assert 0 <= x <= width - w
        assert 0 <= y <= height - h
        for ox, oy, ow, oh in boxes[at + 1 :]:
            assert x + w <= ox or ox + ow <= x or y + h <= oy or oy + oh <= y
    assert not re.search(r"NaN|inf", svg)
