"""Scores of plans on one text: from the cache, or measured by workers and kept as they come."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anda.llm.arithmetic import FLOAT
from anda.llm.cache import Entry, Measurement, ResultCache, file_sha256, tokens_sha256
from anda.llm.evaluate import Reference, evaluate
from anda.llm.gguf import GgufFile
from anda.llm.llama import Llama
from anda.llm.plan import Plan
from anda.pool import Workers, here

__all__ = ["Meter"]

FLOAT_PLAN = Plan()

_REFERENCES = 4


@dataclass(frozen=True, eq=False)
class _Task:
    """One measurement as a worker gets it."""

    model: Path
    tokens: NDArray[np.int64]
    measurement: Measurement
    cache: Path | None


@dataclass(frozen=True)
class _Answer:
    entry: Entry
    warnings: tuple[str, ...]


class Meter:
    """Measures plans on one text with one model, each of them once.

    Parameters
    ----------
    model : Path
        GGUF file.
    tokens : int64 array [N]
        The text.
    window, stride : int
        As in `anda.llm.evaluate.windows`.
    cache : ResultCache, optional
        Where results are kept; without one they are measured every time.
    workers : Workers
        Who measures. Results are kept as they come, so that nothing is lost by an interruption.

    Attributes
    ----------
    measured : int
        How many results were not in the cache.

    Raises
    ------
    ValueError
        When there is no such file.
    """

    def __init__(
        self,
        model: Path,
        tokens: NDArray[np.int64],
        *,
        window: int = 512,
        stride: int = 512,
        cache: ResultCache | None = None,
        workers: Workers = here,
    ) -> None:
        self.model = model.resolve()
        self.tokens = tokens
        self.window, self.stride = window, stride
        self.cache = cache
        self.workers = workers
        self.model_sha256 = file_sha256(self.model)
        self.tokens_sha256 = tokens_sha256(tokens)
        self.measured = 0

    def __call__(self, plans: Sequence[Plan], done: Callable[[], None] | None = None) -> list[Entry]:
        """Scores of plans, in order.

        Parameters
        ----------
        plans : sequence of Plan
        done : callable, optional
            Called whenever one more is there.

        Raises
        ------
        ValueError
            When a plan does not fit the model, or a worker does not have its file.
        """
        keys = [self._measurement(plan) for plan in plans]
        found: dict[Measurement, Entry] = {}
        tasks: list[_Task] = []
        for key in keys:
            kept = None if key in found or self.cache is None else self.cache.get(key)
            if kept is not None:
                found[key] = kept
            elif key not in found and all(task.measurement != key for task in tasks):
                directory = None if self.cache is None else self.cache.directory.resolve()
                tasks.append(_Task(self.model, self.tokens, key, directory))
        told = done or (lambda: None)
        for _ in range(len(plans) - len(tasks)):
            told()
        for index, answer in self.workers.each(_measure, tasks):
            found[tasks[index].measurement] = answer.entry
            self.measured += 1
            if self.cache is not None:
                self.cache.put(tasks[index].measurement, answer.entry)
                for sentence in answer.warnings:
                    self.cache.warn(sentence)
            told()
        return [found[key] for key in keys]

    def float(self) -> Entry:
        """The float model itself."""
        (entry,) = self([FLOAT_PLAN])
        return entry

    def _measurement(self, plan: Plan) -> Measurement:
        return Measurement(self.model_sha256, self.tokens_sha256, self.window, self.stride, plan.key())


_models: dict[str, Llama] = {}
_references: dict[str, Reference] = {}


def _measure(task: _Task) -> _Answer:
    """What a worker does; the model and the last few texts stay in its memory."""
    warnings: list[str] = []
    model = _model(task)
    reference = _reference(task, model, warnings)
    started = time.process_time()
    plan = Plan.from_dict(json.loads(task.measurement.plan))
    scores = evaluate(
        model,
        task.tokens,
        FLOAT if plan == FLOAT_PLAN else plan.arithmetic(model),
        window=task.measurement.window,
        stride=task.measurement.stride,
        reference=reference,
    )
    return _Answer(Entry(scores, time.process_time() - started), tuple(warnings))


def _model(task: _Task) -> Llama:
    digest = task.measurement.model
    if digest not in _models:
        if file_sha256(task.model) != digest:
            raise ValueError(f"{task.model} is another file here than where the work was given out")
        _models.clear()
        _models[digest] = Llama(GgufFile(task.model))
    return _models[digest]


def _reference(task: _Task, model: Llama, warnings: list[str]) -> Reference:
    """The float model on the task's text: from memory, from the cache, or computed and kept."""
    key = task.measurement
    if key.reference not in _references:
        cache = None if task.cache is None else ResultCache(task.cache, warnings.append)
        found = None if cache is None else cache.get_reference(key)
        if found is None:
            found = Reference.of(model, task.tokens, window=key.window, stride=key.stride)
            if cache is not None:
                cache.put_reference(key, found)
        while len(_references) >= _REFERENCES:
            del _references[next(iter(_references))]
        _references[key.reference] = found
    return _references[key.reference]
