"""Beyond AXE: activation bits and the weight grid chosen together with the budget of an accumulator.

AXE keeps the formats and gives up weights until the budget holds. Under a tight budget the formats are the
better thing to give up: a bit less in every activation doubles the budget of the weights, and a coarser grid
reaches a large weight with a small level. What is best depends on the layer, so it is measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anda.ptq.activation import ActivationQuantizer
from anda.ptq.axe import LayerResult, quantize_layer
from anda.ptq.best import Progress
from anda.ptq.budget import Budget
from anda.ptq.calibration import Calibration, check_matrix
from anda.ptq.gptq import gptq
from anda.ptq.greedy import Layer, spread
from anda.ptq.grid import WeightGrid
from anda.ptq.refine import refine
from anda.ptq.regularize import Regularization
from golden import formats

__all__ = ["JointResult", "Trial", "quantize_jointly"]

MULTIPLIERS = (0.8, 1.0, 1.25, 1.6, 2.0, 2.5)
"""Of the scales: coarser grids are what a tight budget asks for."""

_CHANNELS = 64
"""Channels that the activations' bits are chosen by."""

_JUDGE = 4
"""Every fourth row judges, as no solver has seen it."""

_SWEEPS = 4


@dataclass(frozen=True)
class Trial:
    """One setting of the search.

    Attributes
    ----------
    weight_format : str
    activation_bits : int
    multiplier : float or None
        Of all scales; None: the best one for each channel.
    error : float
        Norm of the error of the outputs over the norm of the float outputs, on rows set apart.
    """

    weight_format: str
    activation_bits: int
    multiplier: float | None
    error: float


@dataclass(frozen=True)
class JointResult:
    """What the search found.

    Attributes
    ----------
    layer : LayerResult
        Quantized on all rows with the setting chosen.
    choice : Trial
    trace : tuple of Trial
        Every setting tried, in order; for each format and width those of one multiplier, then the best for
        each channel.
    multipliers : float64 array [C]
        Chosen for each channel.
    """

    layer: LayerResult
    choice: Trial
    trace: tuple[Trial, ...]
    multipliers: NDArray[np.float64]


def quantize_jointly(
    weights: NDArray[Any],
    inputs: NDArray[Any],
    *,
    inner_bits: int = 16,
    tile: int | None = 128,
    weight_formats: Sequence[str] = ("int4",),
    activation_bits: Sequence[int] = (8, 7, 6, 5, 4),
    activation_signed: bool = True,
    multipliers: Sequence[float] = MULTIPLIERS,
    progress: Progress | None = None,
) -> JointResult:
    """Choose format, activation bits and scales by the error on rows set apart, then quantize on all rows.

    Parameters
    ----------
    weights : float array [C, K]
    inputs : float array [rows, K]
        At least 8 rows.
    inner_bits, tile : as for `anda.ptq.axe.quantize_layer`
    weight_formats : sequence of str
        Formats with integer levels and without zero points.
    activation_bits : sequence of int
        Widths to try; of equal errors the first one wins.
    activation_signed : bool
    multipliers : sequence of float
        Factors of the format's own scales, one of which each channel gets.
    progress : callable, optional
        Told what begins.

    Returns
    -------
    JointResult

    Raises
    ------
    ValueError
        When there is nothing to choose from, there are fewer than 8 rows, or `quantize_layer` would refuse.
    """
    check_matrix(weights, "weights", "[C, K]")
    check_matrix(inputs, "inputs", "[rows, K]")
    if not (weight_formats and activation_bits and multipliers):
        raise ValueError("a search needs at least one format, one width and one multiplier")
    if not min(multipliers) > 0:
        raise ValueError(f"multipliers of scales should be positive, not {min(multipliers)}")
    if len(inputs) < 2 * _JUDGE:
        raise ValueError(f"a search should have at least {2 * _JUDGE} rows of inputs, not {len(inputs)}")
    search = _Search(weights, inputs, activation_signed, inner_bits, tile, tuple(multipliers))
    some = spread(len(weights), _CHANNELS)
    trace: list[Trial] = []
    for name in weight_formats:
        for bits in activation_bits:
            if progress:
                progress(f"{name}, {bits}-bit activations")
            trace += search.trials(name, bits, some)[0]
    choice = min((trial for trial in trace if trial.multiplier is None), key=lambda trial: trial.error)
    if progress:
        progress("scales of all channels")
    _, best = search.trials(choice.weight_format, choice.activation_bits, np.arange(len(weights)))
    quantizer = search.quantizer(choice.activation_bits)
    result = quantize_layer(
        weights,
        inputs,
        weight_format=choice.weight_format,
        weight_scales=search.scales(choice.weight_format) * best,
        activation_bits=choice.activation_bits,
        activation_signed=activation_signed,
        activation_scale=quantizer.scale,
        activation_zero=quantizer.zero,
        inner_bits=inner_bits,
        tile=tile,
        progress=progress,
    )
    return JointResult(result, choice, tuple(trace), best)


class _Search:
    """Errors of settings on rows set apart."""

    def __init__(
        self,
        weights: NDArray[Any],
        inputs: NDArray[Any],
        signed: bool,
        inner_bits: int,
        tile: int | None,
        multipliers: tuple[float, ...],
    ) -> None:
        self._weights = np.asarray(weights, dtype=np.float64)
        self._inputs, self._signed = inputs, signed
        self._inner_bits, self._tile, self._multipliers = inner_bits, tile, multipliers

    def quantizer(self, bits: int) -> ActivationQuantizer:
        """Activations of so many bits."""
        return ActivationQuantizer.least_error(self._inputs, bits, self._signed)

    def scales(self, name: str) -> NDArray[np.float64]:
        """A format's own scales, one for each channel."""
        scales: NDArray[np.float64] = WeightGrid.of(self._weights, formats.get(name)).scales[0]
        return scales

    def trials(
        self, name: str, bits: int, channels: NDArray[np.intp]
    ) -> tuple[list[Trial], NDArray[np.float64]]:
        """Every multiplier at one format and width, and the best multiplier of each channel."""
        quantizer = self.quantizer(bits)
        whole = Calibration.of(self._inputs, quantizer)
        judges = np.arange(len(self._inputs)) % _JUDGE == _JUDGE - 1
        fitted, judged = (
            Calibration.between(whole.inputs[rows], whole.quantized[rows]) for rows in (~judges, judges)
        )
        form, part = formats.get(name), self._weights[channels]
        scales = self.scales(name)[channels]
        columns = np.ascontiguousarray(part.T)
        choice = Regularization(0.25, cross=False)
        hessian = choice.hessian(fitted)
        objective = choice.objective(fitted, hessian, columns)
        start = hessian.solve(objective.linear)
        energy = float(judged.energy(columns).sum()) or 1.0
        budget = Budget(quantizer.codes, self._inner_bits, self._tile)
        errors = []
        for multiplier in self._multipliers:
            layer = Layer(columns, WeightGrid.of(part, form, scales * multiplier), budget)
            levels = gptq(layer, hessian, start=start, soft=False)
            levels = refine(layer, objective, levels, sweeps=_SWEEPS)
            errors.append(judged.error(columns, layer.values(levels)))
        table = np.array(errors)

        def trial(multiplier: float | None, error: float) -> Trial:
            return Trial(name, bits, multiplier, float(np.sqrt(error / energy)))

        each = [trial(m, e) for m, e in zip(self._multipliers, table.sum(axis=1), strict=True)]
        best = np.array(self._multipliers)[table.argmin(axis=0)]
        return [*each, trial(None, table.min(axis=0).sum())], best
