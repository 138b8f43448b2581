"""A real projection of a language model in W2*A8 on the binary engine, every bit compared (docs/abq.md)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anda import fixture
from anda.extras import require
from golden.binary import BinaryFormat, BinaryOperand
from golden.binary_product import binary_gemm
from hdl.binary_array import BinaryArrayParameters
from hdl.binary_engine import BinaryEngineParameters
from hdl.binary_parameters import BinaryParameters
from hdl.emit import tool_versions
from sim.binary_projection import run_binary_product
from sim.build import pick_simulator

__all__ = [
    "RATES",
    "AbqOperands",
    "engine_for",
    "fixture_operands",
    "measure_abq_projection",
    "model_operands",
]

ACTIVATIONS = BinaryFormat(8)
WEIGHTS = BinaryFormat(2, balanced=True)
MATRIX = "attn_q"
TOKENS = 16
TEXT = "gettysburg.txt"

#: Planes of the weights that are taken in one cycle, and rows of the array.
RATES = {"weights parallel": (3, 4), "serial": (1, 4)}
_COLUMNS = 4
_LANES = 64


@dataclass(frozen=True)
class AbqOperands:
    """Both sides of a projection, quantized.

    Attributes
    ----------
    tensor : str
        Name of the matrix.
    x, w : BinaryOperand
        Activations [tokens, K] in 8 bits about a zero point a token; weights [C, K] in five levels about a
        zero point a channel; both rounded to nearest.
    """

    tensor: str
    x: BinaryOperand
    w: BinaryOperand

    @classmethod
    def rounded(cls, tensor: str, x: NDArray[np.floating], w: NDArray[np.floating]) -> AbqOperands:
        """Real activations [tokens, K] and weights [C, K], rounded to nearest."""
        return cls(tensor, BinaryOperand.quantize(x, ACTIVATIONS), BinaryOperand.quantize(w, WEIGHTS))


def model_operands(model: Path | None = None, *, layer: int | None = None) -> AbqOperands:
    """The query projection of one block of SmolLM2, and what enters it as it reads the Gettysburg address.

    Parameters
    ----------
    model : Path, optional
        GGUF file of a Llama-family model; by default SmolLM2-135M.
    layer : int, optional
        The block; by default the middle one.

    Raises
    ------
    ValueError
        When the model or an extra is not installed.
    """
    require("gguf", "llm", "a projection of a language model")
    from anda.llm.capture import capture_inputs
    from anda.llm.gguf import GgufFile, find_smollm2
    from anda.llm.llama import Llama
    from anda.llm.tokenizer import Tokenizer

    file = GgufFile(model or find_smollm2())
    text = (fixture.data_directory() / TEXT).read_text(encoding="utf-8")
    numbers = Tokenizer(file).encode(text)[:TOKENS]
    # In float64, so that the order in which a machine adds does not show after the rounding to FP16.
    llama = Llama(file, np.float64)
    layer = llama.config.layers // 2 if layer is None else layer
    inputs = capture_inputs(llama, numbers, [layer], {"qkv"})
    tensor = f"blk.{layer}.{MATRIX}"
    return AbqOperands.rounded(tensor, inputs[layer, "qkv"].astype(np.float16), llama.weight(tensor))


def fixture_operands(tokens: int = TOKENS) -> AbqOperands:
    """The real data of a checkout, 32 channels: they need no model."""
    real = fixture.load()["qkv"]
    return AbqOperands.rounded("qkv", real.x[:tokens], real.weights.decode())


def engine_for(
    operands: AbqOperands, weight_planes_per_cycle: int, rows: int, columns: int = _COLUMNS
) -> BinaryEngineParameters:
    """An engine whose memories hold the operands, the weights packed three to 7 bits."""
    x, w = operands.x, operands.w
    groups = -(-x.length // _LANES)
    element = BinaryParameters(
        lanes=_LANES,
        activation_planes=ACTIVATIONS.planes,
        weight_planes=WEIGHTS.planes,
        weight_planes_per_cycle=weight_planes_per_cycle,
        activations="unsigned",
        weights="unsigned",
        terms=groups * _LANES,
    )
    array = BinaryArrayParameters(element=element, rows=rows, columns=columns, zero_bits=ACTIVATIONS.bits + 1)
    row_tiles, column_tiles = -(-x.rows // rows), -(-w.rows // columns)
    return BinaryEngineParameters(
        array=array,
        activation_words=max(2, row_tiles * ACTIVATIONS.planes * groups),
        weight_words=max(2, column_tiles * groups),
        channel_words=max(2, column_tiles),
        row_words=max(2, row_tiles),
        packed=True,
    )


def measure_abq_projection(
    operands: AbqOperands,
    report: Callable[[str], None],
    *,
    rates: dict[str, tuple[int, int]] = RATES,
    columns: int = _COLUMNS,
    simulator: str = "auto",
    work: Path = Path("build/sim"),
) -> dict[str, Any]:
    """Multiply on the generated Verilog at each rate, and compare every result with the golden product.

    Parameters
    ----------
    operands : AbqOperands
    report : callable
        Told what is done next.
    rates : dict
        By name: planes of weights a cycle, and rows of the array.
    columns : int
        Of the array.
    simulator : str
        "verilator", "icarus", or "auto".
    work : Path
        Where simulations are compiled and run.

    Returns
    -------
    dict
        As JSON holds it: what was multiplied, and for each rate outputs, cycles and products a cycle.

    Raises
    ------
    AssertionError
        A result differs.
    """
    x, w = operands.x, operands.w
    runs = []
    for name, (planes, rows) in rates.items():
        p = engine_for(operands, planes, rows, columns)
        report(f"{operands.tensor} at {name}: {rows} x {columns} elements of {_LANES} lanes")
        run = run_binary_product(p, x, w, simulator=simulator, work=work)
        runs.append(
            {
                "rate": name,
                "rows": rows,
                "columns": columns,
                "lanes": _LANES,
                "outputs": run.outputs,
                "macs": run.macs,
                "cycles": run.cycles,
                "beats": run.beats,
                "macs_per_cycle": run.macs_per_cycle,
                "peak_macs": run.peak_macs,
                "utilization": run.utilization,
                "weight_memory_bits": p.weight_word_bits * p.weight_words,
            }
        )
    exact = binary_gemm(x, w)
    return {
        "evidence": "simulated",
        "tools": tool_versions() | {"simulator": pick_simulator(simulator)},
        "tensor": operands.tensor,
        "shape": [x.rows, x.length, w.rows],
        "formats": {"activations": asdict(x.format), "weights": asdict(w.format)},
        "zero_points": {
            "activations": [int(x.row_zeros.min()), int(x.row_zeros.max())],
            "weights": [int(w.row_zeros.min()), int(w.row_zeros.max())],
        },
        "results": [int(exact.min()), int(exact.max())],
        "runs": runs,
    }
