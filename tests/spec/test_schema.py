"""The JSON Schema that an editor reads accepts what the reader accepts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Literal

import pytest

from rnnkit.contracts.layer import Layer
from rnnkit.contracts.registry import GROUPS, Plugin, Registry, installed
from rnnkit.errors import SpecError
from rnnkit.spec.read import parse_spec
from rnnkit.spec.schema import json_schema

VALID = """{
  "$schema": "../rnnkit.schema.json",
  "x-tried": [0.1, 0.2],
  "spec_version": 1,
  "name": "tiny",
  "data": {"type": "text", "source": "python-docs", "tokenizer": {"type": "char"}},
  "model": {
    "layers": [
      {"type": "embedding", "units": 16, "name": "table", "$comment": "shared"},
      {"type": "lstm", "units": 32, "init": {"Wx": {"type": "normal", "std": 0.1}}},
      {"type": "residual", "layer": {"type": "gru", "units": 32}},
      {"type": "affine", "units": 16},
      {"type": "affine", "tie": "table"}
    ],
    "loss": {"type": "softmax_cross_entropy"}
  },
  "train": {
    "epochs": 2,
    "optimizer": {"type": "adam", "lr": 1},
    "clip": {"norm": 5},
    "every": {"log": "epoch", "evaluate": null}
  }
}"""

WRONG = [
    ('"units": 32, "init"', '"unit": 32, "init"'),
    ('"units": 32, "init"', '"units": 0, "init"'),
    ('"units": 32, "init"', '"units": "32", "init"'),
    ('"lstm"', '"lsmt"'),
    ('"type": "lstm", ', ""),
    ('"std": 0.1', '"std": 0'),
    ('"std": 0.1', '"bound": 0.1'),
    ('"gru", "units": 32', '"gru"'),
    ('"log": "epoch"', '"log": "hour"'),
    ('"name": "tiny"', '"name": "../x"'),
    ('"epochs": 2,', ""),
    ('"lr": 1', '"lr": null'),
    ('"clip": {"norm": 5}', '"clip": 5'),
    ('"source": "python-docs"', '"source": "python-docs", "split": [1, 0]'),
]

OWN = tuple(plugin for plugin in installed() if plugin.distribution == "rnnkit")
MISSING = Plugin("rnnkit.layers", "missing", "rnnkit-bad", "0.1", "no_such_module:Missing")


class Opaque(Layer):
    type: Literal["opaque"] = "opaque"
    transform: Callable[[], int] | None = None
    size: int


OPAQUE = Plugin("rnnkit.layers", "opaque", "rnnkit-odd", "0.1", f"{__name__}:Opaque")

TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "null": (type(None),),
    "integer": (int,),
    "number": (int, float),
}


def accepts(schema: Any, value: Any, root: Any) -> bool:
    """A validator of the keywords that rnnkit's schema uses; an unknown one is an error."""
    if isinstance(schema, bool):
        return schema
    return all(keyword(key, rule, schema, value, root) for key, rule in schema.items())


