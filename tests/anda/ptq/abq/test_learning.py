"""Calibration with PyTorch: gradients, losses, the same model as NumPy's, learning, resuming."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anda.abq_language import AbqRecipe, AffineArithmetic, calibrate
from anda.llm.evaluate import evaluate
from anda.llm.gguf import GgufFile
from anda.llm.llama import Llama
from anda.ptq.abq.affine import AffineFormat, affine_tokens
from anda.ptq.abq.training import PLUS, Training

from ...llm.conftest import write

pytestmark = pytest.mark.nightly


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Llama:
    return Llama(GgufFile(write(tmp_path_factory.mktemp("model") / "tiny.gguf").path))


@pytest.fixture(scope="module")
def torch() -> Any:
    return importlib.import_module("torch")


def text(model: Llama, windows: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, model.vocabulary, (windows, 24))


def test_gradients_are_those_of_straight_through_rounding(torch: Any) -> None:
    from anda.ptq.abq.torch_block import fake_quantize

    form = AffineFormat.parse("2*")
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(6, 40, generator=generator, dtype=torch.float64)
    results = []
    for plain in (False, True):
        leaf, reach = x.clone().requires_grad_(True), torch.full((6, 1), 0.7, dtype=torch.float64)
        reach.requires_grad_(True)
        low, high = leaf.amin(1, keepdim=True) * reach, leaf.amax(1, keepdim=True) * reach
        if plain:
            scale = ((high - low) / form.top).clamp(1e-5, 1e4)
            steps = leaf / scale
            zero = (-low / scale).round().detach()
            code = steps + (steps.round() - steps).detach() + zero
            out = (code.clamp(0, form.top) - zero) * scale
        else:
            out = fake_quantize(leaf, low, high, form)
        (out.sin().sum()).backward()
        results.append((out.detach(), leaf.grad, reach.grad))
    for ours, wanted in zip(*results, strict=True):
        torch.testing.assert_close(ours, wanted, rtol=1e-9, atol=1e-12)


def test_tokens_are_rounded_as_in_numpy(torch: Any) -> None:
    from anda.ptq.abq.torch_block import quantize_tokens

    x = np.random.default_rng(1).normal(size=(5, 7, 64)).astype(np.float32)
    ours = quantize_tokens(torch.from_numpy(x), AffineFormat(4)).numpy()
    wanted = affine_tokens(x, AffineFormat(4))
    # Scales are rounded to FP16 in NumPy only.
    assert np.mean(np.abs(ours - wanted) > 0.01) < 0.02


def test_losses_are_those_of_the_published_code(torch: Any) -> None:
    from anda.ptq.abq.torch_training import attention_divergence, log_cosine

    functional = torch.nn.functional
    a, b = (torch.randn(2, 3, 8, 8).softmax(-1) for _ in range(2))
    wanted = sum(
        functional.kl_div(one.log_softmax(-1), other.softmax(-1), reduction="none").mean().abs()
        for one, other in ((a, b), (b, a))
    )
    torch.testing.assert_close(attention_divergence(a, b), wanted, rtol=1e-4, atol=1e-9)
    x, y = torch.randn(2, 5, 16), torch.randn(2, 5, 16)
    cosine = (x * y).sum(-1) / (x.norm(dim=-1) * y.norm(dim=-1))
    torch.testing.assert_close(log_cosine(x, y), cosine.mean().abs().log(), rtol=1e-4, atol=1e-5)


def test_learnt_blocks_are_the_same_model_in_numpy(model: Llama, tmp_path: Path, torch: Any) -> None:
    from anda.abq_language import block_weights, shape_of
    from anda.ptq.abq.torch_block import turns_of
    from anda.ptq.abq.torch_stream import Stream

    tokens = text(model, 4)
    blocks = calibrate(model, tokens, AbqRecipe("4", "8", training=Training(epochs=1)), tmp_path)
    embedded = torch.from_numpy(model.weight("token_embd")[tokens].astype(np.float32))
    turns = turns_of(model.config.frequencies, tokens.shape[1])
    stream = Stream(embedded, shape_of(model), turns, None)
    for layer, block in enumerate(blocks):
        stream.enter(block_weights(model, layer), False)
        stream.leave(block)
    ours = stream.inputs.numpy().reshape(-1, model.config.hidden)
    wanted = model.blocks(tokens, model.config.layers, AffineArithmetic(blocks, None))
    np.testing.assert_allclose(ours, wanted, rtol=1e-3, atol=1e-3)
    # The float model goes along.
    plain = model.blocks(tokens, model.config.layers)
    np.testing.assert_allclose(stream.exact.numpy().reshape(plain.shape), plain, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("training", [Training(epochs=12), replace(PLUS, epochs=12, batch=2)])
def test_learning_lowers_the_losses_and_the_divergence(
    model: Llama, tmp_path: Path, training: Training
) -> None:
    tokens = text(model, 12)
    kl = []
    for epochs in (0, training.epochs):
        recipe = AbqRecipe("3", "8", training=replace(training, epochs=epochs))
        blocks = calibrate(model, tokens, recipe, tmp_path / str(epochs))
        arithmetic = AffineArithmetic(blocks, recipe.activation_format)
        kl.append(evaluate(model, tokens.reshape(-1), arithmetic, window=24, stride=24).kl)
        if epochs:
            assert all(block.losses[-1] < block.losses[0] for block in blocks)
    assert kl[1] < kl[0]


def test_a_learnt_run_goes_on_with_everything(model: Llama, tmp_path: Path) -> None:
    tokens = text(model, 4)
    recipe = AbqRecipe("2*", "8", training=Training(epochs=2))
    whole = calibrate(model, tokens, recipe, tmp_path)
    assert np.abs(whole[0].learnt["column"]).max() > 0
    (tmp_path / "block-001.npz").unlink()
    again = calibrate(model, tokens, recipe, tmp_path)
    for name, array in whole[1].learnt.items():
        np.testing.assert_allclose(again[1].learnt[name], array, rtol=1e-4, atol=1e-6)
    for name, matrix in whole[1].matrices.items():
        assert np.mean(matrix.codes != again[1].matrices[name].codes) < 0.001
