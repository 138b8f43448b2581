"""A product of any bits by any bits on the binary engine: every bit compared, every cycle counted."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from golden.binary import BinaryFormat, BinaryOperand
from hdl.binary_engine import BinaryEngine, BinaryEngineParameters, binary_job_layout, step_layout
from hdl.binary_parameters import Signs
from hdl.emit import emit_verilog

from .binary_jobs import BinaryShape, program
from .runner import BenchResult, run_bench

__all__ = ["BinaryRun", "binary_shape", "engine_facts", "engine_formats", "run_binary_product"]


@dataclass(frozen=True)
class BinaryRun:
    """What came of a product on the binary engine.

    Attributes
    ----------
    result : BenchResult
        Whether every bit was right.
    outputs : int
        Results that were compared.
    macs : int
        Multiplications of an activation by a weight, padding not counted.
    cycles : int
        From the start of the product to its last result.
    beats : int
        Cycles in which the array took planes.
    peak_macs : float
        Products that a cycle of the whole array stands for.
    """

    result: BenchResult
    outputs: int
    macs: int
    cycles: int
    beats: int
    peak_macs: float

    @property
    def macs_per_cycle(self) -> float:
        """What the array achieved."""
        return self.macs / self.cycles

    @property
    def utilization(self) -> float:
        """Share of the cycles in which the array took planes."""
        return self.beats / self.cycles


def binary_shape(parameters: BinaryEngineParameters) -> BinaryShape:
    """What a program has to know of an engine."""
    p, array = parameters, parameters.array
    fields = step_layout(p).members
    return BinaryShape(
        rows=array.rows,
        columns=array.columns,
        lanes=array.element.lanes,
        rate=array.element.rate,
        zero_bits=array.zero_bits,
        term_bits=array.channel_bits - array.zero_bits,
        value_bits=array.value_bits,
        packed=p.packed,
        step_bits={name: int(width) for name, width in fields.items()},
    )


def engine_facts(parameters: BinaryEngineParameters) -> dict[str, Any]:
    """The same and the depths of the memories, as JSON holds them."""
    shape = asdict(binary_shape(parameters))
    return {
        "shape": shape | {"rate": list(shape["rate"].values())},
        "memories": {name: depth for name, (depth, _) in parameters.memories().items()},
        "job_fields": list(binary_job_layout(parameters).members),
    }


def engine_formats(parameters: BinaryEngineParameters) -> dict[str, list[tuple[int, bool, bool]]]:
    """The formats of either side, as the fields of `BinaryFormat`; packed weights have five levels."""
    element = parameters.array.element
    weights = _formats(element.weight_planes, element.weights)
    return {
        "activations": _formats(element.activation_planes, element.activations),
        "weights": [(2, False, True)] if parameters.packed else weights,
    }


def _formats(planes: int, signs: Signs) -> list[tuple[int, bool, bool]]:
    kinds = {"unsigned": [False], "signed": [True], "either": [False, True]}[signs]
    return [(bits, signed, False) for bits in range(1, planes + 1) for signed in kinds]


def run_binary_product(
    parameters: BinaryEngineParameters,
    x: BinaryOperand,
    w: BinaryOperand,
    *,
    simulator: str = "auto",
    work: Path = Path("build/sim"),
) -> BinaryRun:
    """Multiply on the generated Verilog what the golden model multiplies.

    Parameters
    ----------
    parameters : BinaryEngineParameters
        Its memories hold the operands.
    x : BinaryOperand
        [N, K]
    w : BinaryOperand
        [C, K]

    Raises
    ------
    ValueError
        An operand does not fit a memory, or K is longer than a sum of the engine may be.
    """
    element = parameters.array.element
    if x.length > element.terms:
        raise ValueError(f"a sum of the engine has up to {element.terms} terms, but K is {x.length}")
    made = program(binary_shape(parameters), x, w)
    for name, (depth, _) in parameters.memories().items():
        if len(made.memories[name]) > depth:
            raise ValueError(
                f"the memory of {name} must hold {len(made.memories[name])} words for "
                f"[{x.rows}, {x.length}] x [{w.length}, {w.rows}], but has {depth}"
            )
    work.mkdir(parents=True, exist_ok=True)
    data = Path(tempfile.mkdtemp(prefix="binary-", dir=work)).resolve() / "data.npz"
    np.savez(
        data,
        x_codes=x.codes,
        x_zeros=x.row_zeros,
        x_format=np.array(_fields(x.format)),
        w_codes=w.codes,
        w_zeros=w.row_zeros,
        w_format=np.array(_fields(w.format)),
    )
    engine = BinaryEngine(parameters)
    result = run_bench(
        "sim.benches.binary_product",
        emit_verilog(engine),
        engine.module_name,
        parameters=engine_facts(parameters) | {"data": str(data)},
        simulator=simulator,
        seed=1,
        work=work,
    ).check()
    counts = json.loads(data.with_suffix(".json").read_text())
    pairs = counts["steps"]
    lanes = parameters.array.rows * parameters.array.columns * element.lanes
    return BinaryRun(
        result=result,
        outputs=x.rows * w.rows,
        macs=x.rows * x.length * w.rows,
        cycles=counts["cycles"],
        beats=counts["beats"],
        peak_macs=lanes / pairs,
    )


def _fields(form: BinaryFormat) -> tuple[int, int, int]:
    return form.bits, int(form.signed), int(form.balanced)
