"""From a certificate to binary hardware: elements with registers no wider than these weights can fill."""

from __future__ import annotations

from anda.ptq.certificate import Certificate
from golden.interval import Interval
from golden.multistage import Stage
from hdl.binary_parameters import BinaryParameters
from hdl.heap import AdderCells
from hdl.multistage import MultiStageParameters

__all__ = ["certified_binary", "certified_rows"]


def certified_binary(
    certificate: Certificate,
    *,
    lanes: int = 64,
    weight_planes_per_cycle: int = 1,
    activation_planes_per_cycle: int = 1,
    adder_cells: AdderCells = AdderCells.PLAIN,
) -> BinaryParameters:
    """The binary element for the tiles of a certificate: a sum is a tile, in the register that it promises.

    A prefix of the order of planes may leave the range of the tile, but not the ring of integers that the
    register counts in: the sum is exact because it fits, whatever the register held on the way.

    Parameters
    ----------
    certificate : Certificate
    lanes : int
        Elements along K in one cycle.
    weight_planes_per_cycle, activation_planes_per_cycle : int
    adder_cells : AdderCells
    """
    inner = certificate.stage("inner")
    levels = Interval(certificate.level_min, certificate.level_max)
    return BinaryParameters(
        lanes=lanes,
        activation_planes=certificate.activation_bits,
        weight_planes=levels.hull(Interval(-1, 0)).bits,
        activation_planes_per_cycle=activation_planes_per_cycle,
        weight_planes_per_cycle=weight_planes_per_cycle,
        activations="signed" if certificate.activation_signed else "unsigned",
        weights="signed",
        terms=certificate.tile,
        adder_cells=adder_cells,
        accumulator_bits=inner.bits,
        certified=inner.range,
    )


def certified_rows(
    certificate: Certificate, *, slots: int = 1, adder_cells: AdderCells = AdderCells.PLAIN
) -> MultiStageParameters:
    """The accumulator that adds the tiles of a row behind such elements.

    Parameters
    ----------
    certificate : Certificate
    slots : int
        Elements that share the accumulator.
    adder_cells : AdderCells

    Raises
    ------
    ValueError
        A row is a single tile, whose element needs no accumulator.
    """
    inner, outer = certificate.stage("inner"), certificate.stage("outer")
    if outer.count == 1:
        raise ValueError(
            f"a row of {certificate.inputs} inputs is a single tile, whose element needs no accumulator"
        )
    return MultiStageParameters(
        term_bits=inner.bits,
        stages=(Stage(outer.bits, outer.count),),
        slots=slots,
        term_range=inner.range,
        ranges=(outer.range,),
        adder_cells=adder_cells,
    )
