from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from anda.cli import app
from sim.build import available_simulators
from sim.coverage import Coverage
from sim.runner import BenchResult, BenchTest
from sim.verify import VerificationReport

SMALL = """
name = "small"
[format]
encoding = "twos-complement"
rounding = "nearest"
group = 8
max_planes = 4
[pe]
level_bits = 2
weights = "shared"
rows = 2
"""

Run = Callable[..., Result]

WORK = Path(__file__).parents[2] / "build" / "sim"
"""One place for all tests: what is compiled once serves every run."""


@pytest.fixture
def run() -> Run:
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path


def said(result: Result) -> str:
    """Standard error without progress bars."""
    return "\n".join(line for line in result.stderr.splitlines() if line.startswith("anda: "))


def printed(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_help_is_quick_because_heavy_modules_wait() -> None:
    heavy = ("numpy", "amaranth", "matplotlib", "pydantic", "cocotb", "golden", "hdl", "sim")
    script = f"import sys, anda.cli; sys.exit(str([m for m in {heavy} if m in sys.modules]))"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert found.stderr.strip() == "[]"


def test_version(run: Run) -> None:
    assert run("--version").stdout.startswith("anda 0.")


def test_formats_come_from_the_golden_model(run: Run) -> None:
    rows = {row["name"]: row for row in printed(run("formats", "--json"))}
    assert rows["sign-magnitude truncate"]["contract"] == "2a"
    assert rows["twos-complement nearest"]["contract"] == "2b"
    assert rows["twos-complement nearest"]["parameters"] == "P 2..17, group 8..256"
    assert rows["sign-magnitude nearest"]["parameters"] == "M 1..16, group 8..256"
    assert {"fp16", "int4", "fp32", "fixed", "integer"} < set(rows)
    assert rows["e2m1-sp"]["integer_levels"] == [0, 1, 2, 3, 4, 6, 8, 12, 10, -1, -2, -3, -4, -6, -8, -12]
    assert rows["e2m1-sp"]["accumulator_bits_256"] == 17
    assert rows["sf4"]["integer_levels"] is None
    table = run("formats").stdout
    assert "Activations stored" in table
    assert "2.02..17.62" in table


def test_doctor_finds_what_runs_it(run: Run) -> None:
    answer = printed(run("doctor", "--json"))
    assert answer["healthy"] is True
    findings = {finding["name"]: finding for finding in answer["findings"]}
    assert findings["python"]["found"] == ".".join(map(str, sys.version_info[:3]))
    assert findings["amaranth"]["part"] == "core"
    assert all(finding["adds"] and finding["install"] for finding in answer["findings"])


def test_doctor_fails_without_the_core_and_says_what_optional_pieces_would_add(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = {"pyosys"}

    def version(name: str) -> str:
        if name in gone:
            raise PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr("anda.doctor.version", version)
    monkeypatch.setattr("anda.doctor.shutil.which", lambda name: None)
    result = run("doctor")
    assert result.exit_code == 0
    assert "missing" in result.stdout
    assert "would add" in result.stdout
    gone.add("amaranth")
    assert run("doctor").exit_code == 1
    assert run("doctor", "--json").exit_code == 1


def test_schema_accepts_what_the_presets_say(run: Run) -> None:
    schema = printed(run("schema"))
    assert schema["required"] == ["name", "format"]
    assert schema["$defs"]["FormatSection"]["properties"]["group"]["enum"] == [8, 16, 32, 64, 128, 256]


def test_generate_writes_verilog_and_sidecar(run: Run, small: Path, tmp_path: Path) -> None:
    answer = printed(run("generate", small, "-o", tmp_path / "out", "--json"))
    assert [top["role"] for top in answer["tops"]] == ["pe", "column"]
    for top in answer["tops"]:
        verilog, description = (Path(path) for path in top["files"])
        text, facts = verilog.read_text(), json.loads(description.read_text())
        assert f"module {facts['top']}(" in text
        assert facts["configuration_sha256"] == answer["configuration_sha256"]
        assert facts["tools"]["amaranth"]
        header = text[text.index(f"module {facts['top']}(") :].partition(";")[0]
        names = header.partition("(")[2].rstrip(")").replace("\\", "").replace(",", " ").split()
        assert names == ["clk", "rst"] + [port["name"] for port in facts["ports"]]
    pe = json.loads((tmp_path / "out" / f"{answer['tops'][0]['top']}.json").read_text())
    # Eight lanes of -8..7 times -2..1.
    assert pe["ranges"]["sum_range"] == {"min": -112, "max": 128, "bits": 9}
    assert pe["latency_cycles"] == 1
    assert next(p for p in pe["ports"] if p["name"] == "result_payload")["signed"] is True


def test_generate_twice_gives_the_same_bytes(run: Run, small: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert run("generate", small, "-o", tmp_path / name).exit_code == 0
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert len(files) == 5
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_generate_help_shows_a_design_file_that_works(run: Run, tmp_path: Path) -> None:
    text = run("generate", "--help").stdout
    example = text[text.index("name = ") : text.index("`anda schema`")]
    assert "group = 64 " in example
    quicker = example.replace("group = 64 ", "group = 8 ")
    (tmp_path / "mine.toml").write_text("\n".join(line.strip() for line in quicker.splitlines()))
    result = run("generate", tmp_path / "mine.toml", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("group = 8\ngroup = 9", "is not valid TOML: Cannot overwrite a value"),
        ("group = 7", "format.group should be 8, 16, 32, 64, 128 or 256, but it is 7"),
        ("grupe = 8", "format.grupe is not a known key; did you mean group?"),
        ("group = 'eight'", 'format.group should be 8, 16, 32, 64, 128 or 256, but it is "eight"'),
    ],
)
def test_a_bad_design_file_is_one_sentence_and_status_2(
    run: Run, small: Path, tmp_path: Path, text: str, complaint: str
) -> None:
    small.write_text(SMALL.replace("group = 8", text))
    for command in (["generate", small, "-o", tmp_path / "out"], ["area", small]):
        result = run(*command)
        assert result.exit_code == 2
        assert said(result).startswith(f"anda: {small}")
        assert complaint in said(result)
        assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists()


def test_hardware_that_cannot_be_built_is_refused_before_anything_is_written(
    run: Run, small: Path, tmp_path: Path
) -> None:
    small.write_text(SMALL + "accumulator_bits = 8\n")
    result = run("generate", small, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert said(result) == "anda: accumulator_bits must be at least 9 for sums from -112 to 128, not 8"
    assert not (tmp_path / "out").exists()


def test_an_unknown_preset_names_the_known_ones(run: Run, tmp_path: Path) -> None:
    result = run("generate", "compakt", "-o", tmp_path)
    assert result.exit_code == 2
    known = "accelerator, anda16, compact, dense, published, ulx3s"
    assert said(result) == f"anda: expected a preset ({known}) or a file named *.toml, not 'compakt'"


def test_an_output_that_is_no_directory_is_refused(run: Run, small: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    result = run("generate", small, "-o", tmp_path / "file" / "out")
    assert result.exit_code == 2
    assert said(result) == f"anda: {tmp_path / 'file' / 'out'}: Not a directory"


def test_a_missing_argument_is_a_usage_error(run: Run) -> None:
    assert run("generate").exit_code == 2
    assert run("generate", "compact").exit_code == 2
    assert run("frobnicate").exit_code == 2


def test_area_reports_every_component(run: Run, small: Path) -> None:
    answer = printed(run("area", small, "--json"))
    assert [report["role"] for report in answer["areas"]] == ["pe", "column"]
    pe, column = answer["areas"]
    assert pe["library"]["name"] == "generic"
    assert pe["area"] > 0
    assert pe["evidence"] == "synthesized"
    # Two elements, and two banks of eight levels of two bits with a full flag each.
    assert column["flops"] == 2 * pe["flops"] + 34
    table = run("area", small)
    assert f"{pe['area']:,.2f}" in table.stdout


def test_area_of_one_component(run: Run, small: Path) -> None:
    answer = printed(run("area", small, "--component", "pe", "--json"))
    assert [report["role"] for report in answer["areas"]] == ["pe"]
    result = run("area", small, "--component", "core")
    assert result.exit_code == 2
    assert said(result) == "anda: expected a component of the design (pe, column), not 'core'"


def test_area_names_the_liberty_file_it_cannot_read(run: Run, small: Path, tmp_path: Path) -> None:
    result = run("area", small, "--liberty", tmp_path / "none.lib")
    assert result.exit_code == 2
    assert f"Expected a Liberty file at {tmp_path / 'none.lib'}" in said(result)


def test_verify_compares_with_the_golden_model(run: Run, small: Path) -> None:
    # Icarus has nothing to compile, which is quicker for so little data.
    simulator = "icarus" if "icarus" in available_simulators() else "auto"
    options = ["--component", "pe", "--quick", "--seed", 5, "--simulator", simulator, "--work", WORK]
    answer = printed(run("verify", small, *options, "--waves", "--json"))
    assert answer["ok"] is True
    assert answer["failures"] == []
    (only,) = answer["runs"]
    assert only["seed"] == 5
    assert len(only["tests"]) > 1
    assert Path(only["waves"]).stat().st_size > 0
    assert answer["coverage"]["pe: planes"]["percent"] == 100.0


def test_verify_prints_runs_and_coverage(run: Run, small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    coverage = Coverage()
    coverage.point("stalls", ["never", "often"])
    coverage.hit({"stalls": "never"})
    passed = BenchResult(
        "bench", "anda_pe", "icarus", 5, (BenchTest("corners", 1.0, None),), 1.0, 1.0, coverage,
        log=small, waves=small,
    )  # fmt: skip
    monkeypatch.setattr("sim.verify.verify", lambda *a, **o: VerificationReport((passed,), coverage, 2.0))
    table = run("verify", small)
    assert table.exit_code == 0
    assert "functional coverage" in table.stdout
    assert f"waves of anda_pe: {small}" in table.stdout.replace("\n", "")


def test_verify_fails_when_a_check_fails(run: Run, small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = VerificationReport((), Coverage(), 0.0)
    monkeypatch.setattr("sim.verify.verify", lambda *args, **options: nothing)
    for extra in ([], ["--json"]):
        result = run("verify", small, *extra)
        assert result.exit_code == 1
        assert "no component was checked" in result.stderr


def test_verify_runs_projections_when_asked_to(
    run: Run, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = BenchResult(
        "bench", "anda_pe", "icarus", 5, (BenchTest("corners", 1.0, None),), 1.0, 1.0, Coverage(),
        log=small, waves=None,
    )  # fmt: skip
    monkeypatch.setattr("sim.verify.verify", lambda *a, **o: VerificationReport((passed,), Coverage(), 2.0))
    row = {"tensor": "blk.3.attn_q", "n": 16, "k": 576, "c": 576, "planes": 8, "cycles": 12345}
    row |= {"macs_per_cycle": 430.5, "utilization": 0.95}
    asked: list[Any] = []

    def measure(report: object, questions: Any, **_: Any) -> dict[str, Any]:
        asked.extend(question.matrix for question in questions)
        if len(asked) > 2:
            raise AssertionError("attn_q took a cycle too many")
        return {"rows": [row]}

    monkeypatch.setattr("anda.projection.measure_projections", measure)
    assert "projections" not in printed(run("verify", small, "--json"))
    assert asked == []
    table = run("verify", small, "--projection")
    assert asked == ["attn_q", "ffn_up"]
    assert table.exit_code == 0
    assert "blk.3.attn_q" in table.stdout
    wrong = run("verify", small, "--projection")
    assert wrong.exit_code == 1
    assert "attn_q took a cycle too many" in wrong.stderr


def test_verify_names_a_simulator_it_does_not_know(run: Run, small: Path, tmp_path: Path) -> None:
    result = run("verify", small, "--simulator", "modelsim", "--work", tmp_path)
    assert result.exit_code == 2
    assert said(result) == "anda: the simulator must be one of auto, verilator, icarus, not 'modelsim'"


def test_area_counts_look_up_tables(run: Run, small: Path) -> None:
    answer = printed(run("area", small, "-c", "pe", "--fpga", "ice40", "--json"))
    (found,) = answer["look_up_tables"]
    assert found["role"] == "pe"
    assert found["luts"] > 20
    assert "Lattice iCE40" in run("area", small, "-c", "pe", "--fpga", "ice40").stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fpga", "abacus"], "expected an FPGA family (ice40, ecp5, xc7), not 'abacus'"),
        (["--fpga", "ice40", "--sky130"], "expected one of --liberty, --sky130 and --fpga, not several"),
        (["--fpga", "ice40", "--table", "mac"], "--table mac is for standard cells, not for --fpga"),
    ],
)
def test_area_refuses_what_does_not_go_together(
    run: Run, small: Path, options: list[str], message: str
) -> None:
    found = run("area", small, *options)
    assert found.exit_code == 2
    assert message in found.stderr
