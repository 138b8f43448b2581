# amaranth: UnusedElaboratable=no
"""The gates of the plain FP16 product on many operands; the window; parameters; lint."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from hdl.baseline.fp_fp_dot import FpFpDot, FpFpDotParameters, PlainProduct
from hdl.fused_add import RoundedWord
from hdl.heap import AdderCells
from tests.hdl.gates import Gates

from .clean import assert_clean


@pytest.mark.parametrize("cells", AdderCells)
def test_products_are_exact(cells: AdderCells) -> None:
    rng = np.random.default_rng(3)
    a, b = rng.integers(0, 1 << 16, (2, 20_000))
    a[:4000] &= 0x83FF  # subnormals
    b[2000:6000] &= 0x83FF
    found = Gates(PlainProduct(cells))(a=a, b=b)
    x, w = (bits.astype(np.uint16).view(np.float16) for bits in (a, b))
    special = ~(np.isfinite(x) & np.isfinite(w))
    with np.errstate(invalid="ignore"):
        product = x.astype(np.float64) * w.astype(np.float64)
    assert (found["nan"][special] == np.isnan(product[special])).all()
    assert (found["infinite"][special] == np.isinf(product[special])).all()
    assert not (found["nan"] | found["infinite"])[~special].any()
    assert (found["negative"] == (np.signbit(x) != np.signbit(w))).all()
    exponents = [np.maximum(bits >> 10 & 31, 1) for bits in (a, b)]
    assert (found["exponent"] == exponents[0] + exponents[1]).all()
    signed = found["product"] - (found["product"] >> 22 << 23)
    assert (np.ldexp(signed.astype(np.float64), found["exponent"] - 50)[~special] == product[~special]).all()


@pytest.mark.parametrize(("lanes", "guard"), [(4, 1), (1, 0), (8, 4)])
def test_every_total_is_rounded_minus_one_too(lanes: int, guard: int) -> None:
    window = FpFpDotParameters(lanes=lanes, guard=guard).window
    rng = np.random.default_rng(7)
    ends = window.total
    near = np.concatenate([np.arange(-40, 41), ends.min + np.arange(3), ends.max - np.arange(3)])
    scaled = rng.integers(ends.min, ends.max, 4000, endpoint=True) >> rng.integers(0, window.bits, 4000)
    total = np.concatenate([near, scaled])
    field = np.full(len(total), 100)
    found = Gates(RoundedWord(window))(total=total, field=field, inexact=np.zeros_like(total))["word"]
    value = np.ldexp(total.astype(np.float64), 100 - 127 - (window.bits - 2)).astype(np.float32)
    magnitude = np.abs(value).view(np.uint32).astype(np.int64)
    assert (found == np.where(value < 0, (1 << 32) - magnitude, magnitude)).all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"lanes": 3}, "lanes must be 1, 2, 4 or 8, not 3"),
        ({"slots": 17}, "slots must be from 1 to 16, not 17"),
        ({"guard": 5}, "guard must be from 0 to 4, not 5"),
        ({"weights": "beside"}, "weights must be outside or inside, not 'beside'"),
    ],
)
def test_bad_parameters(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        FpFpDotParameters(**wrong)


def test_throughput() -> None:
    assert FpFpDotParameters().macs_per_cycle == 4
    assert FpFpDotParameters(slots=1).macs_per_cycle == 2


@pytest.mark.parametrize(
    "component",
    [
        FpFpDot(FpFpDotParameters()),
        FpFpDot(
            FpFpDotParameters(lanes=1, slots=1, guard=0, weights="inside", adder_cells=AdderCells.INVERTING)
        ),
    ],
    ids=lambda component: component.module_name,
)
def test_verilog_is_lint_clean(component: Any, tmp_path: Any) -> None:
    assert_clean(component, tmp_path)
