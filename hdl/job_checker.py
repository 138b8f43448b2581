"""Jobs from shapes: counts of tiles and groups, and whether all of them fits the buffers."""

from __future__ import annotations

from enum import IntEnum

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from golden.bitplanes import PLANES

from .axi_stream import receive_job_layout
from .engine_parameters import STEPS, EngineParameters, load_job_layout, product_job_layout
from .modules import NamedComponent
from .result_beats import send_job_layout

__all__ = [
    "ADDRESS_BITS",
    "ERRORS",
    "PLANES_BITS",
    "SHAPE_BITS",
    "Error",
    "JobChecker",
    "requested_job_layout",
]

#: Widths of the fields that software writes, whatever the size of the build.
SHAPE_BITS, ADDRESS_BITS, PLANES_BITS = 16, 24, 5

#: Width of an address just behind all that can be addressed.
_WIDEST = ADDRESS_BITS + 1


class Error(IntEnum):
    """Why a job was refused; `ERRORS` says it in words."""

    NONE = 0
    BUSY = 1
    BOTH = 2
    SHAPE = 3
    PLANES = 4
    ACTIVATIONS = 5
    WEIGHTS = 6
    RESULTS = 7
    OVERLAP = 8
    ELEMENTWISE = 9
    SCALES = 10


ERRORS = {
    Error.NONE: "the latest job was taken",
    Error.BUSY: "a job was being done",
    Error.BOTH: "a load and a product were started in one write",
    Error.SHAPE: "N, K or C was 0",
    Error.PLANES: "there were fewer than 2 planes, or more than the build has",
    Error.ACTIVATIONS: "the planes or exponents of [N, K] would end beyond the activation buffer",
    Error.WEIGHTS: "the words of [C, K] would end beyond the weight buffer",
    Error.RESULTS: "the kept planes or exponents of [N, C] would end beyond the activation buffer",
    Error.OVERLAP: "the kept results would overwrite the activations that are multiplied",
    Error.ELEMENTWISE: "an elementwise step was asked for that the build does not have, or two activations",
    Error.SCALES: "the scales and biases of [C] would end beyond their memory",
}


def requested_job_layout(parameters: EngineParameters) -> data.StructLayout:
    """A job as software writes it: elements instead of tiles; `scale_base` with an elementwise unit only."""
    return data.StructLayout(
        {
            "keep": 1,
            "n": SHAPE_BITS,
            "k": SHAPE_BITS,
            "c": SHAPE_BITS,
            "planes": PLANES_BITS,
            "base": ADDRESS_BITS,
            "exponent_base": ADDRESS_BITS,
            "weight_base": ADDRESS_BITS,
            "out_planes": PLANES_BITS,
            "out_base": ADDRESS_BITS,
            "out_exponent_base": ADDRESS_BITS,
            **dict.fromkeys(STEPS, 1),
            **({"scale_base": ADDRESS_BITS} if parameters.elementwise else {}),
        }
    )


