"""What a spec may hold at each place, read from the JSON Schema of the classes it names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

from pydantic import BaseModel, PydanticUserError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from rnnkit.contracts.registry import GROUPS, Registry
from rnnkit.errors import Path, PluginError
from rnnkit.spec.locations import has
from rnnkit.spec.model import Spec
from rnnkit.types import JSON

Schema: TypeAlias = dict[str, Any]

BLOCK = "x-block"
"""The keyword that stands for "any block of this group" until the schema is assembled."""


SECTIONS: tuple[Path, ...] = (
    ("train",),
    ("data",),
    ("model",),
    ("train", "optimizer"),
    ("train", "every"),
    ("train", "best"),
    ("evaluate",),
    (),
)
"""Where a key that stands in a wrong place may belong."""


class BlockSchema(GenerateJsonSchema):
    """Leaves the blocks within a class open: which classes there are, the registry knows."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}

    def generate_inner(self, schema: Any) -> JsonSchemaValue:
        """Replace the reference to a group, which Pydantic would try to follow."""
        found = super().generate_inner(schema)
        group = found.get("$ref", "").removeprefix("#/$defs/")
        return {BLOCK: group} if group in GROUPS else found


@cache
def schema_of(cls: type[BaseModel]) -> Schema:
    """Return the JSON Schema of one class."""
    return cls.model_json_schema(schema_generator=BlockSchema)


@dataclass(frozen=True)
class Node:
    """The schema of one place, and the document that its references point into."""

    schema: Schema
    root: Schema

    def with_schema(self, schema: Schema) -> Node:
        """Return another schema of the same document, its reference followed."""
        if "$ref" in schema:
            schema = self.root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
        return Node(schema, self.root)

    def choices(self) -> Iterator[Node]:
        """Yield the members of a union, or the node itself, without null."""
        members = self.schema.get("anyOf") or self.schema.get("oneOf")
        if members is None:
            yield self
            return
        for member in members:
            if member.get("type") != "null":
                yield from self.with_schema(member).choices()

    def keys(self) -> dict[str, Schema]:
        """Return the keys that an object may have."""
        found: dict[str, Schema] = self.schema.get("properties", {})
        return found


class Grammar:
    """Walks a spec and its schema side by side."""

    def __init__(self, registry: Registry, root: type[BaseModel] = Spec) -> None:
        self.registry, self.root = registry, root

    def follow(self, location: tuple[str | int, ...], value: JSON) -> tuple[Path, Node, Node]:
        """Return the path of a Pydantic location, what may stand there, and what around it.

        Pydantic mixes the members of unions into its locations; they lead nowhere and are left out.
        """
        path: Path = ()
        schema = schema_of(self.root)
        node = around = Node(schema, schema)
        for part in location:
            here = self.resolve(node, value)
            child = _child(here, part)
            present = has(value, part)
            opaque = not here.schema or BLOCK in here.schema
            listed = isinstance(part, int) or part in here.keys()
            if not present and not opaque and not (child and listed):
                continue
            path, around = (*path, part), here
            node = child or Node({}, {})
            value = value[part] if present else None
        return path, node, around

    def place_of(self, key: str, value: JSON) -> Path:
        """Return where else in a spec a key may stand, or ()."""
        for outer in SECTIONS:
            path, _, around = self.follow((*outer, key), value)
            if key in around.keys() and path == (*outer, key) and key != "type":
                return path
        return ()

    def resolve(self, node: Node, value: JSON) -> Node:
        """Return the member of a union, or the class of a block, that a value is meant for."""
        for choice in sorted(node.choices(), key=lambda choice: -_shared(choice, value)):
            found = self._class_of(choice, value)
            kind = found.schema.get("type")
            if isinstance(value, list) and kind == "array":
                return found
            if isinstance(value, dict) and kind == "object":
                tag = found.keys().get("type", {}).get("const")
                if tag in (None, value.get("type")):
                    return found
        return node

    def _class_of(self, node: Node, value: JSON) -> Node:
        name = value.get("type") if isinstance(value, dict) else None
        if BLOCK not in node.schema or not isinstance(name, str):
            return node
        try:
            schema = schema_of(self.registry.find(node.schema[BLOCK], name))
        except (PluginError, PydanticUserError):  # broken, or a class without a JSON Schema
            return node
        return Node(schema, schema)


def _shared(node: Node, value: JSON) -> int:
    """Return how many keys of an encoder and a decoder a member of a union has with a value."""
    pair = {"encoder", "decoder"}
    return len(pair & set(node.keys()) & set(value)) if isinstance(value, dict) else 0


def _child(node: Node, part: str | int) -> Node | None:
    schema = node.schema
    if isinstance(part, int):
        fixed = schema.get("prefixItems", [])
        found = fixed[part] if part < len(fixed) else schema.get("items")
    else:
        found = node.keys().get(part, schema.get("additionalProperties"))
    return node.with_schema(found) if isinstance(found, dict) else None
