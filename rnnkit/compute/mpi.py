"""Ranks that MPI started, by mpi4py: what they tell each other, and how they end together.

An error that all ranks know is raised by all, and rank 0 tells it. Any other ends the rank that
raises it, and with it all others: a rank that waits in a collective call runs no Python.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self, TypeVar

from rnnkit.compute.heartbeat import Heartbeat
from rnnkit.compute.rank_sum import sum_over_ranks
from rnnkit.compute.ranks import E, Ranks
from rnnkit.compute.shard_tree import Range
from rnnkit.errors import RefusedError, RnnkitError
from rnnkit.types import Array

R = TypeVar("R")


class MpiRanks(Ranks):
    """This process among those that `mpiexec` or `srun` started.

    `in_words` gives the error that is told in place of one that is no user's.

    A context: a rank that leaves it by an error of its own has to `end` all ranks. One that hears
    nothing of the others for `patience` seconds ends by itself, whatever it waits for.
    """

    def __init__(
        self, in_words: Callable[[Exception], RnnkitError], patience: float = 25.0
    ) -> None:
        try:
            from mpi4py import MPI
        except (ImportError, RuntimeError) as error:
            message = f"--mpi needs mpi4py and an MPI library (pip install 'rnnkit[mpi]'): {error}"
            raise RefusedError.of("MPI_MISSING", message) from error
        self._in_words = in_words
        self._comm = MPI.COMM_WORLD.Dup()
        self.rank, self.size = self._comm.rank, self._comm.size
        self.host = MPI.Get_processor_name()
        self.neighbours = self._comm.Split_type(MPI.COMM_TYPE_SHARED).size
        self._known: RnnkitError | None = None
        self._failed = False
        self._heartbeat = Heartbeat(MPI.COMM_WORLD.Dup(), self.collect(self.host), patience)

    def __enter__(self) -> Self:
        """Watch over the other ranks."""
        self._heartbeat.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the watch where all ranks come here."""
        if error is None or error is self._known:
            self._comm.Barrier()
            self._heartbeat.stop()
        else:
            self._failed = True

    def collect(self, value: R) -> list[R]:
        """Return the values of all ranks, in order."""
        return self._comm.allgather(value)

    def share(self, make: Callable[[], R]) -> R:
        """Return what rank 0 makes, or raise what it raises, on all ranks."""
        found: R | _Failure = self._comm.bcast(self._tried(make) if self.first else None)
        return self._value(found, [found])

    def together(self, make: Callable[[], R]) -> R:
        """Return what each rank makes for itself; where one raises, all raise its error."""
        own = self._tried(make)
        return self._value(own, self.collect(own if isinstance(own, _Failure) else None))

    def agreed(self, error: E) -> E:
        """Return an error that every rank raises here, so that one of them tells it for all."""
        self._known = error
        return error

    def knows(self, error: RnnkitError) -> bool:
        """Tell whether every rank raised this error."""
        return error is self._known

    def sum(self, sums: Mapping[Range, Array], shards: int, out: Array) -> None:
        """Write the sum over all shards, of which each rank has some subtrees.

        The first of them lies in `out`.
        """
        sum_over_ranks(self._comm, sums, shards, out)

    def join(self, array: Array, rows: Sequence[Range]) -> None:
        """Bring each rank's rows of an array to all others."""
        parts = self.collect(array[slice(*rows[self.rank])])
        for (first, last), part in zip(rows, parts, strict=True):
            array[first:last] = part

    def _value(self, own: R | _Failure, found: Sequence[R | _Failure | None]) -> R:
        for each in found:
            if isinstance(each, _Failure):
                raise self.agreed(each.error)
        if isinstance(own, _Failure):  # then it is one of those found
            raise own.error
        return own

    def _tried(self, make: Callable[[], R]) -> R | _Failure:
        try:
            return make()
        except Exception as error:
            return _Failure(self._in_words(error))

    def end(self, code: int) -> None:
        """End all ranks with an exit code where this one failed alone; they would wait for it."""
        if self._failed:
            self._heartbeat.end(code)


class _Failure:
    """An error on its way to the other ranks."""

    def __init__(self, error: RnnkitError) -> None:
        self.error = error
