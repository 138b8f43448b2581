"""How a model computes under a plan: values of the formats in floating point, or the exact golden product."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from anda.llm.arithmetic import KINDS, PROJECTIONS, Arithmetic, Array, Kind, Weight
from anda.llm.plan import Plan
from anda.llm.plan_formats import ActivationFormat, ScaledActivation
from anda.llm.weights import weights_of
from golden import formats
from golden.anda import AndaCodec
from golden.fp16 import FloatArray16
from golden.gemm import gemm

if TYPE_CHECKING:
    from anda.llm.llama import Llama

__all__ = ["ExactArithmetic", "QuantizedArithmetic", "rounded"]

_KIND_OF: dict[str, Kind] = {part: kind for kind, parts in PROJECTIONS.items() for part in parts}


def rounded(form: ActivationFormat, x: Array) -> Array:
    """Activations rounded to values of a format, exactly those that the golden model decodes.

    Parameters
    ----------
    form : AndaCodec or ScaledActivation
        An Anda codec rounds to FP16 first, as the hardware takes its input (contract, section 1); formats of
        the catalogue take the float32 values.
    x : float array [..., K]

    Returns
    -------
    float array [..., K]
        In the type of `x`.

    Raises
    ------
    ValueError
        When an element is not finite, or beyond FP16 on its way into an Anda codec.
    """
    if isinstance(form, ScaledActivation):
        exact = x.astype(np.float32, copy=False)
        found = formats.get(form.format).quantize(exact, form.block, form.scale_format)
        return found.dequantize().astype(x.dtype, copy=False)
    q, exponents = form.quantize(_as_fp16(x))
    # At most 17 bits and a power of two: exact in float32 already.
    values = q.astype(x.dtype)
    values *= np.ldexp(x.dtype.type(1), form.ulp_exponents(exponents))[..., np.newaxis]
    return values.reshape(*x.shape[:-1], -1)[..., : x.shape[-1]]


def _as_fp16(x: Array) -> FloatArray16:
    """To nearest even (contract, section 1)."""
    with np.errstate(over="ignore"):
        half = x.astype(np.float16)
    finite = np.isfinite(half)
    if not finite.all():
        index = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise ValueError(
            f"an activation must be within FP16, 65504 in magnitude, but element {index} is {x[index]:g}"
        )
    return half


@contextmanager
def _named(layer: int, what: str) -> Iterator[None]:
    """Say in every error where in the model it came up."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"layer {layer}, {what}: {error}") from error


class QuantizedArithmetic(Arithmetic):
    """Activations, weights and attention rounded to their formats; products in floating point.

    Parameters
    ----------
    plan : Plan
    model : Llama
        The model that computes; its rounded weights are kept.
    """

    def __init__(self, plan: Plan, model: Llama) -> None:
        self.plan = plan
        self._weights = None if plan.weights is None else weights_of(model, plan.weights)

    def activation(self, layer: int, kind: Kind, x: Array) -> Array:
        """What enters a projection, rounded."""
        return self._rounded(self.plan.activation(layer, kind), layer, kind, x)

    def product(self, layer: int, part: str, x: Array, weight: Weight) -> Array:
        """A linear layer with rounded weights."""
        values = weight.values if self._weights is None else self._weights.values(weight)
        return x @ values.T

    def queries(self, layer: int, q: Array) -> Array:
        """Queries, rounded along the head."""
        return self._rounded(self.plan.attention, layer, "queries", q)

    def keys(self, layer: int, k: Array) -> Array:
        """Keys, rounded along the head."""
        return self._rounded(self.plan.kv, layer, "keys", k)

    def values(self, layer: int, v: Array) -> Array:
        """Values, rounded along the head."""
        return self._rounded(self.plan.kv, layer, "values", v)

    def probabilities(self, layer: int, p: Array) -> Array:
        """Attention, rounded along the keys."""
        return self._rounded(self.plan.attention, layer, "probabilities", p)

    def _rounded(self, form: ActivationFormat | None, layer: int, what: str, x: Array) -> Array:
        if form is None:
            return x
        with _named(layer, what):
            return rounded(form, x)


class ExactArithmetic(QuantizedArithmetic):
    """As `QuantizedArithmetic`, with the linear layers bit for bit those of the hardware.

    Parameters
    ----------
    plan : Plan
        Anda activations in all projections, and weights with integer levels and FP16 scales.
    model : Llama

    Raises
    ------
    ValueError
        When the plan lacks one of these.
    """

    def __init__(self, plan: Plan, model: Llama) -> None:
        super().__init__(plan, model)
        for layer in range(model.config.layers):
            for kind in KINDS:
                self._codec(layer, kind)
        if self._weights is None:
            raise ValueError("the exact product needs a weight format, such as weights=int4@128, in the plan")

    def activation(self, layer: int, kind: Kind, x: Array) -> Array:
        """What enters a projection, as FP16: `product` encodes it."""
        with _named(layer, kind):
            return _as_fp16(x)

    def product(self, layer: int, part: str, x: Array, weight: Weight) -> Array:
        """A linear layer as `golden.gemm` has it."""
        kind = _KIND_OF[part]
        assert self._weights is not None
        with _named(layer, kind):
            out = gemm(x, self._weights.integers(weight), self._codec(layer, kind))
        return out.astype(weight.values.dtype, copy=False)

    def _codec(self, layer: int, kind: Kind) -> AndaCodec:
        form = self.plan.activation(layer, kind)
        if not isinstance(form, AndaCodec):
            has = "floating point" if form is None else str(form)
            raise ValueError(
                f"the exact product needs an Anda format in every projection, but {kind} of layer {layer} "
                f"has {has}"
            )
        return form
