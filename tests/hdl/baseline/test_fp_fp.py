# amaranth: UnusedElaboratable=no
"""The gates of the FP16 product and of the dequantizer on many operands; parameters; lint."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from golden.baseline.fp_fp import dequantize
from golden.fp16 import sanitize
from hdl.baseline.dequantizer import Dequantizer
from hdl.baseline.fp_fp import FpFp, FpFpParameters
from hdl.baseline.products import PRODUCTS, Fp16Product
from hdl.heap import AdderCells
from tests.hdl.gates import Gates

from .clean import assert_clean


def halves(bits: np.ndarray) -> np.ndarray:
    return bits.astype(np.uint16).view(np.float16)


@pytest.mark.parametrize("cells", AdderCells)
def test_products_are_exact_and_near_the_top(cells: AdderCells) -> None:
    rng = np.random.default_rng(3)
    a, b = rng.integers(0, 1 << 16, (2, 20_000))
    a[:4000] &= 0x83FF  # subnormals
    b[2000:6000] &= 0x83FF
    found = Gates(Fp16Product(cells))(a=a, b=b)
    x, w = halves(a), halves(b)
    special = ~(np.isfinite(x) & np.isfinite(w))
    with np.errstate(invalid="ignore"):
        product = x.astype(np.float64) * w.astype(np.float64)
    assert (found["nan"][special] == np.isnan(product[special])).all()
    assert (found["infinite"][special] == np.isinf(product[special])).all()
    assert not (found["nan"] | found["infinite"])[~special].any()
    negative = np.signbit(x) != np.signbit(w)
    assert (found["negative"] == negative).all()
    bits = PRODUCTS.product.bits
    signed = found["product"] - (found["product"] >> (bits - 1) << bits)
    value = np.ldexp(signed.astype(np.float64), found["field"] - 127 - (bits - 2))
    assert (value[~special] == product[~special]).all()
    nonzero = ~special & (product != 0)
    assert (np.abs(signed[nonzero]) >= 1 << (bits - 2 - PRODUCTS.slack)).all()


def test_the_dequantizer_rounds_every_product() -> None:
    rng = np.random.default_rng(4)
    levels, scale = rng.integers(0, 1 << 4, 30_000), rng.integers(0, 1 << 16, 30_000)
    scale[:6000] &= 0x83FF
    found = Gates(Dequantizer(1))(levels=levels, scale=scale)
    finite = sanitize(halves(scale))[0]
    wanted = dequantize(np.where(levels > 7, levels - 16, levels), finite)[0]
    assert (found["weights"] == wanted.view(np.uint16)).all()
    assert (found["nonfinite"] == (scale >> 10 & 31 == 31)).all()
    exact = [Fraction(float(s)) * (n - 16 * (n > 7)) for n, s in zip(levels.tolist(), finite, strict=True)]
    assert found["overflow"].tolist() == [abs(value) >= 65520 for value in exact]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"lanes": 0}, "lanes must be from 1 to 16, not 0"),
        ({"slots": 17}, "slots must be from 1 to 16, not 17"),
        ({"weights": "beside"}, "weights must be outside or inside, not 'beside'"),
    ],
)
def test_bad_parameters(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        FpFpParameters(**wrong)


def test_throughput() -> None:
    assert FpFpParameters().macs_per_cycle == 4
    assert FpFpParameters(slots=1).macs_per_cycle == 2


@pytest.mark.parametrize(
    "component",
    [
        FpFp(FpFpParameters()),
        FpFp(FpFpParameters(lanes=1, slots=1, weights="inside", adder_cells=AdderCells.INVERTING)),
        FpFp(FpFpParameters(lanes=2, slots=3)),
        Dequantizer(4),
    ],
    ids=lambda component: component.module_name,
)
def test_verilog_is_lint_clean(component: Any, tmp_path: Any) -> None:
    assert_clean(component, tmp_path)
