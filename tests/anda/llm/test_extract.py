from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from anda.fixture import FILE, data_directory
from anda.llm.capture import capture_inputs
from anda.llm.extract import extract_block
from anda.llm.gguf import GgufFile
from anda.llm.llama import Llama
from anda.llm.tokenizer import Tokenizer
from golden.weights import IntegerWeights

from .conftest import FFN, HIDDEN, TinyModel

TEXT = "the thin thing in the inn"


def test_the_block_holds_rounded_inputs_and_spread_channels(tiny: TinyModel) -> None:
    block = extract_block(tiny.path, TEXT, tokens=6, channels=8)
    file = GgufFile(tiny.path)
    exact = capture_inputs(Llama(file, np.float64), Tokenizer(file).encode(TEXT)[:6], [1])
    assert list(block) == ["qkv", "o", "up_gate", "down"]
    for (_, name), x in exact.items():
        projection = block[name]
        length = FFN if name == "down" else HIDDEN
        assert projection.x.shape == (6, length)
        assert projection.levels.shape == (8, length)
        assert projection.scales.shape == (8, 1)
        assert np.array_equal(projection.x, x.astype(np.float16))
    # 64 channels of q, k and v: every eighth is kept, so the last two come from v.
    v = tiny.weights["blk.1.attn_v"]
    assert np.array_equal(block["qkv"].levels[6:], IntegerWeights.quantize(v[[0, 8]]).levels)


def test_too_short_a_text_and_too_many_channels_are_refused(tiny: TinyModel) -> None:
    with pytest.raises(ValueError, match="the text must have at least 64 tokens, not 1"):
        extract_block(tiny.path, "the")
    with pytest.raises(ValueError, match="projection o must have at least 33 channels, not 32"):
        extract_block(tiny.path, TEXT, tokens=2, channels=33)


@pytest.mark.nightly
def test_the_fixture_is_regenerated_byte_for_byte(tmp_path: Path) -> None:
    script = data_directory().parent.parent / "scripts" / "make_fixture.py"
    subprocess.run([sys.executable, str(script), str(tmp_path / FILE)], check=True)
    assert (tmp_path / FILE).read_bytes() == (data_directory() / FILE).read_bytes()
