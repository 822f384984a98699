"""Pydantic's errors in the words of a spec's author: expected, received, what to do."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, TypeAlias

from pydantic import ValidationError

from rnnkit.contracts.layer import Layer
from rnnkit.core.names import ABSENT, KEYS, PLAIN, type_meant
from rnnkit.errors import Path, closest, path_text, printable
from rnnkit.spec.grammar import BLOCK, Grammar, Node
from rnnkit.spec.hints import fits, hint, members, near_hint
from rnnkit.spec.locations import Draft
from rnnkit.spec.phrases import any_of, phrase
from rnnkit.types import JSON

ErrorDetails: TypeAlias = dict[str, Any]

MAX_ERRORS = 1000
"""How many errors are looked at; a spec with more is not read to its end by anybody."""

TYPE_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)

UNREADABLE = {"SPEC_NONFINITE", "SPEC_UNDERFLOW", "SPEC_INT_TOO_LONG", "SPEC_SURROGATE", "SPEC_NUL"}
"""What the scanner found in values that it could not keep."""

RANGES = {
    "greater_than",
    "greater_than_equal",
    "less_than",
    "less_than_equal",
    "multiple_of",
    "string_too_short",
    "string_too_long",
    "too_short",
    "too_long",
}
TYPES = re.compile(
    r"\w+_type|\w+_parsing|literal_error|enum|int_from_float|union_tag_\w+|none_required"
)


class Translator:
    """Reports each error of a validation on the draft that was validated."""

    def __init__(self, draft: Draft, grammar: Grammar) -> None:
        self.draft, self.grammar = draft, grammar
        self.suggested: set[Path] = set()

    def report(self, error: ValidationError) -> None:
        """Translate all errors, those of one value together."""
        unread = {finding.path for finding in self.draft.findings if finding.code in UNREADABLE}
        grouped: dict[Path, tuple[Node, Node, list[ErrorDetails]]] = {}
        for details in error.errors(include_url=False, include_input=False)[:MAX_ERRORS]:
            path, node, around = self.grammar.follow(details["loc"], self.draft.value)
            grouped.setdefault(path, (node, around, []))[2].append(dict(details))
        # Unknown keys first: one that is a slip of a required key explains why that is missing.
        for path in sorted(grouped, key=lambda path: _kind(grouped[path][2]) != "extra_forbidden"):
            if not any(path[:end] in unread for end in range(len(path) + 1)):
                self._report(path, *grouped[path])

    def _report(self, path: Path, node: Node, around: Node, errors: list[ErrorDetails]) -> None:
        kind, context = _kind(errors), errors[0].get("ctx", {})
        if kind == "extra_forbidden":
            self._unknown_key(path, around)
        elif kind == "missing" and isinstance(path[-1], int):
            self._value(path[:-1], around, "SPEC_RANGE")
        elif kind == "missing":
            self._missing(path, phrase(node))
        elif kind == "plugin":
            self._plugin((*path, "type"), node, context)
        elif kind in ("block", "block_type"):
            self._block(path, node)
        elif kind.startswith("union_tag") and isinstance(self.draft.get(path), dict):
            self._tag((*path, "type"), node)
        elif kind == "string_pattern_mismatch":
            self._name(path, phrase(node))
        elif RANGES.intersection(found["type"] for found in errors):
            self._value(path, node, "SPEC_RANGE")
        elif TYPES.fullmatch(kind):
            self._wrong_type(path, node, around)
        else:
            reason = printable(str(context.get("error", errors[0]["msg"])), 300)
            advice = self._left_out(path, reason)
            self.draft.report(path, "SPEC_INCONSISTENT", reason + advice)

    def _unknown_key(self, path: Path, around: Node) -> None:
        allowed, guess = sorted(around.keys()), ";"
        if absent := ABSENT.get(_plain_name(path[-1])):
            guess = f"; {absent};"
        elif near := self._key_meant(str(path[-1]), path[:-1], allowed):
            self.suggested.add(near)
            beside = near[:-1] == path[:-1]
            name = str(near[-1]) if beside else path_text(near)
            guess = f"; did you mean {json.dumps(name)}?"
        elif path[-1] in self.grammar.registry.names(Layer.entry_group):
            guess = f'; a layer of its own is {{"type": {json.dumps(path[-1])}, ...}};'
        message = f"unknown key{guess} allowed: {', '.join(allowed)}" if allowed else "unknown key"
        self.draft.report(path, "SPEC_UNKNOWN_KEY", message, self.draft.place(path).key)

    def _key_meant(self, key: str, beside: Path, allowed: Sequence[str]) -> Path:
        """Return the path that an unknown key was probably meant for, or ()."""
        elsewhere = tuple(KEYS.get(_plain_name(key), "").split("."))
        if elsewhere[-1] in allowed:
            return (*beside, elsewhere[-1])
        if found := self.grammar.place_of(key, self.draft.value):
            return self._plain_place(found, self.draft.get((*beside, key))) or found
        near = closest(key, allowed)
        return (*beside, near) if near else elsewhere if len(elsewhere) > 1 else ()

    def _plain_place(self, path: Path, value: JSON) -> Path:
        """Return where a plain value is written in place of which an object stands, or ()."""
        *outer, key = PLAIN.get(path_text(path), "").split(".")
        _, around, _ = self.grammar.follow(tuple(outer), self.draft.value)
        places = [c.with_schema(c.keys()[key]) for c in around.choices() if key in c.keys()]
        return (*outer, key) if any(fits(node, value) for node in places) else ()

    def _left_out(self, path: Path, reason: str) -> str:
        """Return what leaves out a key of the file where an override gave another one."""
        given = re.search(r"not ((?:\w+ and )+\w+)$", reason)
        keys = given[1].split(" and ") if given else []
        of_file = [key for key in keys if (*path, key) not in self.draft.overridden]
        if not of_file or len(of_file) == len(keys):
            return ""
        leave = " ".join(f"-s {path_text((*path, key))}=null" for key in of_file)
        return f" ({leave} leaves the other out)"

    def _missing(self, path: Path, expected: str) -> None:
        if path not in self.suggested:
            self.draft.report(path, "SPEC_MISSING_KEY", f"missing; expected {expected}")

    def _plugin(self, path: Path, node: Node, context: ErrorDetails) -> None:
        name = self.draft.get(path)
        # An odd name may be installed all the same, and say what is wrong with it.
        if TYPE_NAME.fullmatch(name) or context["code"] != "PLUGIN_NOT_FOUND":
            self.draft.report(path, context["code"], context["message"])
        else:
            names = self._installed(node)
            self._name(path, 'a type name (lower-case letters, digits and "_")', names)

    def _block(self, path: Path, node: Node) -> None:
        value = self.draft.get(path)
        names = self._installed(node)
        installed = f"one of {', '.join(names)}" if names else "the name of an installed type"
        if not isinstance(value, dict):
            near = type_meant(value, names) if isinstance(value, str) else ""
            advice = f' (write {{"type": "{near}"}})' if near else ""
            self._value(path, node, "SPEC_TYPE", advice)
        elif "type" in value:
            received = self._received((*path, "type"))
            message = f"expected {installed}, received {received}"
            self.draft.report((*path, "type"), "SPEC_TYPE", message)
        else:
            self._missing((*path, "type"), installed)

    def _tag(self, path: Path, node: Node) -> None:
        tags = [choice.keys()["type"]["const"] for choice in node.choices()]
        expected = any_of([json.dumps(tag) for tag in tags])
        value = self.draft.get(path)
        if "type" not in self.draft.get(path[:-1]):
            self._missing(path, expected)
        else:
            received = self._received(path) + near_hint(value, tags)
            message = f"expected {expected}, received {received}"
            self.draft.report(
                path, "SPEC_RANGE" if isinstance(value, str) else "SPEC_TYPE", message
            )

    def _installed(self, node: Node) -> list[str]:
        groups = [n.schema[BLOCK] for n in node.choices() if BLOCK in n.schema]
        return [name for group in groups for name in self.grammar.registry.names(group)]

    def _name(self, path: Path, expected: str, known: Sequence[str] = ()) -> None:
        value = self.draft.get(path)
        received = printable(json.dumps(value), 80) + near_hint(value, known)
        self.draft.report(path, "SPEC_NAME", f"expected {expected}, received {received}")

    def _value(self, path: Path, node: Node, code: str, advice: str = "") -> None:
        value = self.draft.get(path)
        advice = advice or hint(node, value)
        message = f"expected {phrase(node, value)}, received {self._received(path)}{advice}"
        if not _satisfied(node, value):
            self.draft.report(path, code, message)

    def _wrong_type(self, path: Path, node: Node, around: Node) -> None:
        value = self.draft.get(path)
        required = around.schema.get("required", ())
        advice = ""
        code = "SPEC_RANGE" if type(value) in map(type, members(node)) else "SPEC_TYPE"
        if path == ("spec_version",) and code == "SPEC_RANGE":
            code, advice = "SPEC_VERSION", " (update rnnkit)"
        elif value is None and path and path[-1] not in required:
            advice = " (leave the key out to take the default)"
        elif place := self._plain_place(path, value):
            received = self._received(path)
            inside = f'{{"{place[-1]}": {received}}}'
            other = f'"{place[-1]}": {received} in its place'
            advice = f" (write {inside if place[:-1] == path else other})"
        self._value(path, node, code, advice)

    def _received(self, path: Path) -> str:
        value = self.draft.get(path)
        if isinstance(value, dict):
            return "an object"
        if isinstance(value, list):
            return f"a list of {len(value)} item" + "s" * (len(value) != 1)
        if isinstance(value, str) and len(value) > 256:
            return f"a string of {len(value):,} characters"
        return printable(self.draft.place(path).text, 80)


def _plain_name(key: object) -> str:
    return str(key).lower().replace("-", "_")


def _kind(errors: list[ErrorDetails]) -> str:
    return str(errors[0]["type"])


def _satisfied(node: Node, value: JSON) -> bool:
    """Tell whether a list or an object by name has a good length, so that its items are wrong.

    Pydantic counts the valid items of a list alone, and reports every member of a union.
    """
    named = isinstance(value, dict)
    kind, items = ("object", "Properties") if named else ("array", "Items")
    least, most = f"min{items}", f"max{items}"
    schemas = [choice.schema for choice in node.choices()]
    return isinstance(value, list | dict) and any(
        schema.get("type") == kind
        and "properties" not in schema
        and schema.get(least, 0) <= len(value) <= schema.get(most, len(value))
        for schema in schemas
    )
