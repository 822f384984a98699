"""What to do about a value that is not what was expected, where that is plain."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence

from rnnkit.core.names import type_meant
from rnnkit.spec.grammar import Node, Schema
from rnnkit.types import JSON


def members(node: Node) -> list[JSON]:
    """Return the constants that may stand at a place."""
    schemas = [choice.schema for choice in node.choices()]
    return [
        member for s in schemas for member in s.get("enum", [s["const"]] if "const" in s else [])
    ]


def near_hint(value: JSON, allowed: Sequence[JSON]) -> str:
    """Return which of the allowed strings was probably meant."""
    near = isinstance(value, str) and type_meant(value, [m for m in allowed if isinstance(m, str)])
    return f" (did you mean {json.dumps(near)}?)" if near else ""


def hint(node: Node, value: JSON) -> str:
    """Return what to do about a value of the wrong type, where that is plain and would do."""
    kinds = {choice.schema.get("type") for choice in node.choices()}
    if isinstance(value, str):
        if value in ("true", "false") and "boolean" in kinds:
            return " (remove the quotes)"
        if re.fullmatch(r"-?[0-9]{1,19}(\.[0-9]{1,19})?([eE][-+]?[0-9]{1,3})?", value):
            written = f"write {int(value)}" if re.match("-?0[0-9]", value) else "remove the quotes"
            return f" ({written})" if _allowed(node, float(value)) else ""
        return near_hint(value, members(node))
    if isinstance(value, float) and "integer" in kinds and value.is_integer() and abs(value) < 1e15:
        return f" (write {int(value)})" if _allowed(node, value) else ""
    texts = "string" in kinds and kinds <= {"string", "array"}
    if isinstance(value, int | float) and texts and not members(node):
        pattern = _pattern(next(node.choices()).schema)
        return " (put it in quotes)" if re.search(pattern, str(value)) else ""
    return ""


def fits(node: Node, value: JSON) -> bool:
    """Tell whether a number, or a string, may stand at a place."""
    if isinstance(value, str):
        if constants := members(node):
            return value in constants
        schemas = [choice.schema for choice in node.choices()]
        texts = [schema for schema in schemas if schema.get("type") == "string"]
        return any(re.search(_pattern(schema), value) for schema in texts)
    return type(value) in (int, float) and _allowed(node, float(value))


def _pattern(schema: Schema) -> str:
    r"""Return the pattern of a string; \z is what Pydantic's own engine writes for \Z."""
    return str(schema.get("pattern", "")).replace(r"\z", r"\Z")


def _allowed(node: Node, value: float) -> bool:
    """Tell whether a number may stand at a place."""
    schemas = [choice.schema for choice in node.choices()]
    return any(
        schema["type"] in ("integer", "number")
        and (value.is_integer() or schema["type"] == "number")
        and schema.get("minimum", value) <= value <= schema.get("maximum", value)
        and not value <= schema.get("exclusiveMinimum", -math.inf)
        and not value >= schema.get("exclusiveMaximum", math.inf)
        for schema in schemas
        if "type" in schema
    )