def keyword(key: str, rule: Any, schema: Any, value: Any, root: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    match key:
        case "$ref":
            return accepts(root["$defs"][rule.removeprefix("#/$defs/")], value, root)
        case "type":
            return isinstance(value, TYPES[rule]) and (rule == "boolean" or value is not True)
        case "const" | "enum":
            return value in (rule if key == "enum" else [rule])
        case "anyOf":
            return any(accepts(member, value, root) for member in rule)
        case "oneOf":
            return sum(accepts(member, value, root) for member in rule) == 1
        case "not":
            return not accepts(rule, value, root)
        case "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum":
            signs = {"minimum": 1, "exclusiveMinimum": 1, "maximum": -1, "exclusiveMaximum": -1}
            distance = signs[key] * (value - rule) if number else 1
            return distance > 0 or (distance == 0 and not key.startswith("exclusive"))
        case "pattern":
            return not isinstance(value, str) or bool(re.search(rule, value))
        case "minLength" | "maxLength" | "minItems" | "maxItems":
            if not isinstance(value, str if key.endswith("Length") else list):
                return True
            return len(value) >= rule if key.startswith("min") else len(value) <= rule
        case "required":
            return not isinstance(value, dict) or set(rule) <= set(value)
        case "properties" | "patternProperties" | "additionalProperties":
            return not isinstance(value, dict) or fields(key, rule, schema, value, root)
        case "propertyNames":
            return not isinstance(value, dict) or all(accepts(rule, k, root) for k in value)
        case "items" | "prefixItems":
            if not isinstance(value, list):
                return True
            fixed = schema.get("prefixItems", [])
            pairs = (
                zip(fixed, value, strict=False)
                if key == "prefixItems"
                else ((rule, item) for item in value[len(fixed) :])
            )
            return all(accepts(member, item, root) for member, item in pairs)
        case "$schema" | "$defs" | "title" | "description" | "default":
            return True
    raise AssertionError(f"the schema uses {key}")


def fields(key: str, rule: Any, schema: Any, value: dict[str, Any], root: Any) -> bool:
    named = schema.get("properties", {})
    patterns = schema.get("patternProperties", {})
    for name, item in value.items():
        matched = [inner for pattern, inner in patterns.items() if re.search(pattern, name)]
        if key == "properties":
            rules = [named[name]] if name in named else []
        elif key == "patternProperties":
            rules = matched
        else:
            rules = [] if matched or name in named else [rule]
        if not all(accepts(inner, item, root) for inner in rules):
            return False
    return True


SCHEMA, PROBLEMS = json_schema(Registry(OWN))


def test_it_is_complete() -> None:
    assert not PROBLEMS
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    for group in GROUPS:
        members = [
            member["$ref"].removeprefix("#/$defs/") for member in SCHEMA["$defs"][group]["oneOf"]
        ]
        types = {SCHEMA["$defs"][member]["properties"]["type"]["const"] for member in members}
        assert types == set(Registry(OWN).names(group))


def test_it_is_json_and_describes_types() -> None:
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA
    assert SCHEMA["$defs"]["LSTM"]["description"].startswith("Long short-term memory")
    assert set(SCHEMA["$defs"]["LSTM"]["required"]) == {"type", "units"}


def test_it_accepts_a_valid_spec() -> None:
    parse_spec(VALID.encode(), "spec.json", Registry(OWN))
    assert accepts(SCHEMA, json.loads(VALID), SCHEMA)


@pytest.mark.parametrize(("old", "new"), WRONG)
def test_it_refuses_a_wrong_one(old: str, new: str) -> None:
    assert VALID.count(old) == 1
    assert not accepts(SCHEMA, json.loads(VALID.replace(old, new)), SCHEMA)


def test_a_plugin_without_a_schema_is_left_out_and_reported() -> None:
    schema, problems = json_schema(Registry([*OWN, MISSING, OPAQUE]))
    assert [problem.code for problem in problems] == ["PLUGIN_IMPORT", "PLUGIN_API"]
    assert "opaque of rnnkit-odd 0.1" in problems[1].message
    assert accepts(schema, json.loads(VALID), schema)


def test_errors_in_a_class_without_a_schema_are_still_placed() -> None:
    block = '{"type": "opaque", "size": "big", "siez": 1}, {"type": "opaque"}'
    data = VALID.replace('{"type": "affine", "units": 16}', block).encode()
    with pytest.raises(SpecError) as caught:
        parse_spec(data, "spec.json", Registry([*OWN, OPAQUE]))
    assert [str(problem) for problem in caught.value.problems] == [
        'spec.json:12:34 [SPEC_TYPE] model.layers[3].size: expected another value, received "big"',
        "spec.json:12:41 [SPEC_UNKNOWN_KEY] model.layers[3].siez: unknown key",
        "spec.json:12:53 [SPEC_MISSING_KEY] model.layers[4].size: missing; expected another value",
    ]


def test_a_group_without_plugins_allows_nothing() -> None:
    schema, _ = json_schema(Registry([]))
    assert schema["$defs"]["rnnkit.layers"] == {"not": {}}
