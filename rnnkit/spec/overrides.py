"""Changes from the command line: `train.epochs=10`, `model.layers[1].units=256`."""

from __future__ import annotations

import json
import re

from rnnkit.errors import Path, SpecError, printable
from rnnkit.spec.locations import Draft, Location, Position, inside
from rnnkit.spec.scan import Scan, scan_text
from rnnkit.spec.scanner import MAX_DEPTH
from rnnkit.types import JSON

STEP = re.compile(r"(?:^|\.)([\w$-]+)|\[([0-9]{1,9})\]", re.ASCII)


def apply_override(draft: Draft, text: str, number: int) -> None:
    """Change a draft by `path=value`; the value is JSON if it parses, otherwise a string.

    Objects on the way that the spec leaves out are created. What is wrong with the override is
    reported on the draft; what it makes wrong will point at it.
    """
    at = Position(number, 0, 0, f"-s {printable(text, 200)}")
    target, equals, written = text.partition("=")
    path = path_of(target)
    if len(path) > MAX_DEPTH:
        draft.report((), "SPEC_TOO_DEEP", f"a path of more than {MAX_DEPTH} steps", at)
    elif not equals or not path:
        message = "expected a path and a value, such as train.epochs=10 or model.layers[1].units=64"
        draft.report((), "SPEC_SYNTAX", message, at)
    elif _opened(draft, path, at):
        _assign(draft, path, _scanned(written, at), at)


def path_of(target: str) -> Path:
    """Return the keys and list positions of `model.layers[1].units`; () for what is no path."""
    path: list[str | int] = []
    end = 0
    while step := STEP.match(target, end):
        key, index = step.groups()
        path.append(int(index) if key is None else key)
        end = step.end()
    return tuple(path) if end == len(target) and path and isinstance(path[0], str) else ()


def _scanned(written: str, at: Position) -> Scan:
    """Return the value of an override: a text that is no JSON stands for itself."""
    try:
        return scan_text(written, lambda offset: at)
    except SpecError as error:
        if error.problems[0].code != "SPEC_SYNTAX":
            raise
        return scan_text(json.dumps(written), lambda offset: at)


def _opened(draft: Draft, path: Path, at: Position) -> bool:
    """Make sure that the object or list around the value exists; report where it cannot."""
    for end in range(len(path)):
        here, part = path[:end], path[end]
        value = draft.get(here)
        if value is None:
            value = {} if isinstance(part, str) else []
            _put(draft, here, value)
            draft.places[here] = Location(at, at)
            draft.overridden[here] = at
            if isinstance(part, int):
                return False  # validation says whether there is such a list, and how long it is
        if problem := _misstep(value, part):
            draft.report(here, *problem, at)
            return False
    return True


def _misstep(value: JSON, part: str | int) -> tuple[str, str] | None:
    """Return why a key or index does not lead on from a value."""
    if isinstance(part, str):
        if isinstance(value, dict):
            return None
        found = "a list (write an index, such as [0])" if isinstance(value, list) else "no object"
        return "SPEC_TYPE", f'is {found}, so it has no key "{part}"'
    if not isinstance(value, list):
        return "SPEC_TYPE", f"is no list, so it has no item [{part}]"
    if part < len(value):
        return None
    items = f"has the items [0] to [{len(value) - 1}]" if value else "is empty"
    return "SPEC_RANGE", f"{items}, but not [{part}]"


def _assign(draft: Draft, path: Path, scan: Scan, at: Position) -> None:
    for old in [old for old in draft.places if inside(old, path)]:
        del draft.places[old]
    draft.places.update({path + inner: place for inner, place in scan.places.items()})
    for finding in scan.findings:
        draft.report(path + finding.path, finding.code, finding.message, at)
    _put(draft, path, scan.value)
    draft.overridden[path] = at


def _put(draft: Draft, path: Path, value: JSON) -> None:
    draft.get(path[:-1])[path[-1]] = value
