"""Quantiles of Student's t and of the normal distribution, without SciPy."""

from __future__ import annotations

import math
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

__all__ = ["quantile"]

_NODES = 96
"""Of the Gauss-Legendre rule: more than enough for a smooth integrand."""

_SERIES_FROM = 200.0
"""Degrees of freedom from which Stirling's series is exact; the gamma function overflows at 343."""


def quantile(probability: float, nu: float) -> float:
    """Quantile of Student's t with `nu` degrees of freedom; of the normal distribution for infinite `nu`.

    With `t = sqrt(nu) * tan(a)` the distribution function is `1/2 + c * integral_0^a cos^(nu - 1)`, a smooth
    integrand on a short interval: Gauss-Legendre quadrature is exact to float64. The function is concave, so
    Newton's iteration climbs to the root from zero without overshooting.

    Parameters
    ----------
    probability : float
        Strictly between 0 and 1, and no nearer to either than `2^-10`.
    nu : float
        At least 1: below, the distribution function is not concave in `a`.

    Raises
    ------
    ValueError
        When an argument is out of its range.
    """
    if not 2.0**-10 <= probability <= 1 - 2.0**-10:
        raise ValueError(f"a probability must be between 2^-10 and 1 - 2^-10, not {probability!r}")
    if not nu >= 1:
        raise ValueError(f"the degrees of freedom must be at least 1, not {nu!r}")
    if math.isinf(nu):
        return NormalDist().inv_cdf(probability)
    mass = abs(probability - 0.5)
    factor = _gamma_ratio(nu) / math.sqrt(math.pi)
    angle = 0.0
    for _ in range(200):
        missing = mass / factor - _integral(angle, nu)
        following = angle + missing / math.exp((nu - 1) / 2 * math.log1p(-(math.sin(angle) ** 2)))
        # The last steps are rounding errors, of either sign.
        if following <= angle * (1 + 1e-15):
            break
        angle = following
    return math.copysign(math.sqrt(nu) * math.tan(angle), probability - 0.5)


def _integral(angle: float, nu: float) -> float:
    """`integral_0^angle cos(a)^(nu - 1) da`."""
    nodes, weights = _rule()
    # The logarithm of the cosine, without the loss of digits where the cosine is near 1 and `nu` large.
    logarithm = np.log1p(-(np.sin(angle / 2 * (nodes + 1)) ** 2)) / 2
    return float(np.sum(weights * np.exp((nu - 1) * logarithm))) * angle / 2


@cache
def _rule() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.polynomial.legendre.leggauss(_NODES)


def _gamma_ratio(nu: float) -> float:
    """`gamma((nu + 1) / 2) / gamma(nu / 2)`."""
    if nu < _SERIES_FROM:
        return math.gamma((nu + 1) / 2) / math.gamma(nu / 2)
    x = 1 / nu
    series = 1 - x / 4 + x**2 / 32 + 5 * x**3 / 128 - 21 * x**4 / 2048 - 399 * x**5 / 8192
    return math.sqrt(nu / 2) * series
