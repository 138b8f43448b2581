from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.anda import AndaBlock, AndaCodec, Rounding
from golden.bitplanes import Encoding, words_per_plane
from golden.fp16 import FloatArray16
from tests.golden import slow_model
from tests.golden.strategies import activations, codecs, words

PUBLISHED = AndaCodec(planes=7, encoding="sign-magnitude", rounding="truncate", group=64)
OURS = AndaCodec(planes=7, encoding="twos-complement", rounding="nearest", group=64)


def plane_integers(block: AndaBlock, codec: AndaCodec) -> list[list[int]]:
    """Every plane of every group as one integer, whatever the number of words."""
    flat = block.words.reshape(-1, codec.planes, words_per_plane(codec.group))
    return [[sum(int(w) << 64 * i for i, w in enumerate(plane)) for plane in group] for group in flat]


@settings(max_examples=400, deadline=None)
@given(codec=codecs(), x=activations())
def test_every_format_equals_the_slow_model(codec: AndaCodec, x: FloatArray16) -> None:
    block = codec.encode(x)
    planes = plane_integers(block, codec)
    decoded = codec.decode(block).tolist()
    q, exponents = codec.quantize(x)
    expected_values: list[Fraction] = []
    groups = slow_model.padded_groups(words(x), codec.group)
    assert len(groups) == len(planes) == len(q)
    for i, group in enumerate(groups):
        e = slow_model.shared_exponent(group)
        integers = slow_model.quantize(group, codec.planes, codec.encoding, codec.rounding)
        assert int(block.exponents[i]) == int(exponents[i]) == e
        assert q[i].tolist() == integers
        assert planes[i] == slow_model.planes_of(integers, codec.planes, codec.encoding)
        assert slow_model.integers_of(planes[i], codec.group, codec.encoding) == integers
        expected_values += slow_model.decode(integers, e, codec.planes, codec.encoding)
    assert np.array_equal(codec.integers(block), q)
    assert [Fraction(v) for v in decoded] == expected_values[: len(x)]


@settings(max_examples=100, deadline=None)
@given(codec=codecs(groups=(8,)), gap=st.integers(0, 29), low=st.integers(0, 1023), negative=st.booleans())
def test_every_exponent_gap(codec: AndaCodec, gap: int, low: int, negative: bool) -> None:
    """One element at the top exponent, one `gap` below, and a subnormal, which is 29 below."""
    group = [30 << 10, (30 - gap) << 10 | low | negative << 15, low | negative << 15, *[0] * 5]
    q, exponents = codec.quantize(np.array(group, dtype=np.uint16).view(np.float16))
    numbers = [slow_model.number(b) for b in group]
    assert exponents.tolist() == [30]
    assert q[0].tolist() == slow_model.quantize(numbers, codec.planes, codec.encoding, codec.rounding)


@settings(max_examples=60, deadline=None)
@given(codec=codecs(), x=activations())
def test_integers_stay_inside_levels(codec: AndaCodec, x: FloatArray16) -> None:
    q, _ = codec.quantize(x)
    assert codec.levels.min <= q.min()
    assert q.max() <= codec.levels.max


@pytest.mark.parametrize("encoding", ["sign-magnitude", "twos-complement"])
@pytest.mark.parametrize("rounding", ["nearest", "truncate"])
@pytest.mark.parametrize("planes", [2, 7, 10])
def test_integers_reach_both_ends_of_levels(encoding: Encoding, rounding: Rounding, planes: int) -> None:
    """Up to ten planes; eleven bits of significand cannot fill more at the negative end."""
    codec = AndaCodec(planes, encoding, rounding)
    q, _ = codec.quantize(np.array([65504, -65504], dtype=np.float16))
    assert (q.min(), q.max()) == (codec.levels.min, codec.levels.max)


def test_ties_go_up_and_the_top_is_clamped() -> None:
    """P = 4, E = 15: the unit is 1/4, so 1/8 is a tie; 1.9375 would need 8 and becomes 7."""
    codec = AndaCodec(planes=4, group=8)
    x = np.array([1.9375, -1.9375, 0.125, -0.125, 0.375, -0.375, 0.0, -0.0], dtype=np.float16)
    q, exponents = codec.quantize(x)
    assert exponents.tolist() == [15]
    assert q[0].tolist() == [7, -8, 1, 0, 2, -1, 0, 0]


