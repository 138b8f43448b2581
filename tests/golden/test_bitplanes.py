from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.anda import AndaCodec
from golden.bitplanes import address, pack, plane_words_to_beats, unpack
from tests.golden import slow_model
from tests.golden.strategies import codecs


def random_integers(codec: AndaCodec, groups: int, seed: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    rng = np.random.default_rng(seed)
    q = rng.integers(codec.levels.min, codec.levels.max + 1, (groups, codec.group))
    q[0, :2] = codec.levels.min, codec.levels.max
    return q


@settings(max_examples=150, deadline=None)
@given(codec=codecs(), groups=st.integers(1, 4), seed=st.integers(0, 2**32 - 1))
def test_pack_and_unpack_equal_the_slow_model(codec: AndaCodec, groups: int, seed: int) -> None:
    q = random_integers(codec, groups, seed)
    packed = pack(q, codec.planes, codec.encoding)
    assert packed.dtype == np.uint64
    as_words = packed.reshape(groups, codec.planes, -1)
    for i in range(groups):
        got = [sum(int(w) << 64 * j for j, w in enumerate(plane)) for plane in as_words[i]]
        assert got == slow_model.planes_of(q[i].tolist(), codec.planes, codec.encoding)
    assert np.array_equal(unpack(packed, codec.encoding, codec.group), q)


def test_a_negative_zero_in_the_image_reads_as_zero() -> None:
    assert unpack(np.array([1, 0], dtype=np.uint64), "sign-magnitude", 8).tolist() == [0] * 8


@settings(max_examples=150, deadline=None)
@given(codec=codecs(), per_cycle=st.sampled_from([1, 2, 4]), seed=st.integers(0, 2**32 - 1))
def test_beats_accumulate_to_the_integers(codec: AndaCodec, per_cycle: int, seed: int) -> None:
    """A lane that doubles and adds, beat by beat, as contract 5 has it, ends at `q`."""
    q = random_integers(codec, 2, seed)
    packed = pack(q, codec.planes, codec.encoding)
    beats = plane_words_to_beats(packed, per_cycle, codec.encoding, codec.group)
    magnitude_planes = codec.planes - (codec.encoding == "sign-magnitude")
    signed = codec.encoding == "sign-magnitude"
    assert beats.shape[1:3] == (-(-magnitude_planes // per_cycle) + signed, per_cycle)
    for i in range(2):
        rows = beats[i].reshape(beats.shape[1], per_cycle, -1)
        stream = [[sum(int(w) << 64 * j for j, w in enumerate(word)) for word in beat] for beat in rows]
        for lane in range(0, codec.group, 5):
            bits = [[(word >> lane) & 1 for word in beat] for beat in stream]
            assert lane_value(bits, signed) == q[i, lane]


def lane_value(beats: list[list[int]], signed_plane: bool) -> int:
    if signed_plane:
        sign, *unused = beats[0]
        assert not any(unused)
        magnitude = 0
        for bit in [bit for beat in beats[1:] for bit in beat]:
            magnitude = 2 * magnitude + bit
        return -magnitude if sign else magnitude
    top, *rest = [bit for beat in beats for bit in beat]
    value = -top
    for bit in rest:
        value = 2 * value + bit
    return value


def test_beats_of_known_planes() -> None:
    words = np.array([9, 1, 2], dtype=np.uint64)
    assert plane_words_to_beats(words, 1, "twos-complement").tolist() == [[9], [1], [2]]
    assert plane_words_to_beats(words, 2, "twos-complement").tolist() == [[9, 9], [1, 2]]
    assert plane_words_to_beats(words, 4, "twos-complement").tolist() == [[9, 9, 1, 2]]
    assert plane_words_to_beats(words, 1, "sign-magnitude").tolist() == [[9], [1], [2]]
    assert plane_words_to_beats(words, 2, "sign-magnitude").tolist() == [[9, 0], [1, 2]]
    assert plane_words_to_beats(words, 4, "sign-magnitude").tolist() == [[9, 0, 0, 0], [0, 0, 1, 2]]


def test_addresses_count_planes_within_groups_within_the_tensor() -> None:
    flat = [address(100, group, plane, 7) for group in range(3) for plane in range(7)]
    assert flat == list(range(100, 121))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 0, 7, 7), "plane must be from 0 to 6 when a group has 7 planes, not 7"),
        ((0, -1, 0, 7), "at least 0, not 0 and -1"),
    ],
)
def test_an_address_outside_is_refused(arguments: tuple[int, int, int, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        address(*arguments)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="hold -8 to 7, but the integers reach from 0 to 8"):
        pack(np.array([8] + [0] * 7), 4, "twos-complement")
    with pytest.raises(ValueError, match="hold -7 to 7, but the integers reach from -8 to 0"):
        pack(np.array([-8] + [0] * 7), 4, "sign-magnitude")
    with pytest.raises(ValueError, match="group must be a power of two from 8 to 256, not 9"):
        pack(np.zeros(9, dtype=np.int32), 4, "sign-magnitude")
    with pytest.raises(ValueError, match=r"below 2\^8"):
        unpack(np.array([0, 256], dtype=np.uint64), "twos-complement", 8)
    with pytest.raises(ValueError, match="must be uint64 with 2 axes or more, not uint64 of shape"):
        unpack(np.zeros(7, dtype=np.uint64), "twos-complement", 128)
    with pytest.raises(ValueError, match=r"must end in the axes \(7, 2\), not in \(7, 3\)"):
        unpack(np.zeros((7, 3), dtype=np.uint64), "twos-complement", 128)
    with pytest.raises(ValueError, match="planes_per_cycle must be 1, 2 or 4, not 3"):
        plane_words_to_beats(np.zeros(7, dtype=np.uint64), 3, "twos-complement")
