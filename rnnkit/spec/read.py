"""From the bytes of a spec to a valid `Spec`, or to every error in it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from shlex import quote

from pydantic import ValidationError

from rnnkit.contracts.registry import Registry
from rnnkit.errors import PluginError, Problem, RnnkitError, SpecError, printable
from rnnkit.files.atomic import read_regular
from rnnkit.spec.grammar import Grammar
from rnnkit.spec.locations import Draft
from rnnkit.spec.model import Spec
from rnnkit.spec.overrides import apply_override
from rnnkit.spec.pydantic_errors import Translator
from rnnkit.spec.regime_check import check_regime
from rnnkit.spec.scan import MAX_BYTES, scan_file
from rnnkit.spec.shapes import check_shapes
from rnnkit.spec.start_check import check_start
from rnnkit.types import JSON

MAX_SHOWN = 100


@dataclass(frozen=True)
class Document:
    """A valid spec, the bytes it was read from, and where its values stand in them."""

    spec: Spec
    source: bytes
    draft: Draft

    @contextmanager
    def placing(self) -> Iterator[None]:
        """Give their place to problems that are only seen later, such as once the data is known."""
        try:
            yield
        except SpecError as error:
            raise SpecError(*map(self._placed, error.problems)) from error

    def _placed(self, problem: Problem) -> Problem:
        if problem.where or not problem.path:
            return problem
        return replace(problem, where=str(self.draft.where(problem.path)))


def read_spec(path: FilePath, registry: Registry, overrides: Sequence[str] = ()) -> Document:
    """Read the spec of a file, or of stdin for -.

    Raises SpecError, or PluginError, with all that is wrong.
    """
    if str(path) == "-":
        return parse_spec(sys.stdin.buffer.read(MAX_BYTES + 1), "stdin", registry, overrides)
    if (path / "run.json").is_file():
        message = f"is a run, no spec (rnnkit resume {quote(str(path))} continues it; "
        message += "the spec that it was started with is spec.original.json in it)"
        raise SpecError.of("SPEC_NOT_REGULAR", message, path)
    data = bytes(read_regular(path, MAX_BYTES, SpecError, "SPEC"))
    return parse_spec(data, str(path), registry, overrides)


def parse_spec(
    data: bytes, name: str, registry: Registry, overrides: Sequence[str] = ()
) -> Document:
    """Validate the bytes of a spec; raises SpecError, or PluginError, with all that is wrong.

    `name` stands before line and column in messages. A syntax error is reported alone.
    """
    scan = scan_file(data, printable(name, 200))
    draft = Draft(scan.value, scan.places, list(scan.findings))
    for number, override in enumerate(overrides, start=1):
        apply_override(draft, override, number)
    _strip_notes(draft.value)
    spec = _validated(draft, registry)
    check_shapes(draft, registry)
    check_regime(draft, registry)
    check_start(draft)
    if spec is None and not draft.findings:
        draft.report((), "PLUGIN_CONTRACT", "a plugin failed to validate its block")
    if spec is None or draft.findings:
        raise found_in(draft, name)
    return Document(spec, data, draft)


def _strip_notes(value: JSON) -> None:
    """Remove what is there for editors and people: `$schema`, `$comment` and `x-*`."""
    if isinstance(value, dict):
        for key in [key for key in value if key in ("$schema", "$comment") or key[:2] == "x-"]:
            del value[key]
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, dict | list):
            _strip_notes(inner)


def _validated(draft: Draft, registry: Registry) -> Spec | None:
    text = json.dumps(draft.value)
    try:
        return Spec.model_validate_json(text, context={"catalog": registry})
    except ValidationError as error:
        Translator(draft, Grammar(registry)).report(error)
    except Exception:
        # A plugin's own fault: asking each block alone, as the shape check does, names it.
        return None
    return None


def found_in(draft: Draft, name: str) -> RnnkitError:
    """Return all findings as one error, in the order of the file."""
    ordered = sorted(draft.findings, key=lambda finding: finding.at)
    problems = list(dict.fromkeys(finding.problem() for finding in ordered))
    if len(problems) > MAX_SHOWN:
        note = f"there are more errors than the {MAX_SHOWN} above"
        problems[MAX_SHOWN:] = [Problem(printable(name, 200), "SPEC_MORE", note)]
    plugins = all(problem.code.startswith("PLUGIN_") for problem in problems)
    return (PluginError if plugins else SpecError)(*problems)
