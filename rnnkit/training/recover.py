"""What a killed run left in its folder, put right before it goes on; the caller holds the lock."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rnnkit.checkpoint.snapshot import Snapshot, load_snapshot
from rnnkit.errors import CheckpointError
from rnnkit.rundir import RunDir, make_private
from rnnkit.storage import write_atomic


@dataclass(frozen=True)
class Found:
    """The newest checkpoint that verifies (None: there is none), and what was put aside."""

    snapshot: Snapshot | None
    path: Path
    notes: tuple[str, ...]


def recover(run: RunDir, strict: bool = False) -> Found:
    """Return the newest checkpoint that verifies; what does not is renamed to *.rejected.

    With `strict`, a newest file that does not verify raises its CheckpointError instead.
    """
    make_private(run.checkpoints)
    run.sweep()
    notes: list[str] = []
    for _, path in reversed(run.step_files()):
        try:
            found = Found(load_snapshot(path), path, ())
        except CheckpointError as error:
            if strict:
                raise
            notes.append(f"{error}; put aside as {run.reject(path).name}")
            continue
        notes += _mend_best(run, found.snapshot)
        return Found(found.snapshot, path, tuple(notes))
    if notes:
        notes.append(f"{run.checkpoints} holds no other checkpoint: the run starts again at step 1")
    notes += _mend_best(run, None)
    return Found(None, run.checkpoints, tuple(notes))


def _mend_best(run: RunDir, snapshot: Snapshot | None) -> list[str]:
    """Make best.h5 the one that the checkpoint knows.

    It is a copy of a step file, written right after it: a kill between the two leaves an older one,
    which is copied again; one from a later step belongs to a checkpoint that was lost.
    """
    best = snapshot.meta.progress.best if snapshot else None
    if best is not None and _step(run.best) == best.step:
        return []
    notes = []
    copied = best is not None and run.step_file(best.step).exists()
    if run.best.exists() and not copied:
        notes.append(f"{run.best} is not of this state; put aside as {run.reject(run.best).name}")
    if best is not None and copied:
        write_atomic(run.best, run.step_file(best.step).read_bytes())
    elif best is not None:
        notes.append(f"the best model, of step {best.step}, is lost; a better one replaces it")
    return notes


def _step(path: Path) -> int | None:
    try:
        return load_snapshot(path).meta.progress.step
    except CheckpointError:
        return None
