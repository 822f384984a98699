"""What to do about a value that is not what was expected, where that is plain."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Sequence

from rnnkit.spec.grammar import Node
from rnnkit.types import JSON


def closest(word: str, names: Iterable[str]) -> str:
    """Return the name that was probably meant, or ""."""
    by_lower = {name.lower(): name for name in names}
    near = difflib.get_close_matches(word[:100].lower(), by_lower, n=1)
    return by_lower[near[0]] if near else ""


def members(node: Node) -> list[JSON]:
    """Return the constants that may stand at a place."""
    schemas = [choice.schema for choice in node.choices()]
    return [
        member for s in schemas for member in s.get("enum", [s["const"]] if "const" in s else [])
    ]


def near_hint(value: JSON, allowed: Sequence[JSON]) -> str:
    """Return which of the allowed strings was probably meant."""
    near = isinstance(value, str) and closest(value, [m for m in allowed if isinstance(m, str)])
    return f" (did you mean {json.dumps(near)}?)" if near else ""


def hint(node: Node, value: JSON) -> str:
    """Return what to do about a value of the wrong type, where that is plain."""
    kinds = {choice.schema.get("type") for choice in node.choices()}
    if isinstance(value, str):
        if kinds & {"integer", "number"} and re.fullmatch(r"-?0[0-9]{1,18}", value):
            return f" (write {int(value)})"
        numeric = re.fullmatch(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?", value)
        if (numeric and kinds & {"integer", "number"}) or (
            value in ("true", "false") and "boolean" in kinds
        ):
            return " (remove the quotes)"
        return near_hint(value, members(node))
    if isinstance(value, float) and "integer" in kinds and value.is_integer() and abs(value) < 1e15:
        return f" (write {int(value)})"
    if isinstance(value, int | float) and kinds == {"string"} and not members(node):
        return " (put it in quotes)"
    return ""
