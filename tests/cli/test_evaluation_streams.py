"""A short split is read in few streams, so that run and eval --streams 1 agree, and it is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from helpers import done, plain_spec, text
from helpers import write_spec as write

from rnnkit.api import load_spec
from rnnkit.network.memory import open_data
from rnnkit.reporting.reporters import evaluation_in_words, streams_in_words


def spec_of(folder: Path, evaluate: dict[str, Any] | None, size: int = 300, **train: Any) -> Path:
    value = plain_spec(epochs=1, **train)
    value["data"]["split"] = [0.6, 0.2, 0.2]
    if evaluate:
        value["evaluate"] = evaluate
    return write(folder, value, text(size))


def test_a_short_split_is_one_stream(tmp_path: Path) -> None:
    ran = done("run", spec_of(tmp_path, None), "--out", tmp_path / "run", "--json")
    test = json.loads(ran.out)["test"]
    one = json.loads(done("eval", tmp_path / "run", "--streams", 1, "--json").out)
    assert test["streams"] == one["protocol"]["streams"] == 1
    assert test["loss"] == one["metrics"]["loss"]
    assert (
        "evaluation reads valid in 1 and test in 1 of 3 streams, as a short split would be cut "
        'into many that each start from a zero state (choose by "evaluate.streams")\n'
    ) in ran.err


def test_a_number_that_is_given_is_obeyed(tmp_path: Path) -> None:
    ran = done("run", spec_of(tmp_path, {"streams": 3}), "--out", tmp_path / "run", "--json")
    assert json.loads(ran.out)["test"]["streams"] == 3
    assert "evaluation reads" not in ran.err


def test_what_is_told_of_data_stands_behind_the_layout(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_text(text(100))
    value = plain_spec()
    value["data"]["path"] = ["a", "b"]
    spec = load_spec(write(tmp_path, value, text(9)))
    assert streams_in_words(spec, open_data(spec.data, tmp_path)).endswith(
        " characters unused; 2 files, a to b, each from a zero hidden state"
    )


@pytest.mark.parametrize(
    ("size", "reset", "streams"),
    [
        (5 * 1024, "epoch", 1),
        (5 * 1025, "epoch", 2),
        (5 * 1537, "epoch", 3),
        (5 * 9999, "epoch", 3),
        (300, "window", 3),
    ],
)
def test_every_stream_has_512_steps(tmp_path: Path, size: int, reset: str, streams: int) -> None:
    spec = load_spec(spec_of(tmp_path, None, size, state={"reset": reset}))
    source = open_data(spec.data, tmp_path)
    assert spec.evaluation_layout(source, "test").streams == streams
    said = evaluation_in_words(spec, source)
    assert said.startswith("evaluation reads ") if streams < 3 else said == ""
