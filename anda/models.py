"""The language models of the Anda paper: sizes of their linear layers and the published precisions.

Sizes are those that the models' own papers print: OPT (arXiv 2205.01068, table 1), LLaMA (arXiv 2302.13971,
table 2) and LLaMA 2 (arXiv 2307.09288); feed-forward layers have `4 * hidden` channels in OPT, and in LLaMA
two thirds of that, rounded up as in the published checkpoints. The precisions are those of the Anda paper
(arXiv 2411.15982, figure 14).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["KINDS", "MODELS", "TOLERANCES", "Kind", "Layer", "Model", "Tolerance", "model"]

Kind = Literal["qkv", "o", "up_gate", "down"]
Tolerance = Literal["0.1%", "1%"]

TOLERANCES: tuple[Tolerance, ...] = ("0.1%", "1%")
"""Accuracy that a search of the paper may lose."""

KINDS: tuple[Kind, ...] = ("qkv", "o", "up_gate", "down")


@dataclass(frozen=True)
class Layer:
    """The linear layers of one block that share an input, as one matrix.

    Attributes
    ----------
    kind : str
    k, c : int
        Inputs and output channels.
    outputs : int
        Values of a token that leave: half as many as channels behind a gate.
    """

    kind: Kind
    k: int
    c: int
    outputs: int

    def macs(self, n: int) -> int:
        """Multiplications for `n` tokens."""
        return n * self.k * self.c


@dataclass(frozen=True)
class Model:
    """A decoder-only transformer.

    Attributes
    ----------
    name : str
    hidden, feed_forward, blocks, heads : int
        Every head has its own keys and values.
    gated : bool
        Whether the feed-forward layer has a gate beside its up projection.
    lengths : dict
        For each tolerance the mantissa lengths of A_qkv, A_o, A_u and A_d that the paper found on WikiText2.
    """

    name: str
    hidden: int
    feed_forward: int
    blocks: int
    heads: int
    gated: bool
    lengths: dict[Tolerance, tuple[int, int, int, int]]

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The linear layers of one block, in the order of `KINDS`."""
        h, f = self.hidden, self.feed_forward
        return (
            Layer("qkv", h, 3 * h, 3 * h),
            Layer("o", h, h, h),
            Layer("up_gate", h, (1 + self.gated) * f, f),
            Layer("down", f, h, h),
        )

    @property
    def parameters(self) -> int:
        """Weights of all linear layers of all blocks."""
        return self.blocks * sum(layer.k * layer.c for layer in self.layers)

    def length(self, kind: Kind, tolerance: Tolerance) -> int:
        """Published mantissa length of one kind of input."""
        return self.lengths[tolerance][KINDS.index(kind)]

    def mean_length(self, tolerance: Tolerance) -> float:
        """Mean mantissa length of a multiplication."""
        macs = [layer.macs(1) for layer in self.layers]
        lengths = self.lengths[tolerance]
        return sum(m * length for m, length in zip(macs, lengths, strict=True)) / sum(macs)


def _opt(name: str, hidden: int, blocks: int, heads: int, *lengths: tuple[int, int, int, int]) -> Model:
    found = dict(zip(TOLERANCES, lengths, strict=True))
    return Model(name, hidden, 4 * hidden, blocks, heads, gated=False, lengths=found)


def _llama(
    name: str, hidden: int, feed_forward: int, blocks: int, heads: int, *lengths: tuple[int, int, int, int]
) -> Model:
    found = dict(zip(TOLERANCES, lengths, strict=True))
    return Model(name, hidden, feed_forward, blocks, heads, gated=True, lengths=found)


MODELS: tuple[Model, ...] = (
    _opt("OPT-1.3B", 2048, 24, 32, (8, 6, 5, 5), (8, 5, 5, 4)),
    _opt("OPT-2.7B", 2560, 32, 32, (7, 5, 5, 5), (6, 5, 5, 4)),
    _opt("OPT-6.7B", 4096, 32, 32, (7, 5, 5, 4), (6, 4, 5, 4)),
    _llama("LLaMA-7B", 4096, 11008, 32, 32, (9, 8, 8, 7), (7, 6, 6, 6)),
    _llama("LLaMA2-7B", 4096, 11008, 32, 32, (9, 7, 8, 8), (7, 6, 6, 6)),
    _opt("OPT-13B", 5120, 40, 40, (7, 6, 5, 5), (6, 6, 5, 4)),
    _llama("LLaMA-13B", 5120, 13824, 40, 40, (10, 8, 8, 8), (7, 5, 6, 6)),
    _llama("LLaMA2-13B", 5120, 13824, 40, 40, (10, 10, 8, 9), (7, 7, 6, 7)),
    _opt("OPT-30B", 7168, 48, 56, (7, 5, 5, 4), (6, 4, 5, 4)),
)
"""In the order of the paper."""


def model(name: str) -> Model:
    """One of `MODELS` by its name.

    Raises
    ------
    ValueError
        When there is none.
    """
    for each in MODELS:
        if each.name == name:
            return each
    raise ValueError(f"a model must be one of {', '.join(m.name for m in MODELS)}, not {name!r}")
