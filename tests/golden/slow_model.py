"""The contract once more, in Python integers and fractions: slow, obvious, sharing nothing with `golden`.

Written from docs/contract.md alone. Values are `fractions.Fraction`, groups are lists, a plane is an
`int` whose bit `i` is lane `i`. Nothing here is vectorized and nothing here rounds by accident.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import floor


@dataclass(frozen=True)
class Number:
    """One FP16 word taken apart (contract, section 1)."""

    negative: bool
    exponent: int
    significand: int

    @property
    def value(self) -> Fraction:
        magnitude = Fraction(self.significand) * power(self.exponent - 25)
        return -magnitude if self.negative else magnitude


def power(exponent: int) -> Fraction:
    return Fraction(2) ** exponent


def number(bits: int) -> Number:
    field, fraction = (bits >> 10) & 31, bits & 1023
    assert field != 31, "the slow model takes finite values"
    return Number(bool(bits >> 15), max(field, 1), fraction + (1024 if field > 0 else 0))


def padded_groups(bits: list[int], group: int) -> list[list[Number]]:
    numbers = [number(b) for b in bits]
    numbers += [number(0)] * (-len(numbers) % group)
    return [numbers[i : i + group] for i in range(0, len(numbers), group)]


def shared_exponent(group: list[Number]) -> int:
    return max(n.exponent for n in group)


def quantize(group: list[Number], planes: int, encoding: str, rounding: str) -> list[int]:
    """Integers of one group (contract, sections 2a and 2b and their two mixtures)."""
    e = shared_exponent(group)
    if encoding == "sign-magnitude":
        m_bits = planes - 1
        ulp = power(e - 14 - m_bits)
        half = Fraction(1, 2) if rounding == "nearest" else 0
        magnitudes = [min(floor(abs(n.value) / ulp + half), 2**m_bits - 1) for n in group]
        return [-m if n.negative else m for n, m in zip(group, magnitudes, strict=True)]
    ulp = power(e - 13 - planes)
    half = Fraction(1, 2) if rounding == "nearest" else 0
    low, high = -(2 ** (planes - 1)), 2 ** (planes - 1) - 1
    return [min(max(floor(n.value / ulp + half), low), high) for n in group]


def planes_of(q: list[int], planes: int, encoding: str) -> list[int]:
    """Plane words of one group, first stored first (contract, section 3)."""
    if encoding == "sign-magnitude":
        rows = [[int(v < 0) for v in q]]
        rows += [[(abs(v) >> b) & 1 for v in q] for b in range(planes - 2, -1, -1)]
    else:
        rows = [[((v + 2**planes) >> b) & 1 for v in q] for b in range(planes - 1, -1, -1)]
    return [sum(bit << lane for lane, bit in enumerate(row)) for row in rows]


def integers_of(words: list[int], group: int, encoding: str) -> list[int]:
    """Integers of one group from its plane words."""
    bits = [[(word >> lane) & 1 for word in words] for lane in range(group)]
    if encoding == "sign-magnitude":
        magnitudes = [int("".join(map(str, lane[1:])), 2) for lane in bits]
        return [-m if lane[0] else m for m, lane in zip(magnitudes, bits, strict=True)]
    return [int("".join(map(str, lane)), 2) - (lane[0] << len(words)) for lane in bits]


def decode(q: list[int], e: int, planes: int, encoding: str) -> list[Fraction]:
    ulp = power(e - 14 - (planes - 1)) if encoding == "sign-magnitude" else power(e - 13 - planes)
    return [v * ulp for v in q]


def serial_dot(words: list[int], levels: list[int], encoding: str) -> list[int]:
    """The accumulator after each plane of a processing element (contract, section 5)."""
    acc, history = 0, []
    signs = words[0] if encoding == "sign-magnitude" else 0
    planes = words[1:] if encoding == "sign-magnitude" else words
    for p, word in enumerate(planes):
        terms = [
            (-level if signs >> lane & 1 else level) for lane, level in enumerate(levels) if word >> lane & 1
        ]
        plane_sum = sum(terms)
        acc = 2 * acc + (-plane_sum if p == 0 and encoding == "twos-complement" else plane_sum)
        history.append(acc)
    return history


def round_binary(value: Fraction, precision: int, least_exponent: int) -> Fraction:
    """To nearest even among binary numbers of `precision` bits with last bit at `least_exponent` or above."""
    if value == 0:
        return value
    magnitude, exponent = abs(value), 0
    while magnitude * power(-exponent) >= 2:
        exponent += 1
    while magnitude * power(-exponent) < 1:
        exponent -= 1
    ulp = power(max(exponent - precision + 1, least_exponent))
    steps = floor(magnitude / ulp)
    rest = magnitude / ulp - steps
    if rest > Fraction(1, 2) or (rest == Fraction(1, 2) and steps % 2 == 1):
        steps += 1
    return steps * ulp if value > 0 else -steps * ulp


def round_fp32(value: Fraction) -> Fraction:
    rounded = round_binary(value, 24, -149)
    assert abs(rounded) < power(128), "a value out of the range of FP32"
    assert rounded == 0 or abs(rounded) >= power(-126), "a subnormal value of FP32"
    return rounded


def round_fp16(value: Fraction) -> tuple[Fraction, bool]:
    """The result as FP16, and whether it overflowed (contract, section 6)."""
    rounded = round_binary(value, 11, -24)
    if abs(rounded) >= power(16):
        return (Fraction(65504) if value > 0 else Fraction(-65504)), True
    return rounded, False


def accumulate_fp32(products: list[Fraction]) -> Fraction:
    total = Fraction(0)
    for product in products:
        total = round_fp32(total + product)
    return total


def products(
    bits: list[int], levels: list[int], scales: list[Fraction], block: int, planes: int, encoding: str,
    rounding: str, group: int,
) -> list[Fraction]:  # fmt: skip
    """`T_g * scale_g * 2^k_g` of every group of one row and one channel."""
    levels = levels + [0] * (-len(levels) % group)
    out = []
    for g, numbers in enumerate(padded_groups(bits, group)):
        q = quantize(numbers, planes, encoding, rounding)
        total = sum(a * b for a, b in zip(q, levels[g * group : (g + 1) * group], strict=True))
        k = shared_exponent(numbers) - 13 - planes
        out.append(total * scales[g * group // block] * power(k))
    return out
