from __future__ import annotations

import pytest

from anda.config import Design, load, parse
from anda.generate import generate
from anda.tops import (
    accumulator_parameters,
    choose,
    compressor_parameters,
    datapath_parameters,
    pe_parameters,
    tops,
)
from golden.interval import Interval
from hdl.heap import AdderCells


@pytest.fixture
def bare() -> Design:
    return parse(
        'name = "bare"\n[format]\nencoding = "twos-complement"\nrounding = "nearest"\n[pe]\n', "bare.toml"
    )


def test_published_is_the_processing_element_of_the_paper() -> None:
    design = load("published")
    pe = pe_parameters(design)
    assert (pe.encoding, pe.weights, pe.reduction) == ("sign-magnitude", "inside", "tree")
    assert (pe.lanes, pe.level_bits, pe.max_planes, pe.sum_bits) == (64, 4, 17, 27)
    assert compressor_parameters(design).rounding == "truncate"
    assert accumulator_parameters(design).slots == 1
    assert [top.role for top in tops(design)] == ["compressor", "pe", "accumulator", "datapath"]


def test_compact_shares_its_weights_and_is_exact() -> None:
    design = load("compact")
    pe = pe_parameters(design)
    assert (pe.encoding, pe.weights, pe.reduction) == ("twos-complement", "outside", "heap")
    # A lane of ten planes, -512..511, times -8..7: from 511 * -8 to -512 * -8.
    assert pe.sum_range == Interval(-64 * 511 * 8, 64 * 512 * 8)
    assert pe.sum_bits == accumulator_parameters(design).sum_bits == 20
    found = {top.role: top for top in tops(design)}
    assert list(found) == ["compressor", "pe", "column", "accumulator", "datapath"]
    assert found["column"].parameters["rows"] == 16
    assert found["datapath"].parameters["pe"]["lanes"] == 64
    assert found["pe"].ranges["sum_range"] == pe.sum_range


def test_adder_cells_reach_every_component_with_adders() -> None:
    found = {top.role: top for top in tops(load("compact"), AdderCells.INVERTING)}
    for role in ("pe", "column", "accumulator"):
        assert found[role].parameters["adder_cells"] == "inverting"
    assert found["datapath"].parameters["pe"]["adder_cells"] == "inverting"


def test_a_top_makes_its_component(bare: Design) -> None:
    (only,) = tops(bare)
    product = generate(bare, only)
    assert product.name == pe_parameters(bare).name
    assert product.sidecar["parameters"]["max_planes"] == 17


def test_a_missing_table_is_named(bare: Design) -> None:
    for function, table in (
        (compressor_parameters, "compressor"),
        (accumulator_parameters, "accumulator"),
        (datapath_parameters, "datapath"),
    ):
        with pytest.raises(
            ValueError, match=rf"the design bare has no {table}: its file needs a table \[{table}\]"
        ):
            function(bare)
    other = parse(
        'name = "x"\n[format]\nencoding = "sign-magnitude"\nrounding = "nearest"\n[compressor]\n', "x.toml"
    )
    with pytest.raises(ValueError, match=r"needs a table \[pe\]"):
        pe_parameters(other)


def test_parts_that_do_not_fit_are_refused() -> None:
    text = 'name = "x"\n[format]\nencoding = "sign-magnitude"\nrounding = "nearest"\n[pe]\n[compressor]\n'
    design = parse(text + "[accumulator]\nelements = 3\n[datapath]\ncolumns = 4\n", "x.toml")
    with pytest.raises(ValueError, match="1 slot or one for each of the 4 columns, not 3"):
        tops(design)


def test_choosing_keeps_the_order_of_the_design() -> None:
    found = tops(load("published"))
    assert [top.role for top in choose(found, ["datapath", "pe"])] == ["pe", "datapath"]
    assert choose(found, None) == found
    with pytest.raises(ValueError, match=r"\(compressor, pe, accumulator, datapath\), not 'column'"):
        choose(found, ["pe", "column"])
