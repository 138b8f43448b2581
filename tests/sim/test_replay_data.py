"""Replays: what they refuse, and integers as bits."""

from typing import Any

import numpy as np
import pytest

from sim.replay_data import (
    Expected,
    Replay,
    constant,
    integers_from_bits,
    integers_to_bits,
    lanes_to_bits,
)


def _replay(**changed: Any) -> Replay:
    given: dict[str, Any] = {
        "inputs": {"a": np.zeros((2, 3, 4), np.bool_), "b": np.ones((2, 3, 1), np.bool_)},
        "results": (Expected("v", "d", np.zeros((2, 1), np.int64)),),
        "macs": 5,
    }
    return Replay(**(given | changed))


def test_a_replay_knows_its_size() -> None:
    replay = _replay()
    assert (replay.runs, replay.cycles) == (2, 3)


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"inputs": {}}, "at least one input port"),
        ({"results": ()}, "at least one input port and one expected result"),
        ({"macs": 0}, "at least 1 multiply-accumulate, not 0"),
        ({"inputs": {"a": np.zeros((2, 3), np.bool_)}}, "the input a must be bool"),
        ({"inputs": {"a": np.zeros((2, 3, 1), np.uint8)}}, "not uint8 of shape"),
        (
            {"inputs": {"a": np.zeros((2, 3, 1), np.bool_), "b": np.zeros((2, 4, 1), np.bool_)}},
            "but b has 2 of 4",
        ),
        ({"results": (Expected("v", "d", np.zeros((3, 1), np.int64)),)}, "must be of 2 runs"),
        ({"results": (Expected("v", "d", np.zeros((2, 4), np.int64)),)}, "at most 3 a run"),
    ],
)
def test_what_does_not_fit_is_refused(changed: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        _replay(**changed)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"values": np.zeros((2, 1))}, "must be integers"),
        ({"values": np.zeros(2, np.int64)}, r"not int64 of shape \(2,\)"),
        ({"low": -1}, "begin at bit 0"),
        ({"bits": 65}, "1 to 64 bits, not 65"),
    ],
)
def test_an_impossible_result_is_refused(arguments: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Expected("v", "d", **({"values": np.zeros((2, 1), np.int64)} | arguments))


@pytest.mark.parametrize("width", [1, 7, 8, 22, 63, 64])
def test_integers_survive_their_bits(width: int) -> None:
    rng = np.random.default_rng(width)
    unsigned = rng.integers(0, 1 << width, size=(3, 5), dtype=np.uint64, endpoint=False)
    bits = integers_to_bits(unsigned, width)
    assert bits.shape == (3, 5, width)
    assert np.array_equal(bits[..., 0], (unsigned & np.uint64(1)).astype(bool))
    assert np.array_equal(integers_from_bits(bits), unsigned)
    signed = rng.integers(-(1 << (width - 1)), (1 << (width - 1)) - 1, size=9, endpoint=True)
    mask = np.uint64((1 << width) - 1)
    assert np.array_equal(
        integers_from_bits(integers_to_bits(signed, width)), signed.astype(np.uint64) & mask
    )


def test_lane_zero_is_lowest() -> None:
    bits = lanes_to_bits(np.array([[1, -2, 3]], dtype=np.int8), 4)
    assert integers_from_bits(bits).tolist() == [0x3E1]


def test_bits_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="3 bits cannot hold integers from -5 to 2"):
        integers_to_bits(np.array([-5, 2]), 3)
    with pytest.raises(ValueError, match="only integers"):
        integers_to_bits(np.array([0.5]), 3)
    with pytest.raises(ValueError, match="from 1 to 64 bits, not 65"):
        integers_to_bits(np.array([0]), 65)
    with pytest.raises(ValueError, match="up to 64 bits here, not 65"):
        integers_from_bits(np.zeros((1, 65), np.bool_))


def test_a_constant_holds_everywhere() -> None:
    port = constant(5, 3, 2, 4)
    assert port.shape == (2, 4, 3)
    assert (integers_from_bits(port) == 5).all()
