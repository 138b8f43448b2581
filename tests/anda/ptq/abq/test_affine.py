"""ABQ's quantizer: levels, zero points, memory, and the least error of clipping."""

from __future__ import annotations

import numpy as np
import pytest

from anda.ptq.abq.affine import AffineFormat, AffineMatrix, affine_tokens, least_error_ends, ranges, steps

RNG = np.random.default_rng(3)


@pytest.mark.parametrize(
    ("name", "top", "bits"),
    [("1*", 2, 8 * 20), ("2*", 4, 7 * 34), ("2", 3, 200), ("3", 7, 300), ("8", 255, 800)],
)
def test_levels_and_memory_of_a_row_of_100(name: str, top: int, bits: int) -> None:
    form = AffineFormat.parse(name)
    assert (form.top, form.stored_bits(100), str(form)) == (top, bits, name)


@pytest.mark.parametrize("name", ["0", "9", "3*", "4*", "W2", "2**", ""])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"affine format|balanced format"):
        AffineFormat.parse(name)


def test_ends_become_the_first_and_the_last_code() -> None:
    scales, zeros = steps(np.array([-2.0, 0.0]), np.array([6.0, 4.0]), 4)
    assert scales.tolist() == [2.0, 1.0]
    assert zeros.tolist() == [1.0, 0.0]


def test_zero_points_need_not_be_codes_and_tiny_scales_are_raised() -> None:
    scales, zeros = steps(np.array([10.0, 0.0]), np.array([14.0, 1e-30]), 4)
    assert zeros.tolist() == [-10.0, 0.0]
    assert scales[1] == 1e-5


def test_every_token_has_its_own_step() -> None:
    x = RNG.normal(size=(5, 64)) * np.array([[1], [10], [0.1], [100], [1]])
    x[4] += 50
    rounded = affine_tokens(x, AffineFormat(8))
    step = (x.max(axis=1, keepdims=True) - x.min(axis=1, keepdims=True)) / 255
    # Half a step, and as much again at the ends, where the zero point was rounded.
    assert (np.abs(rounded - x) <= step * 1.002).all()
    assert (np.abs(rounded - x).mean(axis=1) < step[:, 0] * 0.3).all()
    assert len(np.unique(affine_tokens(x, AffineFormat(2))[0])) == 4


@pytest.mark.parametrize("group", [None, 32])
def test_a_matrix_is_its_codes_its_zero_points_and_its_scales(group: int | None) -> None:
    matrix = RNG.normal(size=(6, 96)).astype(np.float32) + np.arange(6)[:, np.newaxis].astype(np.float32)
    form = AffineFormat.parse("2*")
    found = AffineMatrix.of(matrix, form, *ranges(matrix, group))
    size = group or 96
    assert found.codes.max() <= 4
    for row in range(6):
        for place in range(96):
            scale, zero = float(found.scales[row, place // size]), int(found.zeros[row, place // size])
            code = min(max(round(float(np.float32(matrix[row, place]) / np.float32(scale))) + zero, 0), 4)
            assert found.codes[row, place] == code
            assert found.values()[row, place] == np.float32((code - zero) * np.float32(scale))
    assert found.stored_bits == 6 * (96 // 3 * 7 + 32 * (96 // size))


def test_offsets_decide_where_a_weight_goes() -> None:
    matrix = np.array([[0.0, 1.0, 2.0, 3.0]], dtype=np.float32)
    form, ends = AffineFormat(2), ranges(matrix, None)
    offsets = np.array([[0.6, 0.4, -1.0, 0.0]])
    assert AffineMatrix.of(matrix, form, *ends, offsets).codes.tolist() == [[1, 1, 1, 3]]


def test_groups_must_fill_the_rows() -> None:
    with pytest.raises(ValueError, match="groups of 64 weights should fill rows of 96"):
        ranges(np.zeros((2, 96)), 64)


def test_clipping_of_least_error_is_never_worse_and_often_better() -> None:
    matrix = RNG.standard_t(3, size=(32, 256)).astype(np.float32)
    form = AffineFormat.parse("2*")
    errors = [
        np.square(AffineMatrix.of(matrix, form, *ends).values() - matrix).sum(axis=1)
        for ends in (ranges(matrix, None), least_error_ends(matrix, form, None))
    ]
    assert (errors[1] <= errors[0]).all()
    assert errors[1].sum() < 0.7 * errors[0].sum()
