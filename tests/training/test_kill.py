"""SIGKILL in the middle of saves and between them, again and again: the same bytes in the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
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


class Killer:
    """A process whose forks run, or go on with, a spec and kill themselves."""

    def __init__(self, errors: Path) -> None:
        self.errors = errors
        pipe = subprocess.PIPE
        with errors.open("w") as file:
            self.process = subprocess.Popen(
                [sys.executable, str(KILLER)],
                stdin=pipe,
                stdout=pipe,
                stderr=file,
                text=True,
                env={**os.environ, **ONE_THREAD},
            )

    def attempt(self, what: str, number: int, path: Path) -> int:
        """Return how it ended."""
        arguments = ["run", path, "--out", path.parent / "run", "--resume", "auto"]
        assert self.process.stdin and self.process.stdout
        print(json.dumps([what, number, *map(str, arguments)]), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        assert answer in ("0\n", f"{-signal.SIGKILL}\n"), self.errors.read_text()
        return int(answer)


@pytest.fixture(scope="module")
def killer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killer]:
    """One that has run the spec once."""
    folder = tmp_path_factory.mktemp("killer")
    started = Killer(folder / "errors")
    assert started.attempt("nothing", 0, write_spec(folder, spec())) == 0
    yield started
    started.process.communicate(timeout=60)
    assert "Traceback" not in started.errors.read_text()


@pytest.mark.parametrize("seed", range(4))
def test_killed_runs_end_in_the_same_bytes(
    counted: tuple[Path, Counter[str]], killer: Killer, tmp_path: Path, seed: int
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
            if killer.attempt(what, number, path) == 0:
                break
            kills += 1
        run = path.parent / "run"
        done("run", path, "--out", run, "--resume", "auto")
        assert results(run) == results(whole)
        assert not [p for p in run.rglob("*") if p.suffix in (".tmp", ".rejected")]
    assert kills >= 5
