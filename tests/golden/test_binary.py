"""Binary operands: planes, packed words, zero points, and products that are equal on every path."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from golden import formats
from golden.binary import BinaryFormat, BinaryOperand
from golden.binary_order import Rate, serial_sums, steps
from golden.binary_packing import pack_five, unpack_five
from golden.binary_product import binary_gemm, code_product, packed_product, result_range
from golden.interval import Interval

PLAIN = [BinaryFormat(bits, signed) for bits in range(1, 9) for signed in (False, True)]
BALANCED = [BinaryFormat(bits, balanced=True) for bits in (1, 2)]
LENGTH = 70  # a whole word and a part of one


def random_operand(
    rng: np.random.Generator, rows: int, form: BinaryFormat, length: int = LENGTH
) -> BinaryOperand:
    """Random codes; the first two rows are the ends of the format throughout."""
    codes = rng.integers(form.range.min, form.range.max, (rows, length), dtype=np.int16, endpoint=True)
    codes[0], codes[1] = form.range.min, form.range.max
    zeros = rng.integers(-300, 300, rows)
    return BinaryOperand(codes, form, zeros, rng.uniform(0.001, 3, rows).astype(np.float16))


def in_integers(x: BinaryOperand, w: BinaryOperand) -> NDArray[np.int64]:
    levels = [o.codes.astype(np.int64) - o.row_zeros[:, None] for o in (x, w)]
    return np.asarray(np.einsum("nk,ck->nc", *levels))


@pytest.mark.parametrize("form", [*PLAIN, *BALANCED], ids=str)
def test_planes_hold_the_codes(form: BinaryFormat) -> None:
    operand = random_operand(np.random.default_rng(1), 5, form)
    assert operand.words.shape == (5, form.planes, 2)
    bits = np.array(
        [[[w >> k & 1 for w in row for k in range(64)] for row in p] for p in operand.words.tolist()]
    )
    weighted = (bits * np.array(form.coefficients)[:, None]).sum(axis=1)
    assert (weighted[:, :LENGTH] == operand.codes).all()
    assert not bits[..., LENGTH:].any()
    back = BinaryOperand.from_words(operand.words, LENGTH, form, operand.zeros, operand.scales)
    assert (back.codes == operand.codes).all()


def test_all_pairs_are_equal_packed_by_blas_and_in_integers() -> None:
    rng = np.random.default_rng(2)
    activations = [random_operand(rng, 4, form) for form in (*PLAIN, *BALANCED)]
    weights = [random_operand(rng, 6, form) for form in (*PLAIN, *BALANCED)]
    for x, w in product(activations, weights):
        wanted = x.codes.astype(np.int64) @ w.codes.astype(np.int64).T
        assert (packed_product(x, w) == wanted).all(), (x.format, w.format)
        assert (code_product(x, w) == wanted).all(), (x.format, w.format)
        exact = in_integers(x, w)
        for path in ("blas", "packed"):
            assert (binary_gemm(x, w, path=path) == exact).all(), (x.format, w.format, path)


def test_the_widest_sums_are_exact() -> None:
    # 8 bits all ones: float32 would not do for so long a row.
    x = BinaryOperand(np.full((2, 4096), 255), BinaryFormat(8), np.array([0, 255]))
    w = BinaryOperand(np.full((1, 4096), -128), BinaryFormat(8, signed=True), np.array([127]))
    for path in ("blas", "packed"):
        assert binary_gemm(x, w, path=path).tolist() == [[255 * -255 * 4096], [0]]


def test_narrow_results_are_int32_and_wide_ones_int64() -> None:
    x = BinaryOperand(np.full((1, 64), 255), BinaryFormat(8), np.array([-32768]))
    w = BinaryOperand(np.full((1, 64), 255), BinaryFormat(8), np.array([-32768]))
    assert result_range(x, w) == Interval(32768**2 * 64, (32768 + 255) ** 2 * 64)
    assert binary_gemm(x, w).dtype == np.int64
    assert int(binary_gemm(x, w)[0, 0]) == (32768 + 255) ** 2 * 64
    with pytest.raises(ValueError, match="a sum of 32 bits is scaled exactly, but these may reach"):
        binary_gemm(x, w, "fp32")
    plain = BinaryOperand(x.codes, x.format)
    assert binary_gemm(plain, plain).dtype == np.int32


def test_scaled_results_are_rounded_once() -> None:
    rng = np.random.default_rng(3)
    x, w = random_operand(rng, 7, BinaryFormat(8)), random_operand(rng, 9, BinaryFormat(2, balanced=True))
    assert x.scales is not None
    assert w.scales is not None
    exact = in_integers(x, w)
    found = binary_gemm(x, w, "fp32")
    assert found.dtype == np.float32
    for n, c in np.ndindex(found.shape):
        wanted = int(exact[n, c]) * Fraction(float(x.scales[n])) * Fraction(float(w.scales[c]))
        error = abs(Fraction(float(found[n, c])) - wanted)
        for neighbour in (np.float32(-np.inf), np.float32(np.inf)):
            other = Fraction(float(np.nextafter(found[n, c], neighbour)))
            assert error <= abs(other - wanted)
    halves = binary_gemm(x, w, "fp16")
    assert halves.dtype == np.float16
    assert (halves == np.clip(found, -65504, 65504).astype(np.float16)).all()
    values = x.dequantize() @ w.dequantize().T
    assert np.allclose(found, values, rtol=1e-6, atol=1e-6)


def test_results_too_large_for_fp16_saturate() -> None:
    x = BinaryOperand(np.full((1, 300), 255), BinaryFormat(8))
    assert binary_gemm(x, x, "fp16").tolist() == [[65504.0]]


def test_balanced_codes_are_stored_in_seven_thirds_of_a_bit() -> None:
    rng = np.random.default_rng(4)
    for form, stored in zip(BALANCED, (Fraction(8, 5), Fraction(7, 3)), strict=True):
        assert form.stored_bits == stored
        operand = random_operand(rng, 3, form, length=64)
        back = BinaryOperand.from_packed(operand.packed, 64, form, operand.zeros, operand.scales)
        assert (back.codes == operand.codes).all()
    twostar = random_operand(rng, 3, BALANCED[1], length=64)
    assert twostar.packed.shape == (3, 22)
    assert int(twostar.packed.max()) < 128


def test_every_triple_of_five_levels_has_a_word_of_its_own() -> None:
    triples = np.array(list(product(range(5), repeat=3)), dtype=np.uint8)
    words = pack_five(triples)
    assert words.shape == (125, 1)
    assert len(set(words[:, 0].tolist())) == 125
    assert int(words.max()) < 128
    assert (unpack_five(words, 3) == triples).all()
    # Digits below 4 are two bits each, as they are.
    small = triples[(triples < 4).all(axis=1)]
    assert (pack_five(small)[:, 0] == (small * [1, 4, 16]).sum(axis=1)).all()
    with pytest.raises(ValueError, match="digits to base 5 are from 0 to 4, not 5"):
        pack_five(np.full((1, 3), 5, np.uint8))
    with pytest.raises(ValueError, match="4 digits to base 5 fill 2 words, not 1"):
        unpack_five(words[:1], 4)
    with pytest.raises(ValueError, match="one of the words is none"):
        unpack_five(np.array([[127]], np.uint8), 3)


def test_balanced_formats_are_those_of_the_catalogue() -> None:
    for bits, form in ((1, BALANCED[0]), (2, BALANCED[1])):
        same = formats.get(f"w{bits}-star")
        assert same.integer_levels == tuple(range(form.range.max + 1))
        assert same.stored_bits == form.stored_bits


def test_quantizing_is_within_half_a_step() -> None:
    values = np.random.default_rng(5).standard_t(4, (6, 200)).astype(np.float32)
    for form in (f for f in (*PLAIN, *BALANCED) if f.range.max):
        operand = BinaryOperand.quantize(values, form)
        assert operand.scales is not None
        steps_of = operand.scales.astype(np.float64)[:, None]
        error = np.abs(operand.dequantize() - values) / steps_of
        assert error.max() <= 1.01 + 0.001 * form.range.max, form
        if form.signed:
            assert operand.zeros is None
        else:
            assert form.range.contains(Interval(int(operand.row_zeros.min()), int(operand.row_zeros.max())))
    zero = BinaryOperand.quantize(np.zeros((1, 8)), BinaryFormat(4))
    assert not zero.dequantize().any()


@pytest.mark.parametrize(
    ("planes", "rate"),
    [
        ((8, 8), Rate()),
        ((8, 3), Rate(weight_planes_per_cycle=3, weight_planes=3)),
        ((3, 8), Rate(activation_planes_per_cycle=3, activation_planes=3)),
        ((5, 7), Rate(activation_planes_per_cycle=2)),
        ((2, 8), Rate(weight_planes_per_cycle=4)),
        ((7, 6), Rate(activation_planes_per_cycle=4, weight_planes_per_cycle=2)),
        ((4, 4), Rate(2, 3)),
        ((4, 2), Rate(4, 2, 4, 2)),
    ],
)
@pytest.mark.parametrize("signs", [(x, w) for x in (False, True) for w in (False, True)])
def test_serial_sums_end_at_the_product(
    planes: tuple[int, int], rate: Rate, signs: tuple[bool, bool]
) -> None:
    rng = np.random.default_rng(6)
    x, w = (
        random_operand(rng, 3, BinaryFormat(bits, signed)) for bits, signed in zip(planes, signs, strict=True)
    )
    assert (serial_sums(x, w, rate)[-1] == code_product(x, w)).all()
    visited = [(s.activations, s.weights) for s in steps(x.format, w.format, rate) if s.adds]
    a, b = rate.activation_planes_per_cycle, rate.weight_planes_per_cycle
    assert sorted(visited) == list(product(range(-(-planes[0] // a)), range(-(-planes[1] // b))))


def test_no_prefix_of_one_plane_after_the_other_leaves_the_range_of_the_sum() -> None:
    """One lane, every pair of codes: lanes are independent, so the prefixes of a sum are sums of these."""
    for x_form, w_form in product((f for f in PLAIN if f.bits <= 5), repeat=2):
        x, w = (BinaryOperand(np.arange(f.range.min, f.range.max + 1)[:, None], f) for f in (x_form, w_form))
        held = serial_sums(x, w, Rate())
        exact = (x_form.range * w_form.range).hull(Interval(0, 0))
        assert exact.contains(Interval(int(held.min()), int(held.max()))), (x_form, w_form)


WRONG = [
    (lambda: BinaryFormat(9), "bits must be an integer from 1 to 8, not 9"),
    (lambda: BinaryFormat(3, balanced=True), "balanced codes are unsigned and have 1 or 2 bits"),
    (lambda: BinaryOperand(np.zeros(3, int), BinaryFormat(2)), r"must be an integer matrix \[rows, K\]"),
    (
        lambda: BinaryOperand(np.array([[0, 5]]), BinaryFormat(2, balanced=True)),
        r"codes of u2\* are from 0 to 4, but that of row 0, element 1 is 5",
    ),
    (
        lambda: BinaryOperand(np.zeros((2, 3), int), BinaryFormat(2), np.zeros(3, int)),
        "one for each of the 2 rows",
    ),
    (
        lambda: BinaryOperand(np.zeros((1, 3), int), BinaryFormat(2), np.array([40000])),
        "zeros must be from -32768 to 32767",
    ),
    (
        lambda: BinaryOperand(np.zeros((1, 3), int), BinaryFormat(2), None, np.ones(1, np.float32)),
        "scales must be finite float16 numbers",
    ),
    (lambda: BinaryOperand(np.zeros((1, 3), int), BinaryFormat(2)).packed, "only balanced ones are packed"),
    (lambda: BinaryOperand.quantize(np.array([[np.nan]]), BinaryFormat(2)), "a finite matrix"),
    (lambda: BinaryOperand.quantize(np.ones((1, 2)), BinaryFormat(1, signed=True)), "no positive one"),
    (lambda: BinaryOperand.quantize(np.full((1, 2), 1e9), BinaryFormat(2)), "FP16 cannot hold"),
    (lambda: Rate(3, 1, activation_planes=2), "from 1 to the 2 activation planes, not 3"),
    (lambda: Rate(weight_planes=9), "weight_planes must be from 1 to 8, not 9"),
    (
        lambda: steps(BinaryFormat(8), BinaryFormat(2), Rate(activation_planes=4)),
        "there may be 4 activation planes, but u8 has 8",
    ),
]


@pytest.mark.parametrize(("make", "message"), WRONG)
def test_what_does_not_fit_is_refused(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=message):
        make()


def test_words_that_do_not_fit_are_refused() -> None:
    form = BinaryFormat(2)
    with pytest.raises(ValueError, match="a bit beyond the 3 elements"):
        BinaryOperand.from_words(np.full((1, 2, 1), 8, np.uint64), 3, form)
    with pytest.raises(ValueError, match=r"uint64 words \[rows, 2, 1\]"):
        BinaryOperand.from_words(np.zeros((1, 3, 1), np.uint64), 3, form)
    with pytest.raises(ValueError, match="packed codes are balanced"):
        BinaryOperand.from_packed(np.zeros((1, 1), np.uint8), 3, form)
    operand = BinaryOperand(np.zeros((1, 3), int), form)
    with pytest.raises(ValueError, match="K = 3 elements, but the weights have K = 4"):
        binary_gemm(operand, BinaryOperand(np.zeros((1, 4), int), form))
    unknown: Any = "gpu"
    with pytest.raises(ValueError, match="path must be one of blas, packed"):
        binary_gemm(operand, operand, path=unknown)
