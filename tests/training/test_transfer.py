"""Which rows of another model go where, and why some cannot; all without a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import JSONObject, pair_spec, plain_spec, text

import rnnkit
from rnnkit.training.initial.transfer import Rows, TakenParameter

LABELS = "has one for each label, and it gives no labels"
TOKENS = "has a row for each token, and only one of the two models knows its tokens by name"


def test_rows_are_found_by_name() -> None:
    found = Rows.by_name(["c", "x", "a", "y"], ["a", "b", "c"])
    assert found.theirs.tolist() == [2, -1, 0, -1]
    assert (found.size, found.new) == (3, 2)
    assert Rows.by_name(["a"], ["a"]).new == 0


@pytest.mark.parametrize("axis", [0, 1])
def test_rows_that_they_lack_keep_what_was_drawn(axis: int) -> None:
    ours, theirs = np.zeros((4, 2)), np.arange(6.0).reshape(3, 2)
    wanted = np.array([[4, 5], [0, 0], [0, 1], [0, 0]])
    if axis:
        ours, theirs, wanted = ours.T.copy(), theirs.T, wanted.T
    parameter = TakenParameter("a", theirs, {axis: Rows.by_name("cxay", "abc")})
    parameter.write(ours)
    assert np.array_equal(ours, wanted) and parameter.new == 2
    whole = TakenParameter("a", theirs, {})
    ours = np.zeros(theirs.shape)
    whole.write(ours)
    assert np.array_equal(ours, theirs) and whole.new == 0


def test_the_axis_that_lacks_most_tells_how_many_are_new() -> None:
    rows = {0: Rows.by_name("ax", "ab"), 1: Rows.by_name("axy", "ab")}
    parameter = TakenParameter("a", np.array([[1.0, 2], [3, 4]]), rows)
    ours = np.zeros((2, 3))
    parameter.write(ours)
    assert parameter.new == 2 and ours.tolist() == [[1, 0, 0], [0, 0, 0]]


def language() -> JSONObject:
    return plain_spec()


def sequences(inputs: JSONObject, targets: JSONObject, loss: str, row: JSONObject) -> JSONObject:
    """Return a spec of sequences in rows that differ by what `row` has at each place."""
    spec = plain_spec()
    spec["data"] = {
        "type": "sequences",
        "path": "rows.jsonl",
        "split": [1.0, 0.0, 0.0],
        "inputs": inputs,
        "targets": targets,
    }
    spec["model"]["loss"] = {"type": loss}
    spec["rows"] = [
        {key: values[n % len(values)] for key, values in row.items()} for n in range(12)
    ]
    return spec


READ = {"kind": "text", "key": "x", "tokenizer": {"type": "char"}}
GIVEN = {"kind": "ids", "key": "x", "size": 6}
CLASS = {"kind": "class", "key": "y"}


def classifier(labels: str = "uvw", reads: JSONObject = READ) -> JSONObject:
    given = ["abcde", "ebd"] if reads is READ else [[0, 1, 5], [3, 4]]
    return sequences(reads, CLASS, "softmax_cross_entropy", {"x": given, "y": list(labels)})


def regression() -> JSONObject:
    numbers = {"kind": "numbers", "keys": ["y"]}
    return sequences(READ, numbers, "mse", {"x": ["abcde", "ebd"], "y": [1.0, 2.0, 4.0]})


def model(folder: Path, spec: JSONObject, start: JSONObject | None = None) -> rnnkit.Model:
    """Build the model of a spec in a folder with its data."""
    folder.mkdir(exist_ok=True)
    spec = dict(spec)
    rows = spec.pop("rows", [])
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "text.txt").write_text(text(85))
    if start:
        spec["train"] = {**spec["train"], "start": start}
    (folder / "spec.json").write_text(json.dumps(spec))
    return rnnkit.build(folder / "spec.json")


def started(
    folder: Path, ours: JSONObject, theirs: JSONObject, **start: Any
) -> tuple[Mapping[str, Mapping[str, np.ndarray]], Mapping[str, Mapping[str, np.ndarray]]]:
    """Return the parameters of a model, and those of the other that it starts from."""
    other = model(folder / "theirs", theirs)
    other.store.flat[:] = np.random.default_rng(4).uniform(1, 2, other.store.flat.shape)
    other.save(folder / "other.h5")
    given = {"from": str(folder / "other.h5"), **start}
    return model(folder / "ours", ours, given).store.values, other.store.values


def refusal(
    folder: Path, ours: JSONObject, theirs: JSONObject, layers: JSONObject, **start: Any
) -> str:
    with pytest.raises(rnnkit.CheckpointError) as caught:
        started(folder, ours, theirs, layers=layers, **start)
    return str(caught.value).partition("[START_LAYERS] ")[2]


@pytest.mark.parametrize(
    ("theirs", "layer"),
    [(language(), "2.affine"), (regression(), "2.affine"), (pair_spec(), "decoder.2.affine")],
)
def test_columns_of_labels_need_labels(tmp_path: Path, theirs: JSONObject, layer: str) -> None:
    said = f"layer 2.affine cannot take {layer} of it: W {LABELS}; b {LABELS}"
    asked = {"2.affine": layer}
    assert refusal(tmp_path, classifier(), theirs, asked, vocabulary="extend") == said


def test_columns_follow_their_labels(tmp_path: Path) -> None:
    ours, theirs = started(tmp_path, classifier("wtu"), classifier("uvw"))
    W, given = ours["2.affine"]["W"], theirs["2.affine"]["W"]
    assert np.array_equal(W[:, [1, 2]], given[:, [0, 2]])  # t, u, w of u, v, w
    assert (W[:, 0] < 1).all()
    assert np.array_equal(ours["1.rnn"]["Wh"], theirs["1.rnn"]["Wh"])


@pytest.mark.parametrize("named", [False, True])
def test_rows_of_tokens_need_names_in_both_or_in_neither(tmp_path: Path, named: bool) -> None:
    read, given = classifier(), classifier(reads=GIVEN)
    ours, theirs = (read, given) if named else (given, read)
    asked = {"0.embedding": "0.embedding"}
    told = refusal(tmp_path, ours, theirs, asked)
    assert told == f"layer 0.embedding cannot take 0.embedding of it: W {TOKENS}"


@pytest.mark.parametrize("size", [6, 8])
def test_rows_without_names_are_those_of_the_same_number(tmp_path: Path, size: int) -> None:
    mine, other = (classifier(reads={**GIVEN, "size": each}) for each in (size, 7))
    ours, theirs = (each["0.embedding"]["W"] for each in started(tmp_path, mine, other))
    assert np.array_equal(ours[:7], theirs[:size]) and (ours[7:] < 1).all()


def test_rows_without_names_that_they_lack_are_new() -> None:
    assert Rows.by_number(4, 3).theirs.tolist() == [0, 1, 2, -1]
    assert Rows.by_number(2, 3).theirs.tolist() == [0, 1] and Rows.by_number(2, 3).size == 3


def test_a_layer_that_is_left_out_by_name_is_drawn(tmp_path: Path) -> None:
    ours, theirs = started(tmp_path, language(), language(), layers={"1.rnn": None})
    assert np.array_equal(ours["0.embedding"]["W"], theirs["0.embedding"]["W"])
    assert (ours["1.rnn"]["Wh"] < 1).all()


@pytest.mark.parametrize(
    ("layers", "told"),
    [
        (
            {"1.rnn": "1.rn"},
            "layer 1.rnn cannot take 1.rn of it: it has no such layer, but 0.embedding, 1.rnn, "
            '2.affine (did you mean "1.rnn"?)',
        ),
        (
            {"1.rnn": "0.embedding"},
            "layer 1.rnn cannot take 0.embedding of it: it has no Wx of its own; it has no Wh of "
            "its own; it has no b of its own",
        ),
        (
            {"2.affine": "0.embedding"},
            "layer 2.affine cannot take 0.embedding of it: W needs 5x6, not 6x4; it has no b of "
            "its own",
        ),
    ],
)
def test_what_does_not_fit(tmp_path: Path, layers: JSONObject, told: str) -> None:
    assert refusal(tmp_path, language(), language(), layers) == told


def test_nothing_that_fits_is_told_with_the_reasons_or_what_there_is(tmp_path: Path) -> None:
    other = language()
    for layer in other["model"]["layers"]:
        layer["name"] = f"their_{layer['type']}"
    told = refusal(tmp_path, language(), other, {})
    assert told == (
        "no layer of it fits one of the model by name, type and shape (it has their_embedding, "
        'their_rnn, their_affine); say in "layers" which takes which, or start from another model'
    )


def test_of_layers_that_nobody_asks_for_those_that_fit_are_taken(tmp_path: Path) -> None:
    ours, theirs = started(tmp_path, classifier(), language(), vocabulary="extend")
    assert np.array_equal(ours["1.rnn"]["Wx"], theirs["1.rnn"]["Wx"])
    assert (ours["2.affine"]["W"] < 1).all()
