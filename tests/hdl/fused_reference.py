"""One step of the FP32 accumulator in Python integers, from the contract alone (sections 1, 2 and 6)."""

from __future__ import annotations

__all__ = ["fused_step", "rounded_bits", "scale_value"]


def scale_value(bits: int) -> tuple[int, int]:
    """An FP16 scale as `(n, e)` for `n * 2^e`, replaced as contract 1 says where it is not finite."""
    field, fraction = bits >> 10 & 31, bits & 1023
    if field == 31:
        field, fraction = (30, 1023) if fraction == 0 else (0, 0)
    significand = fraction + (1024 if field else 0)
    return (-significand if bits >> 15 else significand), max(field, 1) - 25


def fused_step(old: int, total: int, exponent: int, scale: int, planes: int) -> int:
    """FP32 bits of `round(A + total * scale * 2^(exponent - 13 - planes))` for `A` of the FP32 bits `old`."""
    number, power = scale_value(scale)
    number, power = number * total, power + exponent - 13 - planes
    before, unit = _value(old)
    if before == 0:
        unit = power
    if number == 0:
        power = unit
    lowest = min(unit, power)
    return rounded_bits((before << unit - lowest) + (number << power - lowest), lowest)


def rounded_bits(number: int, power: int) -> int:
    """FP32 bits of `number * 2^power` rounded to nearest even; +0 for 0."""
    if number == 0:
        return 0
    magnitude = abs(number)
    excess = magnitude.bit_length() - 24
    if excess > 0:
        kept, rest, half = magnitude >> excess, magnitude & ((1 << excess) - 1), 1 << (excess - 1)
        kept += rest > half or (rest == half and kept & 1)
    else:
        kept = magnitude << -excess
    power += excess
    if kept == 1 << 24:
        kept, power = kept >> 1, power + 1
    field = power + 23 + 127
    assert 0 < field < 255, "contract 6: no reachable value is subnormal, infinite or NaN"
    return (number < 0) << 31 | field << 23 | (kept - (1 << 23))


def _value(bits: int) -> tuple[int, int]:
    """FP32 bits as `(n, e)` for `n * 2^e`."""
    if bits << 1 & 0xFFFFFFFF == 0:
        return 0, 0
    significand = bits & 0x7FFFFF | 0x800000
    return (-significand if bits >> 31 else significand), (bits >> 23 & 255) - 150
