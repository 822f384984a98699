"""A run started in an empty folder, and what a resume shares with it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from rnnkit.checkpoint.journal import Journal, KeptLines
from rnnkit.checkpoint.meta import Meta
from rnnkit.checkpoint.progress import Progress
from rnnkit.checkpoint.run_directory import RunDir, make_private
from rnnkit.checkpoint.samples import keep_samples
from rnnkit.compute.numerics import Numerics, fingerprint, limited_threads
from rnnkit.compute.ranks import Ranks
from rnnkit.contracts.dataset import Source
from rnnkit.contracts.registry import Registry
from rnnkit.contracts.returned import words_of
from rnnkit.errors import (
    DivergedError,
    InterruptedRun,
    RefusedError,
    RnnkitError,
)
from rnnkit.files.lock import RunLock
from rnnkit.network.builder import build_network
from rnnkit.network.memory import default_budget, memory
from rnnkit.spec.model import Spec
from rnnkit.training.global_random import watched
from rnnkit.training.initial.donor import open_with_donor
from rnnkit.training.initial.values import initial_values
from rnnkit.training.loop import Loop, RunLimits
from rnnkit.training.reporter import Reporter, Silent
from rnnkit.training.samples import writes_text
from rnnkit.training.session import Session
from rnnkit.training.signals import StopRequest
from rnnkit.training.step import Training
from rnnkit.version import VERSION

RESUME = ["resume"]
"""The command that comes next for a run that did not end."""


@dataclass
class RunOptions:
    """How a run is carried out; nothing here changes what is computed."""

    data_root: Path | None = None
    max_memory: int | None = None
    exact: bool = False
    strict: bool = False
    from_best: bool = False
    limits: RunLimits = field(default_factory=RunLimits)
    reporter: Reporter = field(default_factory=Silent)
    stop: StopRequest = field(default_factory=StopRequest)
    tell: Callable[[str], None] = lambda message: None
    ranks: Ranks = field(default_factory=Ranks)


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
    run, lock = RunDir(folder), RunLock(folder)
    if ready is None:
        o.ranks.share(lambda: check_free(run))
    with watched(o.tell, o.exact, folder):
        source, donor = o.ranks.together(
            lambda: open_with_donor(spec, root, registry, o.max_memory)
        )
        session = o.ranks.together(lambda: open_session(spec, source, run, registry, o))
        initial = o.ranks.together(
            lambda: initial_values(spec, session.network, source, donor, root)
        )
        session = replace(session, begun=initial.begun)
        training = o.ranks.together(lambda: session.started(initial.write))
        for line in initial.in_words(spec):
            o.tell(line)

    def prepare() -> None:
        if ready is not None:
            ready()
        make_private(folder)

    def create() -> None:
        check_free(run)
        run.sweep()
        run.create(
            session.spec.canonical(),
            original,
            # No resume can begin anew: it reads none of the files again.
            first=session.encode(training) if session.begun else None,
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

    o.ranks.share(prepare)
    with o.ranks.first_holds(lock):
        o.ranks.share(create)
        kept = training.progress if session.begun else None
        return train_on(session, training, KeptLines(), kept, lock.verify, o)


def check_free(run: RunDir) -> None:
    """Raise RefusedError where a new run would meet files."""
    if not run.is_empty():
        raise RefusedError.of(
            "RUN_EXISTS",
            "is not empty (choose another --out, continue it with rnnkit resume, or give --force)",
            run.path,
        )


def open_session(
    spec: Spec, source: Source, run: RunDir, registry: Registry, o: RunOptions
) -> Session:
    """Build the network of a spec over its data.

    Raises ShapeError, ResourceError for what needs more memory than there is, and RefusedError for
    more ranks than shards.
    """
    _check_busy(spec, o.ranks)
    fitted = spec.fitted(source)
    if words := spec.chosen_in_words(fitted):
        o.tell(words)
    resolved, network = build_network(fitted, source.inputs, source.targets)
    budget = default_budget(spec.data.made()) if o.max_memory is None else o.max_memory
    memory(resolved, network, source, budget, o.ranks.size).check(budget, run.path)
    return Session(run, registry, source, resolved, network, _fingerprint(resolved), o.ranks)


def _check_busy(spec: Spec, ranks: Ranks) -> None:
    """Raise RefusedError where some rank would have no shard."""
    if ranks.size > spec.train.shards:
        raise RefusedError.of(
            "RANKS_IDLE",
            f"{ranks.size} ranks need as many shards, but train.shards is {spec.train.shards} "
            f"(start fewer ranks, or a new run with -s train.shards={ranks.size})",
        )


def _fingerprint(spec: Spec) -> Numerics:
    """Measure the arithmetic of the run; that of one thread where it is sharded."""
    with limited_threads(1) if spec.train.shards > 1 else nullcontext():
        return fingerprint()


def train_on(
    session: Session,
    training: Training,
    lines: KeptLines,
    kept: Progress | None,
    confirm: Callable[[], None],
    o: RunOptions,
) -> Outcome:
    """Train on; `kept` is the progress of the newest checkpoint, if that is all of the state."""
    run, ranks = session.run, o.ranks
    ranks.check_same(session.facts(training))
    journal = Journal(run, lines)
    with ranks.first_holds(journal):
        training.progress = ranks.share(lambda: keep_samples(run, training.progress, o.tell))
        ranks.share(lambda: run.note(status="running", next=RESUME))
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
            ranks.share(lambda: _note_end(session, reason == "finished"))
        except BaseException as error:
            # The disk that failed may fail again: that error comes first.
            with suppress(RnnkitError):
                if ranks.first:
                    diverged = isinstance(error, DivergedError)
                    run.note(status=_status(error), next=loop.way_on() if diverged else RESUME)
            raise
    return Outcome(run, reason, training.progress, session.source, session.spec)


def _note_end(session: Session, finished: bool) -> None:
    """Write down how a run ended, and the command that comes next with what follows the run."""
    if not finished:
        session.run.note(status="stopped", next=RESUME)
        return
    root = Path(str(session.run.facts().get("data_root", ".")))
    data = session.spec.data
    follow = [*words_of(data, "next_command", data.next_command(session.source, root))]
    scores = session.network.token_scores
    if writes_text(data, session.source) and scores.no_choice:
        follow = ["eval"]  # it writes nothing, token by token
    elif follow[0] == "sample" and scores.no_distribution:
        follow.append("--greedy")  # nothing can be drawn by chance
    session.run.note(status="finished", next=follow)


def _status(error: BaseException) -> str:
    """Return what run.json says of a run that ended with this."""
    if isinstance(error, DivergedError):
        return "diverged"
    return "stopped" if isinstance(error, InterruptedRun | KeyboardInterrupt) else "failed"


def _distributions(meta: Meta) -> dict[str, str]:
    return {origin.distribution: origin.release for origin in meta.origins}
