"""The sum over two ranks along the fixed tree, and `MPI.Allreduce`, whose order is its own.

mpiexec -n 2 python -m benchmarks.sums ROUNDS
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Spread
from benchmarks.parent import ROOT, environment
from rnnkit.compute.rank_sum import sum_over_ranks
from rnnkit.compute.shard_tree import even_ranges, subtrees

SIZES = (250_000, 2_000_000, 20_000_000)
SHARDS = (2, 5, 8)
MPIEXEC = Path(sys.executable).with_name("mpiexec")
VALUES = 4_000_000
"""Values that are summed in a turn, at least three times."""


def sum_times(rounds: int) -> dict[int, dict[str, Spread]]:
    """Return the seconds of a sum by its size and what forms it; nothing where there is no MPI."""
    if not MPIEXEC.exists():
        return {}
    line = [MPIEXEC, "-n", "2", sys.executable, "-m", "benchmarks.sums", str(rounds)]
    done = subprocess.run(
        list(map(str, line)), capture_output=True, text=True, cwd=ROOT, env=environment(1)
    )
    if done.returncode:
        raise RuntimeError(f"mpiexec failed: {done.stderr}")
    found = json.loads(done.stdout)
    return {
        int(size): {what: Spread.of(seconds) for what, seconds in each.items()}
        for size, each in found.items()
    }


def main() -> None:
    """Measure as one of two ranks; the first prints medians, one for each round."""
    from mpi4py import MPI

    comm, rounds = MPI.COMM_WORLD, int(sys.argv[1])
    found = {size: _times(comm, size, rounds) for size in SIZES}
    if comm.rank == 0:
        print(json.dumps(found))


def _times(comm: Any, size: int, rounds: int) -> dict[str, list[float]]:
    given = np.random.default_rng(comm.rank).standard_normal(size, dtype=np.float32)
    out = np.empty_like(given)

    def tree(shards: int) -> Callable[[], None]:
        own = subtrees(even_ranges(shards, comm.size)[comm.rank], (0, shards))
        sums = {node: np.zeros_like(given) for node in own}
        return lambda: sum_over_ranks(comm, sums, shards, out)

    works: dict[str, Callable[[], object]] = {"Allreduce": lambda: comm.Allreduce(given, out)}
    works |= {f"{shards} shards": tree(shards) for shards in SHARDS}
    found: dict[str, list[float]] = {what: [] for what in works}
    for _ in range(rounds):
        for what, work in works.items():
            work()
            found[what].append(float(np.median([_timed(comm, work) for _ in _turn(size)])))
    return found


def _turn(size: int) -> range:
    return range(max(3, VALUES // size))


def _timed(comm: Any, work: Callable[[], object]) -> float:
    comm.Barrier()
    start = time.perf_counter()
    work()
    comm.Barrier()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
