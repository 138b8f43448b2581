"""A tiny model in integers: exact sums, certified widths, and what a wide register costs."""

from __future__ import annotations

import numpy as np
import pytest

from anda.llm.arithmetic import PROJECTIONS, Weight
from anda.llm.evaluate import evaluate
from anda.llm.gguf import GgufFile
from anda.llm.llama import Llama
from anda.llm.narrow import IntegerArithmetic, IntegerLayer, IntegerRecipe, quantize_model, token_scales
from golden.interval import Interval

from .conftest import LAYERS, TinyModel


@pytest.fixture(scope="module")
def model(tiny: TinyModel) -> Llama:
    return Llama(GgufFile(tiny.path))


def tokens(model: Llama, count: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, model.vocabulary, count)


def quantized(model: Llama, **recipe: object) -> dict[str, IntegerLayer]:
    return quantize_model(model, tokens(model, 48).reshape(2, 24), IntegerRecipe(**recipe))


def test_every_layer_fits_its_register(model: Llama) -> None:
    layers = quantized(model, inner_bits=10, tile=16)
    assert len(layers) == LAYERS * sum(map(len, PROJECTIONS.values()))
    codes = Interval.of_bits(8, signed=True)
    for layer in layers.values():
        levels = layer.levels.astype(int)
        for start in range(0, levels.shape[1], 16):
            part = levels[:, start : start + 16]
            pos, neg = np.maximum(part, 0).sum(axis=1), np.minimum(part, 0).sum(axis=1)
            assert (codes.max * pos + codes.min * neg).max() < 1 << 9
            assert (codes.min * pos + codes.max * neg).min() >= -(1 << 9)


def test_products_are_exact_sums_of_integers(model: Llama) -> None:
    layers = quantized(model)
    arithmetic = IntegerArithmetic(layers, 8)
    x = np.random.default_rng(2).standard_normal((5, model.config.hidden)).astype(np.float32)
    x[1] = 0
    coded = arithmetic.activation(0, "o", x)
    codes = coded[:, :-1].astype(int)
    assert np.abs(codes).max(axis=1).tolist() == [127, 0, 127, 127, 127]
    name = "blk.0.attn_output"
    got = arithmetic.product(0, "attn_output", coded, Weight(name, model.weight(name)))
    sums = codes @ layers[name].levels.astype(int).T
    wanted = sums * token_scales(x, 8) * layers[name].scales.astype(float)
    np.testing.assert_allclose(got, wanted, rtol=1e-6)


def test_a_narrow_register_costs_accuracy(model: Llama) -> None:
    text = tokens(model, 96)
    found = []
    for bits in (None, 8):
        layers = quantized(model, inner_bits=bits, tile=16)
        found.append(evaluate(model, text, IntegerArithmetic(layers, 8), window=24, stride=24).kl)
    assert 0 < found[0] < found[1]
