from __future__ import annotations

from pathlib import Path

import pytest

from anda.config import ConfigError, Design, load, parse, preset_names

VALID = """
name = "mine"
[format]
encoding = "twos-complement"
rounding = "nearest"
[pe]
"""


ARRAY = """
name = "mine"
[format]
encoding = "twos-complement"
rounding = "nearest"
group = 16
[pe]
weights = "shared"
[array]
rows = 2
columns = 4
"""


def test_presets_have_their_names_and_say_what_they_are_for() -> None:
    assert preset_names() == ["accelerator", "anda16", "compact", "dense", "published", "ulx3s"]
    for name in preset_names():
        design = load(name)
        assert design.name == name
        assert design.description


def test_two_presets_are_elements_in_both_forms() -> None:
    published, compact = load("published"), load("compact")
    assert (published.format.encoding, published.format.rounding) == ("sign-magnitude", "truncate")
    assert (compact.format.encoding, compact.format.rounding) == ("twos-complement", "nearest")
    for design in (published, compact):
        assert None not in (design.pe, design.compressor, design.accumulator)


def test_a_file_is_read_with_defaults(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(VALID)
    design = load(str(tmp_path / "mine.toml"))
    assert design.format.group == 64
    assert design.pe is not None
    assert design.pe.accumulator_bits is None
    assert design.compressor is None


MISTAKES = [
    ("[pe]", "group = 63\n[pe]", ": format.group should be 8, 16, 32, 64, 128 or 256, but it is 63"),
    ("[pe]", "[pe]\nlevel_bits = '4'", ': pe.level_bits should be a valid integer, but it is "4"'),
    ("[pe]", "[pe]\nlevel_bits = 9", ": pe.level_bits should be less than or equal to 8, but it is 9"),
    ("[pe]", "[pe]\nlevel_bit = 4", ": pe.level_bit is not a known key; did you mean level_bits?"),
    ("[pe]", "[compressor]\ncolour = 1", ": compressor.colour is not a known key; expected one of lanes"),
    ("[pe]", "[pee]", ": pee is not a known key; did you mean pe?"),
    ("[pe]", "max_planes = true\n[pe]", ": format.max_planes should be a valid integer, but it is true"),
    ("[pe]", "", ": at least one of the tables [pe], [compressor] and [accumulator] is required"),
    ("rounding", "#", ": format.rounding is required, but it is missing"),
    ('"nearest"', '"up"', ": format.rounding should be 'nearest' or 'truncate', but it is \"up\""),
    ('"mine"', '"My"', ": name should match pattern '^[a-z][a-z0-9_]*$', but it is \"My\""),
    ('= "mine"', "mine", " is not valid TOML: Expected '=' after a key in a key/value pair (at line 2, "),
]


ARRAY_MISTAKES = [
    (
        "[array]",
        "[multistage]\nstages = [{bitz = 3}]\n[array]",
        "multistage.stages.0.bitz is not a known key; did you mean bits?",
    ),
    (
        "[array]",
        "[multistage]\nstages = []\n[array]",
        "multistage.stages should have at least 1 item after validation, not 0, but it is []",
    ),
    ("rows = 2", "rows = 0", "array.rows should be greater than or equal to 1, but it is 0"),
    ("rows = 2", "", "array.rows is required, but it is missing"),
    ("columns = 4", "colums = 4", "array.colums is not a known key; did you mean columns?"),
    (
        "columns = 4",
        'columns = 4\noutput = "fp8"',
        "array.output should be 'fp16' or 'fp32', but it is \"fp8\"",
    ),
    (
        '"shared"',
        '"shared"\nrows = 2',
        "pe.rows is for a column alone; those of an array are array.rows",
    ),
    (
        '"shared"',
        '"outside"',
        'an [array] holds its weights: pe.weights must be "shared" or "inside"',
    ),
    (
        '"shared"',
        '"inside"\nweight_format = "int4"',
        'pe.weight_format is decoded behind shared registers, so it needs pe.weights = "shared"',
    ),
    (
        '"shared"',
        '"inside"\nrows = 4',
        'pe.rows says how many elements share their weights, so it needs pe.weights = "shared"',
    ),
    (
        '"shared"',
        '"shared"\nweight_format = "nf4"',
        "format nf4 has real levels, which no integer decoder gives; its hardened variants have integer ones",
    ),
    (
        '"shared"',
        '"shared"\nweight_format = "int44"',
        "there is no format 'int44'; the nearest name is 'int4'",
    ),
    (
        '"shared"',
        '"shared"\nlevel_bits = 4\nweight_format = "int4-zp"',
        "pe.level_bits must be at least 5 for levels of int4-zp, not 4",
    ),
    ("[array]", "[elementwise]\n[array]", "[elementwise] needs [engine], which it is made of"),
    ("[array]", "[accelerator]\n[array]", "[accelerator] needs [engine], which it is made of"),
    (
        "[array]",
        "[engine]\nplane_words = 1\n[array]",
        "engine.plane_words should be greater than or equal to 2, but it is 1",
    ),
    (
        "[array]",
        "[engine]\n[accelerator]\nresults_bits = 100\n[array]",
        "accelerator.results_bits should be 64, 128, 256, 512 or 1024, but it is 100",
    ),
]


@pytest.mark.parametrize(("old", "new", "complaint"), ARRAY_MISTAKES)
def test_a_mistake_in_an_array_is_one_sentence(old: str, new: str, complaint: str) -> None:
    assert old in ARRAY
    with pytest.raises(ConfigError) as raised:
        parse(ARRAY.replace(old, new, 1), "f.toml")
    assert str(raised.value) == f"f.toml: {complaint}"


def test_an_engine_needs_an_array_and_a_column_its_rows() -> None:
    with pytest.raises(ConfigError, match=r"^f.toml: \[engine\] needs \[array\], which it is made of$"):
        parse(VALID + "[engine]\n", "f.toml")
    with pytest.raises(ConfigError, match=r'^f.toml: pe.weights = "shared" needs pe.rows, how many elements'):
        parse(VALID + 'weights = "shared"\n', "f.toml")


def test_the_format_of_weights_decides_their_levels() -> None:
    design = parse(ARRAY.replace("[array]", 'weight_format = "int4-zp"\n[array]'), "f.toml")
    wider = parse(ARRAY.replace("[array]", 'weight_format = "int4-zp"\nlevel_bits = 7\n[array]'), "f.toml")
    assert design.pe is not None
    assert wider.pe is not None
    assert (design.pe.level_bits, wider.pe.level_bits) == (5, 7)
    assert design.column_rows == 2


@pytest.mark.parametrize(("old", "new", "complaint"), MISTAKES)
def test_a_mistake_is_one_sentence(old: str, new: str, complaint: str) -> None:
    assert old in VALID
    with pytest.raises(ConfigError) as raised:
        parse(VALID.replace(old, new), "f.toml")
    assert str(raised.value).startswith("f.toml" + complaint)
    assert "\n" not in str(raised.value)


def test_a_number_where_a_table_belongs_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^f\.toml: pe should be a table, but it is 3$"):
        parse('name = "a"\npe = 3\n[format]\nencoding = "twos-complement"\nrounding = "nearest"', "f.toml")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml, which cannot be read: No such file or directory"):
        load(str(tmp_path / "none.toml"))
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"binary\.toml, which cannot be read: it is not UTF-8 text"):
        load(str(tmp_path / "binary.toml"))
    with pytest.raises(ConfigError, match=r"expected a preset \(accelerator, .*\) or .*, not 'compac'"):
        load("compac")


