"""Truncation and feeding in a spec: what fits, and the words for what does not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from helpers import JSONObject, pair_spec, small_spec

from rnnkit.contracts.registry import Registry
from rnnkit.errors import RnnkitError
from rnnkit.spec.read import parse_spec

TRUE: JSONObject = {"style": "true", "steps": 3}
GREEDY: JSONObject = {"type": "greedy"}
ROWS: JSONObject = {
    "type": "sequences",
    "path": "rows.jsonl",
    "inputs": {"kind": "numbers", "key": "x", "size": 2},
    "targets": {"kind": "class", "key": "y"},
}


def parsed(spec: JSONObject) -> Any:
    return parse_spec(json.dumps(spec).encode(), "spec.json", Registry()).spec


def problems(spec: JSONObject) -> list[str]:
    """Return what is wrong, without the place in the file."""
    with pytest.raises(RnnkitError) as caught:
        parsed(spec)
    return [f"[{p.code}] {p.message}" for p in caught.value.problems]


def test_the_defaults() -> None:
    train = parsed(small_spec()).train
    assert train.bptt.model_dump() == {"style": "window", "steps": None}
    assert train.feed.model_dump() == {"type": "teacher", "probability": 1.0, "schedule": None}
    assert train.bptt.before == 0


@pytest.mark.parametrize(
    "train",
    [
        {"bptt": TRUE},
        {"bptt": {"style": "window"}, "recompute": True},
        {"feed": GREEDY},
        {"feed": {"type": "sample", "probability": 0.25}},
        {"feed": {"type": "sample", "schedule": {"type": "inverse_sigmoid", "steps": 100}}},
        {"feed": GREEDY, "recompute": True},
        {"feed": GREEDY, "bptt": TRUE},
    ],
    ids=str,
)
def test_what_fits(train: JSONObject) -> None:
    assert parsed(small_spec(**train)).train.model_dump()


def test_a_decoder_is_fed_but_not_truncated() -> None:
    assert parsed(pair_spec(feed=GREEDY)).train.feed.type == "greedy"
    assert problems(pair_spec(bptt=TRUE)) == [
        "[SPEC_INCONSISTENT] train.bptt.style: a decoder starts from its encoder, and no loss "
        'stops on the way ("window" does)'
    ]


CASES: list[tuple[JSONObject, str]] = [
    (
        {"bptt": {"style": "true"}},
        '[SPEC_INCONSISTENT] train.bptt: "style": "true" and "steps" need each other',
    ),
    (
        {"bptt": {"style": "window", "steps": 4}},
        '[SPEC_INCONSISTENT] train.bptt: "style": "true" and "steps" need each other',
    ),
    (
        {"bptt": TRUE, "recompute": True},
        "[SPEC_INCONSISTENT] train.recompute: true truncation already holds no more than a window "
        "(leave one of the two out)",
    ),
    (
        {"shards": 2, "sync": {"every": 4}, "every": {"log": 6}},
        '[SPEC_INCONSISTENT] train: "log" of "every" is 6, but with "sync" there is one model only '
        'every 4 steps and at the end of an epoch (give a multiple, such as 8, or "epoch")',
    ),
    (
        {"shards": 2, "sync": {"every": 4}, "every": {"log": 1}},
        '[SPEC_INCONSISTENT] train: "log" of "every" is 1, but with "sync" there is one model only '
        'every 4 steps and at the end of an epoch (give a multiple, such as 4, or "epoch")',
    ),
    (
        {"start": {"freeze": ["1.lstm", "0.embedding"], "rates": {"0.embedding": 2, "1.lstm": 3}}},
        "[SPEC_INCONSISTENT] train.start: '0.embedding', '1.lstm' cannot be frozen and have a rate "
        "(leave one of the two out)",
    ),
    (
        {"seed": "x" * 256},
        '[SPEC_TYPE] train.seed: expected an integer >= 0, received "' + "x" * 78 + "…",
    ),
    (
        {"seed": "x" * 257},
        "[SPEC_TYPE] train.seed: expected an integer >= 0, received a string of 257 characters",
    ),
    (
        {"feed": {"type": "teacher", "probability": 0.5}},
        '[SPEC_INCONSISTENT] train.feed: "teacher" reads the data alone: leave "probability" and '
        '"schedule" out (or choose "greedy" or "sample")',
    ),
]


@pytest.mark.parametrize(("train", "message"), CASES, ids=lambda value: str(value)[:40])
def test_what_does_not_go_together(train: JSONObject, message: str) -> None:
    assert problems(small_spec(**train)) == [message]


def test_only_a_softmax_has_guesses() -> None:
    spec = small_spec(feed=GREEDY)
    spec["model"]["loss"] = {"type": "mse"}
    assert problems(spec) == [
        '[SPEC_INCONSISTENT] train.feed.type: "greedy" needs a distribution over ids, which mse '
        'does not give (take softmax_cross_entropy, or leave "feed" out)'
    ]


def test_only_the_next_input_can_be_guessed() -> None:
    spec = small_spec(feed={"type": "sample"})
    spec["data"] = ROWS
    spec["model"]["layers"] = [{"type": "gru", "units": 4}, {"type": "affine"}]
    assert (
        '[SPEC_INCONSISTENT] train.feed.type: "sample" needs targets that are the next inputs, but '
        'those of sequences are not (leave "feed" out)'
    ) in problems(spec)


def test_a_layer_that_reads_later_inputs_is_not_truncated() -> None:
    spec = small_spec(bptt=TRUE)
    spec["data"] = ROWS
    both = {"type": "bidirectional", "layer": {"type": "gru", "units": 4}}
    spec["model"]["layers"] = [both, {"type": "affine"}]
    assert (
        "[SPEC_INCONSISTENT] train.bptt.style: model.layers[0] reads later inputs, so no loss can "
        'be cut off from the steps before (take "window", or remove the layer)'
    ) in problems(spec)


def test_a_layer_without_a_type_has_no_name_to_compare() -> None:
    spec = small_spec(start={"freeze": ["0.embedding", "1.lstm"]})
    del spec["model"]["layers"][1]["type"]
    (problem,) = problems(spec)
    assert problem.startswith("[SPEC_MISSING_KEY] model.layers[1].type: missing; expected ")


def test_quotes_are_to_be_removed_where_what_they_hold_would_do() -> None:
    (found,) = problems(small_spec(recompute="true"))
    assert found.endswith('received "true" (remove the quotes)')
    (found,) = problems(small_spec(epochs="true"))
    assert found.endswith('received "true"')


def test_an_unknown_name_is_met_with_those_there_are() -> None:
    (found,) = problems(small_spec(feed={"type": "gredy"}))
    assert 'expected "teacher", "greedy" or "sample"' in found


ESTIMATES: JSONObject = {"loss": {"type": "mse"}, "layers": [{"type": "affine"}]}
NUMBERS: JSONObject = {"kind": "numbers", "key": "y"}


def test_a_metric_of_labels_needs_a_loss_that_decides() -> None:
    spec = small_spec() | {"data": {**ROWS, "targets": NUMBERS}, "model": ESTIMATES}
    spec["evaluate"] = {"metrics": ["f1"]}
    assert problems(spec) == [
        '[SPEC_INCONSISTENT] evaluate.metrics[0]: "f1" needs a loss that decides among '
        "labels, but mse estimates values (take it out)"
    ]


def test_ids_are_decided_among_whatever_the_loss_estimates() -> None:
    spec = small_spec() | {"evaluate": {"metrics": ["f1"]}}
    spec["model"]["loss"] = {"type": "mse"}
    assert parsed(spec).evaluate.metrics == ("f1",)


def test_metrics_that_are_broken_are_not_asked_further() -> None:
    spec = small_spec() | {"data": {**ROWS, "targets": NUMBERS}, "model": ESTIMATES}
    spec["evaluate"] = {"metrics": ["f1", "accuracy"]}
    (problem,) = problems(spec)
    assert problem.startswith("[SPEC_RANGE] evaluate.metrics[1]: ")
