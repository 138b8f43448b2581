from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from golden import formats
from golden.formats import CLIP_RATIOS, SCALE_FORMATS, Format, Quantized
from tests.golden.formats import slow_formats as slow
from tests.golden.formats.strategies import SCALED, weights

RNG = np.random.default_rng(2)
T5 = RNG.standard_t(5, (6, 640)).astype(np.float32)


def fractions(row: NDArray[np.float32]) -> list[Fraction]:
    return [Fraction(float(x)) for x in row]


def scale_formats(form: Format) -> list[str]:
    return [
        name
        for name, scale in SCALE_FORMATS.items()
        if (scale.signed or form.scaling not in ("extreme", "either"))
        and not (name == "e8m0-even" and form.mantissa_bits is None)
    ]


def reaches_its_extreme(form: Format) -> bool:
    """Whether every block has an element at the level that its scale is derived from."""
    symmetric = np.nanmax(form.table) <= -np.nanmin(form.table)
    return form.scaling == "extreme" or (form.scaling == "absmax" and bool(symmetric))


def squared_errors(q: Quantized, w: NDArray[np.float32]) -> NDArray[np.float64]:
    """Per block; K is a multiple of the block."""
    exact = np.square(q.dequantize(np.float64) - w)
    return np.asarray(exact.reshape(*w.shape[:-1], -1, q.block).sum(axis=-1))


@settings(max_examples=300, deadline=None)
@given(
    name=st.sampled_from([n for n in SCALED if formats.get(n).scaling != "either"]),
    w=weights(),
    block=st.sampled_from([1, 3, 16, 32, 64]),
    data=st.data(),
)
def test_every_format_equals_the_slow_model(name: str, w: NDArray[np.float32], block: int, data: Any) -> None:
    form = formats.get(name)
    scale_format = data.draw(st.sampled_from(scale_formats(form)))
    cuts = [slice(k, k + block) for k in range(0, w.shape[1], block)]
    blocks = [[fractions(row[cut]) for cut in cuts] for row in w]
    tensor = slow.tensor_scale(form, [b for row in blocks for b in row], scale_format)
    expected = [
        [
            slow.quantize_block(form, b, np.signbit(w[i][cut]).tolist(), scale_format, tensor)
            for b, cut in zip(row, cuts, strict=True)
        ]
        for i, row in enumerate(blocks)
    ]
    if any(b is None for row in expected for b in row):
        with pytest.raises(ValueError, match="cannot hold"):
            form.quantize(w, block, scale_format)
        return
    q = form.quantize(w, block, scale_format)
    assert Fraction(float(q.tensor_scale)) == tensor
    exact, single = q.dequantize(np.float64), q.dequantize()
    for i, row in enumerate(expected):
        for j, (b, cut) in enumerate(zip(row, cuts, strict=True)):
            assert b is not None
            assert Fraction(float(q.scales[i, j])) == b.scale
            assert q.codes[i][cut].tolist() == b.codes
            assert q.zeros is None or q.zeros[i, j] == b.zero
            assert fractions(exact[i][cut]) == b.values
            assert fractions(single[i][cut]) == [slow.saturated(v, slow.FP32) for v in b.values]
    assert not np.signbit(exact[exact == 0]).any()
    assert not np.signbit(single[single == 0]).any()


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(SCALED), w=weights(), block=st.sampled_from([5, 16, 64]))
def test_levels_times_their_scales_are_the_values(name: str, w: NDArray[np.float32], block: int) -> None:
    form = formats.get(name)
    # Units below one make a tiny scale zero.
    w = np.where(np.abs(w) < 2.0**-60, np.float32(0), np.clip(w, -1e30, 1e30))
    q = form.quantize(w, block)
    if form.level_bits is None:
        assert np.array_equal(q.levels, form.decode(q.codes))
        return
    assert form.level_range is not None
    assert q.levels.dtype.kind == "i"
    assert q.levels.min() >= form.level_range.min
    assert q.levels.max() <= form.level_range.max
    spread = np.repeat(q.level_scales.astype(np.float64), q.block, axis=-1)[:, : w.shape[1]]
    assert np.array_equal(q.levels * spread, q.dequantize(np.float64))


@pytest.mark.parametrize("name", [n for n in SCALED if reaches_its_extreme(formats.get(n))])
def test_quantized_weights_quantize_to_themselves(name: str) -> None:
    """With FP16 scales all products are exact, so that a second pass finds the same scales."""
    form = formats.get(name)
    q = form.quantize(T5, 64, "fp32" if form.unit is None else "fp16")
    again = form.quantize(q.dequantize(), 64, q.scale_format.name)
    close = np.testing.assert_allclose
    close(again.dequantize(), q.dequantize(), rtol=1e-6 if form.unit is None else 0)


