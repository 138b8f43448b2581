"""Memories: one write port, one read port, both synchronous."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .modules import NamedComponent

__all__ = ["SyncMemory"]


class SyncMemory(NamedComponent):
    """Words that are read the cycle after their address, and kept at the output while `read` is not set.

    A module of its own, so that a macro of the same ports can take its place. It holds nothing before the
    first write; a word that is read and written in the same cycle is read as it was.

    Parameters
    ----------
    depth : int
        Words, at least 2.
    width : int
        Bits of a word.
    parts : int
        Parts of a word that are written independently.

    Members
    -------
    read : In(1)
    read_address : In
    word : Out(width)
        What was at `read_address` in the last cycle with `read`.
    write : In(parts)
        Which parts to write, the least significant one first.
    write_address : In
    write_word : In(width)

    Raises
    ------
    ValueError
        When there are fewer than two words, or the parts do not divide a word.
    """

    resettable = False
    read: Signal
    read_address: Signal
    word: Signal
    write: Signal
    write_address: Signal
    write_word: Signal

    def __init__(self, *, depth: int, width: int, parts: int = 1):
        if depth < 2:
            raise ValueError(f"a memory has at least 2 words, not {depth}")
        if parts < 1 or width < 1 or width % parts:
            raise ValueError(f"a word of {width} bits cannot be divided into {parts} equal parts")
        self.depth = depth
        self.width = width
        self.parts = parts
        address = In((depth - 1).bit_length())
        super().__init__(
            {
                "read": In(1),
                "read_address": address,
                "word": Out(width),
                "write": In(parts),
                "write_address": address,
                "write_word": In(width),
            }
        )

    @property
    def module_name(self) -> str:
        """For instance `anda_memory_1024x64`."""
        parts = f"_{self.parts}" if self.parts > 1 else ""
        return f"anda_memory_{self.depth}x{self.width}{parts}"

    def build(self) -> Module:
        """The array of words."""
        m = Module()
        storage: Memory[Any, Any] = Memory(shape=self.width, depth=self.depth, init=[])
        m.submodules.storage = storage
        reading = storage.read_port()
        writing = storage.write_port(granularity=self.width // self.parts)
        m.d.comb += [
            reading.addr.eq(self.read_address),
            reading.en.eq(self.read),
            self.word.eq(reading.data),
            writing.addr.eq(self.write_address),
            writing.en.eq(self.write),
            writing.data.eq(self.write_word),
        ]
        return m
