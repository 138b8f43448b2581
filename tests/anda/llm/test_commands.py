from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from anda.cli import app
from anda.llm.capture import capture_inputs
from anda.llm.evaluate import evaluate
from anda.llm.generate import generate_tokens
from anda.llm.gguf import GgufFile
from anda.llm.llama import Llama
from anda.llm.plan import Plan
from anda.llm.tokenizer import Tokenizer

from .conftest import FFN, HIDDEN, KV_HEADS, TinyModel, write

Run = Callable[..., Any]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    letters = np.random.default_rng(3).integers(ord("a"), ord("z") + 1, 200)
    path.write_text("".join(map(chr, letters)))
    return path


def encoded(model: TinyModel, text: Path, count: int) -> Any:
    return Tokenizer(GgufFile(model.path)).encode(text.read_text())[:count]


def said(result: Any) -> str:
    assert result.exit_code == 2
    return "\n".join(line for line in result.stderr.splitlines() if line.startswith("anda: "))


def test_perplexity_compares_plans_with_the_float_model(run: Run, tiny: TinyModel, text: Path) -> None:
    asked = ["perplexity", tiny.path, "-t", text, "--tokens", 60, "--window", 24, "--stride", 8]
    asked += ["-p", "anda:4", "-p", "anda-sm:4"]
    result = run(*asked, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["window"], found["stride"], found["text"]["tokens"]) == (24, 8, 60)
    tokens, model = encoded(tiny, text, 60), Llama(GgufFile(tiny.path))
    for row, name in zip(found["rows"], ("float", "anda:4", "anda-sm:4"), strict=True):
        arithmetic = Plan.parse(name).arithmetic(model)
        expected = evaluate(model, tokens, arithmetic, window=24, stride=8)
        assert row["plan"] == name
        assert row["tokens"] == expected.tokens == 59
        assert row["perplexity"] == pytest.approx(expected.perplexity, rel=1e-6)
        assert row["kl"] == pytest.approx(expected.kl, rel=1e-4, abs=1e-7)
        assert row["top1"] == expected.top1
    assert found["rows"][2]["kl"] > found["rows"][0]["kl"] == 0
    # Everything was kept, the seconds included.
    assert json.loads(run(*asked, "--json").stdout) == found
    table = run(*asked).stdout
    assert f"{found['rows'][1]['perplexity']:.4f}" in table
    assert "59 predicted tokens of text.txt, windows of 24 every 8" in " ".join(table.split())


def test_perplexity_refuses_what_does_not_fit(run: Run, tiny: TinyModel, text: Path, tmp_path: Path) -> None:
    ask = ("perplexity", tiny.path, "-t")
    assert "should have at least 2048 tokens, but has 19" in said(run(*ask, text))
    assert "the stride must be in 1..8 (the window), not 9" in said(
        run(*ask, text, "--tokens", 20, "--window", 8, "--stride", 9)
    )
    assert "there is no file tails; did you mean tales?" in said(run(*ask, "tails"))
    (tmp_path / "latin.txt").write_bytes("Größe".encode("latin-1"))
    assert "latin.txt should be a text in UTF-8, but its byte 2 is not" in said(
        run(*ask, tmp_path / "latin.txt")
    )
    assert "a GGUF file was expected at none.gguf" in said(run("perplexity", "none.gguf", "-t", text))


