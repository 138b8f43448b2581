"""Independent work on this machine's processes, or on a Dask cluster that the user names."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from anda.extras import require

__all__ = ["Workers", "here", "open_workers"]

Item = TypeVar("Item")
Answer = TypeVar("Answer")

_BLAS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_PATIENCE = "10s"


class Workers(Protocol):
    """Who does the work."""

    count: int
    """How many items are worked on at a time."""

    def each(self, function: Callable[[Item], Answer], items: Sequence[Item]) -> Iterator[tuple[int, Answer]]:
        """Apply a function of a module to items: (index, answer) as they come, in any order."""


class _Here:
    """This process, one item after another."""

    count = 1

    def each(self, function: Callable[[Item], Answer], items: Sequence[Item]) -> Iterator[tuple[int, Answer]]:
        for index, item in enumerate(items):
            yield index, function(item)


class _Processes:
    """Processes of this machine, which share its cores."""

    def __init__(self, executor: ProcessPoolExecutor, count: int) -> None:
        self.executor, self.count = executor, count

    def each(self, function: Callable[[Item], Answer], items: Sequence[Item]) -> Iterator[tuple[int, Answer]]:
        futures = {self.executor.submit(function, item): index for index, item in enumerate(items)}
        for future in as_completed(futures):
            yield futures[future], future.result()


class _Cluster:
    """The workers of a Dask cluster."""

    def __init__(self, client: Any, as_completed: Callable[..., Any]) -> None:
        self.client, self.as_completed = client, as_completed
        self.count = max(1, len(client.scheduler_info()["workers"]))

    def each(self, function: Callable[[Item], Answer], items: Sequence[Item]) -> Iterator[tuple[int, Answer]]:
        futures = {self.client.submit(function, item, pure=False): index for index, item in enumerate(items)}
        try:
            for future in self.as_completed(futures, loop=self.client.loop):
                yield futures[future], future.result()
        finally:
            self.client.cancel(list(futures))


here: Workers = _Here()
"""No workers but this process."""


@contextmanager
def open_workers(jobs: int = 1, scheduler: str | None = None) -> Iterator[Workers]:
    """Workers for the time of a `with` block.

    Parameters
    ----------
    jobs : int
        Processes of this machine; 1 is this process alone. Each computes with its share of the cores.
    scheduler : str, optional
        Address of a Dask scheduler, such as `tcp://host:8786`, whose workers are taken instead. They need
        this package, and the files that items name at the same paths.

    Raises
    ------
    ValueError
        When jobs is below 1, both are asked for, Dask is not installed, or no scheduler answers.
    """
    if jobs < 1:
        raise ValueError(f"the number of processes must be at least 1, not {jobs}")
    if scheduler is not None:
        if jobs > 1:
            raise ValueError("either processes of this machine or a Dask scheduler, not both")
        with _connected(scheduler) as workers:
            yield workers
    elif jobs == 1:
        yield here
    else:
        with _blas_threads(max(1, (os.cpu_count() or 1) // jobs)), _processes(jobs) as workers:
            yield workers


@contextmanager
def _processes(jobs: int) -> Iterator[Workers]:
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(jobs, mp_context=context, initializer=_ignore_interrupts)
    try:
        yield _Processes(executor, jobs)
    finally:
        executor.shutdown(cancel_futures=True)


def _ignore_interrupts() -> None:
    """Ctrl-C reaches every process of a terminal; the one that waits for the answers decides."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _blas_threads(count: int) -> Iterator[None]:
    """Processes started meanwhile compute with so many threads: NumPy's library reads this when it loads."""
    before = {name: os.environ.get(name) for name in _BLAS}
    os.environ.update(dict.fromkeys(_BLAS, str(count)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _connected(address: str) -> Iterator[Workers]:
    require("distributed", "cluster", "a Dask cluster")
    distributed: Any = importlib.import_module("distributed")
    try:
        client = distributed.Client(address, timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ValueError(f"no Dask scheduler answers at {address}: {error}") from error
    with client:
        yield _Cluster(client, distributed.as_completed)
