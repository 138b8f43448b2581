from __future__ import annotations

import numpy as np
import pytest

from anda.llm.arithmetic import Weight
from anda.llm.gguf import GgufFile
from anda.llm.llama import Llama
from anda.llm.plan_formats import WeightPlan
from anda.llm.weights import ModelWeights, integer_weights, weights_of
from golden import formats

from .conftest import TinyModel

EXACT = ["int4", "int4-full", "int4-zp", "e2m1", "apot4", "anda4", "sf4-int6", "w2-star", "int7-zp", "mxfp4"]


def matrix() -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.random.default_rng(3).standard_t(5, (6, 200)).astype(np.float32)


@pytest.mark.parametrize("name", EXACT)
def test_integers_and_values_are_the_same_weights(name: str) -> None:
    weights = ModelWeights(WeightPlan(name))
    weight = Weight("w", matrix())
    # Levels of 8 bits times scales of 11 bits: float32 holds the products.
    assert np.array_equal(weights.integers(weight).decode(), weights.values(weight))


@pytest.mark.parametrize(
    ("name", "scale", "message"),
    [
        ("nf4", "fp16", "signed levels of at most 8 bits, but format nf4 has real levels"),
        ("int8-zp", "fp16", "signed levels of at most 8 bits, but format int8-zp has levels of 9 bits"),
        ("int4", "fp32", "takes FP16 scales, but format int4 with scales in fp32 has a level worth"),
    ],
)
def test_what_the_hardware_cannot_hold_is_refused(name: str, scale: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        integer_weights(formats.get(name).quantize(matrix(), 64, scale))


def test_a_scale_beyond_fp16_names_the_layer() -> None:
    weight = Weight("blk.1.ffn_up", matrix() * np.float32(1e6))
    with pytest.raises(ValueError, match=r"blk\.1\.ffn_up: a block whose largest magnitude"):
        ModelWeights(WeightPlan("int4")).values(weight)


def test_weights_are_rounded_once_and_kept_for_the_last_plan(tiny: TinyModel) -> None:
    model = Llama(GgufFile(tiny.path), np.float64)
    weight = Weight("blk.0.attn_q", model.weight("blk.0.attn_q"))
    plan = WeightPlan("sf4", 32)
    kept = weights_of(model, plan).values(weight)
    assert kept.dtype == np.float64
    assert np.array_equal(
        kept, formats.get("sf4").quantize(weight.values.astype("f4"), 32, "fp16").dequantize()
    )
    assert weights_of(model, WeightPlan("sf4", 32)).values(weight) is kept
    assert weights_of(model, WeightPlan("sf4", 64)).values(weight) is not kept
