"""Which runs are measured, on which tokens, and what the page says of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from anda.abq_language_plot import plot_abq
from anda.abq_language_runs import PAIRS, RUNS, Texts, windows_of
from anda.abq_language_tables import ABQ_LANGUAGE_TABLES, name_of


def row(method: str, kl: float, activations: str = "8") -> dict[str, Any]:
    scores = {"perplexity": 1234.5678 * kl, "kl": kl, "top1": 0.5}
    return {
        "method": method,
        "recipe": {"weights": "2*", "activations": activations},
        "bits_per_weight": 2.3804,
        "processor_seconds": 1234,
        "scores": {"tales": scores, "manual": {**scores, "kl": 1 / kl}},
    }


DATA = {
    "float": {"tales": 20.0, "manual": 19.0},
    "rows": [row("RTN", 4.0), row("ABQ+", 0.5), row("ABQ+", 0.7, "6")],
}


def test_the_best_of_each_pair_and_text_stands_out() -> None:
    headers, body = ABQ_LANGUAGE_TABLES["abq-language"](DATA)
    assert all(len(line) == len(headers) for line in body)
    numbers = ["2.380", "4,938", "4.0000", "50.0", "4,938", "**0.2500**", "50.0", "1,234"]
    assert body[0] == [r"W2\*A8", "RTN", *numbers]
    assert (body[1][4], body[1][3]) == ("**0.5000**", "617.28")
    assert body[2][4] == "**0.7000**"


def test_the_plot_shows_every_row() -> None:
    panels = plot_abq(DATA).axes
    assert [panel.get_title() for panel in panels] == ["tales", "manual"]
    drawn = sorted(float(y) for line in panels[0].lines for y in line.get_ydata())
    assert drawn == [0.5, 0.7, 4.0]


def test_every_pair_is_measured_with_and_without_learning() -> None:
    assert len({(run.method, name_of({"recipe": run.recipe.about()})) for run in RUNS}) == len(RUNS)
    for weights, activations in PAIRS:
        methods = {
            run.method
            for run in RUNS
            if (run.recipe.weights, run.recipe.activations) == (weights, activations)
        }
        assert {"RTN", "GPTQ", "ABQ+"} <= methods


def test_nothing_that_is_judged_on_is_calibrated_on() -> None:
    tokens = {"tales": np.arange(9000), "manual": np.arange(20000, 60000)}
    texts = Texts.of(tokens)
    assert texts.calibration.shape == (64, 256)
    assert not np.isin(texts.calibration, np.concatenate(list(texts.judged.values()))).any()
    assert (np.diff(texts.calibration) == 1).all()
    assert texts.calibration[0, 0] == 20000 + 2048
    assert len(np.unique(texts.calibration)) == 64 * 256


def test_a_short_text_is_refused() -> None:
    with pytest.raises(ValueError, match="should have 3 windows of 8 tokens, but has 2"):
        windows_of(np.arange(23), 3, 8)
