"""The process of one side: reads requests as lines of JSON, answers each with one.

    python -m benchmarks.child
    {"library": "torch", "kind": "Train", "workload": {...}, "arrays": "weights.npz"}
    {"do": "check"}                         {"loss": [4.174, ...], ...}
    {"do": "run", "count": 3}               [0.0213, 0.0211, 0.0212], the seconds of each step
    {"do": "busy", "count": 3}              the same in seconds of all its processors
    {"do": "peak"}                          the most memory that the process has held, in bytes
    {"do": "about"}                         {"PyTorch": "..."}

It ends with its input.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.side import Side, module, side
from benchmarks.workloads import Workload


def main() -> None:
    """Build the side, then answer."""
    task = json.loads(sys.stdin.readline())
    with np.load(task["arrays"]) as stored:
        arrays = dict(stored)
    library = task["library"]
    made = side(library, task["kind"], Workload(**task["workload"]), arrays)
    del arrays  # else they would count as memory of the training
    for line in sys.stdin:
        print(json.dumps(answer(library, made, json.loads(line))), flush=True)


def answer(library: str, made: Side, request: dict[str, Any]) -> object:
    """Do what is asked."""
    match request["do"]:
        case "check":
            return made.check()
        case "run":
            return timed(made, request["count"], time.perf_counter)
        case "busy":
            return timed(made, request["count"], time.process_time)
        case "peak":
            return peak()
        case "about":
            return module(library).about()
    raise ValueError(f"unknown request {request}")


def timed(made: Side, count: int, clock: Callable[[], float]) -> list[float]:
    """Return the seconds that each of so many steps takes, by a clock."""
    found = []
    for _ in range(count):
        start = clock()
        made.step()
        found.append(clock() - start)
    return found


def peak() -> int:
    """Return the largest resident memory of this process, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux: `ru_maxrss` would count the parent before this program began
        facts = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(facts["VmHWM"].split()[0]) * 1024
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else largest * 1024


if __name__ == "__main__":
    main()