def test_the_hash_is_that_of_the_hardware() -> None:
    design = parse(VALID, "f.toml")
    renamed = parse(VALID.replace("mine", "yours"), "f.toml")
    spelled_out = parse(VALID.replace("[pe]", "group = 64\n[pe]\nlevel_bits = 4"), "f.toml")
    other = parse(VALID.replace("[pe]", "group = 32\n[pe]"), "f.toml")
    assert design.hash == renamed.hash == spelled_out.hash
    assert design.hash != other.hash


def test_what_is_not_there_does_not_change_a_hash() -> None:
    # Recorded with areas, from before there were arrays.
    assert load("published").hash.startswith("c8b090cf")
    assert load("compact").hash.startswith("ba3112f0")
    lanes, pairs = (
        parse(ARRAY.replace("[array]", f'products = "{kind}"\n[array]'), "f.toml").hash
        for kind in ("lanes", "pairs")
    )
    assert lanes == parse(ARRAY, "f.toml").hash != pairs
    found = set()
    for more in ("", "output = 'fp32'", "sharing = 2", "[engine]", "[engine]\n[elementwise]"):
        found.add(parse(ARRAY + more, "f.toml").hash)
    found.add(parse(ARRAY.replace("[array]", 'weight_format = "int4"\n[array]'), "f.toml").hash)
    assert len(found) == 6
    assert parse(ARRAY + "sharing = 1", "f.toml").hash == parse(ARRAY, "f.toml").hash
    # A key of engines that is younger than the first of them.
    assert load("anda16").hash.startswith("918f27a7")
    plain, false, true = (
        parse(f"{ARRAY}[engine]\n{more}", "f.toml").hash
        for more in ("", "pipelined = false", "pipelined = true")
    )
    assert plain == false != true


def test_the_schema_explains_every_key() -> None:
    schema = Design.model_json_schema()
    tables = [schema, *schema["$defs"].values()]
    assert len(tables) == 12
    for table in tables:
        assert table["additionalProperties"] is False
        for name, key in table["properties"].items():
            assert "description" in key or "$ref" in key, name
