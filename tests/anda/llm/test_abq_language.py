"""A tiny model in ABQ's formats without PyTorch: rounding, GPTQ, transforms, resuming, exact integers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from anda.abq_language import AbqRecipe, AffineArithmetic, block_weights, calibrate, shape_of
from anda.llm.arithmetic import Arithmetic, Array, Kind, Weight
from anda.llm.evaluate import evaluate
from anda.llm.gguf import GgufFile
from anda.llm.llama import Llama
from anda.ptq.abq.affine import AffineFormat, encode_tokens
from anda.ptq.abq.stored import bits_per_weight
from anda.ptq.abq.transform import MATRICES, fold
from golden.binary import BinaryFormat, BinaryOperand
from golden.binary_product import binary_gemm

from .conftest import HIDDEN, LAYERS, TinyModel


@pytest.fixture(scope="module")
def model(tiny: TinyModel) -> Llama:
    return Llama(GgufFile(tiny.path))


def text(model: Llama, windows: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, model.vocabulary, (windows, 24))


class Folded(Arithmetic):
    """The float model with transforms in its weights."""

    def __init__(self, model: Llama, learnt: list[dict[str, np.ndarray]]) -> None:
        self.learnt = learnt
        shape = shape_of(model)
        self.weights = [fold(block_weights(model, n), one, shape) for n, one in enumerate(learnt)]

    def activation(self, layer: int, kind: Kind, x: Array) -> Array:
        return x / self.learnt[layer][f"scale.{kind}"] if kind in ("qkv", "up_gate") else x

    def product(self, layer: int, part: str, x: Array, weight: Weight) -> Array:
        return np.asarray(x @ self.weights[layer][part].T)


def test_transforms_change_nothing(model: Llama) -> None:
    rng = np.random.default_rng(4)
    config = model.config
    sizes = {"qkv": HIDDEN, "o": config.kv_heads * config.head_size, "up_gate": HIDDEN, "down": 64}
    sizes["qk"] = sizes["o"] // 2
    learnt = [
        {f"scale.{name}": rng.uniform(0.2, 5, size).astype(np.float32) for name, size in sizes.items()}
        for _ in range(LAYERS)
    ]
    tokens = text(model, 2)
    plain, folded = model.hidden(tokens), model.hidden(tokens, Folded(model, learnt))
    np.testing.assert_allclose(folded, plain, rtol=2e-4, atol=2e-4)
    # And the norms are folded, too.
    weights = block_weights(model, 0)
    norm = fold(weights, learnt[0], shape_of(model))["attn_norm"]
    np.testing.assert_allclose(norm * learnt[0]["scale.qkv"], weights["attn_norm"], rtol=1e-6)


def test_gptq_beats_rounding_to_nearest_where_it_has_seen_the_text(model: Llama, tmp_path: Path) -> None:
    tokens = text(model, 2)
    found = {}
    for method in ("rtn", "gptq"):
        recipe = AbqRecipe("4", "8", method)
        blocks = calibrate(model, tokens, recipe, tmp_path / method)
        arithmetic = AffineArithmetic(blocks, recipe.activation_format)
        found[method] = evaluate(model, tokens.reshape(-1), arithmetic, window=24, stride=24).kl
        assert len(blocks) == LAYERS
        assert 4 < bits_per_weight(blocks) < 5
    assert 0 < found["gptq"] < 0.9 * found["rtn"]


def test_eight_bits_are_near_the_float_model(model: Llama, tmp_path: Path) -> None:
    recipe = AbqRecipe("8", "8", "rtn", group=32)
    blocks = calibrate(model, text(model, 1), recipe, tmp_path)
    assert all(block.matrices["ffn_down"].scales.shape[1] == 2 for block in blocks)
    tokens = text(model, 4).reshape(-1)
    assert evaluate(model, tokens, AffineArithmetic(blocks, AffineFormat(8)), window=24, stride=24).kl < 0.05
    assert evaluate(model, tokens, AffineArithmetic(blocks, AffineFormat(3)), window=24, stride=24).kl > 0.5


def test_an_interrupted_run_goes_on_and_ends_alike(model: Llama, tmp_path: Path) -> None:
    recipe = AbqRecipe("3", "8", "gptq")
    tokens = text(model, 4)
    whole = calibrate(model, tokens, recipe, tmp_path)
    first = (tmp_path / "block-000.npz").read_bytes()
    (tmp_path / "block-001.npz").unlink()
    told = []
    again = calibrate(model, tokens, recipe, tmp_path, lambda layer, losses: told.append(layer))
    assert told == [0, 1]
    assert (tmp_path / "block-000.npz").read_bytes() == first
    for block, other in zip(whole, again, strict=True):
        for name in MATRICES:
            np.testing.assert_array_equal(block.matrices[name].codes, other.matrices[name].codes)


def test_a_directory_of_another_calibration_is_refused(model: Llama, tmp_path: Path) -> None:
    calibrate(model, text(model, 2), AbqRecipe("8", "8", "rtn"), tmp_path)
    before = json.loads((tmp_path / "recipe.json").read_text())
    with pytest.raises(ValueError, match="should be empty or hold this calibration"):
        calibrate(model, text(model, 2), AbqRecipe("7", "8", "rtn"), tmp_path)
    assert json.loads((tmp_path / "recipe.json").read_text()) == before
    (tmp_path / "recipe.json").write_text('{"recipe":')
    with pytest.raises(ValueError, match=r"recipe\.json should say what .* is for, but is damaged"):
        calibrate(model, text(model, 2), AbqRecipe("8", "8", "rtn"), tmp_path)


def test_unknown_methods_are_refused() -> None:
    with pytest.raises(ValueError, match="a method is one of rtn, gptq, abq, not 'awq'"):
        AbqRecipe("4", "4", "awq")


@pytest.mark.parametrize(("weights", "activations"), [("2*", "8"), ("4", "4"), ("2*", "2*"), ("8", "8")])
def test_products_are_those_of_the_integers(
    model: Llama, tmp_path: Path, weights: str, activations: str
) -> None:
    """What the model computes is the exact integer product of `golden.binary`, up to float rounding."""
    recipe = AbqRecipe(weights, activations, "rtn")
    blocks = calibrate(model, text(model, 1), recipe, tmp_path)
    form = AffineFormat.parse(activations)
    x = np.random.default_rng(2).standard_normal((7, HIDDEN)).astype(np.float32) * 3 + 1
    arithmetic = AffineArithmetic(blocks, form)
    name = "blk.1.attn_q"
    rounded = arithmetic.activation(1, "o", x)
    got = arithmetic.product(1, "attn_q", rounded, Weight(name, model.weight(name)))
    matrix = blocks[1].matrices["attn_q"]
    codes, scales, zeros = encode_tokens(x, form)
    left = BinaryOperand(
        codes, BinaryFormat(form.bits, balanced=form.balanced), zeros[:, 0].astype(np.int64), scales[:, 0]
    )
    right = BinaryOperand(
        matrix.codes,
        BinaryFormat(matrix.format.bits, balanced=matrix.format.balanced),
        matrix.zeros[:, 0].astype(np.int64),
        matrix.scales[:, 0],
    )
    exact = binary_gemm(left, right, "fp32")
    np.testing.assert_array_equal(exact, binary_gemm(left, right, "fp32", "packed"))
    magnitude = np.abs(rounded) @ np.abs(matrix.values()).T
    assert (np.abs(got - exact) <= magnitude * HIDDEN * 2.0**-24).all()