@pytest.mark.parametrize("name", SCALED)
def test_short_blocks_stand_alone_and_shapes_are_kept(name: str) -> None:
    form = formats.get(name)
    # The scale of E4M3 scales belongs to the whole tensor.
    scale = "fp32" if form.scale_format == "e4m3" else form.scale_format
    w = T5[:, :300].reshape(2, 3, 300)
    q = form.quantize(w, 128, scale)
    assert q.codes.shape == q.levels.shape == q.dequantize().shape == w.shape
    assert q.scales.shape == (2, 3, 3)
    first, last = (form.quantize(w[..., cut], 128, scale) for cut in (slice(0, 256), slice(256, 300)))
    assert np.array_equal(q.codes, np.concatenate([first.codes, last.codes], axis=-1))
    assert np.array_equal(q.dequantize(), np.concatenate([first.dequantize(), last.dequantize()], axis=-1))
    assert np.array_equal(q.levels, np.concatenate([first.levels, last.levels], axis=-1))
    channel = form.quantize(w, "channel", scale)
    assert channel.scales.shape == (2, 3, 1)
    assert np.array_equal(channel.codes, form.quantize(w, 300, scale).codes)
    assert np.array_equal(channel.codes[1, 2], form.quantize(w[1, 2], 4096, scale).codes)


def test_layout_of_memory_does_not_matter() -> None:
    form = formats.get("sf4")
    assert np.array_equal(form.quantize(T5.T).codes, form.quantize(T5.T.copy()).codes)
    half = T5.astype(np.float16)
    assert np.array_equal(form.quantize(half).codes, form.quantize(half.astype(np.float32)).codes)


@pytest.mark.parametrize("name", SCALED)
def test_zeros_of_both_signs_stay_zero(name: str) -> None:
    form = formats.get(name)
    w = np.array([[0.0, -0.0, 0.0, -0.0], [1.0, -1.0, 0.0, -0.0]], dtype=np.float32)
    for scale_format in scale_formats(form):
        q = form.quantize(w, 4, scale_format)
        values = q.dequantize()
        if 0 in form.values:
            assert values[:, 2:].tolist() == [[0, 0], [0, 0]]
            assert values[0].tolist() == [0, 0, 0, 0]
        else:
            # Under a scale of zero a codebook without a zero has one, but a power of two is never zero.
            assert np.abs(values[0]).max() <= (2.0**-127 if "e8m0" in scale_format else 0)
        assert not np.signbit(values[values == 0]).any()
        assert not np.signbit(q.scales[0]).any()
        if form.keeps_zero_sign:
            half = 1 << (form.code_bits - 1)
            assert q.codes[0].tolist() == [0, half, 0, half]
        else:
            assert len(set(q.codes[0].tolist())) == 1


def test_scale_formats_that_a_format_cannot_take() -> None:
    w = np.ones(4, dtype=np.float32)
    for name in ("e2m1-sr-signed", "e2m1-sp-signed", "int4-full"):
        with pytest.raises(
            ValueError, match=f"the scales of format {name} carry a sign, which e8m0 does not"
        ):
            formats.get(name).quantize(w, 4, "e8m0")
    with pytest.raises(ValueError, match="the E8M0 rule even needs elements with mantissa bits"):
        formats.get("sf4").quantize(w, 4, "e8m0-even")


@pytest.mark.parametrize("name", SCALED)
def test_equal_elements_get_equal_values(name: str) -> None:
    form = formats.get(name)
    # Where the negative end is nearer to zero, a published scale clips blocks of negative extremes.
    clips = -np.nanmin(form.table) < np.nanmax(form.table) and form.scaling in ("absmax", "either")
    for value in (3.7, -3.7, 1e-38, -(2.0**127)):
        values = form.quantize(np.full((2, 64), value, dtype=np.float32), 32, "fp32").dequantize(np.float64)
        assert len(set(values.ravel().tolist())) == 1
        assert values[0, 0] == pytest.approx(value, rel=0.26 if clips and value < 0 else 1e-6)


