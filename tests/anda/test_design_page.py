"""The page about design files says what the schema says, and its example is a design."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from anda.config import Design, parse
from anda.design_page import write_keys
from anda.tops import accelerator_parameters, multistage_parameters

PAGE = (Path(__file__).parents[2] / "docs" / "design_files.md").read_text()


def test_the_page_has_every_table_as_the_schema_has_it() -> None:
    assert write_keys(PAGE) == PAGE
    named = re.findall(r"<!-- keys: (\S+) -->", PAGE)
    tables = {name for name in Design.model_fields if name not in ("name", "description")}
    assert sorted(named) == sorted({"design", "presets", "multistage.stages", *tables})


def test_keys_come_with_values_and_defaults() -> None:
    page = write_keys("<!-- keys: engine -->\n<!-- end -->")
    assert "| `plane_words` | 2 to 2^24 | `1024` | Words of the activation buffer" in page
    page = write_keys("<!-- keys: array -->\n<!-- end -->")
    assert "| `rows` | 1 to 64 | required |" in page
    assert '| `output` | `"fp16"`, `"fp32"` | `"fp16"` |' in page
    assert "| `silu` | `true`, `false` | `true` |" in write_keys("<!-- keys: elementwise -->\n<!-- end -->")


def test_the_example_is_a_design() -> None:
    *_, example = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.S)
    parameters = accelerator_parameters(parse(example, "example"))
    assert (parameters.build.rows, parameters.build.columns, parameters.build.results_bytes) == (2, 8, 16)
    # Sixteen codes of three bits, a zero point of three, and a scale, for two columns.
    assert parameters.build.weight_word_bits == 2 * (16 * 3 + 3 + 16)


def test_the_example_of_stages_is_a_part_of_a_design() -> None:
    stages, _ = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.S)
    format_and_pe = (
        'name = "x"\n[format]\nencoding = "twos-complement"\nrounding = "nearest"\nmax_planes = 10\n[pe]\n'
    )
    parameters = multistage_parameters(parse(format_and_pe + stages, "example"))
    assert (parameters.slots, parameters.term_bits) == (4, 20)
    assert [(stage.bits, stage.count, stage.policy) for stage in parameters.stages] == [
        (21, 2, "safe"),
        (24, None, "saturate"),
    ]


def test_a_table_that_does_not_exist_is_named() -> None:
    with pytest.raises(
        ValueError, match="a page names the keys of 'engin', but there are only design, format"
    ):
        write_keys("<!-- keys: engin -->\n<!-- end -->")