@pytest.mark.parametrize(
    "command",
    [
        ("perplexity", "smollm2", "-t", "tales"),
        ("complete", "smollm2", "The"),
        ("capture", "smollm2", "-t", "tales", "-l", 0, "-k", "o", "-o", "x.npz"),
    ],
)
def test_a_missing_package_is_one_sentence(
    run: Run, command: tuple[object, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "gguf" else find(name))
    assert "needs the package gguf, which is not installed: run `pip install -e '.[llm]'`" in said(
        run(*command)
    )


def test_capture_writes_what_enters_a_projection(
    run: Run, tiny: TinyModel, text: Path, tmp_path: Path
) -> None:
    path = tmp_path / "out" / "inputs.npz"
    asked = ("capture", tiny.path, "-t", text, "--layer", 1, "--projection", "qkv", "--tokens", 40)
    result = run(*asked, "--window", 16, "--weights", "-o", path)
    assert result.exit_code == 0, result.output
    assert "inputs 40 x 32, weights 64 x 32" in result.stdout
    tokens, model = encoded(tiny, text, 40), Llama(GgufFile(tiny.path))
    expected = [
        capture_inputs(model, tokens[first : first + 16], [1])[1, "qkv"].astype(np.float16)
        for first in (0, 16, 32)
    ]
    with np.load(path, allow_pickle=False) as arrays:
        assert np.array_equal(arrays["inputs"], np.concatenate(expected))
        names = ("blk.1.attn_q", "blk.1.attn_k", "blk.1.attn_v")
        assert np.array_equal(arrays["weights"], np.concatenate([model.weight(name) for name in names]))
        metadata = json.loads(str(arrays["metadata"]))
    assert (metadata["layer"], metadata["projection"], metadata["plan"]) == (1, "qkv", "float")
    assert metadata["channels"] == {"attn_q": HIDDEN, "attn_k": 8 * KV_HEADS, "attn_v": 8 * KV_HEADS}
    once = path.read_bytes()
    run(*asked, "--window", 16, "--weights", "-o", path)
    assert path.read_bytes() == once


def test_capture_under_a_plan_in_full_precision(
    run: Run, tiny: TinyModel, text: Path, tmp_path: Path
) -> None:
    asked = ["capture", tiny.path, "-t", text, "-l", 1, "-k", "down", "--tokens", 20]
    for name, more in (("plain", []), ("coarse", ["-p", "anda:4"])):
        result = run(*asked, *more, "--fp32", "--json", "-o", tmp_path / f"{name}.npz")
        assert json.loads(result.stdout)["shapes"] == {"inputs": [20, FFN]}
    plain, coarse = (np.load(tmp_path / f"{name}.npz")["inputs"] for name in ("plain", "coarse"))
    assert plain.dtype == np.float32
    error = np.abs(plain - coarse).max() / np.abs(plain).max()
    assert 1e-3 < error < 1


def test_capture_refuses_what_does_not_exist(run: Run, tiny: TinyModel, text: Path, tmp_path: Path) -> None:
    ask = ("capture", tiny.path, "-t", text, "--tokens", 20, "-o", tmp_path / "x.npz")
    assert "--projection should be one of qkv, o, up_gate, down, not 'q'" in said(
        run(*ask, "-l", 0, "-k", "q")
    )
    assert "layer must be in 0..1, not 2" in said(run(*ask, "-l", 2, "-k", "o"))
    assert "should be a .npz file" in said(run(*ask[:-1], tmp_path / "x.npy", "-l", 0, "-k", "o"))


def test_activations_beyond_fp16_are_refused(run: Run, text: Path, tmp_path: Path) -> None:
    loud = write(tmp_path / "loud.gguf", tensors={"blk.0.attn_norm": np.full(HIDDEN, 1e6)})
    ask = ("capture", loud.path, "-t", text, "--tokens", 20, "-l", 0, "-k", "qkv", "-o", tmp_path / "x.npz")
    assert "the input of qkv in layer 0 should fit FP16, but reaches" in said(run(*ask))
    assert run(*ask, "--fp32").exit_code == 0


def test_complete_goes_on_greedily(run: Run, tiny: TinyModel, tmp_path: Path) -> None:
    prompt = "in the thin"
    tokenizer, model = Tokenizer(GgufFile(tiny.path)), Llama(GgufFile(tiny.path))
    asked = tokenizer.encode(prompt)
    for plan in ("float", "anda:4"):
        expected = list(generate_tokens(model, asked, 6, Plan.parse(plan).arithmetic(model)))
        found = json.loads(run("complete", tiny.path, prompt, "--tokens", 6, "-p", plan, "--json").stdout)
        assert found["tokens"] == expected
        assert found["plan"] == plan
        assert found["completion"] == tokenizer.decode(np.array([*asked, *expected]))[len(prompt) :]
    shown = run("complete", tiny.path, prompt, "--tokens", 6, "-p", "anda:4")
    assert shown.stdout == prompt + found["completion"] + "\n"


def test_complete_begins_with_the_token_the_file_asks_for(run: Run, tmp_path: Path) -> None:
    numbers: dict[str, int | float] = {"tokenizer.ggml.bos_token_id": 5, "tokenizer.ggml.add_bos_token": 1}
    model = write(tmp_path / "bos.gguf", numbers=numbers)
    file = GgufFile(model.path)
    asked = np.array([5, *Tokenizer(file).encode("the")])
    found = json.loads(run("complete", model.path, "the", "--tokens", 3, "--json").stdout)
    assert found["tokens"] == list(generate_tokens(Llama(file), asked, 3))
