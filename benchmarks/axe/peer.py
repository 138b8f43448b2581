"""Brevitas' AXE on the same layers, run by a Python that has torch and Brevitas; this project needs neither.

Usage: peer.py DIRECTORY

Reads the layer from `problem.npz` and the solvers and cells from `order.json`. Writes `answer.npz`: the
integer levels for each solver and cell, how long each took, and the codes of the calibration inputs, so that
both sides can be seen to have the same; and `versions.json`.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from brevitas import nn as qnn
from brevitas.quant.scaled_int import Int8ActPerTensorFloat, Int8WeightPerChannelFloat
from brevitas.quant.shifted_scaled_int import ShiftedUint8ActPerTensorFloat
from brevitas_examples.common.axe import a2gpfq_mode, a2gptq_mode

MODES = {"gptq": a2gptq_mode, "gpfq": a2gpfq_mode}


class Frozen(torch.nn.Module):
    """A scale or a zero point that nothing changes."""

    def __init__(self, value: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("value", value)

    def forward(self, *_: Any) -> torch.Tensor:
        return self.value


def layer(problem: dict[str, Any]) -> qnn.QuantLinear:
    """The layer with both quantizers held to the scales of the problem."""
    scale = torch.tensor(float(problem["activation_scale"]))
    bits = int(problem["activation_bits"])
    weight = {
        "bit_width": 4,
        "narrow_range": True,
        "scaling_impl": Frozen(torch.from_numpy(problem["weight_scales"])[:, None]),
    }
    activation: dict[str, Any] = {"bit_width": bits, "scaling_impl": Frozen(scale)}
    if problem["activation_signed"]:
        inputs = Int8ActPerTensorFloat
    else:
        inputs = ShiftedUint8ActPerTensorFloat
        activation["zero_point_impl"] = Frozen(torch.tensor(float(problem["activation_zero"])))
    channels, size = problem["weights"].shape
    made = qnn.QuantLinear(
        size,
        channels,
        bias=False,
        weight_quant=Int8WeightPerChannelFloat.let(**weight),
        input_quant=inputs.let(**activation),
    )
    made.weight.data.copy_(torch.from_numpy(problem["weights"]))
    return made.eval()


def solve(problem: dict[str, Any], solver: str, bits: int, tile: int) -> tuple[np.ndarray, float]:
    """Levels [C, K] and the seconds it took; a tile of 0 is the whole row."""
    model = torch.nn.Sequential(layer(problem))
    inputs = torch.from_numpy(problem["calibration"])
    start = time.perf_counter()
    # A Hessian that cannot be inverted is only a warning there, and the weights stay without any constraint.
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Failed to compute the inverse")
        with MODES[solver](
            model,
            act_order=True,
            use_quant_activations=True,
            max_accumulator_bit_width=bits,
            max_accumulator_tile_size=tile or None,
        ) as mode:
            mode.model(inputs)
            mode.update()
    took = time.perf_counter() - start
    return levels(model[0], problem), took


def levels(quantized: qnn.QuantLinear, problem: dict[str, Any]) -> np.ndarray:
    """The integers behind the weights, which must be exactly these integers times the frozen scales."""
    found = quantized.quant_weight()
    integers = found.int().numpy().astype(np.int8)
    values = integers.astype(np.float32) * problem["weight_scales"][:, None]
    if not np.array_equal(values, found.value.numpy()) or np.abs(integers).max() > 7:
        raise ValueError("the weights of the peer must lie on the frozen grid, but do not")
    return integers


def main(directory: Path) -> None:
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    versions = {name: version(name) for name in ("brevitas", "torch", "numpy")}
    (directory / "versions.json").write_text(json.dumps(versions))
    order = json.loads((directory / "order.json").read_text())
    with np.load(directory / "problem.npz") as file:
        problem = dict(file)
    codes = layer(problem).input_quant(torch.from_numpy(problem["calibration"])).int()
    answer = {"codes": codes.numpy().astype(np.int32)}
    for solver in order["solvers"]:
        for bits, tile in order["cells"]:
            key = f"{solver}_{bits}_{tile}"
            answer[key], seconds = solve(problem, solver, bits, tile)
            answer[f"{key}_seconds"] = np.array(seconds)
    partial = directory / "partial.npz"
    np.savez_compressed(partial, **answer)
    partial.replace(directory / "answer.npz")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
