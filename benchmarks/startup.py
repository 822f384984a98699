"""How long a user waits: for the help, for the first step of a run, and for the first answer."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.measure import Spread
from benchmarks.parent import ROOT, environment

RNNKIT = str(Path(sys.executable).with_name("rnnkit"))
SPEC = str(ROOT / "model_specs" / "char_lstm.json")
TEXT = "The value of a name is looked up when it is used.\n" * 20


def startup(rounds: int, threads: int) -> dict[str, Spread]:
    """Return seconds by command; each runs once before, so that the kernel caches are warm."""
    with tempfile.TemporaryDirectory() as folder:
        timed: dict[str, Callable[[], float]] = {
            "rnnkit --help": partial(first_output, [RNNKIT, "--help"], threads),
            "rnnkit run, to its first step": partial(_first_step, threads),
        }
        for line in questions(Path(folder), threads):
            timed[f"rnnkit {line[0]}"] = partial(first_output, [RNNKIT, *line], threads)
        if importlib.util.find_spec("torch"):
            importing = [sys.executable, "-c", "import torch; print()"]
            timed["python -c 'import torch'"] = partial(first_output, importing, threads)
        for run in timed.values():
            run()
        found: dict[str, list[float]] = {title: [] for title in timed}
        for _ in range(rounds):
            for title, run in timed.items():
                found[title].append(run())
    return {title: Spread.of(seconds) for title, seconds in found.items()}


def questions(folder: Path, threads: int) -> list[list[str]]:
    """Return the commands that ask the model of a short run, on a text of twenty lines."""
    model, text = str(folder / "run"), folder / "lines.txt"
    text.write_text(TEXT)
    _finished(["run", SPEC, "--out", model, "--max-steps", "1"], threads)
    return [
        ["sample", model],
        ["score", model, str(text)],
        ["predict", model, str(text)],
        ["eval", model, "--data", str(text)],
    ]


def first_output(line: list[str], threads: int) -> float:
    """Return the seconds from the start of a process to the first byte that it prints."""
    start = time.perf_counter()
    with subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(threads)
    ) as process:
        assert process.stdout
        first = process.stdout.read(1)
        seconds = time.perf_counter() - start
        _, errors = process.communicate()
    if process.returncode or not first:
        raise RuntimeError(f"{' '.join(line)} failed: {errors.decode()}")
    return seconds


def _first_step(threads: int) -> float:
    """Return the seconds from the start of the process to the metrics line of step 1."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.time()
        run = ["run", SPEC, "--out", f"{folder}/run", "--max-steps", "1", "-s", "train.every.log=1"]
        _finished(run, threads)
        first = (Path(folder) / "run" / "times.jsonl").read_text().splitlines()[0]
    return float(json.loads(first)["time"]) - start


def _finished(arguments: list[str], threads: int) -> None:
    done = subprocess.run(
        [RNNKIT, *arguments], capture_output=True, text=True, env=environment(threads)
    )
    if done.returncode:
        raise RuntimeError(f"rnnkit {arguments[0]} failed: {done.stderr}")
