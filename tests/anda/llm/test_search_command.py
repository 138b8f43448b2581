from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

from anda.cli import app
from anda.llm import measure
from anda.llm.measure import Meter
from anda.llm.plan import Plan

from .conftest import LAYERS, TinyModel

Run = Callable[..., Result]


@pytest.fixture
def run(tiny: TinyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    letters = np.random.default_rng(3).integers(ord("a"), ord("z") + 1, 200)
    (tmp_path / "text.txt").write_text("".join(map(chr, letters)))

    def search(*arguments: object, text: object = tmp_path / "text.txt") -> Result:
        asked = ["search", tiny.path, "--text", text, "--tokens", 48, "--window", 24, "--probe-tokens", 24]
        return CliRunner().invoke(app, [str(argument) for argument in (*asked, *arguments)])

    return search


@pytest.mark.parametrize("more", [("--method", "published", "--metric", "perplexity"), ("--per-layer",)])
def test_one_command_gives_trace_plot_and_answer_and_again_the_same(
    run: Run, tmp_path: Path, more: tuple[str, ...], tiny: TinyModel
) -> None:
    outputs = []
    for name in ("first", "again"):
        result = run(*more, "-o", tmp_path / name)
        assert result.exit_code == 0, result.output
        outputs.append(result.stdout.replace(str(tmp_path / name), "HERE"))
    assert outputs[0] == outputs[1]
    first, again = ({p.name: p.read_bytes() for p in (tmp_path / n).iterdir()} for n in ("first", "again"))
    assert set(first) == {"search.json", "plan.json", "timings.json", "search.svg", "search.png"}
    timings = [json.loads(files.pop("timings.json")) for files in (first, again)]
    assert first == again
    assert timings[0].pop("measured_now") > timings[1].pop("measured_now") == 0
    assert timings[0] == timings[1]
    record = json.loads(first["search.json"])
    best = record["best"]
    assert Plan.read(tmp_path / "first" / "plan.json") == Plan.parse(best["plan"])
    assert len(best["lengths"]) == (4 * LAYERS if "--per-layer" in more else 4)
    assert f"{best['saving']:.2f}" in outputs[0]
    (entry,) = Meter(tiny.path, _tokens(tiny, tmp_path), window=24, stride=24)([Plan.parse(best["plan"])])
    assert entry.scores.kl == pytest.approx(best["kl"], rel=1e-6)


def _tokens(tiny: TinyModel, directory: Path) -> Any:
    from anda.llm.gguf import GgufFile
    from anda.llm.tokenizer import Tokenizer

    return Tokenizer(GgufFile(tiny.path)).encode((directory / "text.txt").read_text())[:48]


def test_json_is_the_record(run: Run, tmp_path: Path) -> None:
    options = (
        "--objective",
        "energy",
        "--encoding",
        "sign-magnitude",
        "--group",
        8,
        "--tolerance",
        "0.01nats",
    )
    result = run(*options, "--json", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record == json.loads((tmp_path / "out" / "search.json").read_text())
    assert record["objective"]["energy"]["bit_pj"] == 3.9
    assert (record["encoding"], record["group"]) == ("sign-magnitude", 8)
    assert record["tolerance"]["limit"] == 0.01
    assert record["text"]["tokens"] == 48
    assert (record["tokens"], record["probes"]["tokens"]) == (46, 23)
    assert all("anda-sm:" in part for part in record["best"]["plan"].split(","))


def test_results_are_kept_where_it_is_told(run: Run, tmp_path: Path) -> None:
    assert run().exit_code == 0
    assert list((tmp_path / "cache" / "anda" / "llm").glob("*.json"))
    assert run("--cache", tmp_path / "elsewhere").exit_code == 0
    names = [
        {p.name for p in d.iterdir()} for d in (tmp_path / "cache" / "anda" / "llm", tmp_path / "elsewhere")
    ]
    assert names[0] == names[1]
    for path in (tmp_path / "elsewhere").glob("*.json"):
        path.write_text("{}")
    again = run("--cache", tmp_path / "elsewhere")
    assert again.exit_code == 0
    assert "is damaged and is measured again" in again.stderr


def test_an_interrupted_search_says_how_to_go_on(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = measure.evaluate, []

    def interrupted(*arguments: Any, **more: Any) -> Any:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(*arguments, **more)

    monkeypatch.setattr(measure, "evaluate", interrupted)
    result = run("-o", tmp_path / "out")
    assert result.exit_code == 130
    directory = tmp_path / "cache" / "anda" / "llm"
    assert f"interrupted; what was measured is kept in {directory}: the same command goes on" in result.stderr
    assert not (tmp_path / "out").exists()
    assert len(list(directory.glob("*.json"))) == 3
    assert run("-o", tmp_path / "out").exit_code == 0
    timings = json.loads((tmp_path / "out" / "timings.json").read_text())
    assert timings["measured_now"] == len(calls) - 4


def test_nothing_within_the_tolerance(run: Run, tmp_path: Path) -> None:
    result = run("--tolerance", "1e-9nats", "--limit", 2, "-o", tmp_path / "out")
    assert result.exit_code == 0
    assert "Nothing that was evaluated is within the tolerance." in result.stdout
    assert not (tmp_path / "out" / "plan.json").exists()
    assert json.loads((tmp_path / "out" / "search.json").read_text())["best"] is None


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--method", "guess"), "published or sensitivity, not 'guess'"),
        (("--metric", "speed"), "a tolerance is on perplexity or kl, not on 'speed'"),
        (("--objective", "speed"), "bops, cycles, traffic, energy, not 'speed'"),
        (("--encoding", "3c"), "'3c'"),
        (("--group", "60"), "60"),
        (("--tolerance", "much"), "not 'much'"),
        (("--tokens", "4000"), "should have at least 4000 tokens, but has"),
        (("--jobs", "2", "--scheduler", "tcp://127.0.0.1:1"), "not both"),
    ],
)
def test_bad_arguments(run: Run, arguments: tuple[str, ...], sentence: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    (line,) = (line for line in result.stderr.splitlines() if line.startswith("anda: "))
    assert sentence in line
    assert "Traceback" not in result.output


def test_no_such_text(run: Run) -> None:
    result = run(text="nothing.txt")
    assert result.exit_code == 2
    assert "there is no file nothing.txt" in result.stderr
