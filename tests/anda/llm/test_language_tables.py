"""The results of docs/language.md are measured as the page says, and its tables and plots show them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anda.figures import rendered
from anda.language_plots import plot_planes, plot_weights
from anda.language_runs import ORDER, SECTIONS, measure_language
from anda.language_tables import LANGUAGE_TABLES, gains, rows_of
from anda.llm.evaluate import evaluate
from anda.llm.gguf import GgufFile
from anda.llm.llama import Llama
from anda.llm.measure import Meter
from anda.llm.plan import Plan
from anda.llm.texts import TEXTS
from anda.tables import read_data
from golden import formats
from golden.anda import AndaCodec

from .conftest import TinyModel


@pytest.fixture(scope="module")
def meters(tiny: TinyModel) -> dict[str, Meter]:
    rng = np.random.default_rng(8)
    # Under the names of the real texts, which the data tell about.
    return {name: Meter(tiny.path, rng.integers(0, 250, 40), window=20, stride=20) for name in TEXTS}


def test_sections_cover_what_the_page_promises() -> None:
    planes = [(run.facts["encoding"], run.facts["planes"], run.plan) for run in SECTIONS["planes"]()]
    assert [p for name, p, _ in planes if name == "2a"] == list(range(4, 14))
    assert [p for name, p, _ in planes if name == "2b"] == list(range(3, 13))
    for name, p, plan in planes:
        published = AndaCodec(p, "sign-magnitude", "truncate")
        assert plan == Plan.uniform(published if name == "2a" else AndaCodec(p))
    four = {form.name for form in formats.catalogue().values() if form.code_bits == 4}
    assert {run.facts["format"] for run in SECTIONS["weights-128"]()} == four
    for block in (32, 64):
        runs = list(SECTIONS[f"weights-{block}"]())
        assert {run.facts["format"] for run in runs} == four - {"mxfp4", "nvfp4"}
        assert all(run.plan.weights and run.plan.weights.block == block for run in runs)
    for _, section in ORDER:
        keys = [run.plan.key() for run in SECTIONS[section]()]
        assert len(keys) == len(set(keys)), section
    assert {section for _, section in ORDER} == set(SECTIONS)


def test_every_row_says_what_its_plan_scores(meters: dict[str, Meter], tiny: TinyModel) -> None:
    told: list[str] = []
    order = [(0, "float"), (0, "kv"), (1, "activations")]
    data = json.loads(json.dumps(measure_language(meters, told.append, order)))
    rows = data["rows"]
    assert len(told) == len(rows) == sum(len(list(SECTIONS[section]())) for _, section in order)
    assert (rows[0]["kl"], rows[0]["top1"], rows[0]["plan"]) == (0, 1, "float")
    assert data["evidence"] == "computed"
    assert (data["window"], data["stride"], data["model"]["file"]) == (20, 20, "tiny.gguf")
    model = Llama(GgufFile(tiny.path))
    for row in (rows[3], rows[-1]):
        meter = meters[row["text"]]
        arithmetic = Plan.parse(row["plan"]).arithmetic(model)
        scores = evaluate(model, meter.tokens, arithmetic, window=20, stride=20)
        assert row["perplexity"] == pytest.approx(scores.perplexity, rel=1e-5)
        assert row["kl"] == pytest.approx(scores.kl, rel=1e-5)
        assert row["top1"] == pytest.approx(scores.top1, rel=1e-5)


def score(kl: float, top1: float, perplexity: float) -> dict[str, float]:
    return {"kl": kl, "top1": top1, "perplexity": perplexity}


def made(scores: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Data of one text, with these scores from 4 planes on."""
    rows = [{"section": "float", "text": "one", "plan": "float", **score(0, 1, 20)}]
    for name, found in scores.items():
        rows += [
            {"section": "planes", "text": "one", "plan": name, "encoding": name, "planes": 4 + i, **s}
            for i, s in enumerate(found)
        ]
    return {"rows": rows}


def test_a_gain_is_the_fewest_planes_that_are_as_good() -> None:
    data = made(
        {
            "2a": [score(0.4, 0.7, 24), score(0.1, 0.8, 19), score(0.02, 0.95, 20.1)],
            "2b": [score(0.1, 0.75, 22), score(0.03, 0.9, 21), score(0.02, 0.94, 20.2)],
        }
    )
    assert gains(data, "one") == [
        {"mantissa": 3, "planes": 4, "kl": 4, "top1": 4, "perplexity": 4},
        {"mantissa": 4, "planes": 5, "kl": 4, "top1": 5, "perplexity": 5},
        {"mantissa": 5, "planes": 6, "kl": 6, "top1": None, "perplexity": None},
    ]
    headers, rows = LANGUAGE_TABLES["language-gain"](data)
    assert list(rows)[1] == ["one", "4", "5", "4 (-1)", "5 (+0)", "5 (+0)"]
    assert len(headers) == 6
    _, rows = LANGUAGE_TABLES["language-planes"](data)
    assert next(iter(rows)) == ["one", "4", "0.4000", "0.1000", "70.0", "75.0", "+20.00", "+10.00"]


