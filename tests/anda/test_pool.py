from __future__ import annotations

import math
import operator
import os
import signal
import socket
import time

import pytest
from distributed import LocalCluster

from anda import extras
from anda.pool import here, open_workers


def test_this_process_works_in_order_and_one_at_a_time() -> None:
    asked: list[int] = []
    answers = here.each(lambda item: asked.append(item) or -item, [3, 4])
    assert next(answers) == (0, -3)
    assert asked == [3]
    assert next(answers) == (1, -4)
    with open_workers() as workers:
        assert workers is here
        assert list(workers.each(operator.neg, [])) == []


def test_processes_work_at_the_same_time_with_their_share_of_the_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    with open_workers(2) as workers:
        assert workers.count == 2
        assert sorted(workers.each(operator.neg, [5, 6, 7])) == [(0, -5), (1, -6), (2, -7)]
        names = ["OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"]
        assert [value for _, value in sorted(workers.each(os.getenv, names))] == ["3"] * 3
        started = time.perf_counter()
        list(workers.each(time.sleep, [0.4, 0.4]))
        assert time.perf_counter() - started < 0.75
        # Ctrl-C reaches all processes of a terminal; the pool outlives it.
        handlers = dict(workers.each(signal.getsignal, [signal.SIGINT]))
        assert handlers[0] == signal.SIG_IGN
        with pytest.raises(ValueError, match=r"domain|nonnegative"):
            list(workers.each(math.sqrt, [-1.0]))
    assert os.environ["OMP_NUM_THREADS"] == "5"
    assert "OPENBLAS_NUM_THREADS" not in os.environ


def test_waiting_work_is_given_up_when_the_block_is_left() -> None:
    started = time.perf_counter()
    with open_workers(2) as workers:
        assert next(workers.each(time.sleep, [0.0] + [0.3] * 40)) == (0, None)
    assert time.perf_counter() - started < 4


def test_a_cluster_that_the_user_names() -> None:
    local = LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, protocol="tcp://", dashboard_address=None
    )
    with local as cluster, open_workers(scheduler=cluster.scheduler_address) as workers:
        assert workers.count == 2
        assert sorted(workers.each(operator.neg, [5, 6, 7])) == [(0, -5), (1, -6), (2, -7)]
        with pytest.raises(ValueError, match=r"domain|nonnegative"):
            list(workers.each(math.sqrt, [-1.0]))


def test_no_scheduler_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anda.pool._PATIENCE", "0.5s")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ValueError, match=f"no Dask scheduler answers at {address}"):
            open_workers(scheduler=address).__enter__()
    with pytest.raises(ValueError, match="no Dask scheduler answers at nonsense://here"):
        open_workers(scheduler="nonsense://here").__enter__()


def test_dask_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ValueError, match=r"a Dask cluster needs the package distributed.*\[cluster\]"):
        open_workers(scheduler="tcp://127.0.0.1:1").__enter__()


def test_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="at least 1, not 0"):
        open_workers(0).__enter__()
    with pytest.raises(ValueError, match="either processes of this machine or a Dask scheduler"):
        open_workers(2, "tcp://127.0.0.1:1").__enter__()
