"""What a precision search may choose: a length for every variable, and the codec each length stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from anda.llm.llama import LlamaConfig
from anda.llm.plan_formats import anda_codec
from golden.anda import AndaCodec
from golden.bitplanes import Encoding

__all__ = ["LONGEST", "SHORTEST", "Lengths", "Space", "Variable", "llama_variables"]

Lengths = tuple[int | None, ...]
"""One length for every variable of a space; None leaves a variable in floating point."""

SHORTEST, LONGEST = 4, 13
"""Lengths that the published search looks at."""


@dataclass(frozen=True)
class Variable:
    """The inputs of some projections that share one length.

    Attributes
    ----------
    name : str
        A kind of projection input such as `qkv`, or `LAYER.KIND` such as `3.qkv`: the key in a plan.
    inputs : int
        Elements of one input vector, along K.
    outputs : int
        Output channels of all matrices that take this input.
    count : int
        Layers that the variable stands for.
    """

    name: str
    inputs: int
    outputs: int
    count: int = 1

    @property
    def macs(self) -> int:
        """Multiplications a token takes."""
        return self.inputs * self.outputs * self.count

    @property
    def elements(self) -> int:
        """Activations a token has."""
        return self.inputs * self.count


@dataclass(frozen=True)
class Space:
    """All combinations of lengths of some variables.

    Parameters
    ----------
    variables : tuple of Variable
    encoding : str
        "sign-magnitude" with truncation, as published (contract, 2a): a length is M, and a group takes M + 1
        planes. "twos-complement" with rounding to nearest (2b): a length is P, the planes of a group.
    shortest, longest : int
        Ends of the lengths, both included.
    group : int
        Elements that share an exponent.

    Raises
    ------
    ValueError
        When there are no variables or lengths, or no codec has such lengths.
    """

    variables: tuple[Variable, ...]
    encoding: Encoding = "twos-complement"
    shortest: int = SHORTEST
    longest: int = LONGEST
    group: int = 64

    def __post_init__(self) -> None:
        if not self.variables:
            raise ValueError("a search needs at least one variable, but there is none")
        if self.shortest > self.longest:
            raise ValueError(
                f"the shortest length must not exceed the longest, but is {self.shortest} > {self.longest}"
            )
        for length in (self.shortest, self.longest):
            self.codec(length)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the variables, in order."""
        return tuple(variable.name for variable in self.variables)

    @property
    def lengths(self) -> range:
        """What a variable may be."""
        return range(self.shortest, self.longest + 1)

    def planes(self, length: int) -> int:
        """Words that a group of this length occupies and cycles that it takes: M + 1 or P."""
        return length + (self.encoding == "sign-magnitude")

    def codec(self, length: int) -> AndaCodec:
        """The format that a length stands for."""
        return anda_codec(length, self.encoding, group=self.group)

    def uniform(self, length: int) -> Lengths:
        """All variables at one length."""
        return (length,) * len(self.variables)

    def activations(self, lengths: Lengths) -> dict[str, AndaCodec]:
        """The formats of the variables by name, as a plan takes them, without those in floating point."""
        return {
            variable.name: self.codec(length)
            for variable, length in zip(self.variables, lengths, strict=True)
            if length is not None
        }


def llama_variables(
    config: LlamaConfig, feed_forward: int, *, per_layer: bool = False
) -> tuple[Variable, ...]:
    """The variables of a model of the Llama family: four kinds, or four in every layer.

    Parameters
    ----------
    config : LlamaConfig
    feed_forward : int
        Channels between the two halves of a feed-forward unit.
    per_layer : bool
        A length for each kind in each layer, not one for all layers.
    """
    hidden, heads = config.hidden, config.heads * config.head_size
    keys = config.kv_heads * config.head_size
    shapes: Sequence[tuple[str, int, int]] = (
        ("qkv", hidden, heads + 2 * keys),
        ("o", heads, hidden),
        ("up_gate", hidden, 2 * feed_forward),
        ("down", feed_forward, hidden),
    )
    if not per_layer:
        return tuple(Variable(kind, inputs, outputs, config.layers) for kind, inputs, outputs in shapes)
    return tuple(
        Variable(f"{layer}.{kind}", inputs, outputs)
        for layer in range(config.layers)
        for kind, inputs, outputs in shapes
    )
