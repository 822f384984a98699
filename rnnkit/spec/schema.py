"""The JSON Schema of everything installed, so that an editor completes and checks a spec."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import PydanticUserError
from pydantic.json_schema import models_json_schema

from rnnkit.contracts.registry import GROUPS, Registry
from rnnkit.core.block import Block
from rnnkit.errors import PluginError, Problem, printable
from rnnkit.spec.grammar import BLOCK, BlockSchema, Schema, schema_of
from rnnkit.spec.model import Spec

DIALECT = "https://json-schema.org/draft/2020-12/schema"
NOTES: Schema = {"$schema": {"type": "string"}, "$comment": {}}
NOTHING: Schema = {"not": {}}

MAPS = {"properties", "$defs"}
SCHEMAS = {"items", "additionalProperties"}
LISTS = {"anyOf", "oneOf", "prefixItems"}


def json_schema(registry: Registry) -> tuple[Schema, tuple[Problem, ...]]:
    """Return the schema of a spec, and why plugins were left out of it."""
    problems: list[Problem] = []
    offered: dict[str, list[type[Block]]] = {
        group: list(_classes(registry, group, problems)) for group in GROUPS
    }
    classes = [cls for group in offered.values() for cls in group]
    references, whole = models_json_schema(
        [(Spec, "validation"), *((cls, "validation") for cls in classes)],
        schema_generator=BlockSchema,
    )
    definitions = whole["$defs"]
    for group, members in offered.items():
        choices = [references[cls, "validation"] for cls in members]
        definitions[group] = {"oneOf": choices} if choices else NOTHING
    top = {"$schema": DIALECT, **references[Spec, "validation"], "$defs": definitions}
    return _for_editors(top), tuple(problems)


def _classes(registry: Registry, group: str, problems: list[Problem]) -> Iterator[type[Block]]:
    for name in registry.names(group):
        try:
            cls = registry.find(group, name)
            schema_of(cls)
        except PluginError as error:
            problems.extend(error.problems)
        except PydanticUserError as error:
            reason = printable(str(error).splitlines()[0], 200)
            plugin = registry.plugin(group, name)
            problems.append(Problem("", "PLUGIN_API", f"{plugin} has no JSON Schema: {reason}"))
        else:
            yield cls


def _for_editors(schema: Schema) -> Schema:
    """Return a schema as editors read it: blocks referred to, notes allowed, `type` required."""
    found: dict[str, Any] = {}
    for key, value in schema.items():
        if key == BLOCK:
            found["$ref"] = f"#/$defs/{value}"
        elif key in MAPS:
            found[key] = {name: _for_editors(inner) for name, inner in value.items()}
        elif key in SCHEMAS and isinstance(value, dict):
            found[key] = _for_editors(value)
        elif key in LISTS:
            found[key] = [_for_editors(inner) for inner in value]
        elif key == "pattern":
            found[key] = value.replace(r"\z", "$")
        elif key != "discriminator":
            found[key] = value
    return _with_notes(found) if found.get("type") == "object" else found


def _with_notes(schema: Schema) -> Schema:
    properties = schema.get("properties", {})
    required = set(schema.get("required", ()))
    if "const" in properties.get("type", {}):
        required.add("type")
    return {
        **schema,
        "properties": {**properties, **NOTES},
        "patternProperties": {"^x-": {}},
        "required": sorted(required),
    }
