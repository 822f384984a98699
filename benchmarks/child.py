"""The process of one side: reads requests as lines of JSON, answers each with one.

    python -m benchmarks.child
    {"library": "torch", "kind": "Train", "workload": {...}, "arrays": "weights.npz"}
    {"do": "check"}                         {"loss": [4.174, ...], ...}
    {"do": "run", "count": 3}               [0.0213, 0.0211, 0.0212], the seconds of each step
    {"do": "busy", "count": 3}              the same in seconds of all its processors
    {"do": "peak"}                          the most memory that the process has held, in bytes
    {"do": "grown"}                         the same over what it held when the side was built
    {"do": "about"}                         {"PyTorch": "..."}

It ends with its input.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.memory import Memory
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
    memory = Memory()
    for line in sys.stdin:
        print(json.dumps(answer(library, made, memory, json.loads(line))), flush=True)


def answer(library: str, made: Side, memory: Memory, request: dict[str, Any]) -> object:
    """Do what is asked."""
    match request["do"]:
        case "check":
            return made.check()
        case "run":
            return timed(made, request["count"], time.perf_counter)
        case "busy":
            return timed(made, request["count"], time.process_time)
        case "peak":
            return memory.peak()
        case "grown":
            return memory.grown()
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


if __name__ == "__main__":
    main()
