"""Does a certificate tell the truth about these weights? Found out without the code that wrote it.

`recheck` computes every field again, in Python integers, one product after the other, and compares.
`replay` puts the certificate's activations through the golden model's registers, of the certificate's widths.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anda.ptq.certificate_format import WITNESS_RULE, ZERO_POINT, Certificate, CertifiedStage, Witness
from golden.multistage import MultiStage, Stage, bit_serial

__all__ = ["recheck", "replay"]

Rows = list[list[int]]
Sums = NDArray[np.int64]


def recheck(certificate: Certificate, levels: NDArray[Any]) -> list[str]:
    """Compute everything that a certificate says again.

    Parameters
    ----------
    certificate : Certificate
    levels : integer array [channels, inputs]

    Returns
    -------
    list of str
        One sentence for each field that is wrong; empty when the certificate is right.

    Raises
    ------
    ValueError
        When the levels are not integers of at most 32 bits, or not a matrix.
    """
    if levels.ndim != 2 or levels.dtype.kind not in "iu" or levels.size == 0:
        raise ValueError(
            f"levels should be integers [channels, inputs], not {levels.dtype} of shape {list(levels.shape)}"
        )
    rows: Rows = levels.tolist()
    if not _fits(32, min(map(min, rows)), max(map(max, rows))):
        raise ValueError(
            f"levels should have at most 32 bits, but reach from {levels.min()} to {levels.max()}"
        )
    found = list(_about_the_layer(certificate, rows))
    shape = (len(rows), len(rows[0]))
    if (certificate.channels, certificate.inputs) == shape and certificate.tile <= shape[1]:
        found += _about_the_sums(certificate, rows)
    return found


def _differs(field: str, says: object, it_is: object) -> Iterator[str]:
    """A sentence when the two differ; of lists, about the first element that does."""
    if type(says) is list and type(it_is) is list and len(says) == len(it_is):
        for index, (a, b) in enumerate(zip(says, it_is, strict=True)):
            if a != b:
                yield from _differs(f"{field}[{index}]", a, b)
                return
    elif type(says) is list and type(it_is) is list:
        yield f"{field}: the certificate has {len(says)} of them, but there are {len(it_is)}"
    elif says != it_is:
        yield f"{field}: the certificate says {says}, but it is {it_is}"


def _about_the_layer(c: Certificate, rows: Rows) -> Iterator[str]:
    inputs = len(rows[0])
    digest = hashlib.sha256(struct.pack("<qq", len(rows), inputs))
    for row in rows:
        digest.update(struct.pack(f"<{inputs}i", *row))
    yield from _differs("weights_sha256", c.weights_sha256, digest.hexdigest())
    yield from _differs("channels", c.channels, len(rows))
    yield from _differs("inputs", c.inputs, inputs)
    yield from _differs("level_min", c.level_min, min(map(min, rows)))
    yield from _differs("level_max", c.level_max, max(map(max, rows)))
    low, high = _activations(c)
    if (c.activation_min, c.activation_max) != (low, high):
        kind = "signed" if c.activation_signed else "unsigned"
        yield (
            "activation_bits, activation_signed, activation_min, activation_max: "
            f"{c.activation_bits} {kind} bits are from {low} to {high}, not from {c.activation_min} to "
            f"{c.activation_max}"
        )
    yield from _differs("zero_point", c.zero_point, ZERO_POINT)
    yield from _differs("witness_rule", c.witness_rule, WITNESS_RULE)
    if c.tile > inputs:
        yield f"tile: the certificate says {c.tile}, but a row has only {inputs} inputs"


def _activations(c: Certificate) -> tuple[int, int]:
    span = 2**c.activation_bits
    return (-(span // 2), span // 2 - 1) if c.activation_signed else (0, span - 1)


def _about_the_sums(c: Certificate, rows: Rows) -> Iterator[str]:
    """Stage by stage; the certificate's own lanes of a group are taken, as far as a tile has them."""
    inputs = c.inputs
    lanes = min(c.stages[1].count, c.tile)
    runs = {
        "product": [(i, i + 1) for i in range(inputs)],
        "group": [
            (i, min(i + lanes, t + c.tile, inputs))
            for t in range(0, inputs, c.tile)
            for i in range(t, min(t + c.tile, inputs), lanes)
        ],
        "inner": [(t, min(t + c.tile, inputs)) for t in range(0, inputs, c.tile)],
        "outer": [(0, inputs)],
    }
    counts = {"product": 1, "group": lanes, "inner": -(-c.tile // lanes), "outer": len(runs["inner"])}
    lengths = {"product": 1, "group": lanes, "inner": c.tile, "outer": inputs}
    products = _Products(c, rows)
    for index, (name, cuts) in enumerate(runs.items()):
        stage, where = c.stages[index], f"stages[{index}]"
        lows, highs, norms = (
            _sums(terms, cuts) for terms in (products.small, products.large, products.magnitudes)
        )
        yield from _differs(f"{where}.name", stage.name, name)
        if stage.count != counts[name]:
            yield (
                f"tile, stages[1].count, {where}.count: tiles of {c.tile} inputs and groups of "
                f"{c.stages[1].count} make {counts[name]}, not {stage.count}"
            )
        low, high, l1 = min(map(min, lows)), max(map(max, highs)), max(map(max, norms))
        yield from _differs(f"{where}.l1", stage.l1, l1)
        yield from _differs(f"{where}.min", stage.min, low)
        yield from _differs(f"{where}.max", stage.max, high)
        yield from _about_the_width(c, stage, where, lengths[name], (low, high, l1))
        yield from _about_a_witness(c, rows, cuts, stage.lowest, f"{where}.lowest", (lows, low))
        yield from _about_a_witness(c, rows, cuts, stage.highest, f"{where}.highest", (highs, high))
        if name == "inner":
            for field, says, it_is in (("inner_min", c.inner_min, lows), ("inner_max", c.inner_max, highs)):
                yield from (f"{text}, for a tile of {c.tile} inputs" for text in _differs(field, says, it_is))
            yield from _about_both_widths(index, stage.bits, "inner_bits", c.inner_bits)
        if name == "outer":
            yield from _differs("outer_min", c.outer_min, [low for (low,) in lows])
            yield from _differs("outer_max", c.outer_max, [high for (high,) in highs])
            yield from _about_both_widths(index, stage.bits, "outer_bits", c.outer_bits)


def _about_both_widths(index: int, bits: int, field: str, says: int) -> Iterator[str]:
    if bits != says:
        yield f"{field}, stages[{index}].bits: the certificate says both {says} and {bits}"


class _Products:
    """The smallest and the largest product of every level, and its magnitude, [channels][inputs]."""

    def __init__(self, c: Certificate, rows: Rows) -> None:
        ends = _activations(c)
        seen = set().union(*rows)
        # A product is monotonic in the activation, so its extremes are at the ends.
        small = {level: min(level * ends[0], level * ends[1]) for level in seen}
        large = {level: max(level * ends[0], level * ends[1]) for level in seen}
        self.small = [[small[level] for level in row] for row in rows]
        self.large = [[large[level] for level in row] for row in rows]
        self.magnitudes = [[abs(level) for level in row] for row in rows]


def _sums(rows: Rows, cuts: list[tuple[int, int]]) -> Rows:
    """The sum of every run of every row."""
    return [[sum(row[start:stop]) for start, stop in cuts] for row in rows]


def _fits(bits: int, low: int, high: int) -> bool:
    return -(1 << (bits - 1)) <= low and high < 1 << (bits - 1)


def _about_the_width(
    c: Certificate, stage: CertifiedStage, where: str, terms: int, worst: tuple[int, int, int]
) -> Iterator[str]:
    low, high, l1 = worst
    if not _fits(stage.bits, low, high):
        yield f"{where}.bits: {stage.bits} bits do not hold every sum from {low} to {high}"
        return
    # Nobody chooses these two: they are as narrow as they can be.
    if where in ("stages[0]", "stages[1]") and stage.bits > 1 and _fits(stage.bits - 1, low, high):
        yield f"{where}.bits: the certificate says {stage.bits}, but fewer hold {low} to {high}"
    ends = _activations(c)
    magnitude = max(map(abs, ends))
    level_bits = 1
    while not _fits(level_bits, c.level_min, c.level_max):
        level_bits += 1
    products = [x * q for x in ends for q in (-(1 << (level_bits - 1)), (1 << (level_bits - 1)) - 1)]
    if _fits(stage.bits, terms * min(products), terms * max(products)):
        bound = "data-type"
    else:
        bound = "l1" if _fits(stage.bits, -l1 * magnitude, l1 * magnitude) else "weights"
    yield from _differs(f"{where}.bound", stage.bound, bound)


def _about_a_witness(
    c: Certificate,
    rows: Rows,
    cuts: list[tuple[int, int]],
    witness: Witness,
    where: str,
    worst: tuple[Rows, int],
) -> Iterator[str]:
    """Whether the first run that reaches the end is named, and the activations that the rule gives it."""
    values, extreme = worst
    channel = next(index for index, row in enumerate(values) if extreme in row)
    start, stop = cuts[values[channel].index(extreme)]
    yield from _differs(f"{where}.channel", witness.channel, channel)
    yield from _differs(f"{where}.start", witness.start, start)
    low, high = _activations(c)
    positive, others = (high, low) if where.endswith("highest") else (low, high)
    run = rows[channel][start:stop]
    expected = [positive if level > 0 else others for level in run]
    yield from _differs(f"{where}.activations", witness.activations, expected)


def replay(certificate: Certificate, levels: NDArray[Any]) -> list[str]:
    """Put the activations that reach the ends through the golden registers, of the certificate's widths.

    The processing element takes them plane after plane, the multi-stage accumulator product after product;
    both must come out at the certified end without leaving a register on the way.

    Parameters
    ----------
    certificate : Certificate
    levels : integer array [channels, inputs]

    Returns
    -------
    list of str
        One sentence for each end that is not reached, or reached through an overflow; empty when all is well.
    """
    found: list[str] = []
    for index, stage in enumerate(certificate.stages):
        for name, witness, end in (
            ("lowest", stage.lowest, stage.min),
            ("highest", stage.highest, stage.max),
        ):
            try:
                for register, value in _registers(certificate, index, *_terms(certificate, witness, levels)):
                    found += _differs(f"stages[{index}].{name}, at the end of the {register}", end, value)
            except ValueError as error:
                found.append(f"stages[{index}].{name}: {error}")
    return found


def _terms(c: Certificate, witness: Witness, levels: NDArray[Any]) -> tuple[Sums, Sums]:
    """The activations of a witness and the levels that they meet."""
    if witness.channel >= len(levels):
        raise ValueError(f"there is no channel {witness.channel}")
    terms = len(witness.activations)
    met = levels[witness.channel, witness.start : witness.start + terms]
    if not 0 < len(met) == terms:
        raise ValueError(
            f"the weights have {len(met)} levels from {witness.start} on for {terms} activations"
        )
    low, high = _activations(c)
    if min(witness.activations) < low or max(witness.activations) > high:
        raise ValueError(f"an activation is not from {low} to {high}")
    return np.array(witness.activations, dtype=np.int64), met.astype(np.int64)


def _registers(c: Certificate, index: int, x: Sums, levels: Sums) -> Iterator[tuple[str, int]]:
    """What the registers up to a stage hold at the end, by what they are."""
    products = x * levels
    product, group, *_ = c.stages
    if index == 0:
        yield "multiplier", _accumulated((product,), products)
        return
    lanes = min(group.count, c.tile, len(x))
    cuts = [
        slice(start, min(start + lanes, tile + c.tile, len(x)))
        for tile in range(0, len(x), c.tile)
        for start in range(tile, min(tile + c.tile, len(x)), lanes)
    ]
    # Unsigned codes take a plane more, the sign plane of two's complement, which is all zero.
    planes = c.activation_bits + (not c.activation_signed)
    sums = np.array([bit_serial(x[cut], levels[cut], planes, group.bits)[0] for cut in cuts])
    yield "bit-serial sum", int(sums[0]) if index == 1 else _accumulated(c.stages[2 : index + 1], sums)
    # Where the last group of a tile is short it is filled, for the first stage counts products.
    padded = np.zeros((len(cuts), lanes), np.int64)
    for place, cut in zip(padded, cuts, strict=True):
        place[: len(products[cut])] = products[cut]
    yield "sum of products", _accumulated(c.stages[1 : index + 1], padded.reshape(-1))


def _accumulated(stages: Sequence[CertifiedStage], terms: Sums) -> int:
    """What the last of these registers holds; an overflow is an error."""
    accumulator = MultiStage(tuple(Stage(stage.bits, stage.count) for stage in stages))
    return int(accumulator.accumulate(terms)[0])
