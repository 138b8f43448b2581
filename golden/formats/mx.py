"""Formats that fix block and scale as well: OCP Microscaling and NVFP4."""

from __future__ import annotations

from dataclasses import replace

from golden.formats.floats import element_formats, four_bit_formats
from golden.formats.format import Format

__all__ = ["microscaling_formats"]

_OCP = "OCP Microscaling Formats 1.0 (published)"


def microscaling_formats() -> list[Format]:
    """MXFP8, MXFP6, MXFP4, MXINT8 with blocks of 32 under an E8M0 scale; NVFP4 with 16 under E4M3."""
    elements = {form.name: form for form in (*four_bit_formats(), *element_formats())}

    def mx(name: str, element: Format) -> Format:
        return replace(
            element,
            name=name,
            source=_OCP,
            summary=f"{element.name} in blocks of 32 under a power of two",
            family="microscaling",
            ties="even",
            block=32,
            scale_format="e8m0",
            e8m0_rule="floor",
            keeps_zero_sign=True,
        )

    mxfp4 = mx("mxfp4", elements["e2m1"])
    return [
        mx("mxfp8-e4m3", elements["e4m3"]),
        mx("mxfp8-e5m2", elements["e5m2"]),
        mx("mxfp6-e3m2", elements["e3m2"]),
        mx("mxfp6-e2m3", elements["e2m3"]),
        mxfp4,
        Format(
            "mxint8",
            tuple(n / 64 for n in (*range(128), *range(-128, 0))),
            _OCP,
            summary="int8 over 64 in blocks of 32 under a power of two",
            family="microscaling",
            unit=1 / 64,
            ties="even",
            block=32,
            scale_format="e8m0",
            e8m0_rule="floor",
            mantissa_bits=6,
        ),
        replace(
            mxfp4,
            name="nvfp4",
            source="NVIDIA NVFP4, as torchao computes it (published)",
            summary="e2m1 in blocks of 16 under an E4M3 scale, and one FP32 scale for the tensor",
            block=16,
            scale_format="e4m3",
        ),
    ]
