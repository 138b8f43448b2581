"""AXE, from weights to certificate: layers whose accumulators cannot overflow (arXiv 2409.17092)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from anda.ptq.activation import ActivationQuantizer
from anda.ptq.best import Progress, best
from anda.ptq.budget import Budget
from anda.ptq.calibration import Calibration, check_matrix
from anda.ptq.certificate import Certificate, certify
from anda.ptq.gpfq import gpfq
from anda.ptq.gptq import gptq
from anda.ptq.greedy import Layer
from anda.ptq.grid import Rounding, WeightGrid, check_rounding
from anda.ptq.hessian import Damped, damped, numerical_rank
from anda.ptq.overflow import Overflow, measure_overflow
from golden import formats
from golden.multistage import POLICIES, Policy

__all__ = ["SOLVERS", "LayerReport", "LayerResult", "Solver", "quantize_layer"]

Solver = Literal["best", "gpfq", "gptq"]
"""`gpfq` and `gptq` as published, but for the propagated clip error of the latter; `best` is ours."""

SOLVERS: tuple[Solver, ...] = get_args(Solver)


@dataclass(frozen=True)
class LayerReport:
    """What happened to a layer.

    Attributes
    ----------
    solver, policy : str
    rows : int
        Calibration rows.
    rank : int
        Of the Hessian of the quantized inputs.
    damping : float
        What was added to its diagonal, relative to the mean of that; 0 for `gpfq`, which inverts nothing.
    attempts : int
        Factorizations it took: 1 when the first damping was enough, 0 for `gpfq`.
    dead_inputs : int
        Inputs that are zero in every row once quantized.
    clipped_weights : int
        Weights whose nearest level lies outside of what their tile has room for.
    calibration_error : float
        Norm of the error of the outputs over the norm of the float outputs, on the calibration rows.
    shrinkage : float or None
        `best` only: how far moments of different inputs were shrunk.
    chosen : dict of int
        `best` only: output channels that each start won.
    overflow : Overflow or None
        Policies `wrap` and `saturate` only: what a register of the width asked for does to calibration rows.
    """

    solver: str
    policy: str
    rows: int
    rank: int
    damping: float
    attempts: int
    dead_inputs: int
    clipped_weights: int
    calibration_error: float
    shrinkage: float | None
    chosen: dict[str, int]
    overflow: Overflow | None

    def as_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)


@dataclass(frozen=True)
class LayerResult:
    """A quantized layer and the proof of its widths.

    Attributes
    ----------
    levels : int64 array [C, K]
        What the hardware multiplies by.
    scales : float64 array [C, groups]
        What a level is worth: those that were given, unchanged.
    activations : ActivationQuantizer
        Its `correction(levels)` is what the zero point adds to each output.
    certificate : Certificate
        Exact worst cases; with the policy `safe` they fit the inner width that was asked for.
    report : LayerReport
    """

    levels: NDArray[np.int64]
    scales: NDArray[np.float64]
    activations: ActivationQuantizer
    certificate: Certificate
    report: LayerReport

    def values(self) -> NDArray[np.float64]:
        """What the levels are worth, [C, K]."""
        size = -(-self.levels.shape[1] // self.scales.shape[1])
        return self.levels * np.repeat(self.scales, size, axis=1)[:, : self.levels.shape[1]]


def quantize_layer(
    weights: NDArray[Any],
    inputs: NDArray[Any],
    *,
    weight_format: str | formats.Format = "int4",
    weight_scales: NDArray[Any] | float | None = None,
    weight_zeros: NDArray[Any] | None = None,
    activation_bits: int = 8,
    activation_signed: bool = True,
    activation_scale: float | NDArray[Any] | None = None,
    activation_zero: int | None = None,
    inner_bits: int | None = 16,
    tile: int | None = 128,
    policy: Policy = "safe",
    solver: Solver = "best",
    act_order: bool = True,
    soft: bool = True,
    rounding: Rounding = "nearest",
    damping: float = 0.01,
    progress: Progress | None = None,
) -> LayerResult:
    """Quantize the weights of one layer on captured inputs, within the budget of an accumulator.

    Parameters
    ----------
    weights : float array [C, K]
        Output channels by inputs.
    inputs : float array [rows, K]
        What the layer gets, unquantized.
    weight_format : str or Format
        With integer levels, 0 among them.
    weight_scales : float, or array [C], [C, 1] or [C, groups], optional
        What an integer level is worth; used as it is. By default the format's own, one for each channel.
    weight_zeros : int array [C, groups], optional
        With the scales of a format that has zero points.
    activation_bits : int
        2 to 16.
    activation_signed : bool
        Otherwise the codes are unsigned and may have a zero point, which stays outside the accumulator.
    activation_scale : float or array [rows], optional
        Used as it is; by default the codes span the inputs.
    activation_zero : int, optional
        Used as it is; by default chosen with the scale.
    inner_bits : int or None
        Width of the register that sums a tile, 8 to 32; None for no limit: the certificate says what the
        weights need.
    tile : int or None
        Inputs of a tile, counted in their original order; None for the whole row. With scales by group a
        tile lies within one group.
    policy : str
        "safe": every input whatsoever fits `inner_bits`. "wrap" and "saturate": the budget is not enforced;
        the report has what a register of `inner_bits` that wraps or saturates does to calibration rows.
    solver : str
        "best", "gpfq" or "gptq".
    act_order : bool
        Visit inputs by falling energy; `best` tries both.
    soft : bool
        AXE's soft thresholds; `best` tries both.
    rounding : str
        "nearest", "zero", "floor" or "ceil"; the budget holds in each of them.
    damping : float
        `gptq` only: added to the Hessian's diagonal, relative to its mean, and more where that is not
        enough; the report says how much.
    progress : callable, optional
        Told what begins.

    Returns
    -------
    LayerResult

    Raises
    ------
    ValueError
        When a shape, width, format or value is not as described.
    """
    check_rounding(rounding)
    for value, choices, what in ((policy, POLICIES, "policy"), (solver, SOLVERS, "solver")):
        if value not in choices:
            raise ValueError(f"{what} should be one of {', '.join(choices)}, not {value!r}")
    check_matrix(weights, "weights", "[C, K]")
    check_matrix(inputs, "inputs", "[rows, K]")
    if weights.shape[1] != inputs.shape[1]:
        raise ValueError(
            f"weights [C, K] and inputs [rows, K] should have one K, "
            f"not {weights.shape[1]} and {inputs.shape[1]}"
        )
    if policy != "safe" and inner_bits is None:
        raise ValueError(f"a register that may {policy} should have a width, but inner_bits is None")
    form = formats.get(weight_format) if isinstance(weight_format, str) else weight_format
    exact = np.asarray(weights, dtype=np.float64)
    quantizer = ActivationQuantizer.fit(
        inputs, activation_bits, activation_signed, activation_scale, activation_zero
    )
    grid = WeightGrid.of(exact, form, weight_scales, weight_zeros)
    _require_tiles_in_groups(grid, tile, exact.shape[1])
    asked = Budget(quantizer.codes, inner_bits, tile)
    layer = Layer(
        np.ascontiguousarray(exact.T),
        grid,
        asked if policy == "safe" else Budget(quantizer.codes, None, tile),
    )
    calibration = Calibration.of(inputs, quantizer)
    solved = _solve(layer, calibration, solver, act_order, soft, rounding, damping, progress)
    levels = np.ascontiguousarray(solved.levels.T)
    overflow = None
    if policy != "safe":
        overflow = measure_overflow(exact, levels, grid.scales.T, inputs, quantizer, asked, policy)
    report = _report(layer, calibration, solved, solver, policy, overflow)
    certificate = certify(
        levels,
        activation_bits=activation_bits,
        activation_signed=activation_signed,
        tile=tile,
        inner_bits=inner_bits if policy == "safe" else None,
    )
    return LayerResult(levels, np.ascontiguousarray(grid.scales.T), quantizer, certificate, report)


@dataclass(frozen=True)
class _Solved:
    """Levels [K, C], and what a solver tells of itself."""

    levels: NDArray[np.int64]
    hessian: Damped | None = None
    shrinkage: float | None = None
    chosen: dict[str, int] = field(default_factory=dict)


def _solve(
    layer: Layer,
    calibration: Calibration,
    solver: Solver,
    act_order: bool,
    soft: bool,
    rounding: Rounding,
    damping: float,
    progress: Progress | None,
) -> _Solved:
    if solver == "best":
        found = best(layer, calibration, rounding=rounding, progress=progress)
        return _Solved(found.levels, found.hessian, found.regularization.shrinkage, found.chosen)
    if solver == "gptq":
        hessian = damped(calibration.gram, damping, act_order=act_order)
        levels = gptq(layer, hessian, soft=soft, rounding=rounding)
        return _Solved(levels, hessian)
    return _Solved(gpfq(layer, calibration, act_order=act_order, soft=soft, rounding=rounding))


def _report(
    layer: Layer,
    calibration: Calibration,
    solved: _Solved,
    solver: Solver,
    policy: Policy,
    overflow: Overflow | None,
) -> LayerReport:
    mean = float(np.diagonal(calibration.gram).mean()) or 1.0
    energy = float(calibration.energy(layer.weights).sum())
    error = float(calibration.error(layer.weights, layer.values(solved.levels)).sum())
    return LayerReport(
        solver=solver,
        policy=policy,
        rows=len(calibration.inputs),
        rank=numerical_rank(calibration.gram),
        damping=solved.hessian.damping / mean if solved.hessian else 0.0,
        attempts=solved.hessian.attempts if solved.hessian else 0,
        dead_inputs=int(calibration.dead.sum()),
        clipped_weights=_clipped(layer, solved.levels),
        calibration_error=float(np.sqrt(error / energy)) if energy else 0.0,
        shrinkage=solved.shrinkage,
        chosen=solved.chosen,
        overflow=overflow,
    )


def _require_tiles_in_groups(grid: WeightGrid, tile: int | None, inputs: int) -> None:
    """A register sums integers of one scale only."""
    if len(grid.scales) > 1 and (tile is None or grid.group % tile):
        raise ValueError(
            f"a tile should divide the {grid.group} inputs that share a scale, as its register sums integers "
            f"of one scale, but it has {inputs if tile is None else tile}"
        )


def _clipped(layer: Layer, levels: NDArray[np.int64]) -> int:
    """Weights whose nearest level lies outside of what the other weights of their tile leave."""
    budget, grid = layer.budget, layer.grid
    if budget.inner_bits is None:
        return 0
    pos, neg = budget.sums(levels)
    steps, count = layer.steps, 0
    for index, level in enumerate(levels):
        tile, group = budget.tile_of(index), index // grid.group
        low, high = grid.low[group], grid.high[group]
        least, largest = budget.room(pos[tile] - np.maximum(level, 0), neg[tile] - np.minimum(level, 0))
        nearest = grid.round(steps[index], low, high)
        count += int(np.count_nonzero((nearest < least) | (nearest > largest)))
    return count
