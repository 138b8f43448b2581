"""Random configurations of the peers of the comparison, drawn as those of `sim.configurations` are."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

from golden.anda import Rounding
from golden.bitplanes import Encoding
from hdl.baseline.aligner import Aligner, AlignerParameters
from hdl.baseline.axcore import AxCore, AxCoreParameters
from hdl.baseline.bfp import Bfp, BfpParameters
from hdl.baseline.bitmod import BitMod, BitModParameters
from hdl.baseline.block import BlockParameters
from hdl.baseline.fp_fp import FpFp, FpFpParameters
from hdl.baseline.fp_fp_dot import FpFpDot, FpFpDotParameters
from hdl.baseline.fp_int import FpInt, FpIntParameters
from hdl.baseline.ifpu import Ifpu, IfpuParameters
from hdl.baseline.mxint8 import MxInt8, MxInt8Parameters
from hdl.baseline.to_mxint8 import MxInt8Converter, MxInt8ConverterParameters
from hdl.heap import AdderCells

__all__ = [
    "BASELINE_DRAWS",
    "draw_aligner",
    "draw_axcore",
    "draw_bfp",
    "draw_bitmod",
    "draw_block",
    "draw_fp_fp",
    "draw_fp_fp_dot",
    "draw_fp_int",
    "draw_ifpu",
    "draw_mxint8",
    "draw_to_mxint8",
]


def draw_block(random: Random) -> BlockParameters:
    """The integer part of an element; small ones more often."""
    block = random.choice((8, 8, 8, 16, 32))
    encoding: Encoding = random.choice(("twos-complement", "sign-magnitude"))
    wires: Encoding = random.choice((encoding, "twos-complement"))
    return BlockParameters(
        bits=random.randint(2, 17),
        encoding=encoding,
        wires=wires,
        level_bits=random.randint(2, 8),
        block=block,
        lanes=random.choice([n for n in (1, 2, 4, 8) if n <= block]),
        weights=random.choice(("outside", "inside")),
        products="bits" if wires == "sign-magnitude" else random.choice(("bits", "digits")),
        adder_cells=random.choice(list(AdderCells)),
    )


def draw_bfp(random: Random) -> partial[Any]:
    """A block floating point element."""
    return partial(Bfp, BfpParameters(block=draw_block(random)))


def draw_fp_fp(random: Random) -> partial[Any]:
    """A few FP16 multiply-adds."""
    parameters = FpFpParameters(
        lanes=random.randint(1, 4),
        slots=random.randint(1, 5),
        weights=random.choice(("outside", "inside")),
        adder_cells=random.choice(list(AdderCells)),
    )
    return partial(FpFp, parameters)


def draw_fp_fp_dot(random: Random) -> partial[Any]:
    """A small dot product unit."""
    parameters = FpFpDotParameters(
        lanes=random.choice((1, 2, 4)),
        slots=random.randint(1, 5),
        guard=random.randint(0, 4),
        weights=random.choice(("outside", "inside")),
        adder_cells=random.choice(list(AdderCells)),
    )
    return partial(FpFpDot, parameters)


def draw_mxint8(random: Random) -> partial[Any]:
    """MXINT8 activations times either kind of weights."""
    parameters = MxInt8Parameters(
        kind=random.choice(("int4", "mxint8")),
        lanes=random.choice((1, 2, 4, 8, 16)),
        weights=random.choice(("outside", "inside")),
        adder_cells=random.choice(list(AdderCells)),
    )
    return partial(MxInt8, parameters)


def draw_fp_int(random: Random) -> partial[Any]:
    """A small FP-INT element."""
    parameters = FpIntParameters(
        lanes=random.choice((1, 2, 4)),
        weights=random.choice(("outside", "inside")),
        adder_cells=random.choice(list(AdderCells)),
    )
    return partial(FpInt, parameters)


def draw_aligner(random: Random) -> partial[Any]:
    """An aligner, narrow or wide."""
    group = random.choice((8, 8, 16))
    encoding: Encoding = random.choice(("twos-complement", "sign-magnitude"))
    rounding: Rounding = random.choice(("nearest", "truncate"))
    parameters = AlignerParameters(
        bits=random.choice((random.randint(2, 17), random.randint(2, 42))),
        encoding=encoding,
        rounding=rounding,
        wires=random.choice((encoding, "twos-complement")),
        group=group,
        lanes=random.choice((1, 2, 4, 8)),
    )
    return partial(Aligner, parameters)


def draw_to_mxint8(random: Random) -> partial[Any]:
    """A converter to MXINT8."""
    return partial(MxInt8Converter, MxInt8ConverterParameters(lanes=random.choice((1, 2, 4, 8, 16, 32))))


def draw_bitmod(random: Random) -> partial[Any]:
    """A term-serial element."""
    parameters = BitModParameters(
        lanes=random.choice((1, 2, 4)),
        terms=random.randint(1, 3),
        guard=random.randint(0, 12),
        group=random.choice((8, 16)),
        adder_cells=random.choice(list(AdderCells)),
    )
    return partial(BitMod, parameters)


def draw_ifpu(random: Random) -> partial[Any]:
    """A narrow iFPU."""
    parameters = IfpuParameters(
        mantissa_bits=random.randint(11, 20),
        lanes=random.choice((4, 8)),
        weights=random.choice(("outside", "inside")),
        adder_cells=random.choice(list(AdderCells)),
    )
    return partial(Ifpu, parameters)


def draw_axcore(random: Random) -> partial[Any]:
    """An AxCore-like element."""
    parameters = AxCoreParameters(
        lanes=random.choice((1, 2, 4, 8)),
        weights=random.choice(("outside", "inside")),
        adder_cells=random.choice(list(AdderCells)),
    )
    return partial(AxCore, parameters)


#: How to draw each kind of peer.
BASELINE_DRAWS: dict[str, Callable[[Random], partial[Any]]] = {
    "bfp": draw_bfp,
    "mxint8": draw_mxint8,
    "aligner": draw_aligner,
    "bitmod": draw_bitmod,
    "to_mxint8": draw_to_mxint8,
    "fp-fp": draw_fp_fp,
    "fp-fp-dot": draw_fp_fp_dot,
    "fp-int": draw_fp_int,
    "ifpu": draw_ifpu,
    "axcore": draw_axcore,
}
