"""GPTQ on grids with zero points."""

from __future__ import annotations

import numpy as np
import pytest

from anda.ptq.abq.affine import AffineFormat, AffineMatrix, least_error_ends
from anda.ptq.abq.rounding import gptq_round
from anda.ptq.hessian import damped


@pytest.mark.parametrize("group", [None, 32])
def test_outputs_are_nearer_than_those_of_rounding_to_nearest(group: int | None) -> None:
    rng = np.random.default_rng(1)
    mixing = rng.normal(size=(64, 64)) * np.linspace(2, 0.1, 64)
    x = rng.normal(size=(512, 64)) @ mixing
    matrix = (rng.normal(size=(24, 64)) + 0.5).astype(np.float32)
    form = AffineFormat.parse("2*")
    ends = least_error_ends(matrix, form, group)
    nearest = AffineMatrix.of(matrix, form, *ends)
    found = gptq_round(matrix, damped(x.T @ x, 0.01), form, *ends)
    np.testing.assert_array_equal(found.scales, nearest.scales)
    np.testing.assert_array_equal(found.zeros, nearest.zeros)
    assert found.codes.max() <= form.top

    def error(quantized: AffineMatrix) -> float:
        return float(np.square(x @ (quantized.values() - matrix).T).sum())

    assert error(found) < 0.5 * error(nearest)


def test_a_grid_without_zero_in_it_is_kept() -> None:
    rng = np.random.default_rng(2)
    matrix = rng.uniform(5, 6, (4, 32)).astype(np.float32)
    form = AffineFormat(3)
    found = gptq_round(matrix, damped(np.eye(32), 0.01), form, *least_error_ends(matrix, form, None))
    assert (found.zeros < 0).all()
    assert np.abs(found.values() - matrix).max() < 1
