"""What shapes a matrix engine, and the jobs that it is given."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.lib import data

from golden.anda import Rounding
from golden.interval import Interval

from .array import ArrayParameters
from .compressor import CompressorParameters
from .elementwise import ElementwiseParameters, elementwise_job_layout
from .group_buffer import GroupBufferParameters
from .plane_store import COUNT_BITS, PlaneStoreParameters
from .plane_writer import write_job_layout
from .weight_store import WeightStoreParameters

__all__ = ["STEPS", "EngineParameters", "load_job_layout", "product_job_layout"]

#: What an elementwise unit may do with a product.
STEPS = ("scaled", "relu", "silu", "gated")


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
    elementwise_words : int
        Column tiles whose scales and biases the elementwise unit keeps; 0: there is no such unit.
    silu : bool
        The unit has SiLU and gates.
    pipelined : bool
        For a faster clock on an FPGA: registers within compressor and elementwise unit, and behind the
        memories. It costs some cycles a product, and the buffers nothing.

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
    elementwise_words: int = 0
    silu: bool = False
    pipelined: bool = False

    def __post_init__(self) -> None:
        if self.array.pe.planes_per_cycle != 1:
            raise ValueError(
                "the buffer of an engine gives one plane a cycle, so its elements take 1, "
                f"not {self.array.pe.planes_per_cycle}"
            )
        if self.silu and not self.elementwise_words:
            raise ValueError(
                "SiLU is a part of the elementwise unit, which an engine with elementwise_words = 0 has not"
            )
        for part in ("compressor", "planes", "weights", "groups", "elementwise"):
            getattr(self, part)

    @property
    def compressor(self) -> CompressorParameters:
        """One lane for all rows: it has the time of a whole row tile."""
        pe = self.array.pe
        return CompressorParameters(
            group=pe.lanes,
            max_planes=pe.max_planes,
            encoding=pe.encoding,
            rounding=self.rounding,
            pipelined=self.pipelined,
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
    def elementwise(self) -> ElementwiseParameters | None:
        """The unit that results pass before they leave or stay, if there is one."""
        if not self.elementwise_words:
            return None
        return ElementwiseParameters(
            groups=self.groups, words=self.elementwise_words, silu=self.silu, pipelined=self.pipelined
        )

    @property
    def name(self) -> str:
        """The parameters in a word, as a Verilog module name carries them."""
        a = self.array
        sizes = f"{self.plane_words}_{self.plane_groups}_{self.weight_words}"
        unit = f"_{'silu' if self.silu else 'relu'}{self.elementwise_words}" if self.elementwise_words else ""
        pipelined = "_pipelined" if self.pipelined else ""
        shape = f"{a.columns}x{a.name}_l{a.columns_per_load}_{sizes}"
        return f"anda_engine_{shape}_{self.rounding}{unit}{pipelined}"


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

    With an elementwise unit `scaled`, `relu` and, as far as it has them, `silu` and `gated`
    (`elementwise_job_layout`); `scale_base`: the word of the first column tile's scales and biases.
    """
    p = parameters
    word, group = p.planes.word_address.bits, p.planes.group_address.bits
    steps: dict[str, int] = {}
    if p.elementwise:
        of_unit = elementwise_job_layout(p.elementwise).members
        steps = {name: 1 for name in STEPS if name in of_unit} | {"scale_base": p.elementwise.address_bits}
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
            **steps,
        }
    )
