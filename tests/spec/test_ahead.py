"""No layer may see beforehand what is to be predicted, whatever kind of data it is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from helpers import small_spec

from rnnkit.contracts.registry import Registry
from rnnkit.errors import RnnkitError
from rnnkit.spec.read import parse_spec

SERIES = {"type": "series", "path": "s.csv", "columns": ["v"]}
WAVE = {"type": "synthetic", "task": "sine"}
BOTH = {"type": "bidirectional", "layer": {"type": "lstm", "units": 16}}
TWO = SERIES | {"columns": ["v", "w"]}
WRAPPED = {"type": "residual", "layer": BOTH | {"layer": {"type": "rnn", "units": 1}}}


def spec_of(data: dict[str, Any], layer: dict[str, Any]) -> dict[str, Any]:
    spec = small_spec()
    spec["data"] = data
    spec["model"] = {"layers": [layer, {"type": "affine"}], "loss": {"type": "mse"}}
    return spec


def problems(spec: dict[str, Any]) -> list[str]:
    """Return what is wrong, without the place in the file."""
    try:
        parse_spec(json.dumps(spec).encode(), "spec.json", Registry())
    except RnnkitError as error:
        return [f"[{p.code}] {p.message}" for p in error.problems]
    return []


@pytest.mark.parametrize(
    ("data", "layer"),
    [
        (SERIES, BOTH),
        (TWO, WRAPPED),
        (SERIES | {"targets": ["w"], "horizon": 24}, BOTH),
        (WAVE, BOTH),
        (WAVE | {"task": "mackey_glass", "horizon": 6}, BOTH),
    ],
)
def test_a_forecast_sees_no_later_value(data: dict[str, Any], layer: dict[str, Any]) -> None:
    assert (
        "[SPEC_INCONSISTENT] model.layers[0]: reads later inputs, and so the very value it is to "
        "predict (remove it)"
    ) in problems(spec_of(data, layer))


@pytest.mark.parametrize("inputs", [{"kind": "class"}, {"kind": "numbers", "unroll": True}])
def test_an_input_that_unrolls_does_not_see_where_its_text_ends(inputs: dict[str, Any]) -> None:
    data = {"type": "sequences", "path": "s.jsonl", "inputs": inputs | {"key": "x"}}
    text = data | {"targets": {"kind": "text", "key": "y"}}
    spec = spec_of(text, BOTH)
    spec["model"]["loss"] = {"type": "softmax_cross_entropy"}
    assert problems(spec) == [
        "[SPEC_INCONSISTENT] model.layers[0]: reads later inputs, and so the very end it is to "
        "predict (remove it)"
    ]
    tags = data | {"targets": {"kind": "class", "key": "y", "each": True}}
    assert problems(spec | {"data": tags}) == []


def test_a_target_of_its_own_step_or_an_earlier_one_may_be_read_from_both_sides() -> None:
    numbers = {
        "inputs": {"kind": "numbers", "key": "x"},
        "targets": {"kind": "numbers", "key": "y"},
    }
    for data in (
        {"type": "sequences", "path": "s.jsonl", **numbers},
        {"type": "synthetic", "task": "adding"},
    ):
        assert problems(spec_of(data, BOTH)) == []
