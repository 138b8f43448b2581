"""How the results of a product lie in the beats of a bus, on their way out and, as gates, on their way in."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data

from .axi_stream import require_beat
from .group_buffer import GroupBufferParameters
from .plane_store import COUNT_BITS
from .walker import Loop, nest

__all__ = ["ResultBeats", "gathered", "send_job_layout"]


def send_job_layout(parameters: GroupBufferParameters) -> data.StructLayout:
    """A product `[N, C]` as `collect_job_layout` has it, and `last_columns` of the last column tile."""
    p = parameters
    return data.StructLayout(
        {
            "row_tiles": COUNT_BITS,
            "groups": COUNT_BITS,
            "last_tiles": p.tiles.bit_length(),
            "last_rows": p.array.rows.bit_length(),
            "last_columns": p.array.columns.bit_length(),
        }
    )


@dataclass(frozen=True)
class ResultBeats:
    """Parts of groups in beats, in the order in which a group buffer gives them.

    For each row tile, for each group of channels, for each row: such a row of a group begins with a new beat
    and has as many as its channels take.

    Parameters
    ----------
    bits : int
        Width of TDATA: a power of two from 64 to 1024, at most that of a group.
    parameters : GroupBufferParameters
        Of the buffer; its columns are a power of two.

    Raises
    ------
    ValueError
        No bus has such beats, or they are wider than a group.
    """

    bits: int
    parameters: GroupBufferParameters

    def __post_init__(self) -> None:
        require_beat("the beats of results", self.bits)
        group = 16 * self.parameters.group
        if self.bits > group:
            raise ValueError(f"a beat of results must be at most a group of {group} bits, not {self.bits}")

    @property
    def split(self) -> int:
        """Beats of a part, where it is the wider one."""
        return max(self.parameters.part_bits // self.bits, 1)

    @property
    def joined(self) -> int:
        """Parts of a beat, where that is the wider one."""
        return max(self.bits // self.parameters.part_bits, 1)

    def loops(self, m: Module, job: data.View[data.StructLayout], step: Value) -> tuple[Loop, Loop, Value]:
        """Go through a job; a step is a beat of a part, or a part of a beat.

        Parameters
        ----------
        m : Module
        job : View
            Of `send_job_layout`; stable while it is done.
        step : Value

        Returns
        -------
        Loop, Loop, Value
            The beat of a part, the column tile of a group, and whether the next step is the last one.
        """
        p = self.parameters
        counts = {
            "beat": Signal(range(self.split + 1), name="beats"),
            "tile": Signal(len(job.last_tiles), name="tiles"),
            "row": Signal(len(job.last_rows), name="rows"),
            "group": job.groups,
            "row_tile": job.row_tiles,
        }
        loops = [Loop(m, name, count) for name, count in counts.items()]
        beat, tile, _, group, row_tile = loops
        nest(m, loops, step)
        # Of the last column tile only the beats that hold a channel; values of a beat are a power of two.
        shift = (self.bits // 16).bit_length() - 1
        last_beats = ((job.last_columns - 1)[: len(job.last_columns)] >> shift) + 1
        m.d.comb += [
            counts["beat"].eq(Mux(group.is_last & tile.is_last, last_beats, self.split)),
            counts["tile"].eq(Mux(group.is_last, job.last_tiles, p.tiles)),
            counts["row"].eq(Mux(row_tile.is_last, job.last_rows, p.array.rows)),
        ]
        return beat, tile, Cat(loop.is_last for loop in loops).all()

    def place(self, tile: Loop) -> Value:
        """Of a part in its beat; only where a beat has several."""
        return tile.index[: self.joined.bit_length() - 1]


def gathered(m: Module, pieces: int, place: Value, piece: Value, step: Value) -> Value:
    """Pieces that come one after the other, side by side: this one, those before it, zeros behind.

    Parameters
    ----------
    m : Module
    pieces : int
        How many there may be.
    place : Value
        Of the piece that is here.
    piece : Value
    step : Value
        It goes, and the next one comes.
    """
    parts: list[Value] = []
    for number in range(pieces):
        now = Mux(place == number, piece, 0)
        if number < pieces - 1:
            waiting = Signal(len(piece), name=f"piece_{number}", reset_less=True)
            with m.If(step & (place == number)):
                m.d.sync += waiting.eq(piece)
            now = Mux(place > number, waiting, now)
        parts.append(now)
    return Cat(parts)
