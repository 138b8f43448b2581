from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.accumulate import fused_accumulate_fp32
from golden.anda import AndaCodec
from golden.dot import group_dot
from golden.fp16 import FloatArray16
from golden.gemm import gemm, integer_gemm
from golden.weights import IntegerWeights
from tests.golden import slow_model
from tests.golden.strategies import activations, codecs, finite_bits, words


@st.composite
def weights_for(draw: st.DrawFn, length: int, group: int) -> IntegerWeights:
    """Weights of any width and block that fit, extreme codes and scales included."""
    channels, bits, zero = draw(st.integers(1, 4)), draw(st.integers(1, 8)), draw(st.booleans())
    block = draw(st.sampled_from([group, 2 * group, 4 * group, length]))
    zero = zero and bits < 8
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    low, high = (0, 2**bits - 1) if zero else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    codes = rng.integers(low, high + 1, (channels, length)).astype(np.int8)
    if draw(st.booleans()):
        codes[:] = rng.choice([low, high])
    shape = (channels, -(-length // block))
    palette = np.array(draw(st.lists(finite_bits(), min_size=1, max_size=4)), dtype=np.uint16)
    scales = rng.choice(palette, shape).view(np.float16)
    zeros = rng.integers(low, high + 1, shape).astype(np.int8) if zero else None
    return IntegerWeights(codes, scales, block, bits, zeros)


@settings(max_examples=250, deadline=None)
@given(data=st.data(), codec=codecs(), x=activations(max_length=600))
def test_fp32_and_fixed_equal_the_slow_model(data: st.DataObject, codec: AndaCodec, x: FloatArray16) -> None:
    weights = data.draw(weights_for(len(x), codec.group))
    fp32, fixed = gemm(x, weights, codec), gemm(x, weights, codec, "fixed")
    assert fp32.dtype == fixed.dtype == np.float32
    for c in range(weights.channels):
        scales = [Fraction(float(s)) for s in weights.scales[c]]
        products = slow_model.products(
            words(x), weights.levels[c].tolist(), scales, weights.block,
            codec.planes, codec.encoding, codec.rounding, codec.group,
        )  # fmt: skip
        assert Fraction(float(fp32[c])) == slow_model.accumulate_fp32(products)
        assert Fraction(float(fixed[c])) == slow_model.round_fp32(sum(products, Fraction(0)))


@settings(max_examples=100, deadline=None)
@given(data=st.data(), codec=codecs(), x=activations())
def test_integer_equals_the_slow_model(data: st.DataObject, codec: AndaCodec, x: FloatArray16) -> None:
    x = np.tile(x[: codec.group], -(-len(x) // codec.group))  # equal groups have equal exponents
    x = x[: len(x) // codec.group * codec.group or len(x)]
    drawn = data.draw(weights_for(len(x), codec.group))
    weights = IntegerWeights(drawn.levels, drawn.scales[:, :1].copy(), len(x), 8)
    got = gemm(x, weights, codec, "integer")
    assert got.dtype == np.int64
    q = [
        v
        for group in slow_model.padded_groups(words(x), codec.group)
        for v in slow_model.quantize(group, codec.planes, codec.encoding, codec.rounding)
    ]
    expected = [sum(a * b for a, b in zip(q, row.tolist(), strict=False)) for row in weights.levels]
    assert got.tolist() == expected


@pytest.mark.parametrize("spread", [1, 2**12])
@pytest.mark.parametrize("shape", [(3, 200, 5), (70, 130, 1100), (65, 256, 64), (1, 64, 1025)])
def test_tiles_and_edges_equal_the_accumulator(shape: tuple[int, int, int], spread: int) -> None:
    """More rows and channels than a tile, and fewer, by the other road: dot product, then accumulator."""
    n, k, c = shape
    codec = AndaCodec(group=32)
    rng = np.random.default_rng(n + k + c)
    x = rng.standard_normal((n, k))
    x[:, ::3] *= spread
    x[:, 40:72] /= spread
    w = rng.standard_normal((c, k)) * np.where(np.arange(k) < 64, 1, 1 / spread)
    weights = IntegerWeights.quantize(w, block=64)
    x16 = x.astype(np.float16)
    q, exponents = codec.quantize(x16)
    padded = np.zeros((c, q.shape[1] * 32), dtype=np.int8)
    padded[:, :k] = weights.levels
    totals = group_dot(q[:, np.newaxis], padded.reshape(c, -1, 32))
    scales = np.repeat(weights.scales, 2, axis=1)[:, : q.shape[1]]
    expected = fused_accumulate_fp32(totals, scales, codec.ulp_exponents(exponents)[:, np.newaxis])
    assert np.array_equal(gemm(x16, weights, codec), expected)
    assert np.array_equal(gemm(codec.encode(x16), weights, codec), expected)
    exact = (codec.decode(codec.encode(x16)) @ weights.decode().T).astype(np.float32)
    assert np.allclose(gemm(x16, weights, codec, "fixed"), exact, rtol=1e-6, atol=1e-6)


def test_fixed_takes_activations_too_far_apart_for_float64() -> None:
    """A giant that cancels, over subnormals: the exact sum is the subnormals' alone."""
    codec = AndaCodec(planes=12, group=8)
    x = np.zeros((2, 24), dtype=np.float16)
    x[:, 0], x[:, 8:16], x[:, 16] = 65504, 2**-24, -65504
    x[1, 8:16] = 0
    ones = np.ones((1, 24), dtype=np.int8)
    scales = np.array([[60000, 2**-24, 60000]], dtype=np.float16)
    got = gemm(x, IntegerWeights(ones, scales, block=8), codec, "fixed")
    assert got.tolist() == [[2.0**-45], [0.0]]


def test_fixed_counts_a_group_of_subnormals_as_far_apart() -> None:
    """A shared exponent of 1 is not always a group of zeros."""
    x = np.zeros((1, 24), dtype=np.float16)
    x[0, [0, 8, 16]] = 65504, 2**-24, -65504
    levels = np.zeros((1, 24), dtype=np.int8)
    levels[0, [0, 8, 16]] = 127, 1, 127
    weights = IntegerWeights(levels, np.array([[2047 / 1024]], dtype=np.float16), block=24, bits=8)
    assert gemm(x, weights, AndaCodec(17, group=8), "fixed").tolist() == [[2047 * 2.0**-34]]


@pytest.mark.parametrize("apart", ["activations", "scales"])
def test_fp32_rounds_once_where_one_row_and_channel_are_too_far_apart_for_float64(apart: str) -> None:
    """64 + 2^-17, then 2^-18 * (1 - 2^-30): just below the tie, which float64 would take it for."""
    x = np.zeros((2, 24), dtype=np.float16)
    x[1, 16:19] = 2**-9, 2**-14, 2**-24
    x[1, [0, 8]] = (64, 2**-17) if apart == "activations" else 2**-9
    levels = np.zeros((2, 24), dtype=np.int8)
    levels[1, 0], levels[1, 8], levels[1, 16:19] = 1, 1, [32, 1, 1]
    scales = np.array([[1, 1, 1], [1, 1, 1023 * 2**-24]], dtype=np.float16)
    if apart == "scales":
        scales[1, :2] = 2**15, 2**-8
    got = gemm(x, IntegerWeights(levels, scales, block=8, bits=8), AndaCodec(17, group=8))
    assert got.tolist() == [[0, 0], [0, 64 + 2.0**-17]]


def test_leading_axes_are_kept() -> None:
    codec = AndaCodec()
    x = np.random.default_rng(0).standard_normal((2, 3, 128)).astype(np.float16)
    weights = IntegerWeights.quantize(np.random.default_rng(1).standard_normal((5, 128)))
    whole = gemm(x, weights, codec)
    assert whole.shape == (2, 3, 5)
    assert np.array_equal(gemm(x[1, 2], weights, codec), whole[1, 2])
    assert gemm(x[:0], weights, codec).shape == (0, 3, 5)
    for kind in ("fixed", "fp32"):
        assert not gemm(np.zeros_like(x), weights, codec, "fixed" if kind == "fixed" else "fp32").any()


def test_integer_gemm_at_every_width() -> None:
    rng = np.random.default_rng(3)
    for bits in (4, 12, 20, 40):
        x = rng.integers(-(1 << bits), 1 << bits, (7, 33))
        levels = rng.integers(-128, 128, (5, 33)).astype(np.int8)
        assert np.array_equal(integer_gemm(x, levels), x @ levels.astype(np.int64).T)


def one(value: float = 1.0, k: int = 128) -> FloatArray16:
    return np.full((1, k), value, dtype=np.float16)


@pytest.mark.parametrize(
    ("x", "block", "kind", "message"),
    [
        (one(k=64), 128, "fp32", "have K = 64 elements, but the weights have K = 128"),
        (one(), 32, "fp32", "must hold whole groups of 64 elements, but it has 32"),
        (one(), 128, "float", "accumulate must be one of fp32, fixed, integer, not 'float'"),
        (one(), 64, "integer", "cannot take several scales per channel"),
        (
            one() * np.repeat([1, 4], 64).astype(np.float16),
            128,
            "integer",
            "cannot take rows whose exponents differ",
        ),
        (one(np.inf), 128, "fixed", r"element \(0, 0\) is inf"),
    ],
)
def test_what_does_not_fit_is_named(x: FloatArray16, block: int, kind: Any, message: str) -> None:
    weights = IntegerWeights.quantize(np.ones((2, 128)), block=block)
    with pytest.raises(ValueError, match=message):
        gemm(x, weights, AndaCodec(), kind)


def test_integer_gemm_names_what_does_not_fit() -> None:
    small = np.ones((2, 3), dtype=np.int64)
    with pytest.raises(ValueError, match="takes integers, not float64 and int64"):
        integer_gemm(small.astype(float), small)
    with pytest.raises(ValueError, match=r"not \(2, 3\) and \(3, 2\)"):
        integer_gemm(small, small.T)
    with pytest.raises(ValueError, match=r"below 2\^53"):
        integer_gemm(small << 50, small << 3)