def test_scales_that_underflow_make_a_block_zero() -> None:
    form = formats.get("int4")
    for scale_format, tiny in (("fp16", 1e-7), ("fp32", 1e-45), ("bf16", 1e-45)):
        q = form.quantize(np.array([[tiny, -tiny], [7.0, 3.0]], dtype=np.float32), 2, scale_format)
        assert (q.scales[0, 0], q.codes[0].tolist()) == (0, [0, 0])
        assert q.dequantize().tolist() == [[0, 0], [7, 3]]
    # E4M3: relative to the largest block of the tensor.
    w = np.array([[448.0, 448.0], [1e-4, -1e-4]], dtype=np.float32)
    assert form.quantize(w, 2, "e4m3").dequantize().tolist() == [[448, 448], [0, 0]]
    assert form.quantize(w[1:], 2, "e4m3").dequantize()[0] == pytest.approx([1e-4, -1e-4], rel=1e-6)
    # E8M0 has no zero: everything tiny rounds under its least scale.
    q = form.quantize(np.array([1e-45, -1e-45], dtype=np.float32), 2, "e8m0")
    assert (q.scales[0], q.scale_codes[0]) == (2.0**-127, 0)
    assert q.dequantize().tolist() == [0, 0]


def test_scales_that_overflow_are_refused() -> None:
    w = np.array([[1.0, 2.0], [5e5, 1.0]], dtype=np.float32)
    with pytest.raises(
        ValueError, match=r"largest magnitude is 500000 needs a scale of 71428.6.*fp16 cannot hold"
    ):
        formats.get("int4").quantize(w, 2, "fp16")
    assert formats.get("int4").quantize(w, 2, "bf16").dequantize()[1, 0] == pytest.approx(5e5, rel=1e-2)
    huge = np.array([3.4e38, -1e38], dtype=np.float32)
    with pytest.raises(ValueError, match="fp32 cannot hold"):
        formats.get("apot4").quantize(huge, 2)
    for name in ("e2m1", "int8", "sf4", "int4-zp", "mxint8"):
        values = formats.get(name).quantize(huge, 2).dequantize()
        assert np.isfinite(values).all()
        assert values[0] > 2e38


def test_values_beyond_float32_saturate() -> None:
    w = np.full(32, np.finfo(np.float32).max, dtype=np.float32)
    q = formats.get("mxfp8-e4m3").quantize(w, scale_format="e8m0-ceil")
    assert (q.dequantize(np.float64)[0], q.dequantize()[0]) == (2.0**128, np.finfo(np.float32).max)


@pytest.mark.parametrize("name", formats.names())
def test_the_first_bad_element_is_named(name: str) -> None:
    for bad in (np.nan, np.inf, -np.inf):
        w = np.ones((3, 4, 50), dtype=np.float32)
        w[1, 2, 7] = bad
        w[2, 0, 0] = np.nan
        with pytest.raises(
            ValueError, match=rf"every weight must be finite, but element \(1, 2, 7\) is {bad}"
        ):
            formats.get(name).quantize(w, 16)


def test_bad_arguments_are_refused() -> None:
    form = formats.get("sf4")
    good = np.ones((2, 8), dtype=np.float32)
    with pytest.raises(ValueError, match="not float64; convert them first"):
        form.quantize(good.astype(np.float64))
    with pytest.raises(ValueError, match="at least one axis"):
        form.quantize(np.array(1, dtype=np.float32))
    with pytest.raises(ValueError, match=r"the shape is \(2, 0\)"):
        form.quantize(good[:, :0])
    wrong: Any
    for wrong in (0, -1, 2.5, "row"):
        with pytest.raises(ValueError, match=r'at least 1, or "channel", not'):
            form.quantize(good, wrong)
    with pytest.raises(ValueError, match=r"a scale format is one of .*, not 'fp8'"):
        form.quantize(good, scale_format="fp8")
    for clip in (0.0, 1.5, math.nan):
        with pytest.raises(ValueError, match="above 0 and at most 1"):
            form.quantize(good, clip=clip)
    wrong = "row"
    with pytest.raises(ValueError, match='"tensor" or "block", not'):
        form.quantize(good, clip=wrong)
    with pytest.raises(ValueError, match="no scale that could be clipped"):
        formats.get("bf16").quantize(good, clip=0.9)
    with pytest.raises(ValueError, match="every weight must be finite, but element 0 is inf"):
        form.encode(np.array([np.inf], dtype=np.float32))


@pytest.mark.parametrize("name", ["int4", "sf4", "e2m1-sr-signed", "e2m1-sp-signed", "int4-zp", "anda4"])
def test_clipping_finds_the_best_ratio(name: str) -> None:
    form = formats.get(name)
    w = T5[:, :512]
    fixed = np.array([squared_errors(form.quantize(w, clip=ratio), w) for ratio in CLIP_RATIOS])
    per_block = squared_errors(form.quantize(w, clip="block"), w)
    assert np.allclose(per_block, fixed.min(axis=0), rtol=1e-5)
    whole = squared_errors(form.quantize(w, clip="tensor"), w).sum()
    assert whole == pytest.approx(fixed.sum(axis=(1, 2)).min(), rel=1e-6)
    assert per_block.sum() < whole < fixed[0].sum()
    assert len(CLIP_RATIOS) == 40
    assert (CLIP_RATIOS[0], CLIP_RATIOS[-1]) == (1.0, 0.805)


