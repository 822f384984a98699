"""From the bytes of a sweep to a valid `Sweep`, or to every error in it and in its specs."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from rnnkit.contracts.registry import Registry
from rnnkit.errors import Problem, SpecError, printable
from rnnkit.files.atomic import read_regular
from rnnkit.network.memory import open_data
from rnnkit.spec.grammar import Grammar
from rnnkit.spec.locations import Draft
from rnnkit.spec.pydantic_errors import Translator
from rnnkit.spec.read import Document, found_in, parse_spec
from rnnkit.spec.scan import MAX_BYTES, scan_file
from rnnkit.sweep.model import Sweep


def read_sweep(path: Path, registry: Registry) -> Sweep:
    """Read the sweep of a file.

    Raises SpecError with all that is wrong in it, with its place, or in the spec that its first
    values give.
    """
    data = bytes(read_regular(path, MAX_BYTES, SpecError, "SPEC"))
    scan = scan_file(data, printable(str(path), 200))
    draft = Draft(scan.value, scan.places, list(scan.findings))
    sweep = None
    try:
        sweep = Sweep.model_validate_json(json.dumps(draft.value))
    except ValidationError as error:
        Translator(draft, Grammar(registry, Sweep)).report(error)
    if sweep is None or draft.findings:
        raise found_in(draft, str(path))
    _check_trial(sweep, path, draft, registry)
    return sweep


def trial_spec(sweep: Sweep, path: Path, values: list[str], registry: Registry) -> Document:
    """Return the spec of a trial of the sweep in `path`, with these overrides after the fixed ones.

    Raises SpecError.
    """
    base = path.parent / sweep.spec
    data = _read_base(base)
    return parse_spec(data, str(base), registry, [*sweep.fixed(), *values])


def _read_base(base: Path) -> bytes:
    return bytes(read_regular(base, MAX_BYTES, SpecError, "SPEC"))


def check_measured(sweep: Sweep, path: Path, root: Path | None, registry: Registry) -> None:
    """Raise SpecError where the data has no split to measure the sweep's metric on.

    `root` is where relative paths of the data start; None is the folder of the spec.
    """
    spec = trial_spec(sweep, path, sweep.example(), registry).spec
    splits = open_data(spec.data, trial_root(sweep, path, root)).splits()
    if "valid" not in splits:
        message = f"{sweep.metric} needs a validation split, but there is {', '.join(splits)} "
        message += f'alone (give the data of {sweep.spec} one, such as by its "split")'
        raise SpecError.of("SPEC_INCONSISTENT", f"metric: {message}", path)


def trial_root(sweep: Sweep, path: Path, given: Path | None) -> Path:
    """Return where relative paths of the data start: where it is given, or beside the spec."""
    return given or (path.parent / sweep.spec).parent


def _check_trial(sweep: Sweep, path: Path, draft: Draft, registry: Registry) -> None:
    """Raise SpecError where the spec of a first trial is wrong, named by the key of the sweep."""
    try:
        _read_base(path.parent / sweep.spec)
    except SpecError as error:
        for problem in error.problems:
            draft.report(("spec",), problem.code, f"{problem.where}: {problem.message}")
        raise found_in(draft, str(path)) from error
    try:
        trial_spec(sweep, path, sweep.example(), registry)
    except SpecError as error:
        keys = {f"-s {name}=": ("space", name) for name in sweep.space}
        keys |= {f"-s {name}=": ("set", name) for name in sweep.set}
        raise SpecError(*(_placed(p, keys, draft) for p in error.problems)) from error


def _placed(problem: Problem, keys: dict[str, tuple[str, str]], draft: Draft) -> Problem:
    for start, key in keys.items():
        if problem.where.startswith(start):
            return Problem(str(draft.where(key)), problem.code, problem.message)
    return problem
