"""How long a user waits: for the help, and for the first step of a run."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import Spread
from benchmarks.parent import ROOT, environment

RNNKIT = str(Path(sys.executable).with_name("rnnkit"))
SPEC = str(ROOT / "model_specs" / "char_lstm.json")


def startup(rounds: int, threads: int) -> dict[str, Spread]:
    """Return seconds by command; each runs once before, so that the kernel caches are warm."""
    found = {}
    for title, timed in (("rnnkit --help", _help), ("rnnkit run, to its first step", _first_step)):
        timed(threads)
        found[title] = Spread.of([timed(threads) for _ in range(rounds)])
    return found


def _help(threads: int) -> float:
    start = time.time()
    _rnnkit(["--help"], threads)
    return time.time() - start


def _first_step(threads: int) -> float:
    """Return the seconds from the start of the process to the metrics line of step 1."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.time()
        run = ["run", SPEC, "--out", f"{folder}/run", "--max-steps", "1", "-s", "train.every.log=1"]
        _rnnkit(run, threads)
        first = (Path(folder) / "run" / "times.jsonl").read_text().splitlines()[0]
    return float(json.loads(first)["time"]) - start


def _rnnkit(arguments: list[str], threads: int) -> None:
    done = subprocess.run(
        [RNNKIT, *arguments], capture_output=True, text=True, env=environment(threads)
    )
    if done.returncode:
        raise RuntimeError(f"rnnkit {arguments[0]} failed: {done.stderr}")
