"""Precision searches: which length each projection input gets, for the least cost within a tolerance.

`search_published` is the algorithm of the Anda paper; `search_sensitivity` finds its combinations from
measured sensitivities, with a length for every kind of input or for every kind in every layer. Both work on
anything that answers how accurate a combination is (`Evaluate`).
"""

from __future__ import annotations

from anda.llm.search.allocate import Front, allocate
from anda.llm.search.objective import Energy, Goal, Objective
from anda.llm.search.published import search_published
from anda.llm.search.sensitivity import predict, probe_lengths, search_sensitivity
from anda.llm.search.space import Lengths, Space, Variable, llama_variables
from anda.llm.search.tolerance import Metric, Tolerance, parse_tolerance
from anda.llm.search.trace import Evaluate, Found, Visit

__all__ = [
    "Energy",
    "Evaluate",
    "Found",
    "Front",
    "Goal",
    "Lengths",
    "Metric",
    "Objective",
    "Space",
    "Tolerance",
    "Variable",
    "Visit",
    "allocate",
    "llama_variables",
    "parse_tolerance",
    "predict",
    "probe_lengths",
    "search_published",
    "search_sensitivity",
]
