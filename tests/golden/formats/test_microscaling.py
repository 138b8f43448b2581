"""OCP MX and NVFP4 beside gfloat, and beside the rules of torchao written again on the bits of floats."""

from __future__ import annotations

from typing import Any

import gfloat
import gfloat.formats
import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

from golden import formats

BLOCKS: dict[str, gfloat.BlockFormatInfo] = {
    "mxfp8-e4m3": gfloat.formats.format_info_mxfp8_e4m3,
    "mxfp8-e5m2": gfloat.formats.format_info_mxfp8_e5m2,
    "mxfp6-e3m2": gfloat.formats.format_info_mxfp6_e3m2,
    "mxfp6-e2m3": gfloat.formats.format_info_mxfp6_e2m3,
    "mxfp4": gfloat.formats.format_info_mxfp4_e2m1,
    "mxint8": gfloat.formats.format_info_mxint8,
}
ELEMENTS: dict[str, tuple[Any, int, int, float]] = {
    # type, emax, mantissa bits, largest value
    "mxfp8-e4m3": (ml_dtypes.float8_e4m3fn, 8, 3, 448.0),
    "mxfp8-e5m2": (ml_dtypes.float8_e5m2, 15, 2, 57344.0),
    "mxfp6-e3m2": (ml_dtypes.float6_e3m2fn, 4, 2, 28.0),
    "mxfp6-e2m3": (ml_dtypes.float6_e2m3fn, 2, 3, 7.5),
    "mxfp4": (ml_dtypes.float4_e2m1fn, 2, 1, 6.0),
}


