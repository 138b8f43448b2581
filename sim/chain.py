"""Products one after the other through the bus of an accelerator, of given data: every bit, every cycle."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.accumulate import round_fp16
from golden.anda import AndaCodec
from golden.gemm import gemm
from golden.interval import Interval
from golden.weights import IntegerWeights
from hdl.accelerator import AcceleratorParameters

from .accelerator_projection import accelerator_cycles
from .cycles import Product, product_cycles
from .driver import Driver, Kept
from .engine_jobs import tiled
from .weight_codes import nearest_codes

__all__ = ["Chain", "chain_bench"]

BENCH = "sim.benches.accelerator_chain"


@dataclass(frozen=True, eq=False)
class Chain:
    """Activations, and the matrices that they are multiplied by one after the other.

    Attributes
    ----------
    x : float16 array [N, K]
        Finite.
    matrices : tuple of float array
        [C, K] each; K is the C of the one before.
    planes : tuple of int
        Of the activations of each product.
    """

    x: NDArray[np.float16]
    matrices: tuple[NDArray[np.float64], ...]
    planes: tuple[int, ...]

    def needs(self, driver: Driver) -> dict[str, int]:
        """Words of each buffer that the chain takes on a build."""
        n = len(self.x)
        shapes = [matrix.shape for matrix in self.matrices]
        return {
            "plane_words": sum(
                driver.plane_words(n, k, p) for (_, k), p in zip(shapes, self.planes, strict=True)
            ),
            "plane_groups": sum(driver.group_words(n, k) for _, k in shapes),
            "weight_words": sum(driver.weight_words(k, c) for c, k in shapes),
        }

    def fits(self, parameters: AcceleratorParameters) -> bool:
        """Whether the buffers hold all of it."""
        needs = self.needs(Driver(parameters.build))
        return all(need <= getattr(parameters.engine, name) for name, need in needs.items())


def chain_bench(parameters: AcceleratorParameters, chain: Chain, work: Path) -> tuple[str, dict[str, Any]]:
    """The bench that runs a chain, and its parameters; the data go into a file below `work`.

    Weights are rounded to the levels that the accelerator is built for, a scale for each group. The bench
    gets the results that the golden model has for every product.

    Raises
    ------
    ValueError
        The chain does not fit the buffers.
    """
    driver = Driver(parameters.build)
    for name, need in chain.needs(driver).items():
        if need > getattr(parameters.engine, name):
            raise ValueError(f"{name} must be at least {need} for this chain")
    pe = parameters.engine.array.pe
    arrays: dict[str, Any] = {"activations": _bytes(driver.activations(chain.x))}
    products, y = [], chain.x
    for number, (matrix, planes) in enumerate(zip(chain.matrices, chain.planes, strict=True)):
        weights, stream = _rounded(parameters, matrix)
        codec = AndaCodec(planes, pe.encoding, parameters.engine.rounding, pe.lanes)
        y, _ = round_fp16(gemm(y, weights, codec))
        arrays |= {f"weights_{number}": _bytes(stream), f"results_{number}": y}
        products.append({"shape": [len(y), weights.length, weights.channels], "planes": planes})
    for product, following in pairwise(products):
        product["keep"] = {"planes": following["planes"]}
    _place(driver, products)
    for product in products:
        product["cycles"] = _cycles(parameters, driver, product)
    work.mkdir(parents=True, exist_ok=True)
    data = Path(tempfile.mkdtemp(prefix="chain-", dir=work)).resolve() / "data.npz"
    np.savez(data, **arrays)
    return BENCH, {"build": asdict(parameters.build), "data": str(data), "products": products}


def _rounded(parameters: AcceleratorParameters, matrix: NDArray[np.float64]) -> tuple[IntegerWeights, bytes]:
    """A matrix in what the elements multiply by, and as the stream brings it."""
    array = parameters.engine.array
    lanes, bits, form = array.pe.lanes, array.pe.level_bits, array.format
    levels = (form and form.level_range) or Interval.of_bits(bits, signed=True)
    channels, length = matrix.shape
    groups, _ = tiled(length, lanes)
    padded = np.zeros((channels, groups * lanes))
    padded[:, :length] = matrix
    sets = padded.reshape(-1, lanes)
    scales = (np.abs(sets).max(axis=1) / max(levels.max, 1)).astype(np.float16)
    divisors = np.where(scales == 0, 1, scales.astype(np.float64))
    wanted = np.clip(np.rint(sets / divisors[:, None]), levels.min, levels.max).astype(np.int64)
    reached, codes, zeros = nearest_codes(wanted, form)
    scales = scales.reshape(channels, groups)
    whole = IntegerWeights(reached.reshape(channels, -1)[:, :length].astype(np.int8), scales, lanes, bits)
    stream = Driver(parameters.build).weights(
        codes.reshape(channels, -1)[:, :length],
        scales,
        bits=form.code_bits if form else bits,
        zeros=None if zeros is None else zeros.reshape(channels, groups),
    )
    return whole, stream


def _place(driver: Driver, products: list[dict[str, Any]]) -> None:
    """Where the operands of each product are: one behind the other."""
    base = exponent_base = weight_base = 0
    for product in products:
        n, k, c = product["shape"]
        product["base"], product["exponent_base"] = base, exponent_base
        product["weight_base"] = weight_base
        base += driver.plane_words(n, k, product["planes"])
        exponent_base += driver.group_words(n, k)
        weight_base += driver.weight_words(k, c)
        if "keep" in product:
            product["keep"] |= {"base": base, "exponent_base": exponent_base}


def _cycles(parameters: AcceleratorParameters, driver: Driver, product: dict[str, Any]) -> int | None:
    """What the counter will say if nothing outside has a say; None if a narrow bus has one."""
    n, k, c = product["shape"]
    planes = product["planes"]
    if "keep" in product:
        keep = Kept(**product["keep"])
        check = driver.check_cycles(n, k, c, planes, keep)
        return check + product_cycles(parameters.engine, Product(n, k, c, planes, keep.planes)).total
    if parameters.results_bits < parameters.engine.groups.part_bits:
        return None
    return accelerator_cycles(parameters, n, k, c, planes)


def _bytes(stream: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(stream, dtype=np.uint8)
