"""An accelerator as files, and the generator that FuseSoC calls."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from anda.accelerator_files import accelerator_files, accelerator_parameters

GENERATOR = Path(__file__).parents[2] / "examples" / "fusesoc" / "generate.py"
SMALL = {
    "rows": 1,
    "columns": 2,
    "sharing": 1,
    "lanes": 8,
    "max_planes": 3,
    "plane_words": 20,
    "plane_groups": 8,
}


def test_a_flat_table_becomes_parameters() -> None:
    p = accelerator_parameters(SMALL | {"format": "int4-zp", "weights_bits": 128, "rounding": "truncate"})
    assert p.build.rows == 1
    assert p.build.plane_groups == 8
    assert p.build.weights_bytes == 16
    assert p.engine.rounding == "truncate"
    # Eight codes of four bits, a zero point of four, and a scale.
    assert p.build.weight_word_bits == 8 * 4 + 4 + 16
    assert accelerator_parameters({}).build.lanes == 64


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"row": 2}, "not 'row'"),
        ({"format": "nf4"}, "the weights of an accelerator must have integer levels, nf4 has none"),
        ({"rows": 3, "sharing": 3}, "must be a power of two"),
    ],
)
def test_tables_that_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        accelerator_parameters(values)


def test_the_generator_of_fusesoc_writes_the_same_files(tmp_path: Path) -> None:
    request = {"gapi": "1.0", "files_root": ".", "vlnv": "::small-rtl:0", "parameters": SMALL}
    (tmp_path / "request.yml").write_text(yaml.safe_dump(request))
    subprocess.run([sys.executable, GENERATOR, "request.yml"], cwd=tmp_path, check=True)
    files = accelerator_files(accelerator_parameters(SMALL))
    for name, text in files.items():
        assert (tmp_path / name).read_text() == text
    first, _, rest = (tmp_path / "small-rtl.core").read_text().partition("\n")
    assert first == "CAPI=2:"
    core = yaml.safe_load(rest)
    assert core["name"] == request["vlnv"]
    listed = {
        name: kind["file_type"] for entry in core["filesets"]["rtl"]["files"] for name, kind in entry.items()
    }
    assert listed.keys() == files.keys()
    verilog = f"{core['targets']['default']['toplevel']}.v"
    assert listed[verilog] == "verilogSource"
    assert json.loads(files["anda_registers.json"])["bytes"] == 128


def test_the_core_of_the_example_names_its_top() -> None:
    core = yaml.safe_load((GENERATOR.parent / "accelerator.core").read_text().partition("\n")[2])
    parameters = accelerator_parameters(core["generate"]["rtl"]["parameters"])
    assert core["targets"]["default"]["toplevel"] == f"anda_accelerator_{parameters.suffix}"
    assert (
        core["generate"]["rtl"]["generator"]
        in yaml.safe_load((GENERATOR.parent / "anda.core").read_text().partition("\n")[2])["generators"]
    )
