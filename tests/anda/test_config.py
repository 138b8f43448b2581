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


def test_presets_are_the_two_designs() -> None:
    assert preset_names() == ["compact", "published"]
    published, compact = load("published"), load("compact")
    assert (published.format.encoding, published.format.rounding) == ("sign-magnitude", "truncate")
    assert (compact.format.encoding, compact.format.rounding) == ("twos-complement", "nearest")
    for name, design in (("published", published), ("compact", compact)):
        assert design.name == name
        assert design.description
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
    with pytest.raises(ConfigError, match=r"expected a preset \(compact, published\) or .*, not 'compac'"):
        load("compac")


def test_the_hash_is_that_of_the_hardware() -> None:
    design = parse(VALID, "f.toml")
    renamed = parse(VALID.replace("mine", "yours"), "f.toml")
    spelled_out = parse(VALID.replace("[pe]", "group = 64\n[pe]\nlevel_bits = 4"), "f.toml")
    other = parse(VALID.replace("[pe]", "group = 32\n[pe]"), "f.toml")
    assert design.hash == renamed.hash == spelled_out.hash
    assert design.hash != other.hash


def test_the_schema_explains_every_key() -> None:
    schema = Design.model_json_schema()
    tables = [schema, *schema["$defs"].values()]
    assert len(tables) == 6
    for table in tables:
        assert table["additionalProperties"] is False
        for name, key in table["properties"].items():
            assert "description" in key or "$ref" in key, name
