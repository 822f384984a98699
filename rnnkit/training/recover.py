"""What a killed run left in its folder, put right before it goes on; the caller holds the lock."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from rnnkit.checkpoint.meta import Meta, stored_spec
from rnnkit.checkpoint.run_directory import RunDir, make_private
from rnnkit.checkpoint.snapshot import Expected, Snapshot, load_snapshot, match
from rnnkit.contracts.registry import Registry
from rnnkit.errors import CheckpointError, Problem, RefusedError, RnnkitError
from rnnkit.files.atomic import write_atomic
from rnnkit.inference.model import network_of
from rnnkit.network.stored_arrays import stored_shapes
from rnnkit.spec.model import canonical_json
from rnnkit.spec.read import parse_spec
from rnnkit.training.changes import Change, changes, in_json
from rnnkit.training.initial.values import initial_files

FOREIGN = "CKPT_OTHER_RUN"


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
            snapshot = _own(run, path, step, facts, registry)
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
    best = _best_step(run, facts, registry)
    if from_best and best is not None:
        make_private(run.checkpoints)
        write_atomic(run.step_file(best), run.best.read_bytes())
        return recover(run, registry, strict, from_best)
    if bad or _saved_before(run, facts, registry):
        _refuse(run, [error for _, error in bad], best)
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
    snapshot = _own(run, run.best, best.step, run.facts(), registry)
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


def _best_step(run: RunDir, facts: Mapping[str, Any], registry: Registry) -> int | None:
    """Return the step of the best checkpoint; None where it is not there, or is not good."""
    with suppress(CheckpointError):
        step = load_snapshot(run.best).meta.progress.step
        _own(run, run.best, step, facts, registry)
        return step
    return None


def _saved_before(run: RunDir, facts: Mapping[str, Any], registry: Registry) -> bool:
    """Tell whether a run without a step file must once have had one.

    Its folder is made first of all, a step file comes before its copy as the best, and a run ends
    with one; a run that did not draw all that it began with begins with one.
    """
    if not run.checkpoints.is_dir() or run.best.exists() or facts.get("status") == "finished":
        return True
    return bool(initial_files(parse_spec(run.spec.read_bytes(), str(run.spec), registry).spec))


def _refuse(run: RunDir, faults: list[CheckpointError], best: int | None) -> NoReturn:
    """Say what is missing, and from what the run may go on."""
    if faults:
        what = "none of its step files can be used"
    elif run.checkpoints.is_dir():
        what = "was saved, but holds no step file any more"
    else:
        what = "is missing"
    command = f"rnnkit resume {shlex.quote(str(run.path))} --from best"
    again = f"go on from best.h5, of step {best}: {command}; or " if best is not None else ""
    message = f"{what}: there is nothing to go on from (bring it back; or {again}"
    message += "start the run anew: rnnkit run with --force)"
    problem = Problem(str(run.checkpoints), "RUN_NO_CHECKPOINT", message)
    problems = [each for fault in faults for each in fault.problems]
    raise (CheckpointError if faults else RefusedError)(*problems, problem)


def _put_aside(run: RunDir, bad: list[tuple[Path, CheckpointError]]) -> list[str]:
    return [f"{error}; renamed to {run.reject(path).name}" for path, error in bad]


def _own(
    run: RunDir, path: Path, step: int, facts: Mapping[str, Any], registry: Registry
) -> Snapshot:
    """Return a checkpoint of this run and this step; raises CheckpointError for any other file."""
    snapshot = load_snapshot(path)
    meta = snapshot.meta
    then = facts.get("data_sha256", meta.data.sha256)
    message = ""
    if meta.progress.step != step:
        message = f"expected the state after step {step}, received that after {meta.progress.step}"
    elif meta.data.sha256 != then:
        message = f"is not of this run: trained on data of SHA-256 {meta.data.sha256}, not {then}"
    elif differs := _differences(run, meta, registry, path):
        here, there = in_json(differs[0].old), in_json(differs[0].new)
        message = f"is not of this run: {differs[0].path} is {here}, in spec.json {there}"
    if message:
        raise CheckpointError.of(FOREIGN, f"{message} (take it out of the run)", path)
    if expected := _expected(snapshot, path, registry):
        match(snapshot, expected, path)
    return snapshot


def _expected(snapshot: Snapshot, path: Path, registry: Registry) -> Expected:
    """Return the arrays that its spec declares; none where whoever needs them will tell why."""
    try:
        return stored_shapes(*network_of(snapshot, path, registry))
    except RnnkitError:
        return {}


def _differences(run: RunDir, meta: Meta, registry: Registry, path: Path) -> list[Change]:
    """Return what no resume may have changed; nothing where one of the specs cannot be read."""
    try:
        data = run.spec.read_bytes()
        if canonical_json(meta.spec) == data:
            return []
        stored = stored_spec(meta, registry, path)
        found = changes(stored, parse_spec(data, str(run.spec), registry).spec)
    except RnnkitError:
        return []
    return [change for change in found if not change.allowed]


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
            _own(run, run.best, best.step, facts, registry)
            return []
    notes, copy = [], None
    if best is not None:
        with suppress(CheckpointError):
            _own(run, run.step_file(best.step), best.step, facts, registry)
            copy = run.step_file(best.step).read_bytes()
    if run.best.exists() and not (copy and run.best.is_file()):
        notes.append(f"{run.best} is not of this state; renamed to {run.reject(run.best).name}")
    if copy:
        write_atomic(run.best, copy)
    elif best is not None:
        notes.append(f"the best model, of step {best.step}, is lost; a better one replaces it")
    return notes
