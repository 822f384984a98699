"""What a schema allows, as a phrase: `an integer from 1 to 65536`, `"mean" or "sum_time"`."""

from __future__ import annotations

import json

from pydantic import TypeAdapter

from rnnkit.core.block import Name
from rnnkit.spec.grammar import BLOCK, Node, Schema
from rnnkit.types import JSON

NAME_PATTERN = TypeAdapter(Name).json_schema()["pattern"]
KINDS: dict[object, str] = {
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "object": "an object",
}
SHOWN_BOUND = 10**6
SHOWN_LENGTH = 10**4


def phrase(node: Node, value: JSON = None) -> str:
    """Return what may stand at a place: `an integer from 1 to 65536`.

    A bound far from every use is only named to the value that crosses it.
    """
    return any_of(list(dict.fromkeys(_phrase(choice.schema, value) for choice in node.choices())))


def any_of(phrases: list[str]) -> str:
    """Return `a, b or c`."""
    return " or ".join(filter(None, [", ".join(phrases[:-1]), phrases[-1]]))


def _phrase(schema: Schema, value: JSON) -> str:
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return any_of([json.dumps(member) for member in schema["enum"]])
    kind = schema.get("type")
    if kind == "string":
        return _string_phrase(schema)
    if kind == "array":
        return "a list" + _length(schema, "minItems", "maxItems", "item")
    if BLOCK in schema:
        return 'an object with a "type"'
    return KINDS.get(kind, "another value") + _bounds(schema, value)


def _string_phrase(schema: Schema) -> str:
    if schema.get("pattern") == NAME_PATTERN:
        return 'a name (a letter, then up to 63 letters, digits, "_" or "-")'
    if "pattern" in schema:
        return str(schema.get("description", f"text of the form {schema['pattern']}"))
    return "a string" + _length(schema, "minLength", "maxLength", "character")


def _length(schema: Schema, least_key: str, most_key: str, noun: str) -> str:
    least, most = schema.get(least_key, 0), schema.get(most_key)
    if most == least:
        return f" of {most} {noun}s"
    if most is None or most > SHOWN_LENGTH:
        return f" of at least {least} {noun}" + "s" * (least != 1) if least else ""
    return f" of {least} to {most} {noun}s"


def _bounds(schema: Schema, value: JSON) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    crossed = isinstance(value, int | float) and high is not None and value > high
    if high is not None and abs(high) > SHOWN_BOUND and not crossed:
        high = None
    if low is not None and high is not None:
        return f" from {_number(low)} to {_number(high)}"
    signs = (("> ", above), (">= ", low), ("< ", below), ("<= ", high))
    parts = [sign + _number(bound) for sign, bound in signs if bound is not None]
    return "".join(f" {part}" for part in [" and ".join(parts)] if part)


def _number(bound: float) -> str:
    return str(int(bound)) if bound == int(bound) else repr(bound)
