# amaranth: UnusedElaboratable=no
"""The gates of the approximate product with every code; parameters; lint."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from golden.baseline.axcore import approximate_products
from golden.fp16 import sanitize
from hdl.baseline.axcore import ApproximateProduct, AxCore, AxCoreParameters
from tests.hdl.gates import Gates

from .clean import assert_clean


def test_products_of_every_code() -> None:
    words = np.arange(0, 1 << 16, 7)
    value, code = (grid.reshape(-1) for grid in np.meshgrid(words, np.arange(16)))
    found = Gates(ApproximateProduct())(value=value, code=code)
    x = sanitize(value.astype(np.uint16).view(np.float16))[0]
    significand, exponent = approximate_products(x, code)
    assert (found["significand"] == significand & 0xFFF).all()
    assert (found["exponent"] == exponent).all()
    assert (found["nonfinite"] == (value >> 10 & 31 == 31)).all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"lanes": 3}, "lanes must be 1, 2, 4 or 8, not 3"),
        ({"weights": "beside"}, "weights must be outside or inside, not 'beside'"),
    ],
)
def test_bad_parameters(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        AxCoreParameters(**wrong)


@pytest.mark.parametrize("lanes", [1, 4])
def test_verilog_is_lint_clean(lanes: int, tmp_path: Any) -> None:
    assert_clean(
        AxCore(AxCoreParameters(lanes=lanes, weights="inside" if lanes == 1 else "outside")), tmp_path
    )
