"""A run continued exactly where it stopped, with the changes that a resume may make."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from rnnkit.checkpoint.journal import KeptLines, kept_lines
from rnnkit.checkpoint.meta import Meta, other_plugins, stored_spec
from rnnkit.checkpoint.progress import Progress
from rnnkit.checkpoint.run_directory import RunDir, looked_for
from rnnkit.checkpoint.snapshot import Snapshot
from rnnkit.contracts.dataset import Source
from rnnkit.contracts.registry import Registry
from rnnkit.errors import (
    CheckpointError,
    DataError,
    RefusedError,
    RnnkitError,
    SpecError,
)
from rnnkit.files.lock import RunLock
from rnnkit.network.memory import open_data
from rnnkit.spec.model import Spec
from rnnkit.spec.read import Document, parse_spec
from rnnkit.training.changes import (
    NEW_SCHEDULE,
    Change,
    asked_for,
    changes,
    check_changes,
    sharing_in_words,
)
from rnnkit.training.global_random import watched
from rnnkit.training.recover import Found, give_up_later, recover
from rnnkit.training.session import Session
from rnnkit.training.start import Outcome, RunOptions, open_session, train_on
from rnnkit.training.step import Training

ANEW = "what the checkpoint has counts, and the file is written anew"


def resume(
    folder: Path,
    registry: Registry,
    o: RunOptions,
    overrides: Sequence[str] = (),
    asked: Spec | None = None,
) -> Outcome:
    """Continue a run; every later line and file is that of the run that was never stopped.

    `overrides`, or a whole spec `asked` for, may change what a resume may change; each change is
    reported with what it means. Raises RefusedError for one that may not be, and DataError where
    the data is another.
    """
    run, lock = RunDir(folder), RunLock(folder)
    o.ranks.share(lambda: _check_there(run))
    with o.ranks.first_holds(lock), ExitStack() as placed:
        found = o.ranks.share(lambda: recover(run, registry, o.strict, o.from_best))
        for note in found.notes:
            o.tell(note)
        written = o.ranks.share(run.spec.read_bytes)
        stored = _stored(run, found.snapshot, found.path, registry, written)
        # A run that goes back to its best keeps the values that it has now.
        now = _stored(run, found.newest, run.path, registry, written) if found.newest else stored
        wanted = now
        if asked:
            wanted = asked.left_open(now)
        elif overrides:
            document = _overridden(now, run, registry, overrides)
            placed.enter_context(document.placing())
            wanted = document.spec
        # What a spec leaves to the data (null) is compared once the data is open.
        given = [change for change in changes(stored, wanted) if change.new is not None]
        check_changes(given, folder)
        if found.snapshot:
            for note in _edited(run, written, now, wanted, registry):
                o.tell(note)
        with watched(o.tell, o.exact, folder):
            source = o.ranks.together(lambda: _same_data(wanted, run, found, o))
            session = o.ranks.together(lambda: open_session(wanted, source, run, registry, o))
        if found.snapshot:
            session = replace(session, begun=found.snapshot.meta.begun)
        # What the data decides, and an older rnnkit did not write down, is no change.
        before = stored.fitted(source) if stored.data == wanted.data else stored
        changed = changes(before, session.spec)
        check_changes(changed, folder)
        for change in changed:
            o.tell(_in_words(change, before, session.spec))
        lines = o.ranks.share(lambda: _kept_lines(run, found, o))
        training = _training(session, found, changed, o)
        training.progress = lines.counted(training.progress)
        o.ranks.share(lambda: give_up_later(run, found))
        kept = training.progress if found.snapshot and not changed and not lines.lost else None
        return train_on(session, training, lines, kept, lock.verify, o)


def _in_words(change: Change, before: Spec, spec: Spec) -> str:
    """Return what a change means for the rest of the run."""
    bends = change.path == "train.epochs" and spec.train.schedule is not None
    curve = ", and a schedule over the whole run bends" if bends else ""
    sharing = sharing_in_words(change, before.train, spec.train)
    return (
        f"{change}: {change.meaning}{curve}{sharing and f' ({sharing})'}; "
        "from here on it is another run"
    )


def _check_there(run: RunDir) -> None:
    if not run.holds_run():
        raise run.not_found()


def _stored(
    run: RunDir, snapshot: Snapshot | None, where: Path, registry: Registry, written: bytes
) -> Spec:
    """Return the spec of a checkpoint; the one `written` in the folder where none was saved yet."""
    if snapshot:
        return stored_spec(snapshot.meta, registry, where)
    return parse_spec(written, str(run.spec), registry).spec


def _edited(run: RunDir, written: bytes, now: Spec, wanted: Spec, registry: Registry) -> list[str]:
    """Say what of a spec.json that is not the checkpoint's counts for nothing."""
    try:
        edited = changes(now, parse_spec(written, str(run.spec), registry).spec)
    except RnnkitError as error:
        first = error.problems[0].message
        return [f"{run.spec} [RUN_SPEC] is no spec any more: {first}; {ANEW}"]
    asked = changes(now, wanted)
    found = [change for change in edited if change not in asked]
    if not found:
        return []
    said = "; ".join(map(str, found))
    option = shlex.quote(f"{found[0].path}={json.dumps(found[0].new)}")
    return [
        f"{run.spec} [RUN_SPEC] is not the spec of the checkpoint: {said}; {ANEW} "
        f"(a change is given to the resume: -s {option})"
    ]