def blocks(count: int = 150, seed: int = 4) -> NDArray[np.float32]:
    """Rows of 32: t5 data of many sizes, ties, rows whose extreme sits at or beside a power of two."""
    rng = np.random.default_rng(seed)
    w = rng.standard_t(5, (count, 32)) * np.exp2(rng.integers(-60, 60, (count, 1)).astype(float))
    w[: count // 3] = np.ldexp(
        rng.integers(-31, 32, (count // 3, 32)) / 8, rng.integers(-9, 9, (count // 3, 1))
    )
    w[count // 3 : count // 2, 0] = np.exp2(rng.integers(70, 90, (count // 2 - count // 3)).astype(float))
    numbers = w.astype(np.float32)
    numbers[count // 3 : count // 2 : 2, 0] = np.nextafter(
        numbers[count // 3 : count // 2 : 2, 0], np.float32(0)
    )
    numbers[-1] = 0
    return np.asarray(numbers)


@pytest.mark.parametrize("name", BLOCKS)
def test_blocks_equal_gfloat(name: str) -> None:
    w = blocks()
    q = formats.get(name).quantize(w)
    assert q.block == 32
    # In float64, since gfloat takes a logarithm in the precision of its input.
    theirs = [
        gfloat.quantize_block(BLOCKS[name], row, gfloat.compute_scale_amax) for row in w.astype(np.float64)
    ]
    assert np.array_equal(q.dequantize(np.float64), np.array(theirs))
    for row, codes, scale in zip(theirs, q.codes, q.scale_codes, strict=True):
        stored = [int(scale[0]), *codes.tolist()]
        assert list(gfloat.decode_block(BLOCKS[name], stored)) == row.tolist()


def shared_exponent(
    amax: NDArray[np.float32], rule: str, emax: int, mantissa: int, top: float
) -> NDArray[np.int64]:
    """Biased E8M0 exponents from the fields of a float32 number, as torchao computes them."""
    if rule == "rceil":
        bits = (amax * np.float32(1 / top)).view(np.int32).astype(np.int64)
        field, fraction = bits >> 23 & 255, bits & 0x7FFFFF
        return field + np.where(field == 0, fraction > 0x400000, fraction > 0)
    bits = amax.view(np.int32).astype(np.int64)
    if rule == "even":
        bits = bits + (1 << (22 - mantissa)) & ~0x7FFFFF
    field = bits >> 23 & 255
    if rule == "ceil":
        field = field + ((bits & 0x7FFFFF) > 0)
    return np.asarray(np.clip(field - emax, 0, 254))


@pytest.mark.parametrize("rule", ["floor", "ceil", "even", "rceil"])
@pytest.mark.parametrize("name", ELEMENTS)
def test_blocks_equal_the_rules_of_torchao(name: str, rule: str) -> None:
    kind, emax, mantissa, top = ELEMENTS[name]
    w = blocks(600, seed=5)
    exponent = shared_exponent(np.abs(w).max(axis=1), rule, emax, mantissa, top)
    scaled = w.astype(np.float64) / np.exp2(exponent - 127.0)[:, np.newaxis]
    elements = np.clip(scaled, -top, top).astype(np.float32).astype(kind)
    q = formats.get(name).quantize(w, scale_format=f"e8m0-{rule}")
    assert np.array_equal(q.scale_codes[:, 0], exponent)
    assert np.array_equal(q.codes, elements.view(np.uint8))


def test_nvfp4_equals_torchao() -> None:
    rng = np.random.default_rng(6)
    w = (rng.standard_t(5, (64, 160)) * np.exp2(rng.integers(-5, 6, (64, 1)))).astype(np.float32)
    q = formats.get("nvfp4").quantize(w)
    tensor = np.float32(np.abs(w).max()) / np.float32(448 * 6)
    amax = np.abs(w.reshape(64, 10, 16)).max(axis=2)
    scales = (amax / np.float32(6) / tensor).astype(ml_dtypes.float8_e4m3fn)
    # Where torchao would lift the scale to the least normal number, this format has a subnormal one.
    assert (scales.astype(np.float32) >= 2.0**-6).all()
    total = (tensor * scales.astype(np.float32))[..., np.newaxis]
    elements = np.clip(w.reshape(64, 10, 16) / total, -6, 6).astype(ml_dtypes.float4_e2m1fn)
    assert q.tensor_scale == tensor
    assert np.array_equal(q.scale_codes, scales.view(np.uint8))
    assert np.array_equal(q.codes.reshape(64, 10, 16), elements.view(np.uint8))
    assert np.array_equal(q.dequantize().reshape(64, 10, 16), elements.astype(np.float32) * total)


def test_one_ulp_below_a_power_of_two() -> None:
    """A float32 logarithm makes this 3.0 and the scale twice as large; its result is 8."""
    w = np.zeros(32, dtype=np.float32)
    w[0] = np.nextafter(np.float32(8), np.float32(0))
    q = formats.get("mxfp4").quantize(w)
    assert (q.scales.tolist(), q.dequantize()[0]) == ([1], 6)
    assert formats.get("mxfp4").quantize(w, scale_format="e8m0-ceil").dequantize()[0] == 8


def test_the_least_scale() -> None:
    w = np.zeros(32, dtype=np.float32)
    w[:3] = 2.0**-127, -(2.0**-128), 2.0**-149
    q = formats.get("mxfp4").quantize(w)
    assert (q.scale_codes.tolist(), q.dequantize()[:3].tolist()) == ([0], [2.0**-127, -(2.0**-128), 0])


def test_the_largest_number() -> None:
    largest = np.finfo(np.float32).max
    w = np.full(32, -largest, dtype=np.float32)
    expected = {"mxfp4": 6 * 2.0**125, "mxfp8-e4m3": 448 * 2.0**119, "mxint8": 2.0**128}
    for name, value in expected.items():
        q = formats.get(name).quantize(w)
        assert q.dequantize(np.float64)[0] == -value
        assert q.dequantize()[0] == -min(value, float(largest))


@pytest.mark.parametrize("name", [*BLOCKS, "nvfp4"])
@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_what_is_not_finite_is_refused(name: str, bad: float) -> None:
    w = np.ones(64, dtype=np.float32)
    w[40] = bad
    with pytest.raises(ValueError, match=rf"element 40 is {bad}"):
        formats.get(name).quantize(w)


def test_rceil_saturates_nothing_and_wastes_nothing() -> None:
    w = blocks(600, seed=8)[:-1]
    for name, (_, _, _, top) in ELEMENTS.items():
        scales = formats.get(name).quantize(w, scale_format="e8m0-rceil").scales.astype(np.float64)[:, 0]
        ratio = np.abs(w).max(axis=1) / scales
        assert ratio.max() <= top
        assert ratio[scales > 2.0**-127].min() > top / 2


def test_the_floor_rule_saturates() -> None:
    w = np.array([[7.5, 1.0]], dtype=np.float32)
    form = formats.get("mxfp4")
    assert form.quantize(w).dequantize().tolist() == [[6, 1]]
    assert form.quantize(w, scale_format="e8m0-even").dequantize().tolist() == [[8, 1]]
    assert form.quantize(w, scale_format="e8m0-rceil").dequantize().tolist() == [[8, 1]]
