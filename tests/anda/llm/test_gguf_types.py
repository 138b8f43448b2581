"""Every stored type against a dequantization written here, element by element, as ggml defines it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Type

from anda.llm.gguf import GgufFile

Block = bytes
Values = list[float]


def half(raw: bytes) -> float:
    return float(np.frombuffer(raw, "<f2")[0])


def nibbles(raw: bytes) -> list[int]:
    """Low halves of all bytes, then the high ones."""
    return [byte & 15 for byte in raw] + [byte >> 4 for byte in raw]


def signed(byte: int) -> int:
    return byte - 256 if byte > 127 else byte


def q8_0(block: Block) -> Values:
    return [half(block[:2]) * signed(byte) for byte in block[2:]]


def q4_0(block: Block) -> Values:
    return [half(block[:2]) * (code - 8) for code in nibbles(block[2:])]


def q4_1(block: Block) -> Values:
    return [half(block[:2]) * code + half(block[2:4]) for code in nibbles(block[4:])]


def q4_k(block: Block) -> Values:
    """Eight runs of 32 codes, each with a scale and a minimum of 6 bits."""
    step, low, packed, codes = half(block[:2]), half(block[2:4]), block[4:16], block[16:]
    scales = [packed[j] & 63 for j in range(4)]
    lows = [packed[j + 4] & 63 for j in range(4)]
    scales += [(packed[j + 8] & 15) | (packed[j] >> 6) << 4 for j in range(4)]
    lows += [(packed[j + 8] >> 4) | (packed[j + 4] >> 6) << 4 for j in range(4)]
    each = [code for first in range(0, 128, 32) for code in nibbles(codes[first : first + 32])]
    return [step * scales[i // 32] * code - low * lows[i // 32] for i, code in enumerate(each)]


def q6_k(block: Block) -> Values:
    """Codes of 6 bits, four low and two high ones apart; 16 scales of one byte."""
    low, high, scales, step = block[:128], block[128:192], block[192:208], half(block[208:])
    out = []
    for i in range(256):
        part, at = divmod(i, 128)
        quarter, column = divmod(at, 32)
        byte = low[64 * part + 32 * (quarter % 2) + column]
        four = byte & 15 if quarter < 2 else byte >> 4
        two = high[32 * part + column] >> (2 * quarter) & 3
        out.append(step * signed(scales[i // 16]) * ((four | two << 4) - 32))
    return out


def bf16(block: Block) -> Values:
    return [float(np.frombuffer(bytes(2) + block[i : i + 2], "<f4")[0]) for i in range(0, len(block), 2)]


def f16(block: Block) -> Values:
    return [half(block[i : i + 2]) for i in range(0, len(block), 2)]


#: Bytes of a block, where its FP16 numbers are, and its values.
TYPES: dict[Type, tuple[int, list[int], Callable[[Block], Values]]] = {
    Type.Q8_0: (34, [0], q8_0),
    Type.Q4_0: (18, [0], q4_0),
    Type.Q4_1: (20, [0, 2], q4_1),
    Type.Q4_K: (144, [0, 2], q4_k),
    Type.Q6_K: (210, [208], q6_k),
}


def store(path: Path, raw: Any, kind: Type | None) -> GgufFile:
    writer: Any = gguf.GGUFWriter(path, "llama")
    writer.add_tensor("t.weight", raw, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return GgufFile(path)


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
def test_blocks_dequantize_as_defined(kind: Type, tmp_path: Path) -> None:
    size, halves, values = TYPES[kind]
    rng = np.random.default_rng(6)
    raw = rng.integers(0, 256, (3, 2, size), dtype=np.uint8)
    for at in halves:
        raw[..., at : at + 2] = rng.normal(0, 2, (3, 2, 1)).astype("<f2").view(np.uint8)
    file = store(tmp_path / "t.gguf", raw.reshape(3, -1), kind)
    expected = [[value for block in row for value in values(block.tobytes())] for row in raw]
    assert file.stored_type("t.weight") == kind.name
    found = file.tensor("t.weight")
    assert found.dtype == np.float32
    # Products and differences of two terms in float32.
    np.testing.assert_allclose(found, expected, rtol=3e-7, atol=2e-6 * np.abs(expected).max())


def test_floats_are_read_exactly(tmp_path: Path) -> None:
    raw = np.random.default_rng(6).normal(size=(3, 8)).astype(np.float16)
    file = store(tmp_path / "f16.gguf", raw, None)
    assert np.array_equal(file.tensor("t.weight"), [f16(row.tobytes()) for row in raw])
    bits = (np.random.default_rng(7).normal(size=(3, 8)).astype("<f4").view("<u4") >> 16).astype("<u2")
    file = store(tmp_path / "bf16.gguf", bits.view(np.uint8), Type.BF16)
    assert file.stored_type("t.weight") == "BF16"
    assert np.array_equal(file.tensor("t.weight"), [bf16(row.tobytes()) for row in bits])


def test_a_type_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    file = store(tmp_path / "q8_1.gguf", np.ones((2, 40), np.uint8), Type.Q8_1)
    with pytest.raises(ValueError, match=r"q8_1\.gguf stores t\.weight as Q8_1, which cannot be read"):
        file.tensor("t.weight")
