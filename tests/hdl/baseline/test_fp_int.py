# amaranth: UnusedElaboratable=no
"""The gates of the FP-INT product and of the scaled word on many operands; parameters; lint."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from golden.fp16 import sanitize
from hdl.baseline.fp_int import FpInt, FpIntParameters
from hdl.baseline.fused_loop import ProductWindow
from hdl.baseline.products import LEVEL_PRODUCTS, SCALED, LevelProduct, ScaledWord
from hdl.heap import AdderCells
from tests.hdl.gates import Gates

from .clean import assert_clean


def check(found: dict[str, np.ndarray], window: ProductWindow, product: np.ndarray) -> None:
    """The value is exact, and its leading bit where the window wants it."""
    bits = window.product.bits
    signed = found["product"] - (found["product"] >> (bits - 1) << bits)
    assert (np.ldexp(signed.astype(np.float64), found["field"] - 127 - (bits - 2)) == product).all()
    assert (np.abs(signed[product != 0]) >= 1 << (bits - 2 - window.slack)).all()
    assert product.any()


@pytest.mark.parametrize("cells", AdderCells)
def test_products_with_levels(cells: AdderCells) -> None:
    rng = np.random.default_rng(5)
    words, level = rng.integers(0, 1 << 16, 20_000), rng.integers(0, 16, 20_000)
    words[:5000] &= 0x83FF
    found = Gates(LevelProduct(cells))(value=words, level=level)
    x = sanitize(words.astype(np.uint16).view(np.float16))[0]
    check(found, LEVEL_PRODUCTS, x.astype(np.float64) * (level - 16 * (level > 7)))
    assert (found["nonfinite"] == (words >> 10 & 31 == 31)).all()


@pytest.mark.parametrize("cells", AdderCells)
def test_products_with_scales(cells: AdderCells) -> None:
    rng = np.random.default_rng(6)
    count = 20_000
    scale, magnitude = rng.integers(0, 1 << 16, count), rng.integers(67 << 23, 180 << 23, count)
    magnitude[:50] = 0
    scale[1000:5000] &= 0x83FF
    negative = rng.integers(0, 2, count)
    word = np.where(negative, (1 << 32) - magnitude, magnitude) & 0xFFFFFFFF
    found = Gates(ScaledWord(cells))(word=word, scale=scale)
    value = magnitude.astype(np.uint32).view(np.float32).astype(np.float64) * (1 - 2 * negative)
    finite = sanitize(scale.astype(np.uint16).view(np.float16))[0]
    check(found, SCALED, value * finite)
    assert (found["nonfinite"] == (scale >> 10 & 31 == 31)).all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"lanes": 3}, "lanes must be 1, 2, 4 or 8, not 3"),
        ({"weights": "beside"}, "weights must be outside or inside, not 'beside'"),
    ],
)
def test_bad_parameters(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        FpIntParameters(**wrong)


@pytest.mark.parametrize(
    "component",
    [
        FpInt(FpIntParameters()),
        FpInt(FpIntParameters(lanes=1, weights="inside", adder_cells=AdderCells.INVERTING)),
    ],
    ids=lambda component: component.module_name,
)
def test_verilog_is_lint_clean(component: Any, tmp_path: Any) -> None:
    assert_clean(component, tmp_path)
