"""Sides in turn, A B A B: medians of rounds, their spread, and the peak of memory."""

from __future__ import annotations

import math
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.parent import Worker
from benchmarks.side import BY_HAND, Found, Kind, installed
from benchmarks.workloads import Workload

PAUSE = 0.1
"""Seconds before a turn, in which the threads of the other side stop to wait actively."""
TOLERANCES = {"loss": 1e-5, "gradient norm": 5e-4, "id": 0.0, "log p": 1e-5, "element": 1e-3}
"""Relative; a norm is a float32 sum over up to 20 million squares, PyTorch's good to 2e-4."""


@dataclass(frozen=True)
class Plan:
    """How long to measure: each side takes `rounds` turns of some `seconds`."""

    rounds: int
    seconds: float
    threads: int


@dataclass(frozen=True)
class Spread:
    """The median of the rounds, the smallest and the largest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Summarize one value for each round."""
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Measured:
    """The median seconds of a step in each round, and bytes of memory, by library.

    Memory is the peak of the process, and how far it had `grown` since its side was built; `about`
    holds what the libraries say of themselves.
    """

    rounds: dict[str, list[float]]
    peaks: dict[str, int]
    grown: dict[str, int]
    about: dict[str, str]

    def time(self, library: str) -> Spread:
        """Return the seconds of a step."""
        return Spread.of(self.rounds[library])

    def ratio(self, peer: str) -> Spread:
        """Return rnnkit's time over a peer's, round by round."""
        pairs = zip(self.rounds["rnnkit"], self.rounds[peer], strict=True)
        return Spread.of([ours / theirs for ours, theirs in pairs])

    def best_peer(self) -> str | None:
        """Return the fastest other library; None where there is none."""
        peers = [library for library in self.rounds if library not in ("rnnkit", BY_HAND)]
        return min(peers, key=lambda library: self.time(library).median, default=None)


class DisagreementError(Exception):
    """Two sides do not compute the same, so that no comparison of times means anything."""


def measure(kind: Kind, workload: Workload, plan: Plan) -> Measured:
    """Check that all sides compute the same, then time them in turn."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        arrays = Path(folder) / "weights.npz"
        np.savez(arrays, allow_pickle=False, **workload.draw())
        workers = {
            library: stack.enter_context(Worker(library, kind, workload, arrays, plan.threads))
            for library in installed(kind)
        }
        agree(workload, {w.title: w.ask("check") for w in workers.values()})
        counts = {library: warm(worker, plan.seconds) for library, worker in workers.items()}
        rounds: dict[str, list[float]] = {library: [] for library in workers}
        for _ in range(plan.rounds):
            for library, worker in workers.items():
                time.sleep(PAUSE)
                worker.ask("run", count=1)
                times = worker.ask("run", count=counts[library])
                rounds[library].append(statistics.median(times))
        peaks = {library: worker.ask("peak") for library, worker in workers.items()}
        grown = {library: worker.ask("grown") for library, worker in workers.items()}
        about = {key: value for w in workers.values() for key, value in w.ask("about").items()}
        return Measured(rounds, peaks, grown, about)


def agree(workload: Workload, sides: dict[str, Found]) -> None:
    """Raise DisagreementError unless all sides found the same."""
    (first, expected), *others = sides.items()
    for other, received in others:
        for what, values in expected.items():
            close = (
                math.isclose(a, b, rel_tol=TOLERANCES[what])
                for a, b in zip(values, received[what], strict=True)
            )
            if not all(close):
                raise DisagreementError(
                    f"{workload.name} {workload.cell}, {what}: {first} found {values}, "
                    f"{other} {received[what]} from the same weights"
                )


def warm(worker: Worker, seconds: float) -> int:
    """Run until the speed has settled; return the steps that a turn has."""
    times: list[float] = worker.ask("run", count=2)
    while sum(times) < seconds:
        times += worker.ask("run", count=max(1, min(len(times), int(seconds / times[-1]))))
    return max(3, min(10_000, round(seconds / statistics.median(times))))
