"""Theorems about binary hardware: small elements of every kind of rate and sign, the correction, the decoder.

Each has twins with a fault in what it is about, which must fail.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from amaranth.hdl import Elaboratable, Value

from hdl.binary import BinaryElement, BinaryParameters
from hdl.binary_correction import CorrectionParameters

from .binary import BinarySum, CorrectedSum, CorrectionFault, PackedDigits, binary_order
from .binary_faults import Fault, NarrowBinary, NegativeProduct
from .theorem import Theorem

__all__ = ["binary_theorems"]

_Design = tuple[Elaboratable, list[Value]]


@dataclass(frozen=True)
class _Twin:
    """What is wrong: with the beats, or with the element, which is another one than that of the theorem."""

    fault: str
    statement: str
    beats: Fault = ""
    element: Callable[[], BinaryElement] | None = None


def _beats(fault: Fault, statement: str) -> _Twin:
    return _Twin(fault, statement, beats=fault)


def _element(
    fault: str, statement: str, built: BinaryParameters, kind: type[BinaryElement] = BinaryElement
) -> _Twin:
    return _Twin(fault, statement, element=partial(kind, built))


_SIGNS = _beats("signs", "With no top plane taken for negative the result is another one.")
_PLACES = _beats("places", "With the planes of a block in the places of each other it is another one.")


def binary_theorems() -> list[Theorem]:
    """Small elements of every kind of rate and sign, the correction, the decoder; and their twins."""
    return [*_serial_theorems(), *_parallel_theorems(), *_correction_theorems(), *_decoder_theorems()]


def _serial_theorems() -> list[Theorem]:
    serial = _small(3, 3, 1, 1)
    mixed = replace(serial, activations="unsigned")
    unsigned = replace(mixed, weights="unsigned")
    exchanged = replace(mixed, activations="signed", weights="unsigned")
    of_signed = replace(serial, accumulator_bits=unsigned.sum_bits)
    return [
        *_sums(
            "serial",
            serial,
            _SIGNS,
            _beats("shift", "Without shifts it is another one."),
            _element("narrow", "With one bit less it overflows.", _narrow(serial)),
        ),
        *_sums(
            "serial mixed signs",
            mixed,
            _element("sides", "With the other side taken for the signed one it is another one.", exchanged),
        ),
        *_sums(
            "serial unsigned",
            unsigned,
            _element("signed", "An element for signed codes takes top planes for negative.", of_signed),
            _element("narrow", "With one bit less large sums read as negative ones.", _narrow(unsigned)),
        ),
    ]


def _parallel_theorems() -> list[Theorem]:
    """Several planes a cycle on one side or both; and weights wider than activations."""
    parallel = _small(3, 3, 3, 3)
    return [
        *_sums("weights parallel", _small(3, 3, 1, 3), _PLACES, _SIGNS),
        *_sums("activations parallel", _small(3, 3, 3, 1), _PLACES, _SIGNS),
        *_sums(
            "parallel",
            parallel,
            _beats("kept", "A sum that does not begin from 0 has the one before in it."),
            _element("product", "The product of top planes is not negative.", parallel, NegativeProduct),
        ),
        *_sums(
            "blocks",
            _small(4, 3, 2, 1),
            _beats("dropped", "Without one pair of blocks the result is another one."),
        ),
        *_sums(
            "gaps",
            _small(2, 4, 1, 3),
            _beats("gapless", "Without the step that only shifts the result is another one."),
            _beats("padding", "With zeros beyond the top plane of a negative weight it is another one."),
        ),
        *_sums(
            "wide weights",
            _small(1, 4, 1, 1),
            _beats("least-first", "With the least significant plane first the result is another one."),
        ),
    ]


def _sums(kind: str, p: BinaryParameters, *twins: _Twin) -> list[Theorem]:
    statement = (
        f"{p.lanes} lanes, {p.activation_planes} by {p.weight_planes} bits, "
        f"{p.activation_planes_per_cycle} by {p.weight_planes_per_cycle} planes a cycle: the result is the "
        "sum of the integer products, and both of its ends are reached."
    )

    def design(twin: _Twin | None = None) -> _Design:
        proof = BinarySum(p, twin.beats, twin.element and twin.element()) if twin else BinarySum(p)
        return proof, proof.ports()

    theorem = Theorem(f"binary {kind}", statement, design, 1, reach=len(binary_order(p)) + 3)
    return [theorem, *(theorem.twin(twin.fault, twin.statement, partial(design, twin)) for twin in twins)]


def _correction_theorems() -> list[Theorem]:
    element = replace(_small(1, 1, 1, 1), lanes=1, terms=1, activations="unsigned")
    small = CorrectionParameters(element=element, zero_bits=3)

    def design(fault: CorrectionFault = "") -> _Design:
        proof = CorrectedSum(small, fault)
        return proof, proof.ports()

    statement = "Bit by bit the correction adds what zero points add, as multiplications would."
    theorem = Theorem("binary correction", statement, design, 1, reach=small.zero_bits + 3)
    faults: dict[CorrectionFault, str] = {
        "off by one": "Another result is not given.",
        "unsigned": "The top bit of a zero point is not a positive one.",
    }
    return [theorem, *(theorem.twin(fault, why, partial(design, fault)) for fault, why in faults.items())]


def _decoder_theorems() -> list[Theorem]:
    def design(swapped: bool = False) -> _Design:
        proof = PackedDigits(swapped)
        return proof, proof.ports()

    statement = "Seven bits decode to the three digits that they were packed from."
    theorem = Theorem("binary decoder", statement, design, 1)
    return [theorem, theorem.twin("swapped", "Digits in another order are not given.", partial(design, True))]


def _small(x: int, w: int, x_rate: int, w_rate: int) -> BinaryParameters:
    return BinaryParameters(
        lanes=2,
        activation_planes=x,
        weight_planes=w,
        activation_planes_per_cycle=x_rate,
        weight_planes_per_cycle=w_rate,
        activations="signed",
        weights="signed",
        terms=2,
    )


def _narrow(p: BinaryParameters) -> BinaryParameters:
    return NarrowBinary(**{name: getattr(p, name) for name in BinaryParameters.__dataclass_fields__})
