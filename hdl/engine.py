"""The matrix engine: buffers, array, and the compressor in the loop."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from .array import STALLS, Array
from .compressor import Compressor
from .elementwise import Elementwise
from .engine_parameters import STEPS, EngineParameters, load_job_layout, product_job_layout
from .group_buffer import GroupBuffer, collected_layout
from .modules import NamedComponent
from .plane_store import PlaneStore
from .plane_writer import PlaneWriter
from .stream_buffer import buffered
from .weight_store import WeightStore

__all__ = ["Engine", "EngineParameters", "load_job_layout", "product_job_layout"]


class Engine(NamedComponent):
    """Products of matrices that stay on the chip from one layer to the next (contract, sections 1 to 6).

    FP16 rows come in through the compressor; a product reads their planes as often as it has column tiles;
    its results, behind an elementwise unit if there is one, leave as FP16, or go through the compressor again
    and become the planes of the next product.
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
    scales : In(stream.Signature)
        With an elementwise unit only: words of its memory and their addresses; taken at any time. Columns
        beyond the end of a product must have zeros there.
    gates : In(stream.Signature(16 * columns))
        With SiLU only: for every part of a product that is gated its factors, in the order of the results and
        like them but for parts that are blank.
    results : Out(stream.Signature(collected_layout(groups)))
        Of products that do not keep them.
    idle : Out(1)
        No job is being done.
    beat, stalls : Out
        What the array does in this cycle, as `Array` tells.
    nonfinite, clear_nonfinite : Out(1), In(1)
        Sticky: an activation, a scale, a bias or a gate was infinite or NaN, and replaced as the contract
        says.
    overflow, clear_overflow : Out(1), In(1)
        Sticky: a result, or a step on its way, was too large and became the largest finite value.
    """

    loads: stream.Interface
    activations: stream.Interface
    weights: stream.Interface
    products: stream.Interface
    scales: stream.Interface
    gates: stream.Interface
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
        optional: dict[str, Any] = {}
        if p.elementwise:
            word = data.StructLayout({"address": p.elementwise.address_bits, "word": p.elementwise.word_bits})
            optional["scales"] = In(stream.Signature(word))
        if p.silu:
            optional["gates"] = In(stream.Signature(16 * p.array.columns))
        super().__init__(
            {
                "loads": In(stream.Signature(load_job_layout(p))),
                "activations": In(stream.Signature(16 * p.array.pe.lanes)),
                "weights": In(stream.Signature(weight)),
                "products": In(stream.Signature(product_job_layout(p))),
                **optional,
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
        unit = self._elementwise(m, groups)
        loading, keeping = self._jobs(m, planes, weights, groups, writer, array, compressor, unit)
        m.d.comb += [
            weights.write.eq(self.weights.valid),
            weights.write_address.eq(self.weights.payload.address),
            weights.write_word.eq(self.weights.payload.word),
            self.weights.ready.eq(1),
        ]
        operands = {"planes": (array.planes, planes.planes), "weights": (array.weights, weights.weights)}
        for name, (consumer, producer) in operands.items():
            if p.pipelined:
                # A word takes its time to leave a memory of an FPGA, and to go on to the elements.
                producer = buffered(m, name, producer)
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
        parts = unit.results if unit else groups.parts
        self._compress(m, loading, keeping, parts, compressor, writer, planes)
        self._status(m, array, compressor, unit)
        return m

    def _elementwise(self, m: Module, groups: GroupBuffer) -> Elementwise | None:
        """The unit behind the group buffer, if there is one, with its streams from outside."""
        if not self.parameters.elementwise:
            return None
        m.submodules.elementwise = unit = Elementwise(self.parameters.elementwise)
        m.d.comb += [
            unit.write.eq(self.scales.valid),
            unit.write_address.eq(self.scales.payload.address),
            unit.write_word.eq(self.scales.payload.word),
            self.scales.ready.eq(1),
        ]
        streams = [(unit.parts, groups.parts)]
        if self.parameters.silu:
            streams.append((unit.gates, self.gates))
        for consumer, producer in streams:
            m.d.comb += [
                consumer.payload.eq(producer.payload),
                consumer.valid.eq(producer.valid),
                producer.ready.eq(consumer.ready),
            ]
        return unit

    def _jobs(
        self,
        m: Module,
        planes: PlaneStore,
        weights: WeightStore,
        groups: GroupBuffer,
        writer: PlaneWriter,
        array: Array,
        compressor: Compressor,
        unit: Elementwise | None,
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
        shares = [*parts, unit.job] if unit else parts
        m.d.comb += [
            # The group buffer is ready when the last part of a product is on its output.
            self.idle.eq(writer.job.ready & Cat(share.ready for share in shares).all() & ~groups.parts.valid),
            self.loads.ready.eq(self.idle),
            self.products.ready.eq(self.idle & ~self.loads.valid),
            take_load.eq(self.loads.valid & self.loads.ready),
            take_product.eq(self.products.valid & self.products.ready),
            *(share.valid.eq(take_product) for share in shares),
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
        if unit:
            steps = unit.job.payload
            m.d.comb += [steps.base.eq(product.scale_base), steps.groups.eq(product.out_groups)]
            m.d.comb += [steps[name].eq(product[name]) for name in STEPS if name in dict(steps.shape())]
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
        parts: stream.Interface,
        compressor: Compressor,
        writer: PlaneWriter,
        planes: PlaneStore,
    ) -> None:
        """Groups from outside, or put together from the parts of results, to planes, to the buffer."""
        p = self.parameters
        part = parts.payload
        lanes_bits = 16 * p.array.pe.lanes
        # The parts before the last one wait here, the first of them lowest.
        waiting = Signal(lanes_bits - p.groups.part_bits, reset_less=True)
        together = Cat(waiting, part.values)
        moved = parts.valid & parts.ready
        if p.groups.tiles > 1:
            with m.If(moved):
                m.d.sync += waiting.eq(together[p.groups.part_bits :])
        given, taken = compressor.activations, compressor.planes
        m.d.comb += [
            given.payload.values.eq(Mux(loading, self.activations.payload, together)),
            given.payload.last.eq(1),
            given.valid.eq(
                Mux(loading, self.activations.valid, keeping & parts.valid & part.last) & ~writer.job.ready
            ),
            self.activations.ready.eq(loading & given.ready & ~writer.job.ready),
            parts.ready.eq(Mux(keeping, ~part.last | (given.ready & ~writer.job.ready), self.results.ready)),
            self.results.valid.eq(parts.valid & ~keeping),
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

    def _status(self, m: Module, array: Array, compressor: Compressor, unit: Elementwise | None) -> None:
        """What the array does, and the flags of all who have some."""
        m.d.comb += [self.beat.eq(array.beat), self.stalls.eq(array.stalls)]
        rounding = [array, unit] if unit else [array]
        for name, sources in (("nonfinite", [*rounding, compressor]), ("overflow", rounding)):
            m.d.comb += getattr(self, name).eq(Cat(getattr(source, name) for source in sources).any())
            for source in sources:
                m.d.comb += getattr(source, f"clear_{name}").eq(getattr(self, f"clear_{name}"))


def _fields(
    part: data.View[data.StructLayout], product: data.View[data.StructLayout]
) -> list[tuple[str, Value]]:
    """The fields of a part's job that the job of a product has under the same name."""
    known = {name for name, _ in product.shape()}
    renamed = {"groups"} if "last_tiles" in dict(part.shape()) else set()
    return [(name, part[name]) for name, _ in part.shape() if name in known - renamed]
