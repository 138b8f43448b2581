"""From a certificate to the hardware that it allows: registers no wider than these weights can fill."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from anda.ptq.certificate import Certificate
from anda.ptq.certificate_format import Witness
from anda.recording import Recording, Stream
from golden.bitplanes import pack
from golden.interval import Interval
from golden.multistage import Stage
from hdl.heap import AdderCells
from hdl.multistage import MultiStageParameters
from hdl.pe import PeParameters

__all__ = ["certified_element", "certified_stages", "witness_recording"]


def certified_element(certificate: Certificate, adder_cells: AdderCells = AdderCells.PLAIN) -> PeParameters:
    """The processing element for the groups of a certificate: as wide as its sums, and no wider.

    Raises
    ------
    ValueError
        When there is no element for groups or levels of this size.
    """
    levels = Interval(certificate.level_min, certificate.level_max)
    group = certificate.stage("group")
    return PeParameters(
        lanes=group.count,
        level_bits=levels.hull(Interval(-1, 0)).bits,
        max_planes=certificate.activation_bits,
        activations="signed" if certificate.activation_signed else "unsigned",
        adder_cells=adder_cells,
        certified=group.range,
    )


def certified_stages(
    certificate: Certificate, *, slots: int = 1, adder_cells: AdderCells = AdderCells.PLAIN
) -> MultiStageParameters:
    """The accumulator of tiles and rows behind such elements, with the widths that the certificate promises.

    A stage that has a single value to add is left out: a tile of one group is in the element's own register.

    Parameters
    ----------
    certificate : Certificate
    slots : int
        Elements that share the accumulator.
    adder_cells : AdderCells

    Raises
    ------
    ValueError
        When a row is a single group, so that there is nothing to add.
    """
    stages = [stage for stage in certificate.stages if stage.name in ("inner", "outer") and stage.count > 1]
    if not stages:
        raise ValueError(
            f"a row of {certificate.inputs} inputs is a single group, whose element needs no accumulator"
        )
    group = certificate.stage("group")
    return MultiStageParameters(
        term_bits=group.range.hull(Interval(-1, 0)).bits,
        stages=tuple(Stage(stage.bits, stage.count) for stage in stages),
        slots=slots,
        term_range=group.range,
        ranges=tuple(stage.range for stage in stages),
        adder_cells=adder_cells,
    )


def witness_recording(certificate: Certificate, levels: NDArray[Any], parameters: PeParameters) -> Recording:
    """The inputs that reach both ends of the sums of groups, and these sums, for a column of one element.

    Parameters
    ----------
    certificate : Certificate
    levels : integer array [channels, inputs]
        The weights that it is about.
    parameters : PeParameters
        Of the element, with one plane a cycle and its weights outside.

    Returns
    -------
    Recording
        For `anda.replay`, on a `PeColumn` of one row.
    """
    group = certificate.stage("group")
    beats, sets, sums = [], [], []
    for witness, reached in ((group.lowest, group.min), (group.highest, group.max)):
        words = _planes(witness, parameters)
        beats += [[word, place == 0, place == len(words) - 1] for place, word in enumerate(words)]
        end = witness.start + len(witness.activations)
        sets.append([_packed(levels[witness.channel, witness.start : end], parameters.level_bits)])
        sums.append([reached % (1 << parameters.sum_bits)])
    return Recording(
        "column",
        (Stream("planes", ("words", "first", "last"), beats), Stream("load", ("payload",), sets)),
        Stream("results", ("payload",), sums),
        {},
    )


def _planes(witness: Witness, parameters: PeParameters) -> list[int]:
    """The plane words of a group, which is filled up with zeros."""
    q = np.zeros(parameters.lanes, dtype=np.int32)
    q[: len(witness.activations)] = witness.activations
    if parameters.activations == "unsigned":
        return [int(word) for word in pack(q, parameters.max_planes + 1, "twos-complement")[1:]]
    return [int(word) for word in pack(q, parameters.max_planes, "twos-complement")]


def _packed(levels: NDArray[Any], bits: int) -> int:
    """Levels side by side, lane 0 lowest."""
    return sum((int(level) % (1 << bits)) << (lane * bits) for lane, level in enumerate(levels))
