"""How heavy the tails of tensors are: Student's t and the normal distribution fitted to their values.

Fitting by maximum likelihood, and comparing both fits by their Kolmogorov-Smirnov distances, follow Dotzel
et al., Learning from Students, arXiv 2405.03103, section 3.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from anda.histogram import Histogram
from anda.tensors import TensorFile, TensorInfo, as_matrix

__all__ = [
    "NU_RANGE",
    "SAMPLE",
    "Fit",
    "LayerProfile",
    "Summary",
    "Unfit",
    "choose",
    "fit",
    "profile_layers",
    "profile_tensor",
    "summarize",
]

SAMPLE = 1 << 17
"""Values that a fit looks at, unless told otherwise. On samples of a known t the fitted nu then has a
standard deviation of 0.8 % at nu = 2, 1.3 % at 5, 2.6 % at 10 and 5 % at 20 (computed, 25 samples each)."""

NU_RANGE = (0.5, 100.0)
"""Where nu is looked for. At its upper end a t cannot be told from a normal distribution; at its lower end
the likelihood of a t grows without bound as soon as a third of all values are equal."""

_NARROWEST = 1e-4
"""Least scale of a fit, in interquartile ranges: below, it describes one value that occurs often."""

_BINS, _REACH = 120, 12.0
"""Of histograms: bins, and how many scales they reach to either side."""


@dataclass(frozen=True)
class Fit:
    """The best t and the best normal distribution of one set of values.

    Attributes
    ----------
    nu, location, scale : float
        Of the t with the greatest likelihood, nu in `NU_RANGE`.
    mean, deviation : float
        Of the normal distribution with the greatest likelihood.
    ks_t, ks_normal : float
        Kolmogorov-Smirnov distances: the largest difference between the distribution function of the values
        and that of each fit.
    histogram : Histogram
    """

    nu: float
    location: float
    scale: float
    mean: float
    deviation: float
    ks_t: float
    ks_normal: float
    histogram: Histogram

    @property
    def ks_gain(self) -> float:
        """What the t gains over the normal distribution; above 0 the t fits better."""
        return self.ks_normal - self.ks_t

    @property
    def unbounded(self) -> bool:
        """Whether nu is the end of its range: tails no heavier than normal."""
        return self.nu == NU_RANGE[1]

    def as_dict(self) -> dict[str, float]:
        """Everything but the histogram, as JSON holds it."""
        keys = ("nu", "location", "scale", "mean", "deviation", "ks_t", "ks_normal", "ks_gain")
        return {key: getattr(self, key) for key in keys}


@dataclass(frozen=True)
class LayerProfile:
    """One tensor.

    Attributes
    ----------
    name, stored : str
        As in `TensorInfo`.
    shape : tuple of int
    sample : int
        Values that were looked at.
    raw : Fit
        Of the values as they are.
    within_blocks : Fit
        Of the values over the root mean square of their block: what is left when every block has a scale.
    """

    name: str
    stored: str
    shape: tuple[int, ...]
    sample: int
    raw: Fit
    within_blocks: Fit

    def as_dict(self) -> dict[str, Any]:
        """Everything but the histograms, as JSON holds it."""
        return {
            "name": self.name,
            "stored": self.stored,
            "shape": list(self.shape),
            "sample": self.sample,
            "raw": self.raw.as_dict(),
            "within_blocks": self.within_blocks.as_dict(),
        }


@dataclass(frozen=True)
class Unfit:
    """A tensor that no distribution was fitted to, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Summary:
    """Fits of several layers together.

    Attributes
    ----------
    layers : int
    mean_nu, median_nu, least_nu, largest_nu : float
        The mean is what the paper's table 1 prints.
    unbounded : int
        Layers whose nu is the end of `NU_RANGE`; the mean would be larger without that end.
    mean_ks_gain : float
    t_better : int
        Layers that a t fits better.
    """

    layers: int
    mean_nu: float
    median_nu: float
    least_nu: float
    largest_nu: float
    unbounded: int
    mean_ks_gain: float
    t_better: int

    def as_dict(self) -> dict[str, Any]:
        """Everything, as JSON holds it."""
        return asdict(self)


def fit(values: NDArray[Any]) -> Fit:
    """Fit Student's t and a normal distribution by maximum likelihood.

    Parameters
    ----------
    values : float array [n]
        All of them are used; `profile_tensor` takes a sample first.

    Raises
    ------
    ValueError
        When there are fewer than 32 values, they are not finite, or so many of them are equal that no density
        describes them.
    """
    if values.size < 32:
        raise ValueError(f"a distribution is fitted to 32 values or more, not to {values.size}")
    x = np.sort(values.astype(np.float64), axis=None)
    if not np.isfinite(x[[0, -1]]).all():
        raise ValueError("a distribution is fitted to finite values only")
    low, middle, high = np.quantile(x, (0.25, 0.5, 0.75))
    # In these units every parameter starts near its place, whatever the size of the values.
    unit = (high - low) / 1.35
    nu, shift, scale = _most_likely((x - middle) / unit) if unit > 0 else (0.0, 0.0, 0.0)
    if scale < _NARROWEST:
        raise ValueError(f"a third of the values or more are equal to {middle:g}, which no density describes")
    location, scale = float(middle + unit * shift), float(unit * scale)
    mean, deviation = float(x.mean()), float(x.std())
    reach = min(_REACH * scale, float(np.abs(x[[0, -1]] - location).max()))
    return Fit(
        nu,
        location,
        scale,
        mean,
        deviation,
        ks_t=_distance(special.stdtr(nu, (x - location) / scale)),
        ks_normal=_distance(special.ndtr((x - mean) / deviation)),
        histogram=Histogram.of(x, location - reach, location + reach, _BINS),
    )


