"""How a model computes: what number formats may change in a forward pass.

`Llama` asks an `Arithmetic` at every place where a format can act. The base class is plain floating point;
a subclass replaces what it wants to and leaves the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray

__all__ = ["FLOAT", "KINDS", "PROJECTIONS", "Arithmetic", "Array", "Delegate", "Kind", "Weight"]

Array = NDArray[Any]

Kind = Literal["qkv", "o", "up_gate", "down"]
"""Kinds of projection inputs: A_qkv, A_o, A_u and A_d of the Anda paper (arXiv 2411.15982, figure 2)."""

# What one projection input feeds: q, k and v share one, and so do the two halves of the gated unit.
PROJECTIONS: dict[Kind, tuple[str, ...]] = {
    "qkv": ("attn_q", "attn_k", "attn_v"),
    "o": ("attn_output",),
    "up_gate": ("ffn_up", "ffn_gate"),
    "down": ("ffn_down",),
}
"""The weight matrices that each kind of input meets, named as in GGUF files."""

KINDS: tuple[Kind, ...] = tuple(PROJECTIONS)


@dataclass(frozen=True, eq=False)
class Weight:
    """The matrix of one linear layer.

    Attributes
    ----------
    name : str
        As in the GGUF file without its suffix, such as `blk.5.attn_q`; unique in a model.
    values : float array [outputs, inputs]
    """

    name: str
    values: Array


class Arithmetic:
    """Plain floating point in the type of the model; every method may be overridden.

    An arithmetic may keep what it computes from weights (their names are unique in a model), but nothing of
    one forward pass: windows of a text go through in any order and number.
    """

    def activation(self, layer: int, kind: Kind, x: Array) -> Array:
        """What enters a projection, [tokens, K]; called once for all matrices that share this input."""
        return x

    def product(self, layer: int, part: str, x: Array, weight: Weight) -> Array:
        """A linear layer: the answer of `activation` times a matrix, [tokens, outputs].

        `part` is one of the names in `PROJECTIONS`, such as `attn_q`.
        """
        return x @ weight.values.T

    def queries(self, layer: int, q: Array) -> Array:
        """Queries [windows, heads, tokens, head size], turned to their positions."""
        return q

    def keys(self, layer: int, k: Array) -> Array:
        """Keys [windows, key heads, tokens, head size], turned to their positions, as they are stored."""
        return k

    def values(self, layer: int, v: Array) -> Array:
        """Values [windows, key heads, tokens, head size], as they are stored."""
        return v

    def probabilities(self, layer: int, p: Array) -> Array:
        """Attention [key heads, query heads of each, queries, keys] of some queries of one window.

        Keys are in order from the window's first; those after a query's own position have exactly 0, and the
        keys after the last query given may be missing.
        """
        return p


class Delegate(Arithmetic):
    """Another arithmetic; what a subclass overrides adds to it."""

    def __init__(self, inner: Arithmetic) -> None:
        self.inner = inner

    def activation(self, layer: int, kind: Kind, x: Array) -> Array:
        """`activation` of the inner arithmetic."""
        return self.inner.activation(layer, kind, x)

    def product(self, layer: int, part: str, x: Array, weight: Weight) -> Array:
        """`product` of the inner arithmetic."""
        return self.inner.product(layer, part, x, weight)

    def queries(self, layer: int, q: Array) -> Array:
        """`queries` of the inner arithmetic."""
        return self.inner.queries(layer, q)

    def keys(self, layer: int, k: Array) -> Array:
        """`keys` of the inner arithmetic."""
        return self.inner.keys(layer, k)

    def values(self, layer: int, v: Array) -> Array:
        """`values` of the inner arithmetic."""
        return self.inner.values(layer, v)

    def probabilities(self, layer: int, p: Array) -> Array:
        """`probabilities` of the inner arithmetic."""
        return self.inner.probabilities(layer, p)


FLOAT = Arithmetic()
"""The float model, which every other arithmetic is compared with."""