class JobChecker(NamedComponent):
    """Counts what a job needs before it is begun.

    Rows, columns and lanes are powers of two, so tiles and tails are bits of N - 1, K - 1 and C - 1. The
    words that a tensor takes are products of these counts, which a serial multiplier makes one after the
    other: `check_cycles` says how long that takes.

    Parameters
    ----------
    parameters : EngineParameters
        With a power of two of rows.

    Members
    -------
    start : In(1)
        Check the job; only while not `busy`.
    request, product : In
        The job, and whether it is a product instead of a load; stable from the cycle after `start` until
        `valid` falls.
    busy : Out(1)
        The job is being checked.
    refused, error : Out
        For one cycle, when the job will not be done: why.
    valid, ready : Out(1), In(1)
        The job fits; these stay until it is taken.
    load, product_job, receive, send : Out
        The job as the engine, the receiver of activations and the sender of results take it; `send` is that
        of the receiver of gates as well.
    """

    start: Signal
    request: data.View[data.StructLayout]
    product: Signal
    busy: Signal
    refused: Signal
    error: Signal
    valid: Signal
    ready: Signal
    load: data.View[data.StructLayout]
    product_job: data.View[data.StructLayout]
    receive: data.View[data.StructLayout]
    send: data.View[data.StructLayout]

    def __init__(self, parameters: EngineParameters):
        self.parameters = p = parameters
        super().__init__(
            {
                "start": In(1),
                "request": In(requested_job_layout(p)),
                "product": In(1),
                "busy": Out(1),
                "refused": Out(1),
                "error": Out(max(Error).bit_length()),
                "valid": Out(1),
                "ready": In(1),
                "load": Out(load_job_layout(p)),
                "product_job": Out(product_job_layout(p)),
                "receive": Out(receive_job_layout(p.array.pe.lanes)),
                "send": Out(send_job_layout(p.groups)),
            }
        )

    @property
    def module_name(self) -> str:
        """That of the engine."""
        return f"anda_job_checker_{self.parameters.name.removeprefix('anda_engine_')}"

    def build(self) -> Module:
        """The steps of a check, the serial multiplier, and the counts."""
        m = Module()
        counts = self._counts(m)
        self._jobs(m, counts)
        self._check(m, counts)
        return m

    def _counts(self, m: Module) -> dict[str, Value]:
        """Tiles and tails of the shape; of no use where an element of it is 0."""
        array, r = self.parameters.array, self.request
        lanes, columns = array.pe.lanes, array.columns
        n, k, c = (Signal(SHAPE_BITS, name=f"{axis}_less_1") for axis in "nkc")
        m.d.comb += [n.eq(r.n - 1), k.eq(r.k - 1), c.eq(r.c - 1)]

        def divided(number: Signal, size: int) -> tuple[Value, Value]:
            bits = size.bit_length() - 1
            return number[bits:] + 1, number[:bits]

        row_tiles, last_row = divided(n, array.rows)
        groups, last_lane = divided(k, lanes)
        column_tiles, last_column = divided(c, columns)
        out_groups, last_channel = divided(c, lanes)
        return {
            "row_tiles": row_tiles,
            "last_rows": last_row + 1,
            "groups": groups,
            "last_lane": last_lane,
            "column_tiles": column_tiles,
            "last_columns": last_column + 1,
            "out_groups": out_groups,
            "last_tiles": last_channel[columns.bit_length() - 1 :] + 1,
        }

    def _jobs(self, m: Module, counts: dict[str, Value]) -> None:
        """Hand the counts and the request to everyone who takes a share."""
        r = self.request
        given = counts | {name: r[name] for name, _ in r.shape()} | {"by_rows": Const(1), "rows": r.n}
        for job in (self.load, self.product_job, self.receive):
            for name, _ in job.shape():
                m.d.comb += job[name].eq(given[name])
        for name, _ in self.send.shape():
            m.d.comb += self.send[name].eq(counts["out_groups" if name == "groups" else name])

    def _check(self, m: Module, counts: dict[str, Value]) -> None:
        """One step after the other: a product of two counts, behind a base, against a limit."""
        p, r = self.parameters, self.request
        turns = p.array.columns // p.array.columns_per_load
        step = Signal(range(5))
        # The top bit of these says that the number is larger still.
        total, addend = Signal(_WIDEST + 1), Signal(_WIDEST + 1)
        steps = (
            (counts["row_tiles"], counts["groups"], r.exponent_base, p.plane_groups, Error.ACTIVATIONS),
            (total, r.planes, r.base, p.plane_words, Error.ACTIVATIONS),
            (counts["column_tiles"] * turns, counts["groups"], r.weight_base, p.weight_words, Error.WEIGHTS),
            (counts["row_tiles"], counts["out_groups"], r.out_exponent_base, p.plane_groups, Error.RESULTS),
            (total, r.out_planes, r.out_base, p.plane_words, Error.RESULTS),
        )
        first, second, base, limit, error = (
            Array(Value.cast(each) for each in column)[step] for column in zip(*steps, strict=True)
        )
        factor = Signal(SHAPE_BITS)
        kept = self.product & r.keep
        last = Mux(kept, 4, Mux(self.product, 2, 1))
        end = Signal(_WIDEST + 2)
        m.d.comb += end.eq(total + base)
        overlap = self._overlap(m, step, end)
        with m.FSM() as fsm:
            m.d.comb += self.busy.eq(~fsm.ongoing("IDLE"))
            with m.State("IDLE"):
                m.d.sync += step.eq(0)
                with m.If(self.start):
                    m.next = "SHAPE"
            with m.State("SHAPE"):
                no_shape = ~(r.n.any() & r.k.any() & (r.c.any() | ~self.product))
                no_planes = self._outside(r.planes) | (kept & self._outside(r.out_planes))
                no_step, no_scales = self._elementwise(counts)
                no_step, no_scales = self.product & no_step, self.product & no_scales
                m.d.comb += self.refused.eq(no_shape | no_planes | no_step | no_scales)
                with m.If(no_shape):
                    m.d.comb += self.error.eq(Error.SHAPE)
                with m.Elif(no_planes):
                    m.d.comb += self.error.eq(Error.PLANES)
                with m.Else():
                    m.d.comb += self.error.eq(Mux(no_step, Error.ELEMENTWISE, Error.SCALES))
                m.next = "IDLE"
                with m.If(~self.refused):
                    m.next = "BEGIN"
            with m.State("BEGIN"):
                m.d.sync += [addend.eq(_topped(first)), factor.eq(second), total.eq(0)]
                m.next = "MULTIPLY"
            with m.State("MULTIPLY"):
                with m.If(factor[0]):
                    m.d.sync += total.eq(_topped(total + addend))
                m.d.sync += [factor.eq(factor >> 1), addend.eq(_topped(addend << 1))]
                with m.If(~factor[1:].any()):
                    m.next = "COMPARE"
            with m.State("COMPARE"):
                beyond = end > limit
                m.d.comb += [
                    self.refused.eq(beyond | overlap),
                    self.error.eq(Mux(beyond, error, Error.OVERLAP)),
                ]
                m.d.sync += step.eq(step + 1)
                m.next = "IDLE"
                with m.If(~self.refused):
                    m.next = "BEGIN"
                    with m.If(step == last):
                        m.next = "FITS"
            with m.State("FITS"):
                m.d.comb += self.valid.eq(1)
                with m.If(self.ready):
                    m.next = "IDLE"

    def _outside(self, planes: Value) -> Value:
        """Whether a group cannot have so many planes."""
        return (planes < PLANES.min) | (planes > self.parameters.array.pe.max_planes)

    def _elementwise(self, counts: dict[str, Value]) -> tuple[Value, Value]:
        """Whether a product is asked for steps that are not there, or scales that cannot be there."""
        r, unit = self.request, self.parameters.elementwise
        if unit is None:
            return Cat(r[name] for name in STEPS).any(), Const(0, 1)
        end = counts["column_tiles"] + r.scale_base
        return r.silu & r.relu if unit.silu else r.silu | r.gated, r.scaled & (end > unit.words)

    def _overlap(self, m: Module, step: Value, end: Value) -> Value:
        """Whether what would be kept, up to `end` in this step, overlaps the activations."""
        r = self.request
        end_of_groups, end_of_words = (
            Signal(len(end), name=f"end_of_{name}", reset_less=True) for name in ("groups", "words")
        )
        with m.If(step == 0):
            m.d.sync += end_of_groups.eq(end)
        with m.If(step == 1):
            m.d.sync += end_of_words.eq(end)
        groups = (r.out_exponent_base < end_of_groups) & (r.exponent_base < end)
        words = (r.out_base < end_of_words) & (r.base < end)
        return Mux(step == 3, groups, Mux(step == 4, words, 0))


def _topped(number: Value) -> Value:
    """A number whose bits above `_WIDEST` are told by one."""
    return Cat(number[:_WIDEST], number[_WIDEST:].any())
