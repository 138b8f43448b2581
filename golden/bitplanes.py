"""Groups of integers as bit planes, and their place in memory (contract, section 3).

A plane holds the bits of equal weight of a whole group: bit `i` of a plane word is lane `i`, and lane 0
is the lowest K index. The most significant plane comes first; under `sign-magnitude` that is the signs.
A group of up to 64 lanes takes one `uint64` word a plane (a smaller group leaves the high bits 0), a
larger one `group / 64` words, lowest lanes first, along one more axis at the end.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from golden.interval import Interval

__all__ = [
    "ENCODINGS",
    "GROUPS",
    "PLANES",
    "Encoding",
    "Words",
    "address",
    "group_range",
    "pack",
    "plane_words_to_beats",
    "require_encoding",
    "unpack",
]

Encoding = Literal["sign-magnitude", "twos-complement"]
ENCODINGS: tuple[Encoding, ...] = ("sign-magnitude", "twos-complement")
Words = NDArray[np.uint64]

PLANES = Interval(2, 17)
"""How many planes a group may occupy."""
GROUPS = (8, 16, 32, 64, 128, 256)
"""How many elements may share an exponent."""


def require_encoding(encoding: str, planes: int, group: int) -> None:
    """Raise unless groups of `group` integers can be laid out in `planes` planes of this encoding.

    Raises
    ------
    ValueError
        Says which of the three is wrong, what it is and what it may be.
    """
    if encoding not in ENCODINGS:
        raise ValueError(f"encoding must be one of {', '.join(ENCODINGS)}, not {encoding!r}")
    if not isinstance(planes, int) or not PLANES.min <= planes <= PLANES.max:
        raise ValueError(f"planes must be an integer from {PLANES.min} to {PLANES.max}, not {planes!r}")
    if not isinstance(group, int) or group not in GROUPS:
        raise ValueError(f"group must be a power of two from {GROUPS[0]} to {GROUPS[-1]}, not {group!r}")


def group_range(planes: int, encoding: Encoding) -> Interval:
    """Every integer that `planes` planes can hold: symmetric with a sign plane, else two's complement."""
    if encoding == "sign-magnitude":
        largest = (1 << (planes - 1)) - 1
        return Interval(-largest, largest)
    return Interval.of_bits(planes, signed=True)


def address(base: int, group: int, plane: int, planes: int) -> int:
    """Address of one plane word: `base + group * planes + plane`.

    Parameters
    ----------
    base : int
        Address of the tensor's first word.
    group, plane : int
        Number of the group in the tensor, and of the plane in the group (0 is the first one stored).
    planes : int
        Planes of every group of this tensor.

    Raises
    ------
    ValueError
        When the plane does not belong to the group, or anything is negative.
    """
    if base < 0 or group < 0:
        raise ValueError(f"base and group must be at least 0, not {base} and {group}")
    if not 0 <= plane < planes:
        raise ValueError(
            f"plane must be from 0 to {planes - 1} when a group has {planes} planes, not {plane}"
        )
    return base + group * planes + plane


def pack(q: NDArray[Any], planes: int, encoding: Encoding) -> Words:
    """Lay groups of integers out in bit planes (contract, section 3).

    Parameters
    ----------
    q : integer array [..., group]
        Integers inside `group_range(planes, encoding)`. The sign plane of a zero is 0.
    planes : int
        2 to 17.
    encoding : str
        "sign-magnitude" or "twos-complement".

    Returns
    -------
    uint64 array [..., planes], or [..., planes, group / 64] for groups of more than 64
        Plane words, most significant plane first.

    Raises
    ------
    ValueError
        When a parameter, the shape or a value does not fit.
    """
    group = q.shape[-1] if q.ndim else 0
    require_encoding(encoding, planes, group)
    allowed = group_range(planes, encoding)
    if q.size and not allowed.contains(Interval(int(q.min()), int(q.max()))):
        raise ValueError(
            f"{planes} planes of {encoding} hold {allowed.min} to {allowed.max}, "
            f"but the integers reach from {q.min()} to {q.max()}"
        )
    flat = np.ascontiguousarray(q, dtype=np.int32).reshape(-1, group)
    words = np.empty((flat.shape[0], planes, words_per_plane(group)), dtype="<u8")
    pack_into(words, flat, encoding)
    return words.reshape(q.shape[:-1] + plane_axes(planes, group))


def pack_into(words: Words, q: NDArray[np.int32], encoding: Encoding) -> None:
    """Pack `q` [groups, group], known to be in range, into `words` [groups, planes, words a plane]."""
    planes, first = words.shape[1], 0
    if encoding == "sign-magnitude":
        _store(words, 0, np.packbits((q < 0).reshape(-1), bitorder="little"), q.shape)
        q, first = np.abs(q), 1
    for low in range(0, planes - first, 8):
        byte = (q >> low).astype(np.uint8).reshape(-1)  # wraps on purpose: the low eight bits
        masked = np.empty_like(byte)
        for bit in range(min(8, planes - first - low)):
            np.bitwise_and(byte, np.uint8(1 << bit), out=masked)
            # packbits takes any nonzero byte for a one, so the masked bit needs no shift.
            _store(words, planes - 1 - low - bit, np.packbits(masked, bitorder="little"), q.shape)


def _store(words: Words, plane: int, packed: NDArray[np.uint8], shape: tuple[int, ...]) -> None:
    groups, group = shape
    word = np.dtype(f"<u{min(group, 64) // 8}")
    words[:, plane, :] = packed.view(word).reshape(groups, words_per_plane(group))


