"""The matrix engine: buffers, array, and the compressor in the loop."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from golden.anda import Rounding
from golden.interval import Interval

from .array import STALLS, Array, ArrayParameters
from .compressor import Compressor, CompressorParameters
from .group_buffer import GroupBuffer, GroupBufferParameters, collected_layout
from .modules import NamedComponent
from .plane_store import COUNT_BITS, PlaneStore, PlaneStoreParameters
from .plane_writer import PlaneWriter, write_job_layout
from .weight_store import WeightStore, WeightStoreParameters

__all__ = ["Engine", "EngineParameters", "load_job_layout", "product_job_layout"]


@dataclass(frozen=True, kw_only=True)
class EngineParameters:
    """Everything that shapes a matrix engine.

    Parameters
    ----------
    array : ArrayParameters
        With one plane a cycle and FP16 results; its columns divide a group.
    plane_words, plane_groups : int
        Words of the activation buffer: of planes, and of exponents.
    weight_words : int
        Words of the weight buffer.
    rounding : str
        "nearest" or "truncate", of the compressor.

    Raises
    ------
    ValueError
        Two parts do not fit each other.
    """

    array: ArrayParameters
    plane_words: int = 1024
    plane_groups: int = 256
    weight_words: int = 1024
    rounding: Rounding = "nearest"

    def __post_init__(self) -> None:
        if self.array.pe.planes_per_cycle != 1:
            raise ValueError(
                "the buffer of an engine gives one plane a cycle, so its elements take 1, "
                f"not {self.array.pe.planes_per_cycle}"
            )
        for part in ("compressor", "planes", "weights", "groups"):
            getattr(self, part)

    @property
    def compressor(self) -> CompressorParameters:
        """One lane for all rows: it has the time of a whole row tile."""
        pe = self.array.pe
        return CompressorParameters(
            group=pe.lanes, max_planes=pe.max_planes, encoding=pe.encoding, rounding=self.rounding
        )

    @property
    def planes(self) -> PlaneStoreParameters:
        """The activation buffer."""
        return PlaneStoreParameters(
            rows=self.array.rows,
            lanes=self.array.pe.lanes,
            words=self.plane_words,
            groups=self.plane_groups,
            max_planes=self.array.pe.max_planes,
        )

    @property
    def weights(self) -> WeightStoreParameters:
        """The weight buffer."""
        return WeightStoreParameters(array=self.array, words=self.weight_words)

    @property
    def groups(self) -> GroupBufferParameters:
        """The collector of results."""
        return GroupBufferParameters(array=self.array, group=self.array.pe.lanes)

    @property
    def name(self) -> str:
        """The parameters in a word, as a Verilog module name carries them."""
        a = self.array
        sizes = f"{self.plane_words}_{self.plane_groups}_{self.weight_words}"
        return f"anda_engine_{a.columns}x{a.name}_l{a.columns_per_load}_{sizes}_{self.rounding}"


def load_job_layout(parameters: EngineParameters) -> data.StructLayout:
    """What `PlaneWriter` is told, and the `planes` of a group."""
    layout = write_job_layout(parameters.planes)
    return data.StructLayout({**layout.members, "planes": parameters.planes.planes.bits})


def product_job_layout(parameters: EngineParameters) -> data.StructLayout:
    """One product `[N, K] x [K, C]`; every count is at least 1.

    `base`, `exponent_base`, `planes`: the activations. `weight_base`: the weights. `row_tiles`, `last_rows`,
    `column_tiles`, `last_columns`, `groups`: `ceil` of N by rows, of C by columns, and of K by lanes, and
    what the last tiles have. `out_groups`, `last_tiles`: `ceil` of C by lanes, and the column tiles of the
    last one. `keep`: results stay, compressed to `out_planes` at `out_base` and `out_exponent_base`;
    otherwise they leave.
    """
    p = parameters
    word, group = p.planes.word_address.bits, p.planes.group_address.bits
    return data.StructLayout(
        {
            "base": word,
            "exponent_base": group,
            "weight_base": p.weights.address.bits,
            "row_tiles": COUNT_BITS,
            "column_tiles": COUNT_BITS,
            "groups": COUNT_BITS,
            "out_groups": COUNT_BITS,
            "planes": p.planes.planes.bits,
            "last_rows": p.planes.row_count.bits,
            "last_columns": Interval(0, p.array.columns).bits,
            "last_tiles": Interval(0, p.groups.tiles).bits,
            "keep": 1,
            "out_base": word,
            "out_exponent_base": group,
            "out_planes": p.planes.planes.bits,
        }
    )


class Engine(NamedComponent):
    """Products of matrices that stay on the chip from one layer to the next (contract, sections 1 to 6).

    FP16 rows come in through the compressor; a product reads their planes as often as it has column tiles;
    its results leave as FP16, or go through the compressor again and become the planes of the next product.
    Jobs are done one after the other, in the order in which they are taken.

    Parameters
    ----------
    parameters : EngineParameters

    Members
    -------
    loads : In(stream.Signature(load_job_layout(parameters)))
        Where the groups at `activations` go.
    activations : In(stream.Signature(16 * lanes))
        Groups of FP16 values in the order of the load, lowest K index in the least significant bits.
    weights : In(stream.Signature)
        Words of the weight buffer and their addresses; taken at any time.
    products : In(stream.Signature(product_job_layout(parameters)))
    results : Out(stream.Signature(collected_layout(groups)))
        Of products that do not keep them.
    idle : Out(1)
        No job is being done.
    beat, stalls : Out
        What the array does in this cycle, as `Array` tells.
    nonfinite, clear_nonfinite : Out(1), In(1)
        Sticky: an activation or a scale was infinite or NaN, and replaced as the contract says.
    overflow, clear_overflow : Out(1), In(1)
        Sticky: a result was too large and became the largest finite value.
    """

    loads: stream.Interface
    activations: stream.Interface
    weights: stream.Interface
    products: stream.Interface
    results: stream.Interface
    idle: Signal
    beat: Signal
    stalls: data.View[data.StructLayout]
    nonfinite: Signal
    clear_nonfinite: Signal
    overflow: Signal
    clear_overflow: Signal

    def __init__(self, parameters: EngineParameters):
        self.parameters = p = parameters
        weight = data.StructLayout({"address": p.weights.address.bits, "word": p.weights.word_bits})
        super().__init__(
            {
                "loads": In(stream.Signature(load_job_layout(p))),
                "activations": In(stream.Signature(16 * p.array.pe.lanes)),
                "weights": In(stream.Signature(weight)),
                "products": In(stream.Signature(product_job_layout(p))),
                "results": Out(stream.Signature(collected_layout(p.groups))),
                "idle": Out(1),
                "beat": Out(1),
                "stalls": Out(data.StructLayout(dict.fromkeys(STALLS, 1))),
                "nonfinite": Out(1),
                "clear_nonfinite": In(1),
                "overflow": Out(1),
                "clear_overflow": In(1),
            }
        )

    @property
    def module_name(self) -> str:
        """The parameters in a word."""
        return self.parameters.name

    def build(self) -> Module:
        """The parts, each connected to the next, and the jobs that they are given together."""
        m = Module()
        p = self.parameters
        m.submodules.planes = planes = PlaneStore(p.planes)
        m.submodules.weight_store = weights = WeightStore(p.weights)
        m.submodules.array = array = Array(p.array)
        m.submodules.groups = groups = GroupBuffer(p.groups)
        m.submodules.compressor = compressor = Compressor(p.compressor)
        m.submodules.writer = writer = PlaneWriter(p.planes)
        loading, keeping = self._jobs(m, planes, weights, groups, writer, array, compressor)
        m.d.comb += [
            weights.write.eq(self.weights.valid),
            weights.write_address.eq(self.weights.payload.address),
            weights.write_word.eq(self.weights.payload.word),
            self.weights.ready.eq(1),
        ]
        for consumer, producer in ((array.planes, planes.planes), (array.weights, weights.weights)):
            m.d.comb += [
                consumer.payload.eq(producer.payload),
                consumer.valid.eq(producer.valid),
                producer.ready.eq(consumer.ready),
            ]
        m.d.comb += [
            groups.results.payload.eq(array.results.payload),
            groups.results.valid.eq(array.results.valid),
            groups.promised.eq(array.promised),
            array.room.eq(groups.room),
        ]
        self._compress(m, loading, keeping, groups, compressor, writer, planes)
        self._status(m, array, compressor)
        return m

    def _jobs(
        self,
        m: Module,
        planes: PlaneStore,
        weights: WeightStore,
        groups: GroupBuffer,
        writer: PlaneWriter,
        array: Array,
        compressor: Compressor,
    ) -> tuple[Value, Value]:
        """Give the parts their share of a job, all at once.

        Returns
        -------
        loading, keeping
            Whether groups from outside are stored, and whether results are.
        """
        p = self.parameters
        loading, keeping = Signal(), Signal()
        group_planes = Signal(p.planes.planes.bits, reset_less=True)
        stored_planes = Signal(p.planes.planes.bits, reset_less=True)
        load, product = self.loads.payload, self.products.payload
        take_load, take_product = Signal(), Signal()
        parts = (planes.job, weights.job, groups.job)
        m.d.comb += [
            self.idle.eq(writer.job.ready & Cat(part.ready for part in parts).all()),
            self.loads.ready.eq(self.idle),
            self.products.ready.eq(self.idle & ~self.loads.valid),
            take_load.eq(self.loads.valid & self.loads.ready),
            take_product.eq(self.products.valid & self.products.ready),
            *(part.valid.eq(take_product) for part in parts),
            writer.job.valid.eq(take_load | (take_product & product.keep)),
            *(
                field.eq(Mux(take_load, load[name], value))
                for name, field, value in self._stored(writer.job.payload, product)
            ),
            array.group_planes.eq(group_planes),
            compressor.group_planes.eq(stored_planes),
        ]
        for part in parts:
            m.d.comb += [field.eq(getattr(product, name)) for name, field in _fields(part.payload, product)]
        m.d.comb += weights.job.payload.base.eq(product.weight_base)
        m.d.comb += groups.job.payload.groups.eq(product.out_groups)
        with m.If(take_load):
            m.d.sync += [loading.eq(1), keeping.eq(0), stored_planes.eq(load.planes)]
        with m.If(take_product):
            m.d.sync += [
                loading.eq(0),
                keeping.eq(product.keep),
                group_planes.eq(product.planes),
                stored_planes.eq(product.out_planes),
            ]
        return loading, keeping

    def _stored(
        self, job: data.View[data.StructLayout], product: data.View[data.StructLayout]
    ) -> list[tuple[str, Value, Value]]:
        """The fields of the writer's job, and what they are for the results of a product."""
        values = {
            "base": product.out_base,
            "exponent_base": product.out_exponent_base,
            "row_tiles": product.row_tiles,
            "groups": product.out_groups,
            "last_rows": product.last_rows,
            "by_rows": Const(0, 1),
        }
        return [(name, job[name], value) for name, value in values.items()]

    def _compress(
        self,
        m: Module,
        loading: Value,
        keeping: Value,
        groups: GroupBuffer,
        compressor: Compressor,
        writer: PlaneWriter,
        planes: PlaneStore,
    ) -> None:
        """Groups from outside, or put together from the parts of results, to planes, to the buffer."""
        p = self.parameters
        part = groups.parts.payload
        lanes_bits = 16 * p.array.pe.lanes
        # The parts before the last one wait here, the first of them lowest.
        waiting = Signal(lanes_bits - p.groups.part_bits, reset_less=True)
        together = Cat(waiting, part.values)
        moved = groups.parts.valid & groups.parts.ready
        if p.groups.tiles > 1:
            with m.If(moved):
                m.d.sync += waiting.eq(together[p.groups.part_bits :])
        given, taken = compressor.activations, compressor.planes
        m.d.comb += [
            given.payload.values.eq(Mux(loading, self.activations.payload, together)),
            given.payload.last.eq(1),
            given.valid.eq(
                Mux(loading, self.activations.valid, keeping & groups.parts.valid & part.last)
                & ~writer.job.ready
            ),
            self.activations.ready.eq(loading & given.ready & ~writer.job.ready),
            groups.parts.ready.eq(
                Mux(keeping, ~part.last | (given.ready & ~writer.job.ready), self.results.ready)
            ),
            self.results.valid.eq(groups.parts.valid & ~keeping),
            self.results.payload.eq(part),
            writer.planes.valid.eq(taken.valid & taken.payload.lanes_valid),
            writer.planes.payload.first.eq(taken.payload.first),
            writer.planes.payload.last.eq(taken.payload.last),
            writer.planes.payload.word.eq(taken.payload.words),
            writer.planes.payload.exponent.eq(taken.payload.exponents),
            taken.ready.eq(writer.planes.ready),
        ]
        for name in ("write", "write_address", "write_word"):
            m.d.comb += getattr(planes, name).eq(getattr(writer, name))
        for name in ("write_exponents", "write_group", "write_exponent"):
            m.d.comb += getattr(planes, name).eq(getattr(writer, name))

    def _status(self, m: Module, array: Array, compressor: Compressor) -> None:
        m.d.comb += [
            self.beat.eq(array.beat),
            self.stalls.eq(array.stalls),
            self.nonfinite.eq(array.nonfinite | compressor.nonfinite),
            array.clear_nonfinite.eq(self.clear_nonfinite),
            compressor.clear_nonfinite.eq(self.clear_nonfinite),
            self.overflow.eq(array.overflow),
            array.clear_overflow.eq(self.clear_overflow),
        ]


def _fields(
    part: data.View[data.StructLayout], product: data.View[data.StructLayout]
) -> list[tuple[str, Value]]:
    """The fields of a part's job that the job of a product has under the same name."""
    known = {name for name, _ in product.shape()}
    renamed = {"groups"} if "last_tiles" in dict(part.shape()) else set()
    return [(name, part[name]) for name, _ in part.shape() if name in known - renamed]
