from __future__ import annotations

from typing import Any

import gfloat
import gfloat.formats
import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

from golden import formats
from golden.formats import Format

TYPES: dict[str, Any] = {
    "mxfp4": ml_dtypes.float4_e2m1fn,
    "e2m3": ml_dtypes.float6_e2m3fn,
    "e3m2": ml_dtypes.float6_e3m2fn,
    "e3m4": ml_dtypes.float8_e3m4,
    "e4m3-ieee": ml_dtypes.float8_e4m3,
    "e4m3": ml_dtypes.float8_e4m3fn,
    "e4m3-fnuz": ml_dtypes.float8_e4m3fnuz,
    "e4m3-b11fnuz": ml_dtypes.float8_e4m3b11fnuz,
    "e5m2": ml_dtypes.float8_e5m2,
    "e5m2-fnuz": ml_dtypes.float8_e5m2fnuz,
    "bf16": ml_dtypes.bfloat16,
    "fp16": np.float16,
}

GFLOATS: dict[str, gfloat.FormatInfo] = {
    "mxfp4": gfloat.formats.format_info_ocp_e2m1,
    "e2m3": gfloat.formats.format_info_ocp_e2m3,
    "e3m2": gfloat.formats.format_info_ocp_e3m2,
    "e4m3": gfloat.formats.format_info_ocp_e4m3,
    "e5m2": gfloat.formats.format_info_ocp_e5m2,
    "bf16": gfloat.formats.format_info_bfloat16,
    "fp16": gfloat.formats.format_info_binary16,
    "mxint8": gfloat.formats.format_info_ocp_int8,
}


def all_codes(form: Format) -> NDArray[Any]:
    return np.arange(len(form.values), dtype=np.uint8 if form.code_bits <= 8 else np.uint16)


def critical_numbers(form: Format) -> NDArray[np.float32]:
    """Levels, midpoints and the float32 numbers next to both, and random ones; nothing beyond the ends."""
    levels = np.unique(form.table[np.isfinite(form.table)]).astype(np.float64)
    middle = ((levels[1:] + levels[:-1]) / 2).astype(np.float32)
    points = np.concatenate([levels.astype(np.float32), middle])
    rng = np.random.default_rng(7)
    random = np.concatenate(
        [
            rng.uniform(levels[0], levels[-1], 20_000),
            rng.standard_normal(20_000) * np.exp2(rng.integers(-30, 8, 20_000).astype(float)),
            [-0.0, 1e-45, -1e-45],
        ]
    ).astype(np.float32)
    up, down = np.nextafter(points, np.float32(np.inf)), np.nextafter(points, np.float32(-np.inf))
    numbers = np.concatenate([points, up, down, random])
    clipped: NDArray[np.float32] = np.clip(numbers, np.float32(levels[0]), np.float32(levels[-1]))
    return clipped


@pytest.mark.parametrize("name", TYPES)
def test_every_code_decodes_as_in_ml_dtypes(name: str) -> None:
    form = formats.get(name)
    codes = all_codes(form)
    with np.errstate(invalid="ignore"):  # signalling NaNs
        theirs = codes.view(np.dtype(TYPES[name])).astype(np.float32)
    finite = np.isfinite(theirs)
    ours = form.decode(codes)
    assert np.array_equal(np.isnan(ours), ~finite)
    assert np.array_equal(ours[finite], theirs[finite])
    assert not np.signbit(ours[ours == 0]).any()


@pytest.mark.parametrize("name", TYPES)
def test_numbers_encode_as_in_ml_dtypes(name: str) -> None:
    form = formats.get(name)
    numbers = critical_numbers(form)
    theirs = numbers.astype(TYPES[name]).view(np.uint8 if form.code_bits <= 8 else np.uint16)
    assert np.array_equal(form.encode(numbers), theirs)


@pytest.mark.parametrize("bits", [2, 4])
def test_integers_are_the_codes_of_ml_dtypes(bits: int) -> None:
    levels = np.arange(-(1 << bits - 1), 1 << bits - 1, dtype=np.int8)
    theirs = levels.astype({2: ml_dtypes.int2, 4: ml_dtypes.int4}[bits]).view(np.uint8) & ((1 << bits) - 1)
    assert np.array_equal(formats.get(f"int{bits}").encode(levels), theirs)


@pytest.mark.parametrize("name", GFLOATS)
def test_every_code_decodes_as_in_gfloat(name: str) -> None:
    form, info = formats.get(name), GFLOATS[name]
    assert len(form.values) == 1 << info.k
    codes = all_codes(form)[:: 1 if form.code_bits <= 8 else 37]
    for code, ours in zip(codes.tolist(), form.decode(codes).tolist(), strict=True):
        theirs = gfloat.decode_float(info, code).fval
        assert np.isnan(ours) if not np.isfinite(theirs) else ours == theirs


@pytest.mark.parametrize("name", GFLOATS)
def test_numbers_encode_as_in_gfloat(name: str) -> None:
    form, info = formats.get(name), GFLOATS[name]
    numbers = np.random.default_rng(3).permutation(critical_numbers(form))[:3000]
    for x, code in zip(numbers.tolist(), form.encode(numbers).tolist(), strict=True):
        theirs = gfloat.round_float(info, x, gfloat.RoundMode.TiesToEven, sat=True)
        assert code == gfloat.encode_float(info, theirs), x


def test_ties_go_to_even_or_down() -> None:
    halfway = np.array([-5, -3.5, -2.5, -1.75, -1.25, -0.75, -0.25, 0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5])
    even = formats.get("mxfp4").decode(formats.get("mxfp4").encode(halfway.astype(np.float32)))
    down = formats.get("e2m1").decode(formats.get("e2m1").encode(halfway.astype(np.float32)))
    assert even.tolist() == [-4, -4, -2, -2, -1, -1, 0, 0, 1, 1, 2, 2, 4, 4]
    assert down.tolist() == [-6, -4, -3, -2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 3, 4]


def test_numbers_beyond_the_ends_saturate() -> None:
    far = np.array([1e30, -1e30], dtype=np.float32)
    assert formats.get("e4m3").decode(formats.get("e4m3").encode(far)).tolist() == [448, -448]
    assert formats.get("fp16").decode(formats.get("fp16").encode(far)).tolist() == [65504, -65504]
    assert formats.get("sf4").decode(formats.get("sf4").encode(far)).tolist() == [1, -1]


@pytest.mark.parametrize("name", formats.names())
def test_every_level_comes_back(name: str) -> None:
    form = formats.get(name)
    if form.scaling == "zero-point":
        with pytest.raises(ValueError, match="only a whole block can be encoded"):
            form.encode(np.zeros(1, dtype=np.float32))
        return
    codes = all_codes(form)
    codes = codes[~np.isnan(form.table)]
    again = form.encode(form.decode(codes))
    assert np.array_equal(form.decode(again), form.decode(codes))
    # Only the two codes of zero share a value.
    assert np.all((again == codes) | (form.decode(codes) == 0))
