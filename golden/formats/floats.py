"""Small floating-point formats: the 4-bit field of the Student Float paper, and elements of 3 to 16 bits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from golden.formats.format import Format
from golden.formats.minifloat import Specials, minifloat_values, sign_magnitude

__all__ = ["element_formats", "four_bit_formats", "half_formats"]

_PAPER = "Dotzel et al., Learning from Students, arXiv 2405.03103, table 15 (published)"
_CODE = "code of arXiv 2405.03103, github.com/cornell-zhang/llm-datatypes (published)"
_OCP = "OCP Microscaling Formats 1.0 (published)"

_E2M1 = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]
_APOT4 = [0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0]


def four_bit_formats() -> list[Format]:
    """E2M1 and its variants, supernormals, additive powers of two, and the others of 3 and 4 bits."""
    float4 = "float, 4 bits"
    super_ = "supernormal"
    e2m1 = Format("e2m1", sign_magnitude(_E2M1), _PAPER, family=float4, unit=0.5, mantissa_bits=1)
    e3m0_magnitudes = [0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0]
    apot4 = Format(
        "apot4",
        sign_magnitude([m / 16 for m in _APOT4]),
        f"{_PAPER}, over 5/8 there",
        summary="{0, 1/2, 1/4, 1/16} + {0, 1/8}",
        family="additive powers of two",
        unit=1 / 16,
    )
    sr = replace(
        e2m1,
        name="e2m1-sr",
        values=sign_magnitude(_E2M1, 8.0),
        summary="super-range: negative zero is 8; a block whose extreme is negative is clipped at 3/4 of it",
        family=super_,
    )
    sp = replace(
        e2m1,
        name="e2m1-sp",
        values=sign_magnitude(_E2M1, 5.0),
        summary="super-precision: negative zero is 5, ten half-units, so that sums stay as narrow as e2m1's",
        family=super_,
    )
    ours = "this project: the paper's levels, the scale's sign as in BOF4-S, arXiv 2505.06653"
    return [
        e2m1,
        replace(
            e2m1,
            name="e2m1-ns",
            values=sign_magnitude([0, 0.75, *_E2M1[2:]]),
            unit=0.25,
            summary="no subnormal: 0.5 is 0.75",
        ),
        replace(
            e2m1,
            name="e2m1-i",
            values=sign_magnitude([0, 0.0625, *_E2M1[2:]]),
            unit=1 / 16,
            summary="Intel's: 0.5 is 0.0625",
        ),
        replace(
            e2m1,
            name="e2m1-b",
            values=sign_magnitude([0, 1 / 16, 8, 12, 4, 6, 2, 3]),
            unit=1 / 16,
            mantissa_bits=None,
            summary="bitsandbytes' FP4, in the order of its codes",
        ),
        Format("e3m0", sign_magnitude(e3m0_magnitudes), _PAPER, family=float4, unit=0.25, mantissa_bits=0),
        Format(
            "e1m2",
            sign_magnitude([0, 1.25, 1.5, 1.75, 2, 2.5, 3, 3.5]),
            _CODE,
            summary="no subnormals, no 1",
            family=float4,
            unit=0.25,
            mantissa_bits=2,
        ),
        Format(
            "e2m0", sign_magnitude([0, 1, 2, 4]), _PAPER, summary="3 bits", family="float, 3 bits", unit=1
        ),
        sr,
        sp,
        replace(
            e2m1,
            name="e2m1-sp-low",
            values=sign_magnitude(_E2M1, 2.5),
            source=_CODE,
            summary="the authors' rejected variant: negative zero is 2.5",
            family=super_,
        ),
        replace(
            sr,
            name="e2m1-sr-signed",
            source=ours,
            summary="super-range, the scale carries the sign of the block's extreme: it is always 8",
            scaling="extreme",
        ),
        replace(
            sp,
            name="e2m1-sp-signed",
            source=ours,
            summary="super-precision, the scale's sign puts 5 on the side that gains more",
            scaling="either",
        ),
        apot4,
        replace(
            apot4,
            name="apot4-sp",
            values=sign_magnitude([m / 16 for m in _APOT4], 5 / 16),
            summary="super-precision: negative zero is 1/4 + 1/16",
        ),
        Format(
            "mokey4",
            sign_magnitude([0, 1, 2, 3, 4, 6, 8, 16]),
            _CODE,
            summary="the list the code calls MOKEY",
            family=float4,
            unit=1,
        ),
        Format(
            "denorm4",
            (*(float(n) for n in range(-7, 0)), -0.5, 0.0, 0.5, *(float(n) for n in range(1, 7))),
            _CODE,
            summary="integers with a half on either side of zero",
            family=float4,
            unit=0.5,
        ),
        Format(
            "en25",
            tuple(float(np.sign(k)) * (2 ** (abs(k) / 4) - 1) / 3 for k in range(-7, 9)),
            _CODE,
            summary="exponential: (2^(k/4) - 1)/3",
            family=float4,
        ),
    ]


def element_formats() -> list[Format]:
    """Minifloats of 6 and 8 bits with a block scale of any format, every kind that ml_dtypes knows."""

    def element(
        name: str,
        exponent: int,
        mantissa: int,
        source: str,
        specials: Specials = "none",
        bias: int | None = None,
        summary: str = "",
    ) -> Format:
        values = minifloat_values(exponent, mantissa, bias=bias, specials=specials)
        bias = (1 << (exponent - 1)) - 1 if bias is None else bias
        return Format(
            name,
            values,
            source,
            summary=summary,
            family=f"float, {1 + exponent + mantissa} bits",
            unit=2.0 ** (1 - bias - mantissa),
            ties="even",
            e8m0_rule="floor",
            mantissa_bits=mantissa,
            keeps_zero_sign=specials != "fnuz",
        )

    ieee = "IEEE 754 conventions, as in ml_dtypes (published)"
    fnuz = "Noune et al., arXiv 2206.02915 (published)"
    return [
        element("e2m3", 2, 3, _OCP),
        element("e3m2", 3, 2, _OCP),
        element("e4m3", 4, 3, _OCP, "nan"),
        element("e5m2", 5, 2, _OCP, "ieee"),
        element("e3m4", 3, 4, ieee, "ieee"),
        element("e4m3-ieee", 4, 3, ieee, "ieee", summary="E4M3 with infinities"),
        element("e4m3-fnuz", 4, 3, fnuz, "fnuz", 8, "one zero, one NaN, bias 8"),
        element("e4m3-b11fnuz", 4, 3, fnuz, "fnuz", 11, "one zero, one NaN, bias 11"),
        element("e5m2-fnuz", 5, 2, fnuz, "fnuz", 16, "one zero, one NaN, bias 16"),
    ]


def half_formats() -> list[Format]:
    """BF16 and FP16, without a scale."""
    codes = np.arange(1 << 16, dtype=np.uint16)
    bf16 = (codes.astype(np.uint32) << 16).view(np.float32)
    formats = []
    for name, numbers, mantissa, unit in (
        ("bf16", bf16, 7, None),
        ("fp16", codes.view(np.float16).astype(np.float32), 10, 2.0**-24),
    ):
        # Adding zero: no negative zero among the values.
        finite = np.where(np.isfinite(numbers), numbers, np.float32(np.nan)) + np.float32(0)
        formats.append(
            Format(
                name,
                tuple(finite.tolist()),
                "IEEE 754" if name == "fp16" else "the upper half of an IEEE 754 single (published)",
                summary="no scale; saturates",
                family="float, 16 bits",
                unit=unit,
                ties="even",
                scaling="none",
                mantissa_bits=mantissa,
                keeps_zero_sign=True,
            )
        )
    return formats
