"""The formats again, one number at a time in exact fractions: what the fast quantizer must equal."""

from __future__ import annotations

import math
from bisect import bisect
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from golden.formats import Format

FP32 = (24, -149, Fraction(2**24 - 1) * 2**104)
FP16 = (11, -24, Fraction(65504))
BF16 = (8, -133, Fraction(2**8 - 1) * 2**120)
E4M3 = (4, -9, Fraction(448))


def half_even(x: Fraction) -> int:
    return round(x)


def floor_log2(x: Fraction) -> int:
    guess = x.numerator.bit_length() - x.denominator.bit_length()
    return guess if x >= Fraction(2) ** guess else guess - 1


def rounded(x: Fraction, kind: tuple[int, int, Fraction]) -> Fraction | None:
    """Nearest even with a precision and a least exponent; None beyond the largest finite number."""
    precision, least, largest = kind
    if x == 0:
        return x
    unit = Fraction(2) ** max(floor_log2(abs(x)) - precision + 1, least)
    result = half_even(x / unit) * unit
    return None if abs(result) > largest else result


def fp32(x: Fraction) -> Fraction:
    result = rounded(x, FP32)
    assert result is not None
    return result


def saturated(x: Fraction, kind: tuple[int, int, Fraction]) -> Fraction:
    result = rounded(x, kind)
    return result if result is not None else kind[2] if x > 0 else -kind[2]


@cache
def levels(form: Format) -> list[tuple[Fraction, int]]:
    """Value and code of every level, as float32 numbers, in ascending order."""
    table = enumerate(form.table.tolist())
    return sorted((Fraction(float(v)), code) for code, v in table if not math.isnan(v))


def nearest(form: Format, ratio: Fraction, negative: bool) -> int:
    table = levels(form)
    after = bisect(table, (ratio, 0))
    # Two equal levels, the zeros of both signs, on either side at most.
    table = table[max(after - 2, 0) : after + 2]
    distance = min(abs(v - ratio) for v, _ in table)
    near = [(v, code) for v, code in table if abs(v - ratio) == distance]
    lower = near[0]
    upper = next((pair for pair in near if pair[0] > lower[0]), lower)
    code = upper[1] if form.ties == "even" and upper[1] % 2 == 0 and upper is not lower else lower[1]
    if form.keeps_zero_sign and code == 0 and negative:
        return 1 << (form.code_bits - 1)
    return code


def e8m0(span: Fraction, top: Fraction, rule: str, mantissa_bits: int | None) -> Fraction:
    if span == 0:
        return Fraction(1, 2**127)
    emax, log = floor_log2(top), floor_log2(span)
    power_of_two = span == Fraction(2) ** log
    match rule:
        case "floor":
            power = log - emax
        case "ceil":
            power = log + (not power_of_two) - emax
        case "even":
            assert mantissa_bits is not None
            unit = Fraction(2) ** (log - mantissa_bits)
            power = floor_log2(math.floor(span / unit + Fraction(1, 2)) * unit) - emax
        case "rceil":
            quotient = span / top
            power = floor_log2(quotient)
            power += quotient != Fraction(2) ** power
        case _:
            quotient = span / top
            power = floor_log2(quotient)
            power += quotient / Fraction(2) ** power >= Fraction(3, 2)
    return Fraction(2) ** min(max(power, -127), 127)


@dataclass
class SlowBlock:
    codes: list[int]
    scale: Fraction
    zero: int
    values: list[Fraction]


def span_of(form: Format, block: list[Fraction]) -> Fraction:
    if form.scaling == "zero-point":
        return max(*block, Fraction(0)) - min(*block, Fraction(0))
    return max(abs(x) for x in block)


def top_of(form: Format) -> Fraction:
    values = [v for v, _ in levels(form)]
    return max(values, key=lambda v: (abs(v), v)) if form.scaling == "extreme" else max(values)


def tensor_scale(form: Format, blocks: list[list[Fraction]], scale_format: str) -> Fraction:
    if scale_format != "e4m3":
        return Fraction(1)
    return fp32(max(span_of(form, block) for block in blocks) / (448 * abs(top_of(form))))


def quantize_block(
    form: Format, block: list[Fraction], signs: list[bool], scale_format: str, tensor: Fraction
) -> SlowBlock | None:
    """One block; None when its scale does not fit. `signs` are the sign bits, of zeros as well."""
    span, top = span_of(form, block), top_of(form)
    kind, _, rule = scale_format.partition("-")
    scale: Fraction | None
    if kind == "e8m0":
        scale = e8m0(span, abs(top), rule or form.e8m0_rule, form.mantissa_bits)
    elif kind == "e4m3":
        scale = saturated(fp32(fp32(span / abs(top)) / tensor), E4M3) if tensor else Fraction(0)
    else:
        scale = rounded(span / abs(top), {"fp32": FP32, "fp16": FP16, "bf16": BF16}[kind])
    if scale is None:
        return None
    if form.scaling == "extreme" and (max(block) >= -min(block)) != (top > 0):
        scale = -scale
    total = fp32(scale * tensor)
    ratios = [fp32(x / total) if total else Fraction(0) for x in block]
    if form.scaling == "zero-point":
        steps = len(levels(form)) - 1
        zero = min(max(half_even(fp32(-min(*block, Fraction(0)) / total)), 0), steps) if total else 0
        codes = [min(max(half_even(r) + zero, 0), steps) for r in ratios]
        return SlowBlock(codes, scale, zero, [(code - zero) * total for code in codes])
    codes = [nearest(form, r, s != (total < 0)) for r, s in zip(ratios, signs, strict=True)]
    table = {code: v for v, code in levels(form)}
    return SlowBlock(codes, scale, 0, [table[code] * total for code in codes])
