"""Write docs/guide/types.md from the classes themselves: python docs/make_types.py"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from rnnkit.contracts.equation_cell import EquationCell
from rnnkit.contracts.printed_equations import printed_equations
from rnnkit.contracts.registry import Registry
from rnnkit.core import initializers
from rnnkit.core.block import Block, Record
from rnnkit.core.installed import KINDS, installed
from rnnkit.spec import model, regime, start
from rnnkit.spec.grammar import BLOCK, BlockSchema

PAGE = Path(__file__).parent / "guide" / "types.md"

HEAD = """# Every key of a spec

*Written by `python docs/make_types.py`; a test compares it with the classes.*

A key without a default must be given. The types here are rnnkit's own; `rnnkit plugins` lists
what is installed, and `rnnkit schema` writes the same for an editor. Equations are those
of a cell's defaults, as `rnnkit show RUN --equations` [prints them](plugins.md#equations-in-print).
"""

SECTIONS = (
    ("The spec", model.Spec),
    ("model, a stack of layers", model.ModelSpec),
    ("model, an encoder and a decoder", model.PairSpec),
    ("model.encoder, model.decoder", model.StackSpec),
    ("train", model.Train),
    ("train.clip", model.Clip),
    ("train.bptt", regime.Truncation),
    ("train.feed", regime.Feed),
    ("train.feed.schedule", regime.Ramp),
    ("train.sync", model.Sync),
    ("train.state", model.StateReset),
    ("train.every", model.Every),
    ("train.sample", model.TrainingSample),
    ("train.best", model.Best),
    ("train.stop", model.Stop),
    ("train.start", start.Start),
    ("evaluate", model.Evaluate),
)
BOUNDS = {
    "minimum": ">= {}",
    "exclusiveMinimum": "> {}",
    "maximum": "<= {}",
    "exclusiveMaximum": "< {}",
}
WORDS = {"integer": "integer", "number": "number", "string": "text", "boolean": "true or false"}


def page() -> str:
    """Return the page."""
    parts = [HEAD]
    parts += [section(f"## {title}", cls) for title, cls in SECTIONS]
    for group, kind in KINDS.items():
        parts.append(f"## {kind.capitalize()} types\n")
        for name, cls in types(group):
            parts.append(section(f"### {name}", cls))
            parts += [section(f"#### {name}.{key}", part) for key, part in records(cls)]
    parts.append("## Initializers\n\nThe values of `init`, by the name of a parameter.\n")
    parts += [section(f"### {cls.model_fields['type'].default}", cls) for cls in starts()]
    return "\n".join(parts)


def types(group: str) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield rnnkit's own types of a group."""
    registry = Registry()
    for plugin in installed():
        if plugin.group == group and plugin.distribution == "rnnkit":
            yield plugin.name, registry.find(group, plugin.name)


def records(cls: type[BaseModel]) -> Iterator[tuple[str, type[Record]]]:
    """Yield the fields of a type that are objects of its own, with their classes."""
    for key, field in cls.model_fields.items():
        for part in (field.annotation, *get_args(field.annotation)):
            if inspect.isclass(part) and issubclass(part, Record) and not issubclass(part, Block):
                yield key, part


def starts() -> list[type[Record]]:
    """Return the initializers."""
    found = [cls for _, cls in inspect.getmembers(initializers, inspect.isclass)]
    return [cls for cls in found if issubclass(cls, Record) and cls is not Record]


def section(title: str, cls: type[BaseModel]) -> str:
    """Return what a class is, and its keys in a table."""
    schema = cls.model_json_schema(schema_generator=BlockSchema)
    required = schema.get("required", ())
    lines = [title, "", inspect.cleandoc(cls.__doc__ or ""), "", *equations(cls)]
    rows = [
        f"| `{key}` | {value(field)} | {'' if key in required else default(field)} |"
        for key, field in schema["properties"].items()
        if key != "type" or "enum" in field
    ]
    if rows:
        lines += ["| key | value | default |", "|---|---|---|", *rows, ""]
    return "\n".join(lines)


def equations(cls: type[BaseModel]) -> list[str]:
    """Return the equations of a cell that has them, for the defaults of its keys."""
    if not issubclass(cls, EquationCell):
        return []
    found = printed_equations("", cls(units=1))[""]
    return ["```text", *found.text, "```", ""] if found else []


def default(field: dict[str, Any]) -> str:
    """Return a default as JSON."""
    return f"`{json.dumps(field.get('default'))}`"


def value(field: dict[str, Any]) -> str:
    """Return what a key takes, as a phrase."""
    if BLOCK in field:
        return f"a {KINDS[field[BLOCK]]}, see below"
    if "$ref" in field:
        return "an object, see below"
    for union in ("anyOf", "oneOf"):
        if union in field:
            parts = [value(part) for part in field[union] if part.get("type") != "null"]
            return " or ".join(dict.fromkeys(parts))
    if "const" in field:
        return f"`{json.dumps(field['const'])}`"
    if "enum" in field:
        return ", ".join(f"`{json.dumps(item)}`" for item in field["enum"])
    if "prefixItems" in field:
        return f"[{', '.join(value(item) for item in field['prefixItems'])}]"
    if field.get("type") == "array":
        return f"a list, each {value(field['items'])}"
    if field.get("type") == "object":
        inner = field.get("additionalProperties", {})
        if inner.get("type") == "number":
            return f"an object, by name each {value(inner)}"
        return "an object of initializers, by the name of a parameter"
    word = WORDS.get(field.get("type", ""), "anything")
    bounds = [form.format(f"{field[key]:,}") for key, form in BOUNDS.items() if key in field]
    return f"{word} {' and '.join(bounds)}".strip()


if __name__ == "__main__":
    PAGE.write_text(page())
