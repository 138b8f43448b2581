from __future__ import annotations

import pytest

from anda.config import Design, load, parse
from anda.generate import generate, generate_all
from anda.tops import (
    accelerator_parameters,
    accumulator_parameters,
    array_parameters,
    choose,
    compressor_parameters,
    datapath_parameters,
    engine_parameters,
    multistage_parameters,
    parts,
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
        (multistage_parameters, "multi-stage accumulator"),
        (array_parameters, "array"),
        (engine_parameters, "engine"),
        (accelerator_parameters, "accelerator"),
    ):
        key = "multistage" if "-" in table else table
        with pytest.raises(
            ValueError, match=rf"the design bare has no {table}: its file needs a table \[{key}\]"
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


SMALL = """
name = "small"
[format]
encoding = "sign-magnitude"
rounding = "truncate"
group = 8
max_planes = 5
[pe]
weights = "shared"
weight_format = "e2m1-sp"
[array]
rows = 2
columns = 4
sharing = 2
columns_per_load = 2
[engine]
plane_words = 64
plane_groups = 16
weight_words = 32
[elementwise]
words = 4
silu = false
[accelerator]
weights_bits = 128
"""


def test_an_accelerator_has_what_its_tables_say() -> None:
    parameters = accelerator_parameters(parse(SMALL, "small.toml"))
    engine, array = parameters.engine, parameters.engine.array
    assert (array.rows, array.columns, array.sharing, array.columns_per_load) == (2, 4, 2, 2)
    assert array.format is not None
    assert (array.format.name, array.pe.level_bits, array.pe.lanes, array.pe.max_planes) == (
        "e2m1-sp",
        5,
        8,
        5,
    )
    assert (engine.plane_words, engine.plane_groups, engine.weight_words) == (64, 16, 32)
    assert (engine.rounding, array.pe.encoding) == ("truncate", "sign-magnitude")
    assert (engine.elementwise_words, engine.silu) == (4, False)
    assert (parameters.activations_bits, parameters.weights_bits, parameters.results_bits) == (64, 128, 64)


def test_an_accelerator_has_tops_and_parts() -> None:
    design = parse(SMALL, "small.toml")
    found = {top.role: top for top in tops(design)}
    assert list(found) == ["pe", "column", "array", "engine", "accelerator"]
    assert found["column"].parameters["rows"] == 2
    assert found["column"].parameters["format"] == "e2m1-sp"
    assert generate(design, found["column"]).name.endswith("_x2_e2m1_sp")
    assert found["accelerator"].parameters["engine"]["array"]["format"] == "e2m1-sp"
    inner = {top.role: top for top in parts(design)}
    assert list(inner) == ["plane_store", "weight_store", "group_buffer", "compressor", "elementwise"]
    assert inner["plane_store"].parameters["words"] == 64
    assert inner["compressor"].parameters["rounding"] == "truncate"
    # A compressor of its own is checked as such, and a part that is not there is not.
    other = parse(
        SMALL.replace("[elementwise]\nwords = 4\nsilu = false\n", "[compressor]\nlanes = 2\n"), "x.toml"
    )
    assert [top.role for top in parts(other)] == ["plane_store", "weight_store", "group_buffer"]
    assert parts(load("compact")) == []


def test_weights_inside_have_no_column_of_their_own() -> None:
    text = SMALL.replace('weights = "shared"\nweight_format = "e2m1-sp"', 'weights = "inside"')
    design = parse(text, "x.toml")
    assert [top.role for top in tops(design)] == ["pe", "array", "engine", "accelerator"]
    assert array_parameters(design).pe.weights == "inside"


def test_arrays_that_cannot_be_built_are_refused() -> None:
    for old, new, message in (
        ("sharing = 2", "sharing = 3", "sharing must divide the 2 rows, which 3 does not"),
        (
            "columns = 4",
            "columns = 3\ncolumns_per_load = 1",
            "the 3 columns of an array must divide a group of 8",
        ),
        ("rows = 2", "rows = 6", "the rows of an accelerator must be a power of two"),
        (
            "weights_bits = 128",
            "results_bits = 256",
            "results_bits must be at most the 128 of a group, not 256",
        ),
        ("[engine]", "[engine]\npipelined = true", "sharing must be at least 3 in a pipelined array, not 2"),
    ):
        text = SMALL.replace(old, new, 1).replace(
            "columns_per_load = 1\nsharing = 2\ncolumns_per_load = 2", "columns_per_load = 1"
        )
        with pytest.raises(ValueError, match=message):
            tops(parse(text, "x.toml"))


def test_the_presets_of_accelerators_are_what_they_are_called() -> None:
    full = accelerator_parameters(load("anda16"))
    array = full.engine.array
    assert (array.rows, array.columns, array.pe.lanes) == (16, 16, 64)
    # 1 MB of planes, and of weights without their scales.
    assert full.engine.plane_words * array.rows * array.pe.lanes == 8 << 20
    assert full.engine.weight_words * array.columns_per_load * array.pe.lanes * 4 == 8 << 20
    for name in ("accelerator", "anda16", "ulx3s"):
        array = accelerator_parameters(load(name)).engine.array
        # Groups of four planes and more cost their planes.
        assert max(array.sharing, array.columns // array.columns_per_load) <= 4


def test_more_registers_are_in_every_part_of_an_engine() -> None:
    four = SMALL.replace("rows = 2", "rows = 4").replace("sharing = 2", "sharing = 4")
    texts = (four.replace("[engine]", "[engine]\npipelined = true"), four)
    with_them, without = (accelerator_parameters(parse(text, "x.toml")).engine for text in texts)
    for engine, wanted in ((with_them, True), (without, False)):
        assert engine.elementwise is not None
        parts_of = (engine, engine.compressor, engine.elementwise, engine.array.accumulator)
        assert {part.pipelined for part in parts_of} == {wanted}
    assert with_them.array.accumulator.latency == 2 * without.array.accumulator.latency
    assert "pipelined" in with_them.array.name


def test_all_together_are_as_each_alone() -> None:
    design = load("compact")
    found = choose(tops(design), ["pe", "column"])
    told: list[int] = []
    together = generate_all(design, found, lambda: told.append(1))
    assert len(told) == 2
    for top, product in zip(found, together, strict=True):
        assert product == generate(design, top)


NARROW = """
name = "narrow"
[format]
encoding = "twos-complement"
rounding = "nearest"
group = 8
max_planes = 4
[pe]
level_bits = 3
certified = [-60, 50]
[multistage]
slots = 2
[[multistage.stages]]
bits = 8
count = 2
[[multistage.stages]]
bits = 9
certified = [-200, 255]
"""


def test_certified_ranges_reach_the_accumulators() -> None:
    design = parse(NARROW, "narrow.toml")
    assert pe_parameters(design).certified == Interval(-60, 50)
    assert pe_parameters(design).sum_bits == 7
    parameters = multistage_parameters(design)
    assert (parameters.terms, parameters.slots) == (Interval(-60, 50), 2)
    assert parameters.stage_ranges == (Interval(-120, 100), Interval(-200, 255))
    (top,) = choose(tops(design), ["multistage"])
    assert top.parameters["stages"] == [
        {"bits": 8, "count": 2, "policy": "safe"},
        {"bits": 9, "count": None, "policy": "safe"},
    ]
    with pytest.raises(ValueError, match="stage 0 must hold -120 to 100, which does not fit 7 signed bits"):
        multistage_parameters(parse(NARROW.replace("bits = 8", "bits = 7"), "narrow.toml"))
    with pytest.raises(ValueError, match="stage 1 is to be safe, but it adds any number of values"):
        multistage_parameters(parse(NARROW.replace("certified = [-200, 255]", ""), "narrow.toml"))
