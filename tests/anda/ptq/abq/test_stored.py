"""Files of calibrated blocks hold everything, and the integers of a block follow from what was learnt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anda.ptq.abq.affine import AffineFormat
from anda.ptq.abq.learnt import initial, quantize_block
from anda.ptq.abq.stored import QuantizedBlock, bits_per_weight
from anda.ptq.abq.transform import MATRICES, BlockShape, compensated, fold

RNG = np.random.default_rng(5)
SHAPE = BlockShape(heads=4, kv_heads=2, head_size=4, epsilon=1e-5)
HIDDEN, WIDE = 16, 24


def block_weights() -> dict[str, np.ndarray]:
    sizes = dict(
        zip(MATRICES, [(16, 16), (8, 16), (8, 16), (16, 16), (24, 16), (24, 16), (16, 24)], strict=True)
    )
    found = {name: RNG.normal(size=size).astype(np.float32) for name, size in sizes.items()}
    norms = {name: RNG.uniform(0.5, 2, HIDDEN).astype(np.float32) for name in ("attn_norm", "ffn_norm")}
    return found | norms


def peaks() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(6)
    sizes = {"qkv": HIDDEN, "o": HIDDEN, "up_gate": HIDDEN, "down": WIDE}
    return {name: rng.uniform(0.1, 9, size).astype(np.float32) for name, size in sizes.items()}


def start(weights: dict[str, np.ndarray], form: AffineFormat, **options: object) -> dict[str, np.ndarray]:
    chosen = {"smoothing": 0.5, "fitted": False, "compensate": True, "offsets": False, **options}
    return initial(weights, peaks(), SHAPE, form, None, **chosen)


def test_a_file_holds_everything(tmp_path: Path) -> None:
    weights, form = block_weights(), AffineFormat.parse("2*")
    learnt = start(weights, form)
    learnt["column"] = RNG.normal(size=HIDDEN).astype(np.float32)
    block = quantize_block(weights, learnt, SHAPE, form, (3.0, 2.5), 1.25)
    (tmp_path / "block.npz").write_bytes(block.to_bytes())
    again = QuantizedBlock.load(tmp_path / "block.npz")
    assert again.learnt.keys() == learnt.keys()
    for name, array in learnt.items():
        np.testing.assert_array_equal(again.learnt[name], array)
    for name in MATRICES:
        np.testing.assert_array_equal(again.matrices[name].values(), block.matrices[name].values())
        assert again.matrices[name].format == form
    assert (again.losses, again.seconds) == ((3.0, 2.5), 1.25)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "block.npz"
    path.write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(ValueError, match="should hold a calibrated block"):
        QuantizedBlock.load(path)


def test_the_compensation_is_in_the_matrix_before_it_is_rounded() -> None:
    weights, form = block_weights(), AffineFormat(8)
    learnt = start(weights, form)
    learnt["column"] = np.full(HIDDEN, 3, dtype=np.float32)
    learnt["row"] = RNG.normal(size=WIDE).astype(np.float32)
    block = quantize_block(weights, learnt, SHAPE, form)
    wanted = weights["ffn_down"] * learnt["scale.down"] + 3 * learnt["row"]
    np.testing.assert_allclose(block.matrices["ffn_down"].values(), wanted, atol=0.02 * np.abs(wanted).max())


def test_offsets_are_used_and_not_kept() -> None:
    weights, form = block_weights(), AffineFormat.parse("2*")
    learnt = start(weights, form, offsets=True)
    before = quantize_block(weights, learnt, SHAPE, form)
    learnt["offset.attn_q"] += 1
    after = quantize_block(weights, learnt, SHAPE, form)
    assert not any(name.startswith("offset") for name in after.learnt)
    codes = before.matrices["attn_q"].codes.astype(int)
    np.testing.assert_array_equal(after.matrices["attn_q"].codes, np.minimum(codes + 1, 4))


def test_fitted_clipping_starts_at_the_least_error() -> None:
    weights, form = block_weights(), AffineFormat(2)

    def error(fitted: bool) -> float:
        learnt = start(weights, form, fitted=fitted, compensate=False)
        block = quantize_block(weights, learnt, SHAPE, form)
        folded = fold(weights, learnt, SHAPE)
        return float(sum(np.square(block.matrices[n].values() - folded[n]).sum() for n in MATRICES))

    assert error(True) < 0.97 * error(False)


def test_first_three_and_last_four_blocks_are_compensated() -> None:
    assert [layer for layer in range(30) if compensated(layer, 30)] == [0, 1, 2, 26, 27, 28, 29]
    assert [layer for layer in range(6) if compensated(layer, 6, first=1, last=0)] == [0]


def test_bits_per_weight_count_scales_and_zero_points() -> None:
    weights, form = block_weights(), AffineFormat.parse("2*")
    block = quantize_block(weights, start(weights, form), SHAPE, form)
    # Rows of 16 are six sevens of bits, rows of 24 are eight; 32 bits for each channel.
    rows, weight_count = 16 + 8 + 8 + 16 + 24 + 24, 16 * (16 + 8 + 8 + 16 + 24 + 24 + 24)
    wanted = rows * (6 * 7 + 32) + 16 * (8 * 7 + 32)
    assert bits_per_weight([block]) == wanted / weight_count
