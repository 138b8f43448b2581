"""What software does with an accelerator: register writes of a job, and bytes of the streams.

Nothing here reads or writes: a program does that in its own way, with these words and bytes. It needs
NumPy and the register map alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hdl.accelerator_registers import Build, accelerator_registers

from .steps import Steps

__all__ = ["Driver", "Kept", "Write"]

#: Byte address and word.
Write = tuple[int, int]

SCALE_BITS = 16


@dataclass(frozen=True)
class Kept:
    """Where the results of a product stay: bases of plane words and of exponent words, and their planes."""

    base: int
    exponent_base: int
    planes: int


class Driver:
    """Words and bytes for one build.

    Parameters
    ----------
    build : Build

    Attributes
    ----------
    registers : RegisterMap
    """

    def __init__(self, build: Build):
        self.build = build
        self.registers = accelerator_registers(build)

    def write(self, register: str, **fields: int) -> Write:
        """A write of a register; `value` is the field of one that has no other."""
        return self.registers[register].offset, self.registers.encode(register, **fields)

    def writes(self, values: dict[str, int]) -> list[Write]:
        """Writes of registers that are one field each."""
        return [self.write(name, value=value) for name, value in values.items()]

    def load(self, n: int, k: int, *, planes: int, base: int = 0, exponent_base: int = 0) -> list[Write]:
        """Begin a load of `[N, K]` values, to `planes` planes a group."""
        job = {"shape_n": n, "shape_k": k, "planes": planes, "base": base, "exponent_base": exponent_base}
        return [*self.writes(job), self.write("control", start_load=1)]

    def product(
        self,
        n: int,
        k: int,
        c: int,
        *,
        planes: int,
        base: int = 0,
        exponent_base: int = 0,
        weight_base: int = 0,
        keep: Kept | None = None,
        steps: Steps | None = None,
    ) -> list[Write]:
        """Begin a product `[N, K] x [K, C]` of activations and weights that are there.

        With `keep` the results stay, and the next product may have them as its activations; otherwise they
        leave by the stream. Before that they go through the elementwise `steps`; those that are gated wait
        for `gates`.

        Raises
        ------
        ValueError
            The results are to be scaled, and the build has no scales.
        """
        job = {"shape_n": n, "shape_k": k, "shape_c": c, "planes": planes}
        job |= {"base": base, "exponent_base": exponent_base, "weight_base": weight_base}
        job["keep"] = int(keep is not None)
        if keep:
            job |= {"out_base": keep.base, "out_exponent_base": keep.exponent_base, "out_planes": keep.planes}
        fields = (steps or Steps()).fields
        scale_base = fields.pop("scale_base")
        if fields["scaled"]:
            self._require_scales()
            job["scale_base"] = scale_base
        elementwise = self.write("elementwise", **fields)
        return [*self.writes(job), elementwise, self.write("control", start_product=1)]

    def place_weights(self, address: int) -> list[Write]:
        """Have the next weight word go to an address."""
        return [self.write("weight_address", value=address), self.write("control", load_weights=1)]

    def place_scales(self, address: int) -> list[Write]:
        """Have the next words of the stream of weights go to an address among scales and biases.

        Raises
        ------
        ValueError
            The build has none.
        """
        self._require_scales()
        return [self.write("scale_address", value=address), self.write("control", load_scales=1)]

    def _require_scales(self) -> None:
        if not self.build.elementwise_words:
            raise ValueError("this build has no elementwise unit, and so no scales and biases")

    def group_words(self, n: int, k: int) -> int:
        """Exponent words that `[N, K]` takes."""
        return -(-n // self.build.rows) * -(-k // self.build.lanes)

    def plane_words(self, n: int, k: int, planes: int) -> int:
        """Plane words that `[N, K]` takes."""
        return self.group_words(n, k) * planes

    def weight_words(self, k: int, c: int) -> int:
        """Weight words that `[C, K]` takes."""
        b = self.build
        return -(-c // b.columns) * -(-k // b.lanes) * (b.columns // b.columns_per_load)

    def scale_words(self, c: int) -> int:
        """Words that the scales and biases of C channels take."""
        return -(-c // self.build.columns)

    def beats(self, n: int, k: int, c: int, planes: int) -> int:
        """Cycles in which the array multiplies during a product: what the counter `beats` counts."""
        return self.plane_words(n, k, planes) * -(-c // self.build.columns)

    def check_cycles(self, n: int, k: int, c: int = 0, planes: int = 0, keep: Kept | None = None) -> int:
        """Cycles from a start to the job (`hdl.job_checker`); `c` is 0 for a load."""
        groups = -(-k // self.build.lanes)
        factors = [groups, planes]
        if c:
            factors.append(groups)
        if keep:
            factors += [-(-c // self.build.lanes), keep.planes]
        return 2 + sum(2 + factor.bit_length() for factor in factors)

    def activations(self, x: NDArray[np.float16]) -> bytes:
        """Rows `[N, K]` for the stream: each begins with a new beat."""
        return _rows_of_beats(x.view(np.uint16), self.build.activations_bytes)

    def weights(
        self,
        codes: NDArray[Any],
        scales: NDArray[np.float16],
        *,
        bits: int,
        zeros: NDArray[Any] | None = None,
    ) -> bytes:
        """A matrix `[C, K]` for the stream, its words in the order of their addresses.

        Parameters
        ----------
        codes : integer array [C, K]
            Levels or codes of `bits` bits.
        scales : float16 array [C, ceil(K / lanes)]
            One for each group; a scale of several groups is repeated.
        bits : int
        zeros : integer array [C, ceil(K / lanes)], optional
            Zero points, of as many bits as the build has behind the codes.

        Raises
        ------
        ValueError
            The shapes do not fit each other, or the bits not the build.
        """
        b = self.build
        channels, length = codes.shape
        groups, tiles = -(-length // b.lanes), -(-channels // b.columns)
        column_bits = b.weight_word_bits // b.columns_per_load
        zero_bits = column_bits - SCALE_BITS - b.lanes * bits
        if scales.shape != (channels, groups):
            raise ValueError(
                f"the scales must be one for each of {channels} channels and {groups} groups, "
                f"but their shape is {scales.shape}"
            )
        if zero_bits < 0 or (zero_bits > 0) != (zeros is not None):
            raise ValueError(
                f"a column of this build has {column_bits} bits for a group, which does not fit "
                f"{b.lanes} codes of {bits} bits {'with' if zeros is not None else 'without'} a zero point"
            )
        image = np.zeros((tiles * b.columns, groups, column_bits), dtype=np.uint8)
        padded = np.zeros((channels, groups * b.lanes), dtype=np.int64)
        padded[:, :length] = codes
        # Of a word the weights come first, then the zero point, then the scale.
        image[:channels, :, : b.lanes * bits] = _bits(padded, bits).reshape(channels, groups, -1)
        if zeros is not None:
            image[:channels, :, b.lanes * bits : -SCALE_BITS] = _bits(zeros, zero_bits)
        image[:channels, :, -SCALE_BITS:] = _bits(scales.view(np.uint16), SCALE_BITS)
        turns = b.columns // b.columns_per_load
        words = image.reshape(tiles, turns, b.columns_per_load, groups, column_bits).transpose(0, 3, 1, 2, 4)
        packed = np.packbits(words.reshape(-1, b.weight_word_bits), axis=1, bitorder="little")
        return _rows_of_beats(packed, b.weights_bytes)

    def scales(self, scales: NDArray[np.float16], biases: NDArray[np.float16]) -> bytes:
        """Scales and biases [C] for the stream of weights; those of channels beyond C are zero."""
        tiles = self.scale_words(len(scales))
        words = np.zeros((tiles * self.build.columns, 2), dtype=np.uint16)
        words[: len(scales)] = np.stack([scales, biases], axis=-1).view(np.uint16)
        return _rows_of_beats(words.reshape(tiles, -1), self.build.weights_bytes)

    def gates(self, gates: NDArray[np.float16]) -> bytes:
        """Gates `[N, C]` for their stream, as results leave: such a packet may be sent back as it is."""
        blocks = (np.ascontiguousarray(gates[block]) for block in self._blocks(*gates.shape))
        return b"".join(_rows_of_beats(block.view(np.uint16), self.build.results_bytes) for block in blocks)

    def _blocks(self, n: int, c: int) -> Iterator[tuple[slice, slice]]:
        """Rows and channels of `[N, C]` that leave before others."""
        b = self.build
        for top in range(0, n, b.rows):
            for left in range(0, c, b.lanes):
                yield slice(top, top + b.rows), slice(left, left + b.lanes)

    def results(self, stream: bytes, n: int, c: int) -> NDArray[np.float16]:
        """Results `[N, C]` of one packet.

        Raises
        ------
        ValueError
            The packet is longer or shorter.
        """
        per_beat = self.build.results_bytes // 2
        values = np.frombuffer(stream, dtype="<f2")
        y = np.zeros((n, c), dtype=np.float16)
        at = 0
        for block in self._blocks(n, c):
            part = y[block]
            width = -(-part.shape[1] // per_beat) * per_beat
            rows = values[at : at + width * len(part)]
            if len(rows) < width * len(part):
                raise ValueError(f"{len(values)} values came, too few for results [{n}, {c}]")
            part[...] = rows.reshape(len(part), width)[:, : part.shape[1]]
            at += width * len(part)
        if at != len(values):
            raise ValueError(f"{len(values)} values came, but results [{n}, {c}] are {at} with their padding")
        return y


def _bits(values: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """The lowest bits of integers `[...]` as `[..., bits]`, the least significant one first."""
    shifted = values.astype(np.int64)[..., None] >> np.arange(bits)
    return (shifted & 1).astype(np.uint8)


def _rows_of_beats(rows: NDArray[Any], beat: int) -> bytes:
    """The bytes of each row, zeros behind them up to a whole beat."""
    raw = np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), -1)
    padded = np.zeros((len(raw), -(-raw.shape[1] // beat) * beat), dtype=np.uint8)
    padded[:, : raw.shape[1]] = raw
    return padded.tobytes()
