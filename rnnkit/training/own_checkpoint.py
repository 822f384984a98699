"""Which checkpoints a run may go on from: those of its own, whole, as a resume needs them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from rnnkit.checkpoint.meta import Meta, stored_spec
from rnnkit.checkpoint.run_directory import RunDir
from rnnkit.checkpoint.snapshot import Expected, Snapshot, load_snapshot, match
from rnnkit.contracts.registry import Registry
from rnnkit.errors import CheckpointError, PluginError, Problem, RefusedError, RnnkitError
from rnnkit.inference.model import network_of
from rnnkit.network.stored_arrays import stored_shapes
from rnnkit.spec.model import canonical_json
from rnnkit.spec.read import parse_spec
from rnnkit.training.changes import Change, changes, in_json
from rnnkit.training.initial.values import initial_files
from rnnkit.training.session import check_schedule

FOREIGN = "CKPT_OTHER_RUN"


def own_checkpoint(
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


def best_step(run: RunDir, facts: Mapping[str, Any], registry: Registry) -> int | None:
    """Return the step of the best checkpoint; None where it is not there, or is not good."""
    with suppress(CheckpointError):
        step = load_snapshot(run.best).meta.progress.step
        own_checkpoint(run, run.best, step, facts, registry)
        return step
    return None


def saved_before(run: RunDir, facts: Mapping[str, Any], registry: Registry) -> bool:
    """Tell whether a run without a step file must once have had one.

    Its folder is made first of all, a step file comes before its copy as the best, and a run ends
    with one; a run that did not draw all that it began with begins with one.
    """
    if not run.checkpoints.is_dir() or run.best.exists() or facts.get("status") == "finished":
        return True
    return bool(initial_files(parse_spec(run.spec.read_bytes(), str(run.spec), registry).spec))


def none_left(run: RunDir, faults: list[CheckpointError], best: int | None) -> RnnkitError:
    """Return the error that says what is missing, and from what the run may go on."""
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
    return (CheckpointError if faults else RefusedError)(*problems, problem)


def resume_fault(run: RunDir, registry: Registry) -> RnnkitError | None:
    """Return why a resume would not go on from the newest checkpoint; nothing is changed.

    What only the data shows, such as a place that it does not have, is not looked for.
    """
    facts, files = run.facts(), run.step_files()
    if not files:
        saved = saved_before(run, facts, registry)
        return none_left(run, [], best_step(run, facts, registry)) if saved else None
    step, path = files[-1]
    try:
        return progress_fault(own_checkpoint(run, path, step, facts, registry), path, registry)
    except CheckpointError as error:
        return error


def progress_fault(snapshot: Snapshot, path: Path, registry: Registry) -> RnnkitError | None:
    """Return why no run of its spec could go on from a checkpoint, whatever the data is."""
    progress = snapshot.meta.progress
    try:
        spec = stored_spec(snapshot.meta, registry, path)
        check_schedule(spec, progress, progress.step + 1, path)
    except CheckpointError as error:
        return error
    except PluginError:
        pass  # whoever needs the plugin tells
    return None


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
