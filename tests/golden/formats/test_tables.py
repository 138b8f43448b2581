from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from scipy import stats

from golden import formats
from golden.formats import Format, hardened, normal_float, student_float
from golden.formats.quantiles import quantile
from golden.interval import Interval

SF4_BITS = """bf800000 bf20b63a bee8d328 beab2d66 be7321ff be1c917b bd999068 00000000
              3d862bb8 3e0827e8 3e5192a8 3e9152c8 3ec0697e 3efb6e42 3f2822cf 3f800000"""
SF4_DOUBLES = """-1 -0.6277805503508718 -0.45473598857779945 -0.33433074446366484 -0.2374343792866956
 -0.15289870738030029 -0.07498246444991391 0 0.06551307325066227 0.1329647265615326 0.20466101813959575
 0.28383470313216436 0.37580483741149834 0.49107557043206623 0.6567811455464908 1"""
NF4 = """-1 -0.6961928009986877 -0.5250730514526367 -0.39491748809814453 -0.28444138169288635
 -0.18477343022823334 -0.09105003625154495 0 0.07958029955625534 0.16093020141124725 0.24611230194568634
 0.33791524171829224 0.44070982933044434 0.5626170039176941 0.7229568362236023 1"""
PUBLISHED = {
    "sf4": """-1 -.627781 -.454736 -.334331 -.237434 -.152899 -.074982 0
              .065513 .132965 .204661 .283835 .375805 .491076 .656781 1""",
    "nf3": "-1 -.5350227 -.2469314 0 .1833375 .3819940 .6229857 1",
    "sf3-delta4": "-1 -.4108477 -.1801188 0 .1329647 .2838347 .4910756 1",
    "sf3-nz": "-1 -.5368360 -.2878652 -.0916675 .0916675 .2878652 .5368360 1",
}


def numbers(text: str) -> list[float]:
    return [float(word) for word in text.split()]


def test_sf4_to_the_last_bit_of_float32() -> None:
    form = formats.get("sf4")
    assert [f"{bits:08x}" for bits in form.table.view(np.uint32)] == SF4_BITS.split()
    assert np.allclose(form.values, numbers(SF4_DOUBLES), rtol=0, atol=2e-15)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_tables_to_their_last_digit(name: str) -> None:
    words = PUBLISHED[name].split()
    for value, word in zip(formats.get(name).values, words, strict=True):
        digits = len(word.partition(".")[2])
        assert f"{value:.{digits}f}" == f"{float(word):.{digits}f}"


def test_nf4_is_the_published_list_and_near_its_formula() -> None:
    assert formats.get("nf4").values == tuple(numbers(NF4))
    assert formats.get("nf4").table.astype(float).tolist() == numbers(NF4)
    assert np.abs(np.array(normal_float(4).values) - numbers(NF4)).max() < 1.95e-7
    truncated = student_float(4, math.inf, step=1 - 0.9677083)
    assert np.abs(np.array(truncated.values) - numbers(NF4)).max() < 1.15e-7


@pytest.mark.parametrize("bits", range(3, 9))
@pytest.mark.parametrize("nu", [1.0, 2.5, 5.0, 300.0, math.inf])
def test_codebooks_are_quantiles(bits: int, nu: float) -> None:
    form = student_float(bits, nu)
    step = (1 / 2 ** (bits + 1) + 1 / (2 * (2**bits - 1))) / 2
    law = stats.norm() if math.isinf(nu) else stats.t(nu)
    half = 2 ** (bits - 1)
    left, right = law.ppf(np.linspace(step, 0.5, half)), law.ppf(np.linspace(0.5, 1 - step, half + 1))
    expected = np.concatenate([left[:-1], [0.0], right[1:]]) / right[-1]
    assert np.allclose(form.values, expected, rtol=1e-10, atol=0)
    assert (form.values[0], form.values[half - 1], form.values[-1]) == (-1, 0, 1)


def test_nf4_is_the_limit_of_sf4() -> None:
    assert np.allclose(student_float(4, 1e7).values, normal_float(4).values, atol=1e-7)


@pytest.mark.parametrize("nu", [1.0, 1.5, 3.0, 5.0, 10.0, 199.0, 201.0, 1e4, 1e6, math.inf])
@pytest.mark.parametrize("probability", [0.0015, 0.032, 0.4, 0.5, 0.62, 0.9677, 0.998])
def test_quantiles_equal_scipy(probability: float, nu: float) -> None:
    law = stats.norm() if math.isinf(nu) else stats.t(nu)
    assert quantile(probability, nu) == pytest.approx(law.ppf(probability), rel=1e-11, abs=0)


@pytest.mark.parametrize(
    ("probability", "nu"), [(0.0, 5), (1.0, 5), (math.nan, 5), (0.4, 0.9), (0.4, math.nan)]
)
def test_quantiles_refuse_what_they_cannot_do(probability: float, nu: float) -> None:
    with pytest.raises(ValueError, match="must be"):
        quantile(probability, nu)


