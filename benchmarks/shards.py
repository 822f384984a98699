"""What shards cost: a step of G shards against one of all streams, in processes of their own."""

from __future__ import annotations

import statistics
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks.measure import PAUSE, Plan, Spread, warm
from benchmarks.parent import Worker
from benchmarks.workloads import ROWS, Workload

SHARDS = (1, 2, 4, 8)
SHARDED = ("char128", "char512", "zaremba_m")
Clock = Literal["run", "busy"]
"""Seconds that pass, or those that all processors work."""


def shard_costs(row: Workload, plan: Plan, clock: Clock) -> dict[int, tuple[Spread, Spread]]:
    """Return, by shards, the seconds of a step, and what they are of those without shards."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        arrays = Path(folder) / "weights.npz"
        np.savez(arrays, allow_pickle=False, **row.draw())
        workers = {}
        for shards in SHARDS:
            cut = replace(row, shards=shards)
            worker = Worker("rnnkit", "Train", cut, arrays, plan.threads)
            workers[shards] = stack.enter_context(worker)
        counts = {shards: warm(worker, plan.seconds) for shards, worker in workers.items()}
        rounds: dict[int, list[float]] = {shards: [] for shards in workers}
        for _ in range(plan.rounds):
            for shards, worker in workers.items():
                time.sleep(PAUSE)
                worker.ask(clock, count=1)
                rounds[shards].append(statistics.median(worker.ask(clock, count=counts[shards])))
    whole = rounds[1]
    return {
        shards: (
            Spread.of(seconds),
            Spread.of([cut / one for cut, one in zip(seconds, whole, strict=True)]),
        )
        for shards, seconds in rounds.items()
    }


def sharded_rows() -> list[Workload]:
    """Return the workloads whose shards are measured."""
    return [ROWS[name] for name in SHARDED]
