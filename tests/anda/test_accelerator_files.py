"""An accelerator as files, and the generator that FuseSoC calls."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from anda.accelerator_files import accelerator_files, accelerator_parameters, companions, core_file
from anda.config import load

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
    assert accelerator_parameters({"elementwise_words": 8, "silu": True}).engine.elementwise is not None
    assert not p.engine.array.accumulator.pipelined
    engine = accelerator_parameters({"rows": 4, "sharing": 4, "pipelined": True}).engine
    assert engine.compressor.pipelined
    assert engine.array.accumulator.pipelined


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"row": 2}, "not 'row'"),
        ({"format": "nf4"}, "the weights of an accelerator must have integer levels, nf4 has none"),
        ({"rows": 3, "sharing": 3}, "must be a power of two"),
        ({"silu": True}, "SiLU is a part of the elementwise unit"),
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
    registers = json.loads(files["anda_registers.json"])
    assert files["anda_registers.md"].count("\n## ") == len(registers["registers"])


def test_the_core_of_the_example_names_its_top() -> None:
    core = yaml.safe_load((GENERATOR.parent / "accelerator.core").read_text().partition("\n")[2])
    parameters = accelerator_parameters(core["generate"]["rtl"]["parameters"])
    assert core["targets"]["default"]["toplevel"] == f"anda_accelerator_{parameters.suffix}"
    assert (
        core["generate"]["rtl"]["generator"]
        in yaml.safe_load((GENERATOR.parent / "anda.core").read_text().partition("\n")[2])["generators"]
    )


def test_a_design_with_an_accelerator_has_companions() -> None:
    design = load("accelerator")
    files = companions(design)
    assert list(files) == [f"anda_registers.{kind}" for kind in ("h", "rdl", "json", "md")] + [
        "accelerator.core"
    ]
    core = yaml.safe_load(files["accelerator.core"].partition("\n")[2])
    assert core["name"].startswith("anda:generated:accelerator:")
    assert core["description"] == design.description
    listed = [name for entry in core["filesets"]["rtl"]["files"] for name in entry]
    top = core["targets"]["default"]["toplevel"]
    assert listed == [f"{top}.v", "lint.vlt", *list(files)[:-1]]
    assert core["targets"]["lint"]["flow_options"]["tool"] == "verilator"
    assert core["targets"]["lint"]["filesets"] == ["rtl"]
    assert companions(load("compact")) == {}


def test_a_description_may_hold_anything() -> None:
    text = 'It\'s "so": a # b\n- c'
    core = core_file("::x:0", text, ["a.v", "b.txt"], "a")
    assert yaml.safe_load(core.partition("\n")[2])["description"] == text
    assert "b.txt: {file_type: user}" in core