def _most_likely(z: NDArray[np.float64]) -> tuple[float, float, float]:
    """nu, location and scale of greatest likelihood, for values of median 0 and quartiles near 1."""

    def cost(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Negative mean log-likelihood, and its derivatives by log nu, location and log scale."""
        nu, location, scale = math.exp(parameters[0]), parameters[1], math.exp(parameters[2])
        u = (z - location) / scale
        square = u * u
        # Weight of a value: those far out pull less.
        weight = (nu + 1) / (nu + square)
        logarithm = float(np.log1p(square / nu).mean())
        pull = float((weight * square).mean())
        half = 0.5 * (nu + 1)
        value = (
            parameters[2]
            + 0.5 * math.log(nu * math.pi)
            + math.lgamma(0.5 * nu)
            - math.lgamma(half)
            + half * logarithm
        )
        by_nu = 0.5 * (special.psi(0.5 * nu) - special.psi(half) + (1 - pull) / nu + logarithm)
        return value, np.array([nu * by_nu, -float((weight * u).mean()) / scale, 1 - pull])

    ends = [(math.log(NU_RANGE[0]), math.log(NU_RANGE[1])), (-10.0, 10.0), (-20.0, 20.0)]
    found = optimize.minimize(
        cost,
        np.array([math.log(5.0), 0.0, 0.0]),
        jac=True,
        method="L-BFGS-B",
        bounds=ends,
        options={"gtol": 1e-7, "ftol": 1e-14},
    )
    log_nu, location, log_scale = (float(p) for p in found.x)
    return min(math.exp(log_nu), NU_RANGE[1]), location, math.exp(log_scale)


def _distance(fitted: NDArray[np.floating[Any]]) -> float:
    """Kolmogorov-Smirnov distance, from a fitted distribution function at the sorted values."""
    steps = np.arange(fitted.size + 1) / fitted.size
    return float(max((steps[1:] - fitted).max(), (fitted - steps[:-1]).max()))


def sample_indices(size: int, sample: int) -> NDArray[np.int64]:
    """Ascending indices of a sample, always the same: one drawn from each of `sample` equal stretches.

    All indices when there are no more.
    """
    if size <= sample:
        return np.arange(size)
    drawn = np.random.default_rng(0).random(sample)
    edges = np.arange(sample + 1) * size // sample
    return np.asarray(edges[:-1] + (drawn * np.diff(edges)).astype(np.int64))


def profile_tensor(
    info: TensorInfo, w: NDArray[np.float32], block: int = 128, sample: int = SAMPLE
) -> LayerProfile:
    """Fit the values of one tensor, as they are and within blocks.

    Parameters
    ----------
    info : TensorInfo
    w : float32 array
    block : int
        Elements along a row of `as_matrix(w)` that share a scale.
    sample : int
        Values to look at.

    Raises
    ------
    ValueError
        As `fit`.
    """
    matrix = as_matrix(w)
    rows, places = np.divmod(sample_indices(matrix.size, sample), matrix.shape[1])
    values = matrix[rows, places].astype(np.float64)
    starts = np.arange(0, matrix.shape[1], block)
    lengths = np.diff(np.append(starts, matrix.shape[1]))
    power = np.add.reduceat(np.square(matrix, dtype=np.float64), starts, axis=1) / lengths
    scales = np.sqrt(power[rows, places // block])
    # A block of zeros has no scale; its values stay zero.
    within = fit(values / np.where(scales == 0, 1, scales))
    return LayerProfile(info.name, info.stored, info.shape, values.size, fit(values), within)


def choose(file: TensorFile, patterns: Sequence[str] = ()) -> list[TensorInfo]:
    """Tensors to profile: those that match, or without patterns all matrices of real numbers.

    Raises
    ------
    ValueError
        When a pattern matches nothing, or there is nothing to profile.
    """
    if patterns:
        return file.matching(patterns)
    chosen = [
        info for info in file.tensors.values() if info.real and sum(size > 1 for size in info.shape) > 1
    ]
    if not chosen:
        raise ValueError(f"{file.path} holds no matrix of real numbers; name its tensors by a pattern")
    return chosen


def profile_layers(
    file: TensorFile, layers: Iterable[TensorInfo], block: int = 128, sample: int = SAMPLE
) -> Iterator[LayerProfile | Unfit]:
    """Profile tensors one after the other, holding one at a time.

    Raises
    ------
    ValueError
        For a block of fewer than 2 elements or a sample of fewer than 32. What is wrong with one tensor only
        is told in its place.
    """
    if block < 2:
        raise ValueError(f"a block should have 2 elements or more, not {block}")
    if sample < 32:
        raise ValueError(f"a sample should have 32 values or more, not {sample}")
    for info in layers:
        try:
            yield profile_tensor(info, file.read(info.name), block, sample)
        except ValueError as error:
            yield Unfit(info.name, str(error))


def summarize(fits: Sequence[Fit]) -> Summary:
    """Mean nu over layers, as the paper's table 1, and what a mean hides.

    Parameters
    ----------
    fits : sequence of Fit
        One or more.
    """
    nus = [one.nu for one in fits]
    gains = [one.ks_gain for one in fits]
    return Summary(
        layers=len(nus),
        mean_nu=fmean(nus),
        median_nu=median(nus),
        least_nu=min(nus),
        largest_nu=max(nus),
        unbounded=sum(one.unbounded for one in fits),
        mean_ks_gain=fmean(gains),
        t_better=sum(gain > 0 for gain in gains),
    )
