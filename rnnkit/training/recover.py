"""What a killed run left in its folder, put right before it goes on; the caller holds the lock."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnnkit.checkpoint.run_directory import RunDir, make_private
from rnnkit.checkpoint.snapshot import Snapshot
from rnnkit.contracts.registry import Registry
from rnnkit.errors import CheckpointError, RefusedError
from rnnkit.files.atomic import write_atomic
from rnnkit.training.own_checkpoint import (
    FOREIGN,
    best_step,
    none_left,
    own_checkpoint,
    saved_before,
)


@dataclass(frozen=True)
class Found:
    """The checkpoint to go on from (None: none was saved yet), and what was done.

    `newest` is the one that a run leaves which goes back to its best, and `later` are the files
    after the best.
    """

    snapshot: Snapshot | None
    path: Path
    notes: tuple[str, ...]
    newest: Snapshot | None = None
    later: tuple[Path, ...] = ()


def recover(
    run: RunDir, registry: Registry, strict: bool = False, from_best: bool = False
) -> Found:
    """Return the newest checkpoint of the run that verifies; newer files are renamed to *.rejected.

    With `from_best` that is what there is to go back from, see `back_to_best`.
    With `strict`, a newest file that does not verify raises its CheckpointError instead. So does
    one of another run, or of other arrays, where no checkpoint is of this one: then spec.json,
    run.json or what is installed may be wrong. Raises RefusedError, or CheckpointError for files
    that do not verify, where checkpoints were saved and none is left; nothing is changed then.
    """
    facts, bad = run.facts(), list[tuple[Path, CheckpointError]]()
    run.sweep()
    for step, path in reversed(run.step_files()):
        try:
            snapshot = own_checkpoint(run, path, step, facts, registry)
        except CheckpointError as error:
            if strict:
                raise
            bad.append((path, error))
            continue
        notes = [*_put_aside(run, bad), *run.replace_links()]
        notes += _mend_best(run, snapshot, facts, registry)
        if note := snapshot.note():
            notes.append(f"{path}: {note}")
        found = Found(snapshot, path, tuple(notes))
        return back_to_best(run, found, registry) if from_best else found
    for _, fault in bad:
        if fault.problems[0].code in (FOREIGN, "CKPT_ARRAY_MISMATCH"):
            raise fault
    best = best_step(run, facts, registry)
    if from_best and best is not None:
        make_private(run.checkpoints)
        write_atomic(run.step_file(best), run.best.read_bytes())
        return recover(run, registry, strict, from_best)
    if bad or saved_before(run, facts, registry):
        raise none_left(run, [error for _, error in bad], best)
    found = Found(None, run.checkpoints, tuple(run.replace_links()))
    return back_to_best(run, found, registry) if from_best else found


def back_to_best(run: RunDir, found: Found, registry: Registry) -> Found:
    """Return the best checkpoint as the one to go on from; raises RefusedError without one.

    Nothing is changed: what comes after it is given up by `give_up_later`.
    """
    best = found.snapshot.meta.progress.best if found.snapshot else None
    if best is None or not run.best.exists():
        why = "no evaluation was the best one yet" if best is None else f"step {best.step} is lost"
        message = f"there is no best.h5 to go back to: {why} (leave out --from best)"
        raise RefusedError.of("RUN_NO_BEST", message, run.path)
    snapshot = own_checkpoint(run, run.best, best.step, run.facts(), registry)
    later = tuple(path for step, path in run.step_files() if step > best.step)
    note = f"going back to the best model, of step {best.step}; what came later gives way"
    return Found(snapshot, run.best, (*found.notes, note), found.snapshot, later)


def give_up_later(run: RunDir, found: Found) -> None:
    """Make the best checkpoint, to which a run goes back, its newest one."""
    if found.snapshot and found.newest:
        step = found.snapshot.meta.progress.step
        write_atomic(run.step_file(step), run.best.read_bytes())
        for path in found.later:
            run.reject(path)


def _put_aside(run: RunDir, bad: list[tuple[Path, CheckpointError]]) -> list[str]:
    return [f"{error}; renamed to {run.reject(path).name}" for path, error in bad]


def _mend_best(
    run: RunDir, snapshot: Snapshot, facts: Mapping[str, Any], registry: Registry
) -> list[str]:
    """Make best.h5 the one that the checkpoint knows.

    It is a copy of a step file, written right after it: a kill between the two leaves an older one,
    which is copied again; one from a later step belongs to a checkpoint that was lost.
    """
    best = snapshot.meta.progress.best
    if best is not None:
        with suppress(CheckpointError):
            own_checkpoint(run, run.best, best.step, facts, registry)
            return []
    notes, copy = [], None
    if best is not None:
        with suppress(CheckpointError):
            own_checkpoint(run, run.step_file(best.step), best.step, facts, registry)
            copy = run.step_file(best.step).read_bytes()
    if run.best.exists() and not (copy and run.best.is_file()):
        notes.append(f"{run.best} is not of this state; renamed to {run.reject(run.best).name}")
    if copy:
        write_atomic(run.best, copy)
    elif best is not None:
        notes.append(f"the best model, of step {best.step}, is lost; a better one replaces it")
    return notes
