"""A run started in an empty folder, or continued exactly where it stopped."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from rnnkit.checkpoint.journal import Journal, KeptLines, kept_lines
from rnnkit.checkpoint.meta import Meta, stored_spec
from rnnkit.checkpoint.progress import Progress
from rnnkit.checkpoint.run_directory import RunDir, looked_for, make_private
from rnnkit.checkpoint.snapshot import Snapshot
from rnnkit.compute.numerics import fingerprint
from rnnkit.contracts.dataset import Source
from rnnkit.contracts.registry import Registry
from rnnkit.errors import (
    CheckpointError,
    DataError,
    DivergedError,
    InterruptedRun,
    RefusedError,
    RnnkitError,
    SpecError,
)
from rnnkit.files.lock import RunLock
from rnnkit.network.builder import build_network
from rnnkit.network.memory import default_budget, memory, open_data
from rnnkit.spec.model import Spec
from rnnkit.spec.read import parse_spec
from rnnkit.training.changes import NEW_SCHEDULE, Change, asked_for, changes, check_changes
from rnnkit.training.global_random import watched
from rnnkit.training.loop import Loop, Reporter, RunLimits, Silent
from rnnkit.training.recover import Found, give_up_later, recover
from rnnkit.training.requirements import LocateProblem
from rnnkit.training.session import Session
from rnnkit.training.signals import StopRequest
from rnnkit.training.step import Training
from rnnkit.version import VERSION


@dataclass
class RunOptions:
    """How a run is carried out; nothing here changes what is computed."""

    data_root: Path | None = None
    max_memory: int | None = None
    locate: LocateProblem | None = None
    exact: bool = False
    strict: bool = False
    from_best: bool = False
    limits: RunLimits = field(default_factory=RunLimits)
    reporter: Reporter = field(default_factory=Silent)
    stop: StopRequest = field(default_factory=StopRequest)
    tell: Callable[[str], None] = lambda message: None


@dataclass(frozen=True)
class Outcome:
    """How a run ended: "finished", "steps" or "time"."""

    run: RunDir
    reason: str
    progress: Progress
    source: Source
    spec: Spec


def start(
    spec: Spec,
    original: bytes,
    folder: Path,
    root: Path,
    registry: Registry,
    o: RunOptions,
    ready: Callable[[], None] | None = None,
) -> Outcome:
    """Train a spec in a new run directory; `root` is where its relative paths start.

    `original` is the spec as it was given, kept beside the resolved one. `ready` is called once
    nothing but the folder may be wrong, and may clear it.

    Raises RefusedError where the folder holds something, and every other error of the run.
    """
    run = RunDir(folder)
    if ready is None:
        check_free(run)
    with watched(o.tell, o.exact, folder):
        source = open_data(spec.data, root, None, o.max_memory)
        session = _session(spec, source, run, registry, o)
        training = session.started(o.locate)
    if ready is not None:
        ready()
    make_private(folder)
    with RunLock(folder) as lock:
        check_free(run)
        run.sweep()
        run.create(
            session.spec.canonical(),
            original,
            rnnkit=VERSION,
            python=sys.version.split()[0],
            command=sys.argv,
            data_root=os.path.abspath(root),
            data_sha256=session.source.digest(),
            seed=session.spec.train.seed,
            numerics=session.numerics.model_dump(),
            distributions=_distributions(session.meta(training)),
            resumes=[],
        )
        return _train(session, training, KeptLines(), None, lock.verify, o)


def check_free(run: RunDir) -> None:
    """Raise RefusedError where a new run would meet files."""
    if not run.is_empty():
        raise RefusedError.of(
            "RUN_EXISTS",
            "is not empty (choose another --out, continue it with rnnkit resume, or give --force)",
            run.path,
        )


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
    run = RunDir(folder)
    if not run.holds_run():
        raise run.not_found()
    with RunLock(folder) as lock:
        found = recover(run, registry, o.strict, o.from_best)
        for note in found.notes:
            o.tell(note)
        stored = _stored(run, found.snapshot, found.path, registry)
        # A run that goes back to its best keeps the values that it has now.
        now = _stored(run, found.newest, run.path, registry) if found.newest else stored
        wanted = asked.left_open(now) if asked else _overridden(now, run, registry, overrides)
        # What a spec leaves to the data (null) is compared once the data is open.
        given = [change for change in changes(stored, wanted) if change.new is not None]
        check_changes(given, folder)
        with watched(o.tell, o.exact, folder):
            session = _session(wanted, _same_data(wanted, run, found, o), run, registry, o)
        changed = changes(stored, session.spec)
        check_changes(changed, folder)
        for change in changed:
            o.tell(f"{change}: {change.meaning}; from here on it is another run")
        lines = _kept_lines(run, found, o)
        training = _training(session, found, changed, o)
        training.progress = lines.counted(training.progress)
        give_up_later(run, found)
        kept = training.progress if found.snapshot and not changed and not lines.lost else None
        return _train(session, training, lines, kept, lock.verify, o)


def _stored(run: RunDir, snapshot: Snapshot | None, where: Path, registry: Registry) -> Spec:
    """Return the spec of a checkpoint; that of the folder where none was saved yet."""
    if snapshot:
        return stored_spec(snapshot.meta, registry, where)
    return parse_spec(run.spec.read_bytes(), str(run.spec), registry).spec


def _overridden(stored: Spec, run: RunDir, registry: Registry, overrides: Sequence[str]) -> Spec:
    if not overrides:
        return stored
    try:
        return parse_spec(stored.canonical(), str(run.spec), registry, overrides).spec
    except SpecError:
        # Such as the options of the old type, which the new one has not: the change is the reason.
        check_changes(asked_for(stored, overrides), run.path)
        raise


def _training(session: Session, found: Found, changed: list[Change], o: RunOptions) -> Training:
    """Return the state to go on from, and write down that the run was resumed."""
    run, snapshot = session.run, found.snapshot
    if snapshot:
        _check_numerics(session, snapshot.meta, o)
    with watched(o.tell, o.exact, run.path):
        new = any(change.path == NEW_SCHEDULE for change in changed)
        training = session.restored(snapshot, found.path, new) if snapshot else session.started()
    progress = training.progress
    if changed:
        finished = training.ended() and not progress.pending
        training.progress = progress.changed(finished=finished)
    # Also where an older rnnkit or plugin wrote it: recovering compares checkpoints with it.
    if run.spec.read_bytes() != session.spec.canonical():
        run.rewrite_spec(session.spec.canonical())
    if training.progress.finished:
        o.tell(f"nothing is left to do after step {progress.step} (go on with -s train.epochs=N)")
    if changed or not progress.finished:
        entry = {"step": progress.step, "changes": [str(change) for change in changed]}
        run.note(resumes=[*run.facts().get("resumes", []), entry])
    return training


def _session(spec: Spec, source: Source, run: RunDir, registry: Registry, o: RunOptions) -> Session:
    fitted = spec.fitted(source)
    if words := spec.chosen_in_words(fitted):
        o.tell(words)
    resolved, network = build_network(fitted, source.inputs, source.targets)
    budget = default_budget(spec.data.made()) if o.max_memory is None else o.max_memory
    memory(resolved, network, source, budget).check(budget, run.path)
    return Session(run, registry, source, resolved, network, fingerprint())


def _same_data(spec: Spec, run: RunDir, found: Found, o: RunOptions) -> Source:
    """Open the data of the run; raises DataError where it is other data."""
    facts, snapshot = run.facts(), found.snapshot
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


def _train(
    session: Session,
    training: Training,
    lines: KeptLines,
    kept: Progress | None,
    confirm: Callable[[], None],
    o: RunOptions,
) -> Outcome:
    """Train on; `kept` is the progress of the newest checkpoint, if that is all of the state."""
    run = session.run
    journal = Journal(run, lines)
    run.note(status="running")
    loop = Loop(
        run,
        training,
        session.source,
        journal,
        session.encode,
        o.reporter,
        o.limits,
        o.stop,
        confirm,
        saved=kept,
        tell=o.tell,
    )
    try:
        reason = loop.go()
    except BaseException as error:
        with suppress(RnnkitError):  # the disk that failed may fail again: that error comes first
            run.note(status=_status(error))
        raise
    finally:
        journal.close()
    run.note(status="finished" if reason == "finished" else "stopped")
    return Outcome(run, reason, training.progress, session.source, session.spec)


def _status(error: BaseException) -> str:
    """Return what run.json says of a run that ended with this."""
    if isinstance(error, DivergedError):
        return "diverged"
    return "stopped" if isinstance(error, InterruptedRun | KeyboardInterrupt) else "failed"


def _distributions(meta: Meta) -> dict[str, str]:
    return {origin.distribution: origin.release for origin in meta.origins}
