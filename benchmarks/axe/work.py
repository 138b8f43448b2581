"""Everything that is measured on one layer: what a process of the comparison does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anda.ptq.problems import Problem
from benchmarks.axe.compare import compare
from benchmarks.axe.exchange import ask_peer
from benchmarks.axe.methods import METHOD_CELLS, Methods
from benchmarks.axe.widths import width_rows

__all__ = ["WIDTHS_ON", "Work", "measured"]

METHODS_ON = ("gauss-signed", "t4-relu", "t3-silu", "smollm2-5-qkv")
"""Layers that the other methods are measured on."""
WIDTHS_ON = ("t5-signed", "smollm2-5-qkv")
"""Layers that errors are measured on for the trade against area."""


@dataclass(frozen=True, eq=False)
class Work:
    """One layer, and where its files go."""

    problem: Problem
    peer: Path
    directory: Path


def measured(work: Work) -> dict[str, Any]:
    """Everything about one layer, by section of the data file."""
    problem = work.problem
    answer = ask_peer(work.peer, work.directory / problem.name, problem)
    methods = Methods(problem)
    others = (
        [row for cell in METHOD_CELLS for row in methods.rows(cell)] if problem.name in METHODS_ON else []
    )
    widths = width_rows(problem) if problem.name in WIDTHS_ON else []
    return {
        "peer_tools": answer.versions,
        "problems": [_described(problem)],
        "cells": [compare(problem, cell, found).as_json() for cell, found in answer.results.items()],
        "methods": [row.as_json() for row in others],
        "widths": [row.as_json() for row in widths],
    }


def _described(problem: Problem) -> dict[str, Any]:
    channels, inputs = problem.weights.shape
    quantizer = problem.quantizer()
    return {
        "problem": problem.name,
        "channels": channels,
        "inputs": inputs,
        "calibration_rows": len(problem.calibration),
        "held_out_rows": len(problem.held_out),
        "activation_signed": quantizer.signed,
        "activation_scale": quantizer.scale,
        "activation_zero": quantizer.zero,
    }