def test_the_published_worked_numbers() -> None:
    """Anda (HPCA 2025), Fig. 4: shared exponents and shifts; a shift of M or more leaves nothing."""
    exponents = [15, 16, 12, 17, 20, 14]
    x = np.array([e << 10 | 1023 for e in exponents], dtype=np.uint16).view(np.float16)
    worked = [(3, 6, [16, 20], [1, 0, 4, 3, 0, 6]), (2, 2, [16, 17, 20], [1, 0, 5, 0, 0, 6])]
    for size, m, shared, shifts in worked:
        codec = AndaCodec(planes=m + 1, encoding="sign-magnitude", rounding="truncate", group=8)
        groups = np.zeros((6 // size, 8), dtype=np.float16)  # the figure's groups, filled up with zeros
        groups[:, :size] = x.reshape(-1, size)
        q, got = codec.quantize(groups)
        assert got[:, 0].tolist() == shared
        # All ones in: m bits of ones, shifted right.
        assert q[:, 0, :size].reshape(-1).tolist() == [(2**m - 1) >> shift for shift in shifts]
        slow = [slow_model.number(int(b)) for b in x.view(np.uint16)]
        for i in range(6 // size):
            part = slow[i * size : (i + 1) * size]
            assert slow_model.shared_exponent(part) == shared[i]
            expected = slow_model.quantize(part, m + 1, "sign-magnitude", "truncate")
            assert q[i, 0, :size].tolist() == expected


def test_the_layout_of_a_known_group() -> None:
    """P = 2: a lane is 0, 1 (top clamped), -1 or -2; lane 0 is the least significant bit."""
    codec = AndaCodec(planes=2, group=8)
    x = np.array([1, -1, 0.5, -0.5, 0, 0, 0, -1.5], dtype=np.float16)
    q = codec.quantize(x)[0][0].tolist()
    assert q == [1, -1, 1, 0, 0, 0, 0, -1]
    block = codec.encode(x)
    assert block.words.tolist() == [[0b10000010, 0b10000111]]
    signed = AndaCodec(planes=2, encoding="sign-magnitude", rounding="truncate", group=8).encode(x)
    assert signed.words.tolist() == [[0b10000010, 0b10000011]]  # the sign of a zero magnitude is 0


@pytest.mark.parametrize("codec", [PUBLISHED, OURS])
def test_shapes_and_types_of_the_surface(codec: AndaCodec) -> None:
    x = np.arange(3 * 5 * 200).reshape(3, 5, 200).astype(np.float16)
    block = codec.encode(x)
    assert block.words.shape == (3, 5, 4, 7)
    assert block.words.dtype == np.uint64
    assert block.exponents.shape == (3, 5, 4)
    assert block.exponents.dtype == np.uint8
    decoded = codec.decode(block)
    assert decoded.shape == x.shape
    assert decoded.dtype == np.float64
    assert block.length == 200
    assert np.array_equal(codec.decode(codec.encode(x[1, 2])), decoded[1, 2])
    assert codec.encode(np.zeros((0, 64), dtype=np.float16)).words.shape == (0, 1, 7)


def test_many_rows_equal_one_row_at_a_time() -> None:
    """More than one tile of work, with a strided input."""
    rng = np.random.default_rng(5)
    x = rng.standard_normal((500, 300)).astype(np.float16)[:, ::2]
    q, exponents = OURS.quantize(x)
    block = OURS.encode(x)
    for row in (0, 255, 341, 342, 499):
        alone, e = OURS.quantize(x[row])
        assert np.array_equal(q[row], alone)
        assert np.array_equal(exponents[row], e)
        assert np.array_equal(block.words[row], OURS.encode(x[row]).words)
    assert np.array_equal(OURS.integers(block), q)


def test_zeros_share_exponent_one() -> None:
    block = OURS.encode(np.array([0.0, -0.0], dtype=np.float16))
    assert block.exponents.tolist() == [1]
    assert not block.words.any()
    decoded = OURS.decode(block)
    assert not np.signbit(decoded).any()


def test_a_codec_is_a_printable_comparable_value() -> None:
    assert str(OURS) == "Anda twos-complement nearest, 7 planes, groups of 64"
    assert eval(repr(OURS)) == OURS == AndaCodec()
    assert OURS.bits_per_element == 7 + 5 / 64
    assert [OURS.ulp_exponent(e) for e in (1, 30)] == [-19, 10]
    assert len({OURS, AndaCodec(), PUBLISHED}) == 2


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"planes": 1}, "planes must be an integer from 2 to 17, not 1"),
        ({"planes": 18}, "planes must be"),
        ({"planes": 7.0}, "not 7.0"),
        ({"group": 48}, "group must be a power of two from 8 to 256, not 48"),
        ({"group": 512}, "group must be"),
        ({"encoding": "offset"}, "encoding must be one of sign-magnitude, twos-complement, not 'offset'"),
        ({"rounding": "up"}, "rounding must be nearest or truncate, not 'up'"),
    ],
)
def test_a_wrong_parameter_is_named(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AndaCodec(**parameters)


def test_wrong_input_is_named() -> None:
    x = np.zeros((2, 128), dtype=np.float16)
    x[1, 77] = np.nan
    with pytest.raises(ValueError, match=r"element \(1, 77\) is nan"):
        OURS.encode(x)
    with pytest.raises(ValueError, match="not an array of float64"):
        OURS.quantize(x.astype(np.float64))
    with pytest.raises(ValueError, match="from 1 to 30, not 31"):
        OURS.ulp_exponent(31)


def test_a_block_of_another_format_is_refused() -> None:
    block = OURS.encode(np.ones((2, 100), dtype=np.float16))
    with pytest.raises(ValueError, match=r"needs uint64 words of shape \(2, 2, 8\)"):
        AndaCodec(planes=8).decode(block)
    with pytest.raises(ValueError, match="130 elements in groups of 64 need 3 exponents"):
        OURS.decode(dataclasses.replace(block, length=130))
    with pytest.raises(ValueError, match=r"from 1 to 30, but that of group \(0, 0\) is 0"):
        OURS.decode(dataclasses.replace(block, exponents=np.zeros((2, 2), dtype=np.uint8)))
