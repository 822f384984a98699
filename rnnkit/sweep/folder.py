"""The folder of a sweep: its file as it was begun, a run for each trial, and who is at work."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rnnkit.checkpoint.run_directory import make_private
from rnnkit.errors import RefusedError
from rnnkit.files.atomic import read_regular, write_atomic
from rnnkit.files.lock import RunLock
from rnnkit.spec.scan import MAX_BYTES
from rnnkit.sweep.model import Sweep

POLL = 0.05
"""Seconds between two looks at a lock that is held for moments."""


@dataclass(frozen=True)
class SweepFolder:
    """Where a sweep lies: `sweep.json`, `journal.log`, `trials/<number>` and `locks/`."""

    path: Path

    @property
    def stored(self) -> Path:
        """The sweep as it was begun."""
        return self.path / "sweep.json"

    @property
    def journal(self) -> Path:
        """The file that Optuna keeps the trials in."""
        return self.path / "journal.log"

    def run(self, number: int) -> Path:
        """Return the run directory of a trial."""
        return self.path / "trials" / f"{number:04d}"

    def lock(self, number: int) -> RunLock:
        """Return the lock of whoever works on a trial."""
        folder = self.path / "locks" / f"{number:04d}"
        make_private(folder)
        return RunLock(folder)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until no other worker takes a trial; raises RefusedError, StorageError."""
        lock = RunLock(self.path)
        while True:
            try:
                lock.__enter__()
                break
            except RefusedError as error:
                if error.problems[0].code != "RUN_LOCKED":
                    raise
                time.sleep(POLL)
        try:
            yield
        finally:
            lock.__exit__()

    def begin(self, sweep: Sweep) -> None:
        """Write down the sweep; raises RefusedError where the folder was begun with another."""
        make_private(self.path)
        with self.alone():
            if not self.stored.exists():
                if self.journal.exists() or (self.path / "run.json").exists():
                    message = "holds something else than a sweep (choose another --out)"
                    raise RefusedError.of("SWEEP_EXISTS", message, self.path)
            else:
                # More trials are the one change that leaves all that was done as it is.
                self._check_same(self.sweep(), sweep)
            write_atomic(self.stored, sweep.model_dump_json(indent=1).encode() + b"\n")

    def sweep(self) -> Sweep:
        """Return the sweep as it was begun; raises RefusedError where there is none."""
        if not self.stored.exists():
            message = "holds no sweep (start one with rnnkit sweep FILE)"
            raise RefusedError.of("SWEEP_NOT_FOUND", message, self.path)
        data = bytes(read_regular(self.stored, MAX_BYTES, RefusedError, "SWEEP"))
        return Sweep.model_validate_json(data)

    def _check_same(self, begun: Sweep, asked: Sweep) -> None:
        old, new = begun.model_dump(mode="json"), asked.model_dump(mode="json")
        changed = [
            f"{key}: {json.dumps(old[key])} then, {json.dumps(new[key])} now"
            for key in old
            if old[key] != new[key] and not (key == "trials" and new[key] > old[key])
        ]
        if changed:
            advice = "bring the file back, or choose another --out"
            message = f"was begun with another sweep: {'; '.join(changed)} ({advice})"
            raise RefusedError.of("SWEEP_CHANGED", message, self.path)
