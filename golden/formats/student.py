"""Quantile codebooks: Normal Float and Student Float of any width, and their integer forms."""

from __future__ import annotations

import math
from dataclasses import replace

from golden.formats.format import Format
from golden.formats.quantiles import quantile

__all__ = ["hardened", "normal_float", "quantile_formats", "quantile_step", "student_float"]

_STUDENT = "Dotzel et al., Learning from Students, arXiv 2405.03103, algorithm 1 (published)"
_NORMAL = "Dettmers et al., QLoRA, arXiv 2305.14314, appendix E (published)"

_BITSANDBYTES_NF4 = (
    -1.0,
    -0.6961928009986877,
    -0.5250730514526367,
    -0.39491748809814453,
    -0.28444138169288635,
    -0.18477343022823334,
    -0.09105003625154495,
    0.0,
    0.07958029955625534,
    0.16093020141124725,
    0.24611230194568634,
    0.33791524171829224,
    0.44070982933044434,
    0.5626170039176941,
    0.7229568362236023,
    1.0,
)
"""As published; the formula gives numbers up to 1.9e-7 away."""

_MULTIPLIERS = {"sf4": {5: 13, 6: 27, 7: 60}, "nf4": {5: 11, 6: 30, 7: 60}}
"""Largest level of the integer forms: the one of least error on the distribution that a codebook is made for,
t or normal. `scripts/search_codebook.py` compares them all; 29 equals 27 on t and is worse elsewhere."""


def quantile_step(bits: int) -> float:
    """Probability left out at both ends of a codebook, `(1/2^(bits+1) + 1/(2 (2^bits - 1))) / 2`."""
    codes = 1 << bits
    return (1 / (2 * codes) + 1 / (2 * (codes - 1))) / 2


def student_float(bits: int, nu: float = 5.0, step: float | None = None) -> Format:
    """Student Float of any width: quantiles of Student's t, with an exact zero.

    `2^(bits-1)` equally spaced probabilities from `step` to 1/2 and one more from 1/2 to `1 - step`, each
    through the quantile function, all over the largest (arXiv 2405.03103, algorithm 1).

    Parameters
    ----------
    bits : int
        3 to 8.
    nu : float
        Degrees of freedom, at least 1; infinity gives Normal Float.
    step : float, optional
        Probability of the outermost quantile; `quantile_step(bits)` by default. The paper's 3-bit tables
        take the one of 4 bits.

    Raises
    ------
    ValueError
        When a parameter is out of its range.
    """
    if not 3 <= bits <= 8:
        raise ValueError(f"a quantile codebook has 3 to 8 bits, not {bits!r}")
    name = f"nf{bits}" if math.isinf(nu) else f"sf{bits}" + ("" if nu == 5 else f"-nu{nu:g}")
    return Format(
        name,
        _quantiles(bits, nu, quantile_step(bits) if step is None else step),
        _NORMAL if math.isinf(nu) else _STUDENT,
        summary="quantiles of the normal distribution" if math.isinf(nu) else f"quantiles of t, nu = {nu:g}",
        family="quantile codebook",
    )


def normal_float(bits: int) -> Format:
    """Normal Float of any width, from the formula; NF4 with the published digits is `get("nf4")`."""
    return student_float(bits, math.inf)


def hardened(form: Format, bits: int, largest: int) -> Format:
    """A real codebook on integers: every value times `largest`, rounded.

    Parameters
    ----------
    form : Format
        A codebook whose largest magnitude is 1.
    bits : int
        Width of a signed level, for the name.
    largest : int
        Largest level, less than `2^(bits-1)`.

    Raises
    ------
    ValueError
        When the levels do not fit or two of them coincide.
    """
    levels = tuple(float(round(v * largest)) for v in form.values)
    if not 1 <= largest < 1 << (bits - 1) or len(set(levels)) < len(levels):
        raise ValueError(
            f"{form.name} has no {len(levels)} different integer levels up to {largest} in {bits} bits"
        )
    return replace(
        form,
        name=f"{form.name}-int{bits}",
        values=levels,
        unit=1.0,
        source=f"this project, from {form.name}: a decoder and a multiplier instead of a look-up table",
        summary=f"{form.name} times {largest}, rounded to {bits}-bit integers",
        family="hardened codebook",
    )


def quantile_formats() -> list[Format]:
    """The codebooks that have a name of their own."""
    four = quantile_step(4)
    sf4 = student_float(4)
    nf4 = replace(normal_float(4), values=_BITSANDBYTES_NF4, source=f"bitsandbytes; {_NORMAL}")
    sf3_paper = replace(
        student_float(3, step=four),
        name="sf3-delta4",
        summary="SF3 as in the paper's tables: the outermost quantile is that of 4 bits",
    )
    no_zero = [1 - quantile_step(3) - k * (1 - 2 * quantile_step(3)) / 7 for k in range(4)]
    magnitudes = [quantile(p, 5.0) for p in no_zero]
    sf3_nz = replace(
        sf3_paper,
        name="sf3-nz",
        values=tuple(-m / magnitudes[0] for m in magnitudes)
        + tuple(m / magnitudes[0] for m in reversed(magnitudes)),
        summary="eight quantiles of t without a zero",
    )
    return [
        normal_float(3),
        nf4,
        *(normal_float(bits) for bits in range(5, 9)),
        *(student_float(bits) for bits in range(3, 9)),
        sf3_paper,
        sf3_nz,
        *(student_float(4, nu) for nu in (3.0, 4.0, 6.0, 7.0, 10.0)),
        *(
            hardened(form, bits, largest)
            for form in (sf4, nf4)
            for bits, largest in _MULTIPLIERS[form.name].items()
        ),
    ]


def _quantiles(bits: int, nu: float, step: float) -> tuple[float, ...]:
    half = 1 << (bits - 1)
    # The left side has one probability fewer, and ends at the largest, negated.
    left = [0.5 - k * (0.5 - step) / (half - 1) for k in range(1, half)]
    right = [0.5 + k * (0.5 - step) / half for k in range(1, half + 1)]
    largest = quantile(right[-1], nu)
    negative = [quantile(p, nu) / largest for p in left[:-1]]
    positive = [quantile(p, nu) / largest for p in right[:-1]]
    return (-1.0, *reversed(negative), 0.0, *positive, 1.0)
