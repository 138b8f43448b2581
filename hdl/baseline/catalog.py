# amaranth: UnusedElaboratable=no
"""Every peer of the comparison in one table: its element, its converters, its throughput."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, Protocol, get_args

from golden.anda import Rounding
from golden.baseline.bfp import FIGNA_MANTISSA_BITS
from hdl.heap import AdderCells
from hdl.modules import NamedComponent

from .aligner import Aligner, AlignerParameters
from .axcore import AxCore, AxCoreParameters
from .bfp import Bfp, BfpParameters
from .bitmod import BitMod, BitModParameters, TermEncoder
from .block import BlockParameters
from .dequantizer import Dequantizer
from .figna import figna
from .fp_fp import FpFp, FpFpParameters
from .fp_fp_dot import FpFpDot, FpFpDotParameters
from .fp_int import FpInt, FpIntParameters
from .ifpu import Ifpu, IfpuParameters
from .mxint8 import MxInt8, MxInt8Parameters, MxWeights
from .to_mxint8 import MxInt8Converter, MxInt8ConverterParameters

__all__ = ["BASELINES", "Baseline", "Builder", "Converter"]


class Builder(Protocol):
    """Makes a component for a library; without an argument for one with plain adder cells."""

    def __call__(self, adder_cells: AdderCells = AdderCells.PLAIN) -> NamedComponent:
        """A new component."""
        ...


@dataclass(frozen=True)
class Converter:
    """A component that turns FP16 activations, or codes of weights, into what an element takes.

    One of them keeps a whole row or column of elements busy, because these share what it gives.

    Attributes
    ----------
    name : str
        What the rows of a table call it.
    component : Builder
    per : str
        "row" of elements that share activations, or "column" of elements that share weights.
    """

    name: str
    component: Builder
    per: Literal["row", "column"]


@dataclass(frozen=True)
class Baseline:
    """One peer.

    Attributes
    ----------
    name : str
        Its key in `BASELINES`.
    title : str
        For tables.
    source : str
        The paper that describes it.
    element : Builder
        The element with its FP32 accumulator: activations as their buffer holds them and weights go in, FP32
        sums over any number of groups come out.
    converters : tuple of Converter
        Counted apart from the element.
    macs_per_cycle : Fraction
        Multiply-accumulate operations of one element in a cycle, without stalls.
    note : str
        What the paper leaves open and was assumed.
    """

    name: str
    title: str
    source: str
    element: Builder
    converters: tuple[Converter, ...]
    macs_per_cycle: Fraction
    note: str = ""


def _by_name(*kinds: Iterable[Baseline]) -> dict[str, Baseline]:
    return {entry.name: entry for entries in kinds for entry in entries}


def _bfp(name: str, title: str, source: str, parameters: BfpParameters, note: str) -> Baseline:
    """A bit-parallel element on block floating point, behind an aligner."""
    b = parameters.block

    def element(adder_cells: AdderCells = AdderCells.PLAIN) -> Bfp:
        return Bfp(parameters.with_cells(adder_cells))

    def aligner(adder_cells: AdderCells = AdderCells.PLAIN) -> Aligner:
        rounding: Rounding = "truncate" if b.encoding == "sign-magnitude" else "nearest"
        return Aligner(
            AlignerParameters(
                bits=b.bits,
                encoding=b.encoding,
                rounding=rounding,
                wires=b.wires,
                group=b.block,
                lanes=b.lanes,
            )
        )

    converter = Converter("FP16 to aligned integers", aligner, "row")
    return Baseline(name, title, source, element, (converter,), parameters.macs_per_cycle, note)


def _figna(mantissa_bits: int) -> Baseline:
    suffix = "" if mantissa_bits == FIGNA_MANTISSA_BITS else f"-m{mantissa_bits}"
    source = "FIGNA, HPCA 2024" if not suffix else "Anda, HPCA 2025, figure 15"
    note = "truncated magnitudes, in two's complement on the wires; exact sum, one FP32 rounding a group"
    return _bfp(f"figna{suffix}", f"FIGNA{suffix.upper()}", source, figna(mantissa_bits), note)


def _parallel(bits: int) -> Baseline:
    block = BlockParameters(bits=bits)
    note = "all bits of a group in one cycle; the groups of two rows in turn"
    return _bfp(
        f"bfp{bits}", f"bit-parallel BFP, {bits} bits", "density bound", BfpParameters(block=block), note
    )


def _mxint8(kind: MxWeights) -> Baseline:
    parameters = MxInt8Parameters(kind=kind)

    def element(adder_cells: AdderCells = AdderCells.PLAIN) -> MxInt8:
        return MxInt8(parameters.with_cells(adder_cells))

    title, source = f"MXINT8 x {kind.upper()}", "OCP Microscaling 1.0"

    def to_mxint8(adder_cells: AdderCells = AdderCells.PLAIN) -> MxInt8Converter:
        return MxInt8Converter(MxInt8ConverterParameters(lanes=parameters.lanes))

    note = "blocks of 32, scales that FP16 values have; exact sum, one FP32 rounding a block"
    converter = Converter("FP16 to MXINT8", to_mxint8, "row")
    return Baseline(f"mxint8-{kind}", title, source, element, (converter,), parameters.macs_per_cycle, note)


def _to_fp16(lanes: int) -> tuple[Converter, ...]:
    """Weights of elements that multiply FP16 by FP16."""

    def dequantizer(adder_cells: AdderCells = AdderCells.PLAIN) -> Dequantizer:
        return Dequantizer(lanes)

    return (Converter("INT4 to FP16", dequantizer, "column"),)


def _fp_fp() -> Baseline:
    parameters = FpFpParameters()

    def element(adder_cells: AdderCells = AdderCells.PLAIN) -> FpFp:
        return FpFp(parameters.with_cells(adder_cells))

    converters = _to_fp16(parameters.lanes)
    title, source = "FP-FP: FP16 x FP16", "Anda, HPCA 2025, figure 15"
    note = "fused multiply-adds of IEEE 754 in FP32, two sums a lane in turn; no addend but a lane's own sum"
    return Baseline("fp-fp", title, source, element, converters, parameters.macs_per_cycle, note)


def _fp_fp_dot() -> Baseline:
    parameters = FpFpDotParameters()

    def element(adder_cells: AdderCells = AdderCells.PLAIN) -> FpFpDot:
        return FpFpDot(parameters.with_cells(adder_cells))

    converters = _to_fp16(parameters.lanes)
    title, source = "FP-FP, dot product of four", "tensor cores, as measured in PeerJ CS 7:e330"
    note = (
        "four products aligned to their largest exponent, cut off one place below FP32's last, added at once "
        "into FP32: not the sums of IEEE 754 multiply-adds"
    )
    return Baseline("fp-fp-dot", title, source, element, converters, parameters.macs_per_cycle, note)


def _fp_int() -> Baseline:
    parameters = FpIntParameters()

    def element(adder_cells: AdderCells = AdderCells.PLAIN) -> FpInt:
        return FpInt(parameters.with_cells(adder_cells))

    title, source = "FP-INT: FP16 x INT4", "Anda, HPCA 2025, figure 15"
    note = "one FP32 rounding a product; scales multiply the lanes' FP32 sums at the end of a group"
    return Baseline("fp-int", title, source, element, (), parameters.macs_per_cycle, note)


def _bitmod() -> Baseline:
    parameters = BitModParameters()

    def element(adder_cells: AdderCells = AdderCells.PLAIN) -> BitMod:
        return BitMod(parameters.with_cells(adder_cells))

    def encoder(adder_cells: AdderCells = AdderCells.PLAIN) -> TermEncoder:
        return TermEncoder(parameters.lanes)

    note = "two terms a weight; products aligned to the largest exponent so far, five guard bits, truncated"
    converter = Converter("INT4 to terms", encoder, "column")
    return Baseline(
        "bitmod",
        "BitMoD-like",
        "BitMoD, HPCA 2025",
        element,
        (converter,),
        parameters.macs_per_cycle,
        note,
    )


def _ifpu() -> Baseline:
    parameters = IfpuParameters()

    def element(adder_cells: AdderCells = AdderCells.PLAIN) -> Ifpu:
        return Ifpu(parameters.with_cells(adder_cells))

    def aligner(adder_cells: AdderCells = AdderCells.PLAIN) -> Aligner:
        return Aligner(AlignerParameters(bits=parameters.bits, lanes=parameters.lanes))

    converter = Converter("FP16 to aligned integers", aligner, "row")
    note = "40 bits of magnitude, with which nothing is lost; a bit of 16 weights a cycle; FP32 once a group"
    source = "iFPU, ICLR 2023"
    return Baseline("ifpu", "iFPU", source, element, (converter,), parameters.macs_per_cycle, note)


def _axcore() -> Baseline:
    parameters = AxCoreParameters()

    def element(adder_cells: AdderCells = AdderCells.PLAIN) -> AxCore:
        return AxCore(parameters.with_cells(adder_cells))

    title, source = "AxCore-like: FP16 x E2M1", "AxCore, MICRO 2025"
    note = (
        "approximate products, aligned sums cut off at 12 bits; the constant is added in every lane, sums "
        "stay in the element, subnormal activations count as zero"
    )
    return Baseline("axcore-like", title, source, element, (), parameters.macs_per_cycle, note)


BASELINES: Mapping[str, Baseline] = _by_name(
    (_fp_fp(), _fp_fp_dot(), _fp_int(), _ifpu(), _axcore()),
    (_figna(bits) for bits in (FIGNA_MANTISSA_BITS, 11, 8)),
    (_parallel(bits) for bits in range(4, 15)),
    (_mxint8(kind) for kind in get_args(MxWeights)),
    (_bitmod(),),
)
"""The peers by name."""
