"""Divided work gives what undivided work gives, and the BLAS gets its threads back."""

from __future__ import annotations

import os
import threading
import time

import pytest
from threadpoolctl import threadpool_limits

from rnnkit.compute import parallel
from rnnkit.compute.numpy_blas import numpy_blas


@pytest.fixture(params=[1, 2, 3, 5])
def count(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(parallel, "WORTH", 0.0)
    monkeypatch.setattr(parallel, "threads", lambda: request.param)
    return int(request.param)


def blas_threads() -> int:
    blas = numpy_blas()
    assert blas
    return int(blas.num_threads)


def test_shares_cover_every_row_once(count: int) -> None:
    for size in (1, 3, 4, 8, 13, 50):
        parts = parallel.shares(size, 1.0)
        assert [i for first, last in parts for i in range(first, last)] == list(range(size))
        assert len(parts) <= count
        assert len(parts) == 1 or min(last - first for first, last in parts) >= 4


def test_small_work_is_not_divided() -> None:
    assert parallel.shares(1000, parallel.WORTH - 1) == [(0, 1000)]


def test_results_come_in_order_and_an_error_comes_out() -> None:
    assert parallel.run([lambda k=k: k for k in range(5)]) == list(range(5))

    def fails() -> None:
        raise FloatingPointError("overflow")

    with pytest.raises(FloatingPointError, match="overflow"):
        parallel.run([lambda: None, fails])


def test_an_error_waits_for_what_was_begun() -> None:
    together, ended = threading.Barrier(2, timeout=60), []

    def fails() -> None:
        together.wait()
        raise FloatingPointError("overflow")

    def lasts() -> None:
        together.wait()
        time.sleep(0.05)
        ended.append(True)

    with pytest.raises(FloatingPointError, match="overflow"):
        parallel.run([fails, lasts])
    assert ended == [True]


def test_the_blas_is_on_one_thread_meanwhile() -> None:
    with threadpool_limits(2, user_api="blas"):
        if parallel.threads() != 2:
            pytest.skip("the BLAS here has one thread")
        assert parallel.run([blas_threads] * 2) == [1, 1]
        with parallel.ours():
            assert parallel.threads() == 2
            assert blas_threads() == 1
            assert parallel.run([blas_threads] * 2) == [1, 1]
            assert blas_threads() == 1
        assert parallel.threads() == blas_threads() == 2


def test_two_threads_share_one_claim_on_the_blas() -> None:
    with threadpool_limits(2, user_api="blas"):
        if parallel.threads() != 2:
            pytest.skip("the BLAS here has one thread")
        entered, leave, seen = threading.Event(), threading.Event(), []

        def other() -> None:
            with parallel.ours():
                seen.append(parallel.threads())
                entered.set()
                leave.wait(60)

        thread = threading.Thread(target=other)
        with parallel.ours():
            thread.start()
            assert entered.wait(60)
            assert blas_threads() == 1
        assert parallel.threads() == 2
        leave.set()
        thread.join(60)
        assert seen == [2]
        assert parallel.threads() == blas_threads() == 2


def test_a_thread_of_ours_divides_nothing() -> None:
    assert parallel.run([lambda: 0, parallel.threads]) == [0, 1]


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_has_threads_of_its_own() -> None:
    assert len(set(parallel.run([threading.get_ident] * 2))) == 2
    child = os.fork()
    if child == 0:
        found = parallel.run([lambda: 1, lambda: 2])
        os._exit(0 if found == [1, 2] else 1)
    assert os.waitpid(child, 0)[1] == 0


class Counted:
    """A BLAS that keeps the numbers of threads that it is given."""

    def __init__(self) -> None:
        self.num_threads, self.given = 4, list[int]()

    def set_num_threads(self, count: int) -> None:
        self.num_threads = count
        self.given.append(count)


def test_each_time_the_first_takes_the_threads_and_the_last_gives_them_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    blas = Counted()
    monkeypatch.setattr(parallel, "_blas", lambda: blas)
    monkeypatch.setattr(parallel, "_claim", parallel._Claim())
    for _ in range(2):
        with parallel.ours():
            assert (blas.num_threads, parallel.threads()) == (1, 4)
            with parallel.ours():
                assert (blas.num_threads, parallel.threads()) == (1, 4)
            assert (blas.num_threads, parallel.threads()) == (1, 4)
        assert (blas.num_threads, parallel.threads()) == (4, 4)
    assert blas.given == [1, 4, 1, 4]
    blas.num_threads = 3  # set by others in between
    assert parallel.threads() == 3