def test_tables_and_plots_show_all_rows(meters: dict[str, Meter]) -> None:
    data = measure_language(meters, lambda _: None)
    tables = {name: render(data) for name, render in LANGUAGE_TABLES.items()}
    counts = {}
    for name, (headers, rows) in tables.items():
        body = list(rows)
        counts[name] = len(body)
        assert all(len(row) == len(headers) for row in body), name
    assert counts == {
        "language-float": 2,
        "language-planes": 22,
        "language-gain": 20,
        "language-weights": 39,
        "language-activations": 9,
        "language-kv": 11,
        "language-together": 15,
    }
    headers, rows = tables["language-weights"]
    assert [h for h in headers if "KL" in h] == [
        "tales: KL, block 128",
        "tales: KL, block 64",
        "tales: KL, block 32",
        "manual: KL, block 128",
    ]
    first = [row for row in data["rows"] if row["section"] == "weights-128" and row["text"] == "tales"]
    assert [row[0].strip("`").partition("`")[0] for row in rows] == [
        row["format"] for row in sorted(first, key=lambda row: row["kl"])
    ]
    for name, figure in (("planes", plot_planes(data)), ("weights", plot_weights(data))):
        assert rendered(figure, name)[f"{name}.svg"].startswith(b"<?xml")


DATA = read_data(Path(__file__).resolve().parents[3] / "docs" / "data")["language"]


def test_the_page_tells_what_2b_gains() -> None:
    saved: dict[str, list[int | None]] = {"kl": [], "top1": [], "perplexity": []}
    for text in TEXTS:
        for row in gains(DATA, text):
            planes = row["planes"]
            assert planes is not None
            for key, found in saved.items():
                needed = row[key]
                found.append(None if needed is None else planes - needed)
    assert saved["kl"] == [1] * 19 + [None]
    assert sorted(n for n in saved["top1"] if n is not None) == [0] * 6 + [1] * 14
    for first in (0, 10):
        one_text = saved["perplexity"][first : first + 10]
        assert set(one_text[3:6]) == {0, -1}
        assert set(one_text[:3] + one_text[6:]) == {1, 2}
    ours, theirs = (
        next(row for row in rows_of(DATA, "planes", "manual", encoding=name, planes=planes))
        for name, planes in (("2b", 12), ("2a", 13))
    )
    assert 1.0015 < ours["kl"] / theirs["kl"] < 1.0025


def test_the_page_tells_how_far_the_formats_are_apart() -> None:
    ratios = []
    for text, below in (("tales", 9), ("manual", 8)):
        (plain,) = rows_of(DATA, "float", text)
        theirs = {row["planes"]: row for row in rows_of(DATA, "planes", text, encoding="2a")}
        ours = {row["planes"]: row for row in rows_of(DATA, "planes", text, encoding="2b")}
        ratios += [theirs[planes]["kl"] / ours[planes]["kl"] for planes in range(5, 13)]
        lower = {planes for planes, row in theirs.items() if row["perplexity"] < plain["perplexity"]}
        assert lower == set(range(below, 14))
    assert (round(min(ratios), 1), round(max(ratios), 1)) == (3.8, 5.6)


def test_the_page_tells_which_weight_formats_lead() -> None:
    kl = {row["format"]: row["kl"] for row in rows_of(DATA, "weights-128", "tales")}
    assert f"{kl['int4']:.2f}, {kl['int4-full']:.2f}" == "0.53, 0.36"
    assert kl["int4-sym"] == kl["int4"]
    integers = {name for name in kl if formats.get(name).integer_levels and formats.get(name).block == 128}
    ranked = sorted(integers, key=kl.__getitem__)
    assert ranked[0] == "e2m1-sp-signed"
    assert set(ranked[1:4]) == {"anda4", "anda4-t", "anda4-n"}
    small = {row["format"]: row["kl"] for row in rows_of(DATA, "weights-32", "tales")}
    assert min(small, key=small.__getitem__) == "anda4-t"
    assert f"{small['int4-zp']:.2f}" == "0.25"
    assert max(kl[name] for name in ranked[:4]) < min(kl[name] for name in ("e2m1", "nf4", "sf4", "anda4-w"))


def test_the_page_tells_what_cache_and_weights_add() -> None:
    def kl(section: str, plan: str) -> float:
        (row,) = rows_of(DATA, section, "tales", plan=plan)
        return float(row["kl"])

    for length in (5, 6, 7):
        assert kl("kv", f"kv=anda:{length}") < kl("kv", f"kv=anda-sm:{length}")
    assert kl("kv", "kv=anda:8") < kl("planes", "anda:9")
    added: dict[int, list[str]] = {6: [], 8: []}
    apart = []
    for weights in ("weights=int4@128/fp16", "weights=anda4@128/fp16"):
        alone = kl("together", weights)
        for planes, found in added.items():
            found.append(f"{100 * (kl('together', f'anda:{planes},{weights}') / alone - 1):.0f}")
        for length in (6, 7):
            ours, theirs = (kl("together", f"{name}:{length},{weights}") for name in ("anda", "anda-sm"))
            apart.append(round(100 * (ours / theirs - 1)))
    assert added == {6: ["24", "42"], 8: ["2", "4"]}
    assert (min(apart), max(apart)) == (-3, 8)
