"""Who computes: this process alone. Several processes at once are `rnnkit.compute.mpi`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TypeVar

from rnnkit.compute.shard_tree import Range, add_subtrees
from rnnkit.errors import RefusedError, RnnkitError
from rnnkit.types import Array

LAUNCHED = {
    "PMI_SIZE": "PMI_RANK",
    "OMPI_COMM_WORLD_SIZE": "OMPI_COMM_WORLD_RANK",
    "SLURM_STEP_NUM_TASKS": "SLURM_PROCID",
    "RNNKIT_WORKERS": "RNNKIT_WORKER",
}
"""Where MPICH's mpiexec, Open MPI's and srun say how many processes they started, and which.

A sweep says to its workers which they are, so that one tells what all of them do. How many there
are it does not say: each trains models of its own.
"""

R = TypeVar("R")
E = TypeVar("E", bound=RnnkitError)


def is_first_launched(*names: str) -> bool:
    """Tell whether no launcher counts this process after its first, by variables such as these."""
    return not any(os.environ.get(name, "0").strip("0") for name in names)


class Ranks:
    """The processes that train one model together; rank 0 alone touches the run directory.

    What each of these methods returns is the same on all ranks.
    """

    rank: int = 0
    size: int = 1
    neighbours: int = 1
    """The ranks of this machine, which divide its processors and its memory."""
    host: str = ""

    @property
    def first(self) -> bool:
        """Whether this is the rank that reads and writes for all."""
        return self.rank == 0

    def collect(self, value: R) -> list[R]:
        """Return the values of all ranks, in order."""
        return [value]

    def share(self, make: Callable[[], R]) -> R:
        """Return what rank 0 makes, or raise what it raises, on all ranks."""
        return make()

    @contextmanager
    def first_holds(self, context: AbstractContextManager[object]) -> Iterator[None]:
        """Enter a context on rank 0 alone; all raise what it raises there."""
        with ExitStack() as held:

            def enter() -> None:
                held.enter_context(context)

            self.share(enter)
            yield

    def together(self, make: Callable[[], R]) -> R:
        """Return what each rank makes for itself; where one raises, all raise its error."""
        return make()

    def agreed(self, error: E) -> E:
        """Return an error that every rank raises here, so that one of them tells it for all."""
        return error

    def sum(self, sums: Mapping[Range, Array], shards: int, out: Array) -> None:
        """Write the sum over all shards, of which each rank has some subtrees.

        The first of them lies in `out`.
        """
        add_subtrees((0, shards), sums)

    def join(self, array: Array, rows: Sequence[Range]) -> None:
        """Bring each rank's rows of an array to all others."""

    def check_same(self, facts: Mapping[str, object]) -> None:
        """Raise RefusedError on all ranks where one knows another fact than rank 0."""
        found = self.collect((self.host, {name: str(fact) for name, fact in facts.items()}))
        lead, wanted = found[0]
        for rank, (host, own) in enumerate(found):
            for name, value in own.items():
                if value != wanted[name]:
                    raise self.agreed(
                        RefusedError.of(
                            "RANKS_DIFFER",
                            f"rank {rank} on {host or 'this host'}: {name} {value}, but rank 0 on "
                            f"{lead or 'this host'}: {wanted[name]} (give all ranks the same)",
                        )
                    )