def _overridden(
    stored: Spec, run: RunDir, registry: Registry, overrides: Sequence[str]
) -> Document:
    try:
        return parse_spec(stored.canonical(), str(run.spec), registry, overrides)
    except SpecError:
        # Such as the options of the old type, which the new one has not: the change is the reason.
        check_changes(asked_for(stored, overrides), run.path)
        raise


def _training(session: Session, found: Found, changed: list[Change], o: RunOptions) -> Training:
    """Return the state to go on from, and write down that the run was resumed."""
    run, snapshot = session.run, found.snapshot
    if snapshot:
        _check_numerics(session, snapshot.meta, o)
        _check_plugins(session, snapshot.meta, o)
    with watched(o.tell, o.exact, run.path):
        new = any(change.path == NEW_SCHEDULE for change in changed)
        training = session.restored(snapshot, found.path, new) if snapshot else session.started()
    progress = training.progress
    if changed:
        finished = training.ended() and not progress.pending
        training.progress = progress.changed(finished=finished)
    _tell_idle(training, changed, o)
    o.ranks.share(lambda: _note_resume(session, progress, changed))
    return training


def _tell_idle(training: Training, changed: list[Change], o: RunOptions) -> None:
    """Say where no step is left to make, and what then becomes of changed values."""
    step, epochs = training.progress.step, training.spec.train.epochs
    if step > training.windows * epochs:
        beyond = f"train.epochs is {epochs}, and the run is beyond it"
        o.tell(f"{beyond}: nothing is left to do after step {step}")
    elif training.progress.finished:
        o.tell(f"nothing is left to do after step {step} (go on with -s train.epochs=N)")
    elif o.limits.out_of_steps(step) and not training.progress.pending:
        o.tell(f"no step is made: {step} are done, and the limit is {o.limits.max_steps} in all")
    else:
        return
    if changed:
        o.tell("the changed values are written to the run, and count from the next step on")


def _note_resume(session: Session, progress: Progress, changed: list[Change]) -> None:
    run, spec = session.run, session.spec.canonical()
    # Also where an older rnnkit or plugin wrote it: recovering compares checkpoints with it.
    if run.spec.read_bytes() != spec:
        run.rewrite_spec(spec)
    if changed or not progress.finished:
        entry = {"step": progress.step, "changes": [str(change) for change in changed]}
        run.note(resumes=[*run.facts().get("resumes", []), entry])


def _same_data(spec: Spec, run: RunDir, found: Found, o: RunOptions) -> Source:
    """Open the data of the run; raises DataError where it is other data."""
    facts, snapshot = o.ranks.share(run.facts), found.snapshot
    root = o.data_root or Path(str(facts.get("data_root", ".")))
    try:
        known = snapshot.vocabulary if snapshot else None
        with looked_for(root):
            source = open_data(spec.data, root, known, o.max_memory)
    except DataError as error:
        if error.problems[0].code != "DATA_UNKNOWN_TOKEN":
            raise
        source = open_data(spec.data, root, None, o.max_memory)
    then, now = snapshot.meta.data.sha256 if snapshot else facts.get("data_sha256"), source.digest()
    if then is None:
        message = "has no data_sha256, so the data cannot be told from other data (bring it back)"
        raise CheckpointError.of("RUN_FACTS", message, run.path / "run.json")
    if then != now:
        raise DataError.of(
            "DATA_CHANGED",
            f"the data is not what the run was trained on: SHA-256 {then} then, {now} now "
            "(bring it back, or start a new run)",
            run.path,
        )
    return source


def _kept_lines(run: RunDir, found: Found, o: RunOptions) -> KeptLines:
    """Return the lines to go on from, and say what is wrong; with --exact, none may be lost."""
    kept = kept_lines(run, found.snapshot.meta.progress if found.snapshot else Progress())
    if kept.lost and o.exact:
        advice = "bring the file back, or go on without the lost lines: leave out --exact"
        raise RefusedError.of("RUN_METRICS", f"--exact: {kept.lost} ({advice})", run.metrics)
    for change in kept.changed.values():
        o.tell(change)
    if kept.lost:
        then = "it goes on without the lost ones; from here on it is another run"
        o.tell(f"{run.metrics} [RUN_METRICS] {kept.lost} ({then})")
    return kept


def _check_numerics(session: Session, meta: Meta, o: RunOptions) -> None:
    """Tell of other arithmetic, or refuse it."""
    differences = meta.numerics.differences(session.numerics)
    if differences and o.exact:
        raise RefusedError.of(
            "EXACT_ENV",
            "--exact: the arithmetic here is not that of the checkpoint: " + "; ".join(differences),
            session.run.path,
        )
    for difference in differences:
        o.tell(f"the resumed run can no longer be bit-identical: {difference}")


def _check_plugins(session: Session, meta: Meta, o: RunOptions) -> None:
    """Tell of plugins that are not what they were, or refuse them."""
    others = other_plugins(meta, session.registry)
    if others and o.exact:
        message = f"--exact: {'; '.join(others)}"
        raise RefusedError.of("EXACT_PLUGIN", message, session.run.path)
    for other in others:
        o.tell(f"the resumed run can no longer be bit-identical: {other}")
    if others and (best := meta.progress.best):
        o.tell(
            f"the best {best.metric} so far, {best.value:.4g} at step {best.step}, is of the "
            "plugin as it was, and later ones are compared with it (rnnkit eval RUN measures "
            "best.h5 anew)"
        )
