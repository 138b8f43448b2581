import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from anda.cli import app
from anda.config import ConfigError, load
from anda.flow import synth
from anda.sweep import Axis, LibraryChoice, grid, only, parse_axis, sweep


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("pe.planes_per_cycle=1,2,4", (1, 2, 4)),
        ("format.max_planes=4-7", (4, 5, 6, 7)),
        ("format.max_planes=4-5,9", (4, 5, 9)),
        ("pe.reduction=heap,tree", ("heap", "tree")),
        ("format.encoding=twos-complement", ("twos-complement",)),
        ("pe.x=true,1.5", (True, 1.5)),
    ],
)
def test_axis(text: str, values: tuple[object, ...]) -> None:
    assert parse_axis(text) == Axis(text.partition("=")[0], values)


@pytest.mark.parametrize("text", ["pe.rows", "rows=1", "pe.rows=", "pe.rows=4-2", "pe.rows=1,1"])
def test_axis_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^expected "):
        parse_axis(text)


def test_grid_tries_every_combination() -> None:
    axes = [Axis("format.group", (8, 9)), Axis("pe.planes_per_cycle", (1, 2))]
    found = list(grid(only(load("compact"), ["pe"]), axes))
    assert [tuple(settings.values()) for settings, _ in found] == [(8, 1), (8, 2), (9, 1), (9, 2)]
    good, bad = found[1][1], found[2][1]
    assert not isinstance(good, ConfigError)
    assert good.pe is not None
    assert (good.format.group, good.pe.planes_per_cycle) == (8, 2)
    assert isinstance(bad, ConfigError)
    assert "format.group should be" in str(bad)
    with pytest.raises(ValueError, match="each key once"):
        list(grid(load("compact"), axes + axes))


def test_tables_that_are_not_asked_for_forbid_nothing() -> None:
    assert only(load("compact"), ["pe"]).datapath is None
    kept = only(load("compact"), ["datapath"])
    assert kept.hash == load("compact").hash
    assert only(load("compact"), None) == load("compact")


def test_sweep_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    axes = [Axis("format.max_planes", (4, 6, 30))]
    done: list[tuple[int, int]] = []
    # Eight lanes: fractions of a second each.
    base = load("compact")
    base = base.model_copy(update={"format": base.format.model_copy(update={"group": 8})})
    rows = sweep(base, axes, roles=["pe"], kept=tmp_path, progress=lambda *counts: done.append(counts))
    small, large, wrong = rows
    assert done[-1] == (3, 3)
    assert small.report is not None
    assert large.report is not None
    assert 0 < small.report.area < large.report.area
    assert small.macs_per_cycle == pytest.approx({2: 4, 3: 8 / 3, 4: 2})
    assert small.area_per_mac(4) == pytest.approx(small.report.area / 2)
    assert small.area_per_mac(5) is None
    assert wrong.report is None
    assert "max_planes" in wrong.problem

    def refuse(*_: object) -> None:
        raise RuntimeError("synthesized again")

    monkeypatch.setattr(synth, "area", refuse)
    assert sweep(base, axes, roles=["pe"], kept=tmp_path) == rows
    kept = sorted(tmp_path.iterdir())
    assert len(kept) == 2
    kept[0].write_bytes(kept[0].read_bytes()[:100])
    with pytest.raises(RuntimeError, match="synthesized again"):
        sweep(base, axes, roles=["pe"], kept=tmp_path)


def test_another_library_is_another_result(tmp_path: Path) -> None:
    liberty = tmp_path / "own.lib"
    liberty.write_text((Path(synth.__file__).parent / "data" / "generic.lib").read_text() + "\n")
    libraries = [LibraryChoice(), LibraryChoice("own", (liberty,))]
    base = only(load("compact"), ["pe"])
    base = base.model_copy(update={"format": base.format.model_copy(update={"group": 8})})
    rows = sweep(
        base, [Axis("format.max_planes", (4,))], libraries=libraries, roles=["pe"], kept=tmp_path / "k"
    )
    assert [row.library for row in rows] == ["generic", "own"]
    assert len(list((tmp_path / "k").iterdir())) == 2


def test_another_emitter_is_another_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = load("compact")
    base = base.model_copy(update={"format": base.format.model_copy(update={"group": 8})})
    axes = [Axis("format.max_planes", (4,))]
    sweep(base, axes, roles=["pe"], kept=tmp_path)
    monkeypatch.setattr("anda.sweep.emitted_by", lambda: {"amaranth": "0"})
    sweep(base, axes, roles=["pe"], kept=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_component_that_does_not_exist_is_told_of_all(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\(compressor, pe, column, accumulator, datapath\), not 'pi'"):
        sweep(load("compact"), [Axis("format.max_planes", (4,))], roles=["pi"], kept=tmp_path)


def test_libraries_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="different names"):
        sweep(
            load("compact"),
            [Axis("format.max_planes", (4,))],
            libraries=[LibraryChoice(), LibraryChoice()],
            kept=tmp_path,
        )


def test_no_design_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="did you mean group"):
        sweep(load("compact"), [Axis("format.gruop", (8, 16))], kept=tmp_path)


def test_command_writes_table_and_plot(tmp_path: Path) -> None:
    compact = Path(__file__).parents[2] / "anda" / "presets" / "compact.toml"
    design = tmp_path / "small.toml"
    design.write_text(compact.read_text().replace("group = 64", "group = 8"))
    arguments = [
        "sweep",
        str(design),
        "-c",
        "pe",
        "-s",
        "format.max_planes=4,6,30",
        "-o",
        str(tmp_path / "out"),
    ]
    result = CliRunner().invoke(app, [*arguments, "--cache", str(tmp_path / "kept")])
    assert result.exit_code == 0, result.output
    assert "not built: format.max_planes = 30" in result.output
    written = tmp_path / "out"
    rows = json.loads((written / "sweep.json").read_text())["rows"]
    with (written / "sweep.csv").open() as stream:
        table = list(csv.DictReader(stream))
    assert [float(row["area"] or 0) for row in table] == [
        row["report"]["area"] if row["report"] else 0 for row in rows
    ]
    # Eight products in as many cycles as the most planes that the element takes.
    assert [row["planes"] for row in table] == ["4", "6", ""]
    assert float(table[1]["area a MAC/cycle"]) == pytest.approx(float(table[1]["area"]) * 6 / 8)
    assert (written / "sweep.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (written / "sweep.svg").read_text()