def test_hardened_codebooks() -> None:
    five = [-13, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 9, 13]
    seven = [-60, -38, -27, -20, -14, -9, -4, 0, 4, 8, 12, 17, 23, 29, 39, 60]
    assert formats.get("sf4-int5").integer_levels == tuple(five)
    assert formats.get("sf4-int7").integer_levels == tuple(seven)
    for name in ("sf4", "nf4"):
        for bits in (5, 6, 7):
            form = formats.get(f"{name}-int{bits}")
            assert form.level_bits == bits
            assert form.code_bits == 4
            assert np.abs(form.table / form.table.max() - formats.get(name).table).max() < 0.5 / 2 ** (
                bits - 2
            )
    with pytest.raises(ValueError, match="no 16 different integer levels up to 10 in 5 bits"):
        hardened(formats.get("sf4"), 5, 10)
    with pytest.raises(ValueError, match="no 16 different"):
        hardened(formats.get("sf4"), 5, 16)


WIDTHS = {
    "int4": 16,
    "int4-sym": 15,
    "int5": 18,
    "e2m1": 17,
    "e2m1-sr": 18,
    "e2m1-sp": 17,
    "e3m0": 22,
    "apot4": 16,
    "apot4-sp": 16,
    "e2m1-i": 23,
    "e2m1-b": 25,
    "sf4-int5": 17,
    "sf4-int7": 21,
    "w2-star-sym": 12,
    "anda4": 17,
    "anda4-t": 17,
    "anda4-n": 16,
}


@pytest.mark.parametrize(("name", "bits"), WIDTHS.items())
def test_lossless_accumulator_widths_for_256_terms(name: str, bits: int) -> None:
    form = formats.get(name)
    assert form.accumulator_bits(256) == bits
    assert form.integer_levels is not None
    levels = [level for level in form.integer_levels if level is not None]
    products = [a * b for a in levels for b in levels]
    ends = 256 * min(products), 256 * max(products)
    needed = Interval(*ends).bits
    assert needed == bits


def test_accumulators_of_mixed_operands() -> None:
    int4 = formats.get("int4")
    planes = Interval(-64, 63)
    # 64 lanes of seven planes times INT4: from -64 * 64 * 7 to 64 * 64 * 8.
    assert int4.accumulator_bits(64, planes) == 17
    assert int4.accumulator_bits(64, formats.get("int4-zp")) == Interval(-120 * 64, 120 * 64).bits
    with pytest.raises(ValueError, match="sf4 has no integer levels"):
        formats.get("sf4").accumulator_bits(256)
    with pytest.raises(ValueError, match="at least 1 term"):
        int4.accumulator_bits(0)


VALUES = {
    "e2m1": [0, 0.5, 1, 1.5, 2, 3, 4, 6],
    "e2m1-ns": [0, 0.75, 1, 1.5, 2, 3, 4, 6],
    "e2m1-i": [0, 0.0625, 1, 1.5, 2, 3, 4, 6],
    "e2m1-b": [0, 0.0625, 8, 12, 4, 6, 2, 3],
    "e2m1-sr": [0, 0.5, 1, 1.5, 2, 3, 4, 6, 8],
    "e2m1-sp": [0, 0.5, 1, 1.5, 2, 3, 4, 6, 5],
    "e2m1-sp-low": [0, 0.5, 1, 1.5, 2, 3, 4, 6, 2.5],
    "e3m0": [0, 0.25, 0.5, 1, 2, 4, 8, 16],
    "e1m2": [0, 1.25, 1.5, 1.75, 2, 2.5, 3, 3.5],
    "e2m0": [0, 1, 2, 4],
    "mokey4": [0, 1, 2, 3, 4, 6, 8, 16],
}


@pytest.mark.parametrize(("name", "magnitudes"), VALUES.items())
def test_sign_magnitude_tables(name: str, magnitudes: list[float]) -> None:
    values = formats.get(name).values
    half = len(values) // 2
    supernormal = magnitudes[half] if len(magnitudes) > half else 0
    assert list(values) == [*magnitudes[:half], supernormal, *(-m for m in magnitudes[1:half])]


def test_other_published_tables() -> None:
    fp4 = np.array(formats.get("e2m1-b").values) / 12
    assert np.allclose(fp4[:8], [0, 0.00520833, 2 / 3, 1, 1 / 3, 1 / 2, 1 / 6, 1 / 4], atol=1e-8)
    apot = np.array(formats.get("apot4-sp").values) / 0.625
    assert np.allclose(
        sorted(apot), [-1, -0.8, -0.6, -0.4, -0.3, -0.2, -0.1, 0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1]
    )
    assert formats.get("denorm4").values == (-7, -6, -5, -4, -3, -2, -1, -0.5, 0, 0.5, 1, 2, 3, 4, 5, 6)
    assert formats.get("en25").values[7:12] == pytest.approx(
        [0, *((2 ** (k / 4) - 1) / 3 for k in (1, 2, 3, 4))]
    )
    assert formats.get("en25").values[15] == 1
    assert formats.get("int4").values == (*range(8), *range(-8, 0))
    assert formats.get("mxint8").values[127:130] == (127 / 64, -2, -127 / 64)


