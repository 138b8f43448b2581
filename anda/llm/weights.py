"""The weights of a model in a number format: rounded once, and kept."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from anda.llm.arithmetic import Array, Weight
from anda.llm.plan_formats import WeightPlan
from golden import formats
from golden.formats import Quantized
from golden.weights import IntegerWeights

if TYPE_CHECKING:
    from anda.llm.llama import Llama

__all__ = ["ModelWeights", "integer_weights", "weights_of"]

_WIDEST_LEVEL = 8


class ModelWeights:
    """The linear layers of one model in one format, each rounded when it is first asked for.

    Parameters
    ----------
    plan : WeightPlan
    """

    def __init__(self, plan: WeightPlan) -> None:
        self.plan = plan
        self._values: dict[str, Array] = {}
        self._integers: dict[str, IntegerWeights] = {}

    def values(self, weight: Weight) -> Array:
        """Rounded weights [outputs, inputs], in the type of the given ones.

        Raises
        ------
        ValueError
            When a scale does not fit its format; the message names the layer.
        """
        if weight.name not in self._values:
            rounded = self._quantize(weight).dequantize()
            self._values[weight.name] = rounded.astype(weight.values.dtype, copy=False)
        return self._values[weight.name]

    def integers(self, weight: Weight) -> IntegerWeights:
        """The same weights as the hardware takes them.

        Raises
        ------
        ValueError
            As `values`, and when the format has no integer levels of at most 8 bits under FP16 scales.
        """
        if weight.name not in self._integers:
            self._integers[weight.name] = integer_weights(self._quantize(weight))
        return self._integers[weight.name]

    def _quantize(self, weight: Weight) -> Quantized:
        plan = self.plan
        # The golden formats take what float32 holds. A model in float64 has float32 weights all the same.
        exact = weight.values.astype(np.float32, copy=False)
        try:
            return formats.get(plan.format).quantize(exact, plan.block, plan.scale_format, plan.clip)
        except ValueError as error:
            raise ValueError(f"{weight.name}: {error}") from error


_LAST: WeakKeyDictionary[Llama, ModelWeights] = WeakKeyDictionary()


def weights_of(model: Llama, plan: WeightPlan) -> ModelWeights:
    """The weights of a model under a plan; those of the plan asked for last are kept as long as the model."""
    found = _LAST.get(model)
    if found is None or found.plan != plan:
        found = _LAST[model] = ModelWeights(plan)
    return found


def integer_weights(quantized: Quantized) -> IntegerWeights:
    """A matrix [C, K] of a golden format as levels and FP16 scales (contract, section 4), the same values.

    Raises
    ------
    ValueError
        When the format's levels are real or wider than 8 bits, or FP16 does not hold a scale exactly.
    """
    form = quantized.format
    if form.level_bits is None or form.level_bits > _WIDEST_LEVEL:
        has = "real levels" if form.level_bits is None else f"levels of {form.level_bits} bits"
        raise ValueError(
            f"the hardware takes signed levels of at most {_WIDEST_LEVEL} bits, but format {form} has {has}"
        )
    exact = quantized.level_scales
    with np.errstate(over="ignore", under="ignore"):
        scales = exact.astype(np.float16)
    if not np.array_equal(scales.astype(np.float32), exact):
        wrong = exact[scales != exact][0]
        raise ValueError(
            f"the hardware takes FP16 scales, but format {form} with scales in {quantized.scale_format.name} "
            f"has a level worth {wrong:g}"
        )
    return IntegerWeights(quantized.levels, scales, quantized.block, form.level_bits)
