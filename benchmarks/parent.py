"""The processes of the sides as the parent holds them, and the environment they start in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.side import TITLES, Kind
from benchmarks.workloads import Workload

ROOT = Path(__file__).parents[1]
PINS = ("OPENBLAS_", "GOTO_", "MKL_", "OMP_", "GOMP_", "KMP_", "DNNL_", "ONEDNN_", "ATEN_", "NPY_")
"""Variables that choose kernels or threads of a library begin so; some machines set them."""
THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS")


def environment(threads: int) -> dict[str, str]:
    """Return the environment without pins, with this many threads for every library."""
    free = {name: value for name, value in os.environ.items() if not name.startswith(PINS)}
    return free | dict.fromkeys(THREADS, str(threads))


class Worker(AbstractContextManager["Worker"]):
    """One side in a process of its own, which begins to build at once."""

    def __init__(
        self, library: str, kind: Kind, workload: Workload, arrays: Path, threads: int
    ) -> None:
        self.title = TITLES[library]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment(threads),
        )
        task = {"library": library, "kind": kind, "workload": asdict(workload)}
        self._send({**task, "arrays": str(arrays)})

    def ask(self, do: str, **details: object) -> Any:
        """Return the answer to a request; raises RuntimeError where the process has ended."""
        self._send({"do": do, **details})
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.title} ended before it answered; its error stands above")
        return json.loads(line)

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self.process.communicate()

    def _send(self, request: dict[str, object]) -> None:
        assert self.process.stdin
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # reported by `ask`, which then reads nothing
