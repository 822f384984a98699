"""SIGKILL in the middle of saves and between them, again and again: the same bytes in the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import ONE_THREAD, JSONObject, done, results, small_spec, trained, write_spec

from rnnkit.checkpoint.journal import Journal

KILLER = Path(__file__).parents[1] / "killer.py"
CALLS = ("write", "fsync", "replace", "open", "unlink")


def spec() -> JSONObject:
    return small_spec(every={"log": 2, "evaluate": 4, "save": 3})


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Counter[str]]:
    """Return the run that was never killed, and how often it made each call."""
    counts: Counter[str] = Counter()

    def counting(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            counts[name] += 1
            return call(*arguments, **options)

        return wrapped

    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, counting(name, getattr(os, name)))
        patch.setattr(Journal, "append", counting("line", Journal.append))
        run = trained(tmp_path_factory.mktemp("whole"), spec())
    assert min(counts[name] for name in (*CALLS, "line")) >= 3, counts
    return run, counts


def attempt(what: str, number: int, path: Path) -> int:
    """Run, or go on with, the spec in a process that kills itself; return how it ended."""
    arguments = ["run", path, "--out", path.parent / "run", "--resume", "auto"]
    ran = subprocess.run(
        [sys.executable, str(KILLER), what, str(number), *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **ONE_THREAD},
        timeout=120,
    )
    assert ran.returncode in (0, -signal.SIGKILL), ran.stderr
    assert "Traceback" not in ran.stderr
    return ran.returncode


@pytest.mark.parametrize("seed", range(4))
def test_killed_runs_end_in_the_same_bytes(
    counted: tuple[Path, Counter[str]], tmp_path: Path, seed: int
) -> None:
    """Five kills each, at seeded calls: up to three in a run, which is then resumed to its end."""
    whole, counts = counted
    random = np.random.default_rng(seed)
    kills = 0
    while kills < 5:
        path = write_spec(tmp_path / str(kills), spec())
        for turn in range(3):
            what = str(random.choice(list(counts)))
            number = int(random.integers(1, counts[what] // (turn + 1) + 1))
            if attempt(what, number, path) == 0:
                break
            kills += 1
        run = path.parent / "run"
        done("run", path, "--out", run, "--resume", "auto")
        assert results(run) == results(whole)
        assert not [p for p in run.rglob("*") if p.suffix in (".tmp", ".rejected")]
    assert kills >= 5
