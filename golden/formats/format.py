"""A number format as one object: its table, and from it quantizer, decoder, widths and documentation row."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from golden.formats.checks import as_float32, require_finite
from golden.formats.nearest import Codes, NearestLevel, Ties
from golden.formats.quantized import Quantized
from golden.formats.quantizer import Clip, quantize
from golden.formats.scales import E8m0Rule, ScaleFormat, scale_format
from golden.interval import Interval

__all__ = ["Block", "Format", "Scaling"]

Scaling = Literal["absmax", "extreme", "either", "zero-point", "none"]
"""How the scale of a block follows from it; `Format` describes each."""

Block = int | Literal["channel"]
"""Elements along K that share a scale, or all of them."""


@dataclass(frozen=True)
class Format:
    """A number format: `weight = value[code] * scale`, one scale per block along K.

    An instance is all it takes to add a format; `docs/formats.md` shows one.

    Parameters
    ----------
    name : str
        In lower case, as the command line takes it.
    values : tuple of float
        Value of each code, code 0 first; NaN where a code is reserved. Used as float32 numbers.
    source : str
        Where the format was published, or what justifies it.
    summary : str
        One line of documentation.
    family : str
        Heading in the catalogue.
    unit : float, optional
        The power of two that every value is an integer multiple of. None: a software-only, real codebook.
    ties : str
        Half way between two levels: "down" goes toward minus infinity, "even" to the even code.
    scaling : str
        The level that a block's extreme, its element of largest magnitude, is scaled to.
        "absmax": the largest level, or its negative; the scale is positive.
        "extreme": the level of largest magnitude, whatever the sign of the extreme: the scale carries it.
        "either": as "absmax", with the sign of the scale that leaves less squared error, block by block.
        "zero-point": codes from 0 span the block's range, zero included; `level = code - zero`.
        "none": there is no scale.
    block : int
        Elements along K that share a scale, unless told otherwise.
    scale_format : str
        A name of `SCALE_FORMATS`, unless told otherwise.
    e8m0_rule : str
        What the scale format "e8m0" without a rule means for this format.
    mantissa_bits : int, optional
        Stored fraction bits, for the E8M0 rule "even".
    keeps_zero_sign : bool
        Whether a negative number that rounds to zero gets the code of negative zero, as IEEE 754 converts.
        Otherwise zero has one code, the lowest. Its value is +0 either way.
    stored_bits : Fraction, optional
        Memory of a code when several are packed together; `code_bits` by default.

    Raises
    ------
    ValueError
        When the parameters contradict each other.
    """

    name: str
    values: tuple[float, ...]
    source: str
    summary: str = ""
    family: str = "custom"
    unit: float | None = None
    ties: Ties = "down"
    scaling: Scaling = "absmax"
    block: int = 128
    scale_format: str = "fp32"
    e8m0_rule: E8m0Rule = "nearest"
    mantissa_bits: int | None = None
    keeps_zero_sign: bool = False
    stored_bits: Fraction | None = None

    def __post_init__(self) -> None:
        used = [v for v in self.values if not math.isnan(v)]
        if not 2 <= len(self.values) <= 1 << 16 or len(set(used)) < 2 or any(map(math.isinf, used)):
            raise ValueError(
                f"format {self.name!r} needs 2 to 65536 finite values, two of them different, or NaN where "
                f"a code is reserved, not {len(self.values)} values"
            )
        for value, choices in ((self.ties, get_args(Ties)), (self.scaling, get_args(Scaling))):
            if value not in choices:
                raise ValueError(f"format {self.name!r} needs one of {', '.join(choices)}, not {value!r}")
        if self.scaling in ("absmax", "extreme", "either") and max(used) <= 0:
            raise ValueError(f"format {self.name!r} scales to its largest value, but has no positive one")
        if self.scaling == "zero-point" and used != list(range(len(used))):
            raise ValueError(f"format {self.name!r} has zero points, so its values must be 0, 1, 2, ...")
        if self.unit is not None:
            if math.frexp(self.unit)[0] != 0.5:
                raise ValueError(f"the unit of format {self.name!r} must be a power of two, not {self.unit}")
            odd = [v for v in used if not (v / self.unit).is_integer()]
            if odd:
                raise ValueError(
                    f"every value of format {self.name!r} must be an integer multiple of its unit "
                    f"{self.unit}, but {odd[0]} is not"
                )
        scale_format(self.scale_format)

    def __str__(self) -> str:
        return self.name

    @property
    def code_bits(self) -> int:
        """Bits of a code."""
        return (len(self.values) - 1).bit_length()

    @cached_property
    def integer_levels(self) -> tuple[int | None, ...] | None:
        """Signed integer of each code, `value / unit`; None where reserved, and for a real codebook.

        With zero points these are the codes; the hardware's level is `code - zero`.
        """
        if self.unit is None:
            return None
        unit = self.unit
        return tuple(None if math.isnan(v) else int(v / unit) for v in self.values)

    @cached_property
    def level_range(self) -> Interval | None:
        """Every signed integer level that reaches a multiplier; None for a real codebook."""
        if self.integer_levels is None:
            return None
        used = [level for level in self.integer_levels if level is not None]
        codes = Interval(min(used), max(used))
        return codes - codes if self.scaling == "zero-point" else codes

    @property
    def level_bits(self) -> int | None:
        """Width of a signed level; None for a real codebook."""
        return None if self.level_range is None else self.level_range.hull(Interval(-1, 0)).bits

    def bits_per_weight(self, block: Block | None = None, scale_format: str | None = None) -> float:
        """Memory of a weight with its share of scale and zero point.

        Parameters
        ----------
        block : int or "channel", optional
            The format's own by default. "channel": the share of the scale is not counted.
        scale_format : str, optional
            The format's own by default. The one FP32 scale per tensor of E4M3 is not counted.
        """
        bits = float(self.code_bits if self.stored_bits is None else self.stored_bits)
        size = self._block_size(block)
        if self.scaling == "none" or size is None:
            return bits
        zero = self.code_bits if self.scaling == "zero-point" else 0
        return bits + (self._scale_format(scale_format).bits + zero) / size

    def accumulator_bits(self, terms: int, other: Format | Interval | None = None) -> int:
        """Width of the narrowest signed register that holds every sum of `terms` products.

        Parameters
        ----------
        terms : int
            Products in the sum, at least 1.
        other : Format or Interval, optional
            The levels of the other operand; by default those of this format.

        Raises
        ------
        ValueError
            When a format has no integer levels.
        """
        if terms < 1:
            raise ValueError(f"a sum has at least 1 term, not {terms}")
        mine, theirs = self._range(), other if isinstance(other, Interval) else (other or self)._range()
        # A sum of fewer terms fits too, and so does 0.
        return (mine * theirs).times(terms).hull(Interval(-1, 0)).bits

    def encode(self, x: NDArray[Any]) -> Codes:
        """Codes of the nearest levels of numbers in units of the scale; numbers beyond the ends saturate.

        Parameters
        ----------
        x : float array, any shape
            Finite numbers that float32 holds.

        Raises
        ------
        ValueError
            When an element is not finite, or the format has zero points.
        """
        if self.scaling == "zero-point":
            raise ValueError(f"format {self.name} has zero points: only a whole block can be encoded")
        numbers = as_float32(x)
        require_finite(numbers)
        return self.nearest(numbers)

    def decode(self, codes: Codes) -> NDArray[np.float32]:
        """Values of codes, without their scale; NaN for a reserved code."""
        return self.table.take(codes)

    def quantize(
        self,
        w: NDArray[Any],
        block: Block | None = None,
        scale_format: str | None = None,
        clip: Clip = None,
    ) -> Quantized:
        """Round weights to this format, block by block along the last axis.

        The scale is computed first and rounded to its format; a code is the nearest level to the float32
        quotient `w / scale`. A last, short block has a scale of its own.

        Parameters
        ----------
        w : float array [..., K]
            Finite weights that float32 holds: float32, float16 or bfloat16.
        block : int or "channel", optional
            Elements that share a scale; the format's own by default.
        scale_format : str, optional
            A name of `SCALE_FORMATS`; the format's own by default.
        clip : float, "tensor" or "block", optional
            Shrinks the scale: by a ratio in (0, 1], or by that of 40 ratios from 1 down to 0.805 that leaves
            the least squared error, one ratio for the tensor or one per block.

        Returns
        -------
        Quantized

        Raises
        ------
        ValueError
            When a weight is not finite (the message names the first), a parameter is out of its range,
            or a scale is too large for its format.
        """
        size = self._block_size(block)
        if np.ndim(w) == 0:
            raise ValueError("the weights must have at least one axis, but are a single number")
        numbers = as_float32(w)
        return quantize(self, numbers, size or numbers.shape[-1], self._scale_format(scale_format), clip)

    @cached_property
    def table(self) -> NDArray[np.float32]:
        """`values` as a read-only float32 array."""
        table = np.array(self.values, dtype=np.float32)
        table.setflags(write=False)
        return table

    def nearest(self, ratios: NDArray[np.float32]) -> Codes:
        """`encode` without its checks, for finite float32 numbers."""
        codes = self._nearest_level(ratios)
        if self.keeps_zero_sign:
            codes |= ((codes == 0) & np.signbit(ratios)).astype(codes.dtype) << (self.code_bits - 1)
        return codes

    @cached_property
    def top(self) -> float:
        """The value that a block's extreme is scaled to; with zero points, the number of steps."""
        largest = float(np.nanmax(self.table))
        least = float(np.nanmin(self.table))
        return least if self.scaling == "extreme" and -least > largest else largest

    @cached_property
    def _nearest_level(self) -> NearestLevel:
        return NearestLevel(self.table, self.ties)

    def _range(self) -> Interval:
        if self.level_range is None:
            raise ValueError(f"format {self.name} has no integer levels, so no sum of its products is exact")
        return self.level_range

    def _block_size(self, block: Block | None) -> int | None:
        size = self.block if block is None else block
        if size == "channel":
            return None
        if not isinstance(size, int) or size < 1:
            raise ValueError(f'a block is a number of elements, at least 1, or "channel", not {block!r}')
        return size

    def _scale_format(self, name: str | None) -> ScaleFormat:
        chosen = scale_format(self.scale_format if name is None else name)
        if not chosen.signed and self.scaling in ("extreme", "either"):
            raise ValueError(
                f"the scales of format {self.name} carry a sign, which {chosen.name} does not have; "
                "take fp32, fp16, bf16 or e4m3"
            )
        return chosen