ELEMENTS = {
    "e5m2": (57344, 2.0**-14, 2.0**-16),
    "e4m3": (448, 2.0**-6, 2.0**-9),
    "e3m2": (28, 2.0**-2, 2.0**-4),
    "e2m3": (7.5, 1.0, 2.0**-3),
    "mxfp4": (6, 1.0, 0.5),
}


@pytest.mark.parametrize(("name", "ends"), ELEMENTS.items())
def test_ranges_of_elements(name: str, ends: tuple[float, float, float]) -> None:
    form = formats.get(name)
    assert form.mantissa_bits is not None
    positive = [v for v in form.values if v > 0]
    assert (max(positive), positive[(1 << form.mantissa_bits) - 1], min(positive)) == ends


def test_bits_per_weight() -> None:
    bits = {name: formats.get(name).bits_per_weight() for name in formats.names()}
    assert [bits[n] for n in ("mxfp8-e4m3", "mxfp8-e5m2", "mxint8")] == [8.25] * 3
    assert [bits[n] for n in ("mxfp6-e3m2", "mxfp6-e2m3")] == [6.25] * 2
    assert (bits["mxfp4"], bits["nvfp4"], bits["bf16"], bits["fp16"]) == (4.25, 4.5, 16, 16)
    assert formats.get("sf4").bits_per_weight(128, "fp16") == 4.125
    assert formats.get("int4-zp").bits_per_weight(64, "fp16") == 4 + (16 + 4) / 64
    assert formats.get("sf4").bits_per_weight("channel") == 4
    assert formats.get("w2-star-sym").bits_per_weight(128, "fp16") == float(Fraction(7, 3)) + 0.125
    assert formats.get("w1-star-sym").bits_per_weight("channel") == 1.6


@pytest.mark.parametrize("name", formats.names())
def test_every_entry_is_complete(name: str) -> None:
    form = formats.catalogue()[name]
    assert (form.name, str(form), formats.get(name)) == (name, name, form)
    assert form.source
    assert len(form.values) <= 1 << form.code_bits
    if form.integer_levels is None:
        assert (form.level_bits, form.level_range, form.unit) == (None, None, None)
        return
    assert form.unit is not None
    assert form.level_range is not None
    assert form.level_bits == max(form.level_range.bits, 1)
    for value, level in zip(form.values, form.integer_levels, strict=True):
        assert math.isnan(value) if level is None else value == level * form.unit


def test_names_and_their_mistakes() -> None:
    wanted = "sf4 nf4 e2m1 e2m1-sr e2m1-sp apot4 apot4-sp e3m0 int4 int4-full int4-zp mxfp4 nvfp4 bf16 fp16"
    assert set(wanted.split()) <= set(formats.names())
    assert {f"sf{k}" for k in range(3, 9)} | {f"int{k}-zp" for k in range(2, 9)} <= set(formats.names())
    assert formats.get("sf5-nu6.5") == student_float(5, 6.5)
    for wrong, near in (("SF4", "sf4"), ("e2m1_sr", "e2m1-sr"), ("nvfp", "nvfp4"), ("e2m1-spp", "e2m1-sp")):
        with pytest.raises(ValueError, match=f"there is no format '{wrong}'; the nearest name is '{near}'"):
            formats.get(wrong)


def test_a_format_of_ones_own() -> None:
    mine = Format("mine", (-1.0, -0.25, 0.0, 0.25, 1.0, math.nan), source="here", unit=0.25)
    assert (mine.code_bits, mine.level_bits, mine.integer_levels) == (3, 4, (-4, -1, 0, 1, 4, None))
    q = mine.quantize(np.array([[8.0, -1.9, 1.1, 0.9, -8.0]], dtype=np.float32))
    assert q.dequantize().tolist() == [[8, -2, 2, 0, -8]]
    assert q.levels.tolist() == [[4, -1, 1, 0, -4]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"values": (1.0,)}, "needs 2 to 65536 finite values"),
        ({"values": (1.0, 1.0)}, "two of them different"),
        ({"values": (1.0, math.inf)}, "finite values"),
        ({"ties": "up"}, "down, even, not 'up'"),
        ({"scaling": "max"}, "zero-point, none, not 'max'"),
        ({"values": (-1.0, 0.0)}, "no positive one"),
        ({"scaling": "zero-point"}, "must be 0, 1, 2"),
        ({"unit": 0.3}, "power of two, not 0.3"),
        ({"unit": 1.0}, "integer multiple of its unit 1.0, but -0.5 is not"),
        ({"scale_format": "fp8"}, "a scale format is one of fp32"),
    ],
)
def test_contradictory_formats_are_refused(change: dict[str, Any], message: str) -> None:
    good = Format("good", (-0.5, 0.0, 0.5, 1.0), source="here")
    with pytest.raises(ValueError, match=message):
        replace(good, **change)


@pytest.mark.parametrize("arguments", [(2, 5.0), (9, 5.0), (4, 0.5)])
def test_impossible_student_floats(arguments: tuple[int, float]) -> None:
    with pytest.raises(ValueError, match=r"must be|3 to 8 bits"):
        student_float(*arguments)
