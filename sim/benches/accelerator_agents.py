"""The other side of an accelerator's bus: agents of AXI4-Lite and AXI4-Stream, and the rules of both."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiStreamBus, AxiStreamSink, AxiStreamSource

from sim.bench import Bench
from sim.stream import stall

__all__ = ["BusAgents", "StableOutputs"]


class BusAgents:
    """One manager of the registers and one partner for each stream, independent of this project.

    Parameters
    ----------
    bench : Bench
    """

    def __init__(self, bench: Bench):
        dut = bench.dut
        self._bench = bench
        self.lite = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst)
        self.activations = AxiStreamSource(
            AxiStreamBus.from_prefix(dut, "s_axis_activations"), dut.clk, dut.rst
        )
        self.weights = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis_weights"), dut.clk, dut.rst)
        self.results = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis_results"), dut.clk, dut.rst)
        self.streams = [self.activations, self.weights, self.results]
        self.gates: Any = None
        if hasattr(dut, "s_axis_gates_tvalid"):
            self.gates = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis_gates"), dut.clk, dut.rst)
            self.streams.append(self.gates)
        for agent in (self.lite.write_if, self.lite.read_if, *self.streams):
            agent.log.setLevel("WARNING")

    def stall(self, pattern: str) -> None:
        """How often every channel of every interface goes on; each has randomness of its own."""
        writes, reads = self.lite.write_if, self.lite.read_if
        for channel in (
            writes.aw_channel,
            writes.w_channel,
            writes.b_channel,
            reads.ar_channel,
            reads.r_channel,
            *self.streams,
        ):
            channel.clear_pause_generator()
            channel.pause = False
            if pattern != "never":
                channel.set_pause_generator(self._pauses(pattern))

    def _pauses(self, pattern: str) -> Iterator[bool]:
        return (not go for go in stall(pattern, self._bench.random))

    async def write(self, address: int, word: int, strobes: int = 0xF) -> int:
        """Write the strobed bytes, which must be neighbours; the answer."""
        low = (strobes & -strobes).bit_length() - 1
        raw = word.to_bytes(4, "little")[low : strobes.bit_length()]
        return int((await self.lite.write(address + low, raw)).resp)

    async def read(self, address: int) -> tuple[int, int]:
        """The word, and the answer."""
        got = await self.lite.read(address, 4)
        return int.from_bytes(got.data, "little"), int(got.resp)

    def forget(self) -> None:
        """Drop what the streams have queued and half done, as the design has after a command to reset."""
        for agent in self.streams:
            agent.assert_reset()
            agent.clear()


class StableOutputs:
    """Checks that what an output offers stays until it is taken, and that nothing on it is unknown.

    Parameters
    ----------
    bench : Bench
    valid, ready : str
        Of the handshake.
    payload : tuple of str
        What must not change.

    Attributes
    ----------
    watching : bool
        False while a command resets the design, which takes back what it offers.
    """

    def __init__(self, bench: Bench, valid: str, ready: str, payload: tuple[str, ...]):
        self._bench = bench
        self._name = valid
        dut = bench.dut
        self._valid, self._ready = getattr(dut, valid), getattr(dut, ready)
        self._payload = [getattr(dut, name) for name in payload]
        self._waiting: list[Any] | None = None
        self.transfers = 0
        self.watching = True
        bench.agents.append(self)

    def reset(self) -> None:
        """What was offered may go."""
        self._waiting = None

    def step(self) -> None:
        """One cycle."""
        if not self.watching or int(self._bench.dut.rst.value):
            self._waiting = None
            return
        where = f"cycle {self._bench.cycle}: {self._name}"
        if not int(self._valid.value):
            assert self._waiting is None, f"{where} was taken back before the transfer"
            return
        payload = [int(handle.value) for handle in self._payload]
        assert self._waiting in (None, payload), f"{where}: the payload changed before it was taken"
        if int(self._ready.value):
            self.transfers += 1
            self._waiting = None
        else:
            self._waiting = payload

    @property
    def done(self) -> bool:
        """Whether nothing waits."""
        return self._waiting is None

    def describe(self) -> str:
        """Progress."""
        return f"{self._name}: {self.transfers} transfers"
