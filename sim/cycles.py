"""Cycles of the matrix engine without simulating it: the times of its events, group by group.

What decides when a group of planes can start, when its sums leave the elements and when results have room is
a handful of maxima and sums. They follow the hardware as built (`hdl.engine`), cycle for cycle: a test
compares with the counters of the RTL, and asks for equality. Row tiles repeat, so a large product costs the
model no more than the row tiles until its state repeats.

The model holds while the host neither waits nor makes wait: operands are in the buffers, gates are there,
results are taken.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hdl.engine import EngineParameters

from .engine_jobs import tiled

__all__ = ["Cycles", "Product", "product_cycles"]


@dataclass(frozen=True)
class Product:
    """`[N, K] x [K, C]` with `planes` planes a group; `keep`: the planes of results that stay, or 0."""

    n: int
    k: int
    c: int
    planes: int
    keep: int = 0


@dataclass(frozen=True)
class Cycles:
    """Where the cycles of a product go.

    Attributes
    ----------
    total : int
        From the cycle after the job was taken to the first one in which the engine is idle again.
    beats : int
        In which the array takes planes.
    sums, results : int
        Lost because sums wait for accumulators, or results for room.
    weights : int
        The rest: loading the first weights, and the way out of the last results.
    """

    total: int
    beats: int
    sums: int
    results: int

    @property
    def weights(self) -> int:
        """Cycles without a beat for any other reason."""
        return self.total - self.beats - self.sums - self.results

    @property
    def utilization(self) -> float:
        """Share of the cycles in which the array takes planes."""
        return self.beats / self.total


@dataclass
class _State:
    """Times of the latest events; cycle 1 is the first one after the job was taken.

    Attributes
    ----------
    word : int
        The last weight word was taken.
    moved : list of int
        For each turn, its weights moved to the registers in use.
    beat : int
        The last beat.
    left : int
        The sums of the last group left the elements.
    drained : int
        The last of them went to its accumulator.
    read : int
        The next word of results can be read.
    under_way : list of int
        The last parts of rows that are inside the elementwise unit will come to the compressor, if nothing
        holds them up.
    compressed : int
        The compressor can take a group.
    freed : list of int
        The last two groups of results were read.
    """

    turns: int
    word: int = 1
    moved: list[int] = field(default_factory=list)
    beat: int = 1
    left: int = 0
    drained: int = 0
    read: int = 0
    under_way: list[int] = field(default_factory=list)
    compressed: int = 0
    freed: list[int] = field(default_factory=lambda: [0, 0])

    def __post_init__(self) -> None:
        self.moved = [0] * self.turns

    def shape(self) -> tuple[int, ...]:
        """The state as it looks from the last beat: equal shapes have equal futures."""
        times = (self.word, *self.moved, self.left, self.drained, self.read, self.compressed, *self.freed)
        times += tuple(self.under_way)
        # What lies further back than anything can reach no longer matters.
        return tuple(max(time - self.beat, -(1 << 20)) for time in times)

    def shift(self, cycles: int) -> None:
        """Let so many cycles pass in which the same happens again."""
        for name in ("word", "beat", "left", "drained", "read", "compressed"):
            setattr(self, name, getattr(self, name) + cycles)
        self.moved = [time + cycles for time in self.moved]
        self.freed = [time + cycles for time in self.freed]
        self.under_way = [time + cycles for time in self.under_way]


def product_cycles(parameters: EngineParameters, product: Product) -> Cycles:
    """Cycles of one product on an engine.

    Parameters
    ----------
    parameters : EngineParameters
        The sizes of its buffers do not matter here.
    product : Product

    Returns
    -------
    Cycles
    """
    return _Model(parameters, product).run()


class _Model:
    def __init__(self, parameters: EngineParameters, product: Product):
        array = parameters.array
        self.product = product
        self.sharing = array.sharing
        self.rows = array.rows
        self.tiles = parameters.groups.tiles
        self.row_tiles, self.last_rows = tiled(product.n, array.rows)
        self.column_tiles, _ = tiled(product.c, array.columns)
        self.groups, _ = tiled(product.k, array.pe.lanes)
        self.state = _State(array.columns // array.columns_per_load)
        # Buffers behind the memories: the first planes and weights come a cycle later.
        self.state.word += parameters.pipelined
        self.state.beat += parameters.pipelined
        # From the hand-over of the last slot's sums to the cycle in which its results are in the memory.
        self.to_memory = parameters.array.accumulator.latency + 1
        self.unit = parameters.elementwise.latency if parameters.elementwise else 0
        self.search = parameters.compressor.search_cycles
        self.sums = self.results = 0
        self.end = 0

    def run(self) -> Cycles:
        """All row tiles; those that look like one before are not gone through again."""
        seen: dict[tuple[int, ...], tuple[int, int, int, int]] = {}
        tile = 0
        while tile < self.row_tiles:
            shape, now = self.state.shape(), (tile, self.state.beat, self.sums, self.results)
            if shape in seen and tile < self.row_tiles - 1:
                before = seen[shape]
                period = tile - before[0]
                times = (self.row_tiles - 1 - tile) // period
                self.state.shift(times * (now[1] - before[1]))
                self.sums += times * (now[2] - before[2])
                self.results += times * (now[3] - before[3])
                tile += times * period
                seen.clear()
                continue
            seen[shape] = now
            self._row_tile(self.last_rows if tile == self.row_tiles - 1 else self.rows)
            tile += 1
        beats = self.row_tiles * self.column_tiles * self.groups * self.product.planes
        return Cycles(self.end, beats, self.sums, self.results)

    def _row_tile(self, rows: int) -> None:
        for column_tile in range(self.column_tiles):
            place = column_tile % self.tiles
            for group in range(self.groups):
                self._group(last=group == self.groups - 1, opens=place == 0)
            if place == self.tiles - 1 or column_tile == self.column_tiles - 1:
                self._leave(rows)

    def _group(self, *, last: bool, opens: bool) -> None:
        """One group of all rows and columns of a tile; `opens`: its results need a free half."""
        s = self.state
        ready = 0
        for turn, moved in enumerate(s.moved):
            # A word is taken when the one before it is, and its place is free, in which case both move on.
            s.word = max(s.word + 1, moved)
            s.moved[turn] = max(s.word + 1, s.beat)
            ready = max(ready, s.moved[turn] + 1)
        first = max(s.beat + 1, s.left, ready)
        s.beat = first + self.product.planes - 1
        there = s.beat + 1
        room = s.freed[0] + 1 if last and opens else 0
        left = max(there, s.drained, room)
        lost_to_room = max(min(room, left) - there, 0)
        self.results += lost_to_room
        self.sums += left - there - lost_to_room
        s.left = left
        s.drained = left + (self.sharing if self.sharing > 1 else 0)

    def _leave(self, rows: int) -> None:
        """The results of a group of all rows, read one after the other."""
        s = self.state
        read = max(s.drained + self.to_memory, s.read)
        if self.product.keep:
            for _ in range(rows):
                read, last_read = self._compress(read)
            # The last plane is written when the compressor is free again.
            self.end = self._all_compressed() + 1
        else:
            last_read = read + rows * self.tiles - 1
            read = last_read + 1
            # On the output of the buffer, and through the unit.
            self.end = last_read + 2 + self.unit
        s.read = read
        s.freed = [s.freed[1], last_read]

    def _compress(self, read: int) -> tuple[int, int]:
        """Read a group of one row, its last part on its way to the compressor.

        Returns
        -------
        int, int
            When the next part can be read, and when the last one was.
        """
        for _ in range(self.tiles):
            last_read, read = read, self._thaw(read + 1)
        self.state.under_way.append(read + self.unit)
        return self._thaw(read), last_read

    def _thaw(self, time: int) -> int:
        """The first cycle from `time` on in which no part waits for the compressor, and all move on."""
        s = self.state
        while s.under_way and s.under_way[0] <= time:
            there, *behind = s.under_way
            # The compressor takes a group when its exponent is known.
            taken = max(there + self.search, s.compressed)
            s.compressed = taken + self.product.keep
            s.under_way = [each + taken - there for each in behind]
            time = max(time, taken)
        return time

    def _all_compressed(self) -> int:
        """When the compressor is free if nothing more comes."""
        compressed, late = self.state.compressed, 0
        for there in self.state.under_way:
            taken = max(there + late + self.search, compressed)
            late = taken - there
            compressed = taken + self.product.keep
        return compressed