def test_clipping_takes_the_largest_of_equal_ratios() -> None:
    w = np.array([[1, -1, 1, 1]], dtype=np.float32)
    assert formats.get("w1-star-sym").quantize(w, 4, clip="block").scales.tolist() == [[1]]
    zeros = np.zeros((1, 4), dtype=np.float32)
    assert formats.get("sf4").quantize(zeros, 4, clip="block").scales.tolist() == [[0]]


def test_clipping_does_not_lose_a_block_to_underflow() -> None:
    """A smaller ratio would round the scale to zero, which must not look like a perfect fit."""
    w = np.full((1, 4), 7 * 2.0**-25 * 1.05, dtype=np.float32)
    w[0, 1:] /= 2
    for clip in ("block", "tensor"):
        assert formats.get("int4").quantize(w, 4, "fp16", clip=clip).scales.tolist() == [[2.0**-24]]


def test_the_sign_of_the_scale_takes_the_extreme_to_the_largest_level() -> None:
    q = formats.get("e2m1-sr-signed").quantize(np.array([[-8.0, 5.0, 3.0, 1.0]], dtype=np.float32), 4)
    # -5 lies half way between -6 and -4: a tie goes down before the sign of the scale is applied.
    assert (q.scales.tolist(), q.dequantize().tolist()) == ([[-1]], [[-8, 6, 3, 1]])
    # Of two extremes the positive one counts.
    q = formats.get("e2m1-sr-signed").quantize(np.array([[-8.0, 8.0, 3.0, 1.0]], dtype=np.float32), 4)
    assert (q.scales.tolist(), q.dequantize().tolist()) == ([[1]], [[-6, 8, 3, 1]])
    q = formats.get("int4-full").quantize(np.array([[8.0, -7.0, 3.0, 1.0]], dtype=np.float32), 4)
    assert (q.scales.tolist(), q.levels.tolist()) == ([[-1]], [[-8, 7, -3, -1]])
    q = formats.get("e2m1-sr").quantize(np.array([[-8.0, 5.0, 3.0, 1.0]], dtype=np.float32), 4)
    assert q.dequantize().tolist() == [[-6, 4, 3, 1]]


def test_the_better_sign_is_chosen_per_block() -> None:
    form = formats.get("e2m1-sp-signed")
    q = form.quantize(np.array([[6.0, -5.0, 1, 1], [6, 5, 1, 1], [6, 3, 1, 1]], dtype=np.float32), 4)
    assert q.scales.tolist() == [[-1], [1], [1]]
    assert q.dequantize().tolist() == [[6, -5, 1, 1], [6, 5, 1, 1], [6, 3, 1, 1]]
    either = squared_errors(form.quantize(T5, 64), T5)
    plus = squared_errors(formats.get("e2m1-sp").quantize(T5, 64), T5)
    minus = squared_errors(formats.get("e2m1-sp").quantize(-T5, 64), -T5)
    assert np.allclose(either, np.minimum(plus, minus), rtol=1e-5)


def test_zero_points_cover_the_range_and_zero() -> None:
    form = formats.get("int4-zp")
    q = form.quantize(np.array([[-5.0, 10, 0, 1], [3, 15, 8, 7], [-15, -3, -8, -7]], dtype=np.float32), 4)
    assert q.zeros is not None
    assert (q.zeros.ravel().tolist(), q.scales.ravel().tolist()) == ([5, 0, 15], [1, 1, 1])
    assert q.dequantize().tolist() == [[-5, 10, 0, 1], [3, 15, 8, 7], [-15, -3, -8, -7]]
    assert q.codes[0].tolist() == [0, 15, 5, 6]
    assert q.levels.dtype == np.int8
    star = formats.get("w2-star").quantize(np.array([-2.0, 2, 1, 0], dtype=np.float32), 4)
    assert star.levels.tolist() == [-2, 2, 1, 0]


def test_halves_have_no_scale() -> None:
    w = np.array([[1.0, -2.5, 70000.0]], dtype=np.float32)
    q = formats.get("fp16").quantize(w, 1)
    assert q.scales.tolist() == [[1]]
    assert q.codes.dtype == np.uint16
    assert q.dequantize().tolist() == [[1, -2.5, 65504]]
    assert formats.get("bf16").quantize(w).dequantize().tolist() == [[1, -2.5, 70144]]
