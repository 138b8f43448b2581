"""The search over activation bits and scales: what it tries, what it picks, and that it pays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from anda.ptq.axe import quantize_layer
from anda.ptq.grid import WeightGrid
from anda.ptq.joint import quantize_jointly
from golden import formats
from tests.anda.ptq.layers import arrays, worst_cases


def test_fewer_activation_bits_win_under_a_tight_budget() -> None:
    weights, inputs = arrays(12, 64, 300)
    seen, unseen = inputs[:200], inputs[200:]
    found = quantize_jointly(
        weights, seen, inner_bits=12, tile=None, activation_bits=(8, 6, 5), multipliers=(1.0, 1.6)
    )
    assert found.choice.activation_bits < 8
    assert len(found.trace) == 9
    for bits in (8, 6, 5):
        *each, best = [trial for trial in found.trace if trial.activation_bits == bits]
        assert best.multiplier is None
        assert [trial.multiplier for trial in each] == [1.0, 1.6]
        assert each[0].error != each[1].error
        assert best.error <= min(trial.error for trial in each)
    assert found.choice.error == min(trial.error for trial in found.trace)
    own = WeightGrid.of(weights, formats.get("int4")).scales[0]
    assert np.array_equal(found.layer.scales[:, 0], own * found.multipliers)
    codes = found.layer.activations.codes
    assert max(worst_cases(found.layer.levels, codes, None)) <= 2**11 - 1
    fixed = quantize_layer(weights, seen, inner_bits=12, tile=None)
    ours, theirs = (
        np.linalg.norm(result.activations.dequantize(unseen) @ result.values().T - unseen @ weights.T)
        for result in (found.layer, fixed)
    )
    assert ours < 0.7 * theirs


def test_a_loose_budget_keeps_the_bits() -> None:
    weights, inputs = arrays(8, 48, 200)
    told: list[str] = []
    found = quantize_jointly(
        weights, inputs, inner_bits=24, activation_bits=(8, 5), multipliers=(1.0,), progress=told.append
    )
    assert found.choice.activation_bits == 8
    assert (found.multipliers == 1).all()
    assert told[:3] == ["int4, 8-bit activations", "int4, 5-bit activations", "scales of all channels"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"activation_bits": ()}, "at least one format, one width and one multiplier"),
        ({"multipliers": (1.0, 0.0)}, "should be positive, not 0.0"),
        ({"inputs": np.ones((3, 8))}, "at least 8 rows of inputs, not 3"),
        ({"weights": np.ones(8)}, "weights should be a matrix"),
    ],
)
def test_bad_searches_are_refused(change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"weights": np.ones((3, 8)), "inputs": np.ones((20, 8))}
    with pytest.raises(ValueError, match=message):
        quantize_jointly(**(arguments | change))