def unpack(words: Words, encoding: Encoding, group: int = 64) -> NDArray[np.int32]:
    """Read groups of integers back from bit planes: the inverse of `pack`.

    Parameters
    ----------
    words : uint64 array [..., planes], or [..., planes, group / 64] for groups of more than 64
        Plane words, most significant plane first.
    encoding : str
        "sign-magnitude" or "twos-complement".
    group : int
        Lanes of a group: a power of two from 8 to 256.

    Returns
    -------
    int32 array [..., group]

    Raises
    ------
    ValueError
        When a parameter or the shape does not fit, or a bit of a lane the group does not have is set.
    """
    planes_axis = -1 if group <= 64 else -2
    if words.dtype != np.uint64 or words.ndim < -planes_axis:
        raise ValueError(
            f"plane words of groups of {group} must be uint64 with {-planes_axis} axes or more, "
            f"not {words.dtype} of shape {words.shape}"
        )
    planes = words.shape[planes_axis]
    require_encoding(encoding, planes, group)
    if words.shape[planes_axis:] != plane_axes(planes, group):
        raise ValueError(
            f"plane words of groups of {group} must end in the axes {plane_axes(planes, group)}, "
            f"not in {words.shape[planes_axis:]}"
        )
    if group < 64 and np.any(words >> np.uint64(group)):
        raise ValueError(f"plane words of groups of {group} must be below 2^{group}, but a higher bit is set")
    flat = words.reshape(-1, planes, words_per_plane(group))
    return unpack_flat(flat, encoding, group).reshape((*words.shape[:planes_axis], group))


def unpack_flat(words: Words, encoding: Encoding, group: int) -> NDArray[np.int32]:
    """Unpack `words` [groups, planes, words a plane], known to be sound, into [groups, group]."""
    groups, planes, _ = words.shape
    first = 1 if encoding == "sign-magnitude" else 0
    q = np.zeros(groups * group, dtype=np.int32)
    top = planes - first
    while top > 0:  # a byte of every integer at a time, the most significant, perhaps partial, one first
        width = top - (top - 1) // 8 * 8
        byte = np.zeros(groups * group, dtype=np.uint8)
        for plane in range(planes - top, planes - top + width):
            np.left_shift(byte, 1, out=byte)
            np.bitwise_or(byte, _load(words, plane, group), out=byte)
        np.left_shift(q, 8, out=q)
        np.bitwise_or(q, byte, out=q)
        top -= width
    signs = _load(words, 0, group).astype(np.int32)
    if encoding == "sign-magnitude":
        np.negative(signs, out=signs)
        np.bitwise_xor(q, signs, out=q)  # x ^ -1 - -1 is -x
        np.subtract(q, signs, out=q)
    else:
        np.left_shift(signs, planes, out=signs)  # the top plane counts -2^(P-1): take 2^P away
        np.subtract(q, signs, out=q)
    return q.reshape(groups, group)


def _load(words: Words, plane: int, group: int) -> NDArray[np.uint8]:
    word = np.dtype(f"<u{min(group, 64) // 8}")
    packed = np.ascontiguousarray(words[:, plane, :].astype(word))
    return np.unpackbits(packed.reshape(-1).view(np.uint8), bitorder="little")


def plane_words_to_beats(words: Words, planes_per_cycle: int, encoding: Encoding, group: int = 64) -> Words:
    """Arrange the planes of groups in the beats a processing element takes (contract, section 5).

    `twos-complement`: the planes in order, padded at the front with copies of the top plane (sign
    extension) to a multiple of `planes_per_cycle`; word 0 of the first beat counts negative.
    `sign-magnitude`: a first beat with the signs in word 0 and zeros behind them, then the magnitude
    planes, padded at the front with zero planes.

    Parameters
    ----------
    words : uint64 array [..., planes], or [..., planes, group / 64] for groups of more than 64
        Plane words, most significant plane first.
    planes_per_cycle : int
        1, 2 or 4.
    encoding : str
        "sign-magnitude" or "twos-complement".
    group : int
        Lanes of a group; it tells where the axis of planes is.

    Returns
    -------
    uint64 array [..., beats, planes_per_cycle], or [..., beats, planes_per_cycle, group / 64]
        Word 0 of a beat is the most significant.
    """
    if planes_per_cycle not in (1, 2, 4):
        raise ValueError(f"planes_per_cycle must be 1, 2 or 4, not {planes_per_cycle!r}")
    axis = words.ndim - (1 if group <= 64 else 2)
    require_encoding(encoding, words.shape[axis], group)
    planes = np.moveaxis(words, axis, 0)
    if encoding == "sign-magnitude":
        signs, planes = planes[:1], planes[1:]
        head = [signs, np.zeros_like(np.repeat(signs, planes_per_cycle - 1, axis=0))]
        fill = np.zeros_like(planes[:1])
    else:
        head, fill = [], planes[:1]
    padding = -planes.shape[0] % planes_per_cycle
    beats = np.concatenate([*head, np.repeat(fill, padding, axis=0), planes])
    beats = beats.reshape((-1, planes_per_cycle, *planes.shape[1:]))
    return np.ascontiguousarray(np.moveaxis(beats, (0, 1), (axis, axis + 1)))


def words_per_plane(group: int) -> int:
    """How many `uint64` words one plane of `group` lanes takes."""
    return -(-group // 64)


def plane_axes(planes: int, group: int) -> tuple[int, ...]:
    """The trailing axes of an array of plane words."""
    return (planes,) if group <= 64 else (planes, words_per_plane(group))
