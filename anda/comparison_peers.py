# amaranth: UnusedElaboratable=no
"""Peers of the comparison: the elements of `hdl.baseline.catalog` with real data for them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anda.comparison_subjects import ROWS, Part, Subject, Use, real_data, registers
from golden.anda import AndaCodec
from golden.baseline.bfp import FIGNA_MANTISSA_BITS
from golden.baseline.fp_fp import dequantize
from golden.baseline.mxint8 import to_mxint8
from hdl.accumulator import Accumulator, AccumulatorParameters
from hdl.baseline.axcore import AxCore
from hdl.baseline.bfp import Bfp
from hdl.baseline.bitmod import BitMod
from hdl.baseline.block import BlockDot
from hdl.baseline.catalog import BASELINES, Baseline
from hdl.baseline.figna import figna
from hdl.baseline.fp_fp import FpFp
from hdl.baseline.fp_fp_dot import FpFpDot
from hdl.baseline.fp_int import FpInt
from hdl.baseline.ifpu import Ifpu
from hdl.baseline.mxint8 import MxInt8
from hdl.heap import AdderCells
from sim.replay_data import Replay
from sim.replays import accumulator, axcore, bfp, bitmod, fp_fp, fp_int, ifpu, mxint8

__all__ = ["peer", "sharing_figna"]


def _peer_replay(entry: Baseline, cells: AdderCells, _: int) -> Replay:
    """Real data for a peer's element."""
    row = (real_data().activations[:, 0], real_data().weights, real_data().scales)
    match entry.element(cells):
        case FpFp() | FpFpDot() as element:
            return fp_fp.replay(element.parameters, *row)
        case FpInt() as element:
            return fp_int.replay(element.parameters, *row)
        case Ifpu() as element:
            return ifpu.replay(element.parameters, *row)
        case AxCore() as element:
            return axcore.replay(element.parameters, *row)
        case MxInt8() as element:
            return mxint8.replay(element.parameters, *row)
        case BitMod() as element:
            return bitmod.replay(element.parameters, *row)
        case Bfp() as element:
            return bfp.replay(element.parameters, *row)
        case element:
            raise ValueError(f"there is no replay for {element.module_name}, the element of {entry.name}")


def _register_set(entry: Baseline) -> tuple[int, int, int]:
    """Weights that an element uses at a time, their bits, and for how many cycles it uses them."""
    match entry.element():
        case FpFp() | FpFpDot() as element:
            return element.parameters.lanes, 16, 1
        case Ifpu() as element:
            return element.parameters.lanes, 4, 4
        case BitMod() as element:
            return element.parameters.lanes, 4, element.parameters.terms
        case MxInt8() as element:
            return element.parameters.lanes, element.parameters.block.level_bits, 1
        case Bfp() as element:
            return element.parameters.block.lanes, 4, element.parameters.slots
        case FpInt() | AxCore() as element:
            return element.parameters.lanes, 4, 1
        case element:
            raise ValueError(f"nothing is known about the weights of {element.module_name}")


def _levels(name: str) -> NDArray[Any]:
    """Weights as the registers of a peer hold them."""
    found = real_data()
    if name in ("fp-fp", "fp-fp-dot"):
        return dequantize(found.weights, found.scales[..., np.newaxis])[0].view(np.int16)
    if name == "mxint8-mxint8":
        values = (found.weights * found.scales[..., np.newaxis].astype(np.float64)).astype(np.float16)
        return to_mxint8(values.reshape(len(values), -1))[0]
    return found.weights


def peer(entry: Baseline) -> Subject:
    """A peer as its catalog entry has it."""
    lanes, bits, beats = _register_set(entry)
    element = Part("element", entry.element, partial(_peer_replay, entry))
    converters = tuple(Use(Part(f"{c.name}, one a {c.per}", c.component), 1 / ROWS) for c in entry.converters)
    return Subject(
        entry.name,
        entry.title,
        entry.source,
        "peer",
        (Use(element, 1.0),),
        registers(lanes, bits, lambda _: beats, partial(_levels, entry.name)),
        (0,),
        lambda _: entry.macs_per_cycle,
        converters=converters,
    )


def sharing_figna(mantissa_bits: int, slots: int) -> Subject:
    """FIGNA's integer part with a share of an accumulator: what sharing alone gains.

    By 4, as `compact` has it; by 16, which are as many as keep one busy, because a group takes 16 cycles.
    """
    p = figna(mantissa_bits)
    name = "figna" if mantissa_bits == FIGNA_MANTISSA_BITS else f"figna-m{mantissa_bits}"

    def element(cells: AdderCells) -> BlockDot:
        return BlockDot(replace(p.block, adder_cells=cells))

    def element_replay(cells: AdderCells, _: int) -> Replay:
        found = real_data()
        block = replace(p.block, adder_cells=cells)
        return bfp.replay_sums(block, found.activations[:, 0], found.weights)

    def accumulator_of(cells: AdderCells) -> AccumulatorParameters:
        return replace(p.accumulator, slots=slots, adder_cells=cells)

    def shared(cells: AdderCells) -> Accumulator:
        return Accumulator(accumulator_of(cells))

    def shared_replay(cells: AdderCells, _: int) -> Replay:
        found, block = real_data(slots), p.block
        # Its activations are groups of Anda with the sign among the planes (contract, section 2a).
        codec = AndaCodec(block.bits, block.encoding, bfp.rounding_of(block), block.block)
        return accumulator.replay(
            accumulator_of(cells), codec, block.beats, found.activations, found.weights, found.scales
        )

    alone = peer(BASELINES[name])
    return replace(
        alone,
        name=f"{name}-x{slots}",
        title=f"{alone.title}, accumulator shared by {slots}",
        source="this project",
        element=(
            Use(Part("element", element, element_replay), 1.0),
            Use(Part("accumulator", shared, shared_replay, slots), 1 / slots),
        ),
    )
