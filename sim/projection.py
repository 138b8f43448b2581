"""A real projection of a language model on the hardware: bit by bit against the golden model, with cycles."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.hdl import Shape
from numpy.typing import NDArray

from golden.accumulate import round_fp16
from golden.anda import AndaCodec
from golden.gemm import gemm
from golden.weights import IntegerWeights
from hdl.array_column import weights_layout
from hdl.emit import emit_verilog
from hdl.engine import Engine, EngineParameters

from .bench import pack_lanes
from .engine_jobs import EngineShape
from .runner import BenchResult, run_bench

__all__ = ["ProjectionRun", "engine_shape", "run_projection"]


@dataclass(frozen=True)
class ProjectionRun:
    """What came of a product on the engine.

    Attributes
    ----------
    result : BenchResult
        Whether every bit was right.
    outputs : int
        Results that were compared.
    macs : int
        Multiplications of an activation by a weight, padding not counted.
    cycles : int
        From the start of the product to the end of the job, results gone.
    beats : int
        Cycles in which the array took planes.
    stalls : dict of int
        Cycles without a beat, by the array's own reason.
    peak_macs : float
        Products that a cycle of the whole array stands for.
    check : int
        Cycles among those that an accelerator spends on checking the job before it begins.
    """

    result: BenchResult
    outputs: int
    macs: int
    cycles: int
    beats: int
    stalls: dict[str, int]
    peak_macs: float
    check: int = 0

    @property
    def macs_per_cycle(self) -> float:
        """What the array achieved."""
        return self.macs / self.cycles

    @property
    def utilization(self) -> float:
        """Share of the cycles in which the array took planes."""
        return self.beats / self.cycles


def engine_shape(parameters: EngineParameters) -> EngineShape:
    """What a program has to know of an engine."""
    array = parameters.array
    return EngineShape(
        rows=array.rows,
        columns=array.columns,
        columns_per_load=array.columns_per_load,
        lanes=array.pe.lanes,
        weight_bits=Shape.cast(weights_layout(array)["weights"].shape).width,
        elementwise_words=parameters.elementwise_words,
        silu=parameters.silu,
    )


def run_projection(
    parameters: EngineParameters,
    x: NDArray[np.float16],
    weights: IntegerWeights,
    planes: int,
    *,
    keep: int = 0,
    simulator: str = "auto",
    work: Path = Path("build/sim"),
) -> ProjectionRun:
    """Multiply on the generated Verilog what the golden model multiplies.

    Parameters
    ----------
    parameters : EngineParameters
        Its buffers hold the operands; its weights are levels, not codes.
    x : float16 array [N, K]
    weights : IntegerWeights
        [C, K], without zero points wider than the elements.
    planes : int
        Of the activations.
    keep : int
        Planes of the results if they stay on the chip, for the cycles that this takes; no result is compared
        then. 0: they leave.

    Raises
    ------
    ValueError
        When an operand does not fit a buffer.
    """
    shape, pe = engine_shape(parameters), parameters.array.pe
    n, k, c = *x.shape, weights.channels
    needs = {
        "plane_words": shape.plane_words(n, k, planes),
        "plane_groups": shape.group_words(n, k),
        "weight_words": shape.weight_words(k, c),
    }
    for name, need in needs.items():
        if need > getattr(parameters, name):
            raise ValueError(f"{name} must be at least {need} for [{n}, {k}] x [{k}, {c}]")
    codec = AndaCodec(planes, pe.encoding, parameters.rounding, pe.lanes)
    wanted, _ = round_fp16(gemm(x, weights, codec, "fp32"))
    work.mkdir(parents=True, exist_ok=True)
    data = Path(tempfile.mkdtemp(prefix="projection-", dir=work)).resolve() / "data.npz"
    parts = [] if keep else shape.result_parts(wanted)
    np.savez(
        data,
        words=_strings(shape.weight_stream(*_sets(weights, pe.lanes, pe.level_bits))),
        groups=_strings(shape.activation_groups(x)),
        values=_strings([value for value, *_ in parts]),
        marks=np.array([marks for _, *marks in parts], dtype=np.uint8),
    )
    job: dict[str, Any] = {
        "data": str(data),
        "load": shape.load(n, k, planes, 0, 0),
        "product": shape.product(n, k, c, planes, (0, 0, 0), (0, 0, keep) if keep else None),
        "fields": shape.product_fields,
    }
    engine = Engine(parameters)
    result = run_bench(
        "sim.benches.projection",
        emit_verilog(engine),
        engine.module_name,
        parameters=job,
        simulator=simulator,
        seed=1,
        work=work,
    ).check()
    counts = json.loads(data.with_suffix(".json").read_text())
    lanes = parameters.array.rows * parameters.array.columns * pe.lanes
    return ProjectionRun(
        result=result,
        outputs=0 if keep else n * c,
        macs=n * k * c,
        cycles=counts.pop("cycles"),
        beats=counts.pop("beat"),
        stalls=counts,
        peak_macs=lanes / planes,
    )


def _sets(weights: IntegerWeights, lanes: int, level_bits: int) -> tuple[NDArray[Any], NDArray[np.float16]]:
    """Levels packed for one group each, object [C, groups], and the scale of every group."""
    groups = -(-weights.length // lanes)
    padded = np.zeros((weights.channels, groups * lanes), dtype=np.int64)
    padded[:, : weights.length] = weights.levels
    packed = np.empty(weights.channels * groups, dtype=object)
    packed[:] = pack_lanes(padded.reshape(-1, lanes), level_bits)
    starts = np.arange(groups) * lanes // weights.block
    return packed.reshape(weights.channels, groups), weights.scales[:, starts]


def _strings(values: list[int]) -> NDArray[np.uint8]:
    """Integers as equally long rows of bytes, the lowest byte first."""
    size = max((max(values, default=0).bit_length() + 7) // 8, 1)
    return np.array([list(value.to_bytes(size, "little")) for value in values], dtype=np.uint8)
