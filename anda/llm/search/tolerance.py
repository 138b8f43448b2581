"""How much accuracy a search may give up."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

from anda.llm.evaluate import Scores

__all__ = ["Metric", "Tolerance", "parse_tolerance"]

Metric = Literal["perplexity", "kl"]


@dataclass(frozen=True)
class Tolerance:
    """Largest perplexity, or largest divergence from the float model, that passes.

    The paper asks for `acc >= (1 - delta) * acc_float` and calls its accuracy perplexity based. Here accuracy
    is the inverse of perplexity: `perplexity <= perplexity_float / (1 - delta)`. On the divergence the same
    delta allows `-ln(1 - delta)` nats: the rise of the loss on a text that the float model itself writes,
    where the rise of the loss is the divergence.

    Attributes
    ----------
    metric : str
        "perplexity" or "kl".
    limit : float
        Largest value that passes.
    reference : float
        Perplexity of the float model; where nothing is lost.
    """

    metric: Metric
    limit: float
    reference: float

    @classmethod
    def relative(cls, metric: Metric, delta: float, reference: float) -> Tolerance:
        """From a share of accuracy to lose, 0.01 for 1 %.

        Raises
        ------
        ValueError
            When delta is not in (0, 1).
        """
        if not 0 < delta < 1:
            raise ValueError(f"a tolerance is a share of accuracy above 0 and below 1, not {delta:g}")
        if metric == "kl":
            return cls(metric, -math.log1p(-delta), reference)
        return cls(metric, reference / (1 - delta), reference)

    def passes(self, scores: Scores) -> bool:
        """Whether a result is accurate enough; one that is not a number never is."""
        return self._value(scores) <= self.limit

    def used(self, scores: Scores) -> float:
        """How much of the tolerance a result takes in nats of loss: 1 at the limit, below 0 when it gains."""
        if self.metric == "kl":
            return scores.kl / self.limit
        return math.log(scores.perplexity / self.reference) / self.nats

    @property
    def nats(self) -> float:
        """The limit as a rise of the mean loss."""
        return self.limit if self.metric == "kl" else math.log(self.limit / self.reference)

    def as_dict(self) -> dict[str, Any]:
        """Metric and limit, as JSON holds them."""
        return {"metric": self.metric, "limit": self.limit, "float_perplexity": self.reference}

    def _value(self, scores: Scores) -> float:
        return scores.kl if self.metric == "kl" else scores.perplexity


def parse_tolerance(text: str, metric: Metric, reference: float) -> Tolerance:
    """A tolerance as written on the command line: `1%`, `0.01`, or for the divergence also `0.02nats`.

    Raises
    ------
    ValueError
        When it is none of these, or there is no such metric.
    """
    if metric not in get_args(Metric):
        raise ValueError(f"a tolerance is on {' or '.join(get_args(Metric))}, not on {metric!r}")
    nats = text.endswith("nats")
    percent = text.endswith("%")
    try:
        value = float(text.removesuffix("nats") if nats else text.removesuffix("%"))
    except ValueError:
        value = math.nan
    if nats and metric == "kl" and 0 < value < math.inf:
        return Tolerance("kl", value, reference)
    if nats or math.isnan(value):
        also = ", or nats such as 0.02nats" if metric == "kl" else ""
        raise ValueError(f"a tolerance on {metric} is a share such as 1% or 0.01{also}, not {text!r}")
    return Tolerance.relative(metric, value / 100 if percent else value, reference)
