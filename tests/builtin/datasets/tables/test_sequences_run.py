"""Runs over whole sequences: stopped and resumed exactly, evaluated from the checkpoint alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import command, done, results

from rnnkit.builtin.datasets.shared.sequence_source import WholeSource
from rnnkit.builtin.datasets.tables.sequences import Sequences
from rnnkit.contracts.dataset import Layout
from rnnkit.contracts.registry import Registry

LAYERS = [
    {"type": "one_hot"},
    {"type": "bidirectional", "layer": {"type": "gru", "units": 4}},
    {"type": "affine"},
]


def write_spec(folder: Path, rows: int = 60) -> Path:
    random = np.random.default_rng(0)
    texts = ["".join(random.choice(list("abcd"), random.integers(1, 12))) for _ in range(rows)]
    lines = [json.dumps({"text": t, "label": "ad"[t.count("a") % 2]}) for t in texts]
    (folder / "d.jsonl").write_text("\n".join(lines))
    inputs = {"kind": "text", "key": "text", "tokenizer": {"type": "char"}}
    spec = {
        "spec_version": 1,
        "data": {
            "type": "sequences",
            "path": "d.jsonl",
            "inputs": inputs,
            "targets": {"kind": "class", "key": "label"},
            "bucket": 2,
        },
        "model": {"layers": LAYERS, "loss": {"type": "softmax_cross_entropy"}},
        "train": {
            "epochs": 3,
            "streams": 7,
            "optimizer": {"type": "adam", "lr": 0.02},
            "every": {"log": 1, "save": 5},
        },
    }
    path = folder / "spec.json"
    path.write_text(json.dumps(spec))
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a spec and its finished run."""
    folder = tmp_path_factory.mktemp("whole")
    done("run", write_spec(folder), "--out", folder / "run")
    return folder


@pytest.mark.parametrize("steps", [3, 7, 9, 20])
def test_a_resume_is_exact_within_an_epoch_and_between_two(
    whole: Path, tmp_path: Path, steps: int
) -> None:
    out = tmp_path / "run"
    done("run", whole / "spec.json", "--out", out, "--max-steps", steps)
    done("resume", out)
    assert results(out) == results(whole / "run")


def test_the_resolved_spec_holds_the_classes(whole: Path) -> None:
    stored = json.loads((whole / "run" / "spec.json").read_text())
    assert stored["data"]["targets"]["labels"] == ["a", "d"]


def test_the_spec_as_given_continues_its_run(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    done("run", whole / "spec.json", "--out", out, "--max-steps", 4)
    done("run", whole / "spec.json", "--out", out, "--resume", "must")
    assert results(out) == results(whole / "run")


def test_evaluation_tells_its_protocol(whole: Path) -> None:
    shown = json.loads(done("eval", whole / "run", "--json").out)
    assert shown["protocol"] == {"streams": 7, "start": "zero state", "read": 6}


def test_evaluation_does_not_depend_on_the_streams(whole: Path) -> None:
    found = [
        json.loads(done("eval", whole / "run", "--json", "--streams", n).out)["metrics"]["loss"]
        for n in (1, 4, 7)
    ]
    assert np.ptp(found) < 1e-6


def test_another_file_is_read_with_the_stored_classes(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "new.jsonl"
    path.write_text('{"text": "ab", "label": "d"}\n{"text": "b", "label": "z"}\n')
    ran = command("eval", whole / "run", "--data", path)
    assert ran.code == 5
    assert 'new.jsonl:2 [DATA_UNKNOWN_LABEL] label: the label "z" was never seen in' in ran.err
    path.write_text('{"text": "ab", "label": "d"}\n')
    done("eval", whole / "run", "--data", path)


def test_skipped_rows_are_told(tmp_path: Path) -> None:
    spec = write_spec(tmp_path)
    with open(tmp_path / "d.jsonl", "a") as file:
        file.write('\n{"text": "", "label": "a"}\n')
    ran = command("run", spec, "--out", tmp_path / "run")
    assert ran.code == 5 and "d.jsonl:61 [DATA_EMPTY] text: the sequence has length 0" in ran.err
    assert "Traceback" not in ran.err
    ran = done("run", spec, "--out", tmp_path / "run", "-s", "data.skip_bad=true")
    assert "1 bad row skipped, the first: d.jsonl:61 [DATA_EMPTY]" in ran.err


KNOWN = {"catalog": Registry()}
GIVEN = {
    "type": "sequences",
    "path": "d.jsonl",
    "inputs": {"kind": "text", "key": "text", "tokenizer": {"type": "char"}},
    "targets": {"kind": "class", "key": "label"},
    "split": [1, 0, 0],
}


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["ab", "abcde", "abc"], "3 whole sequences of 2 to 5 steps, 2 batches of 2 an epoch"),
        (["a", "abc"], "2 whole sequences of 1 to 3 steps, 1 batch of 2 an epoch"),
        (["abc", "cba"], "2 whole sequences of 3 steps, 1 batch of 2 an epoch"),
        (["a"], "1 whole sequence of 1 step, 1 batch of 2 an epoch"),
    ],
)
def test_the_sequences_in_words(tmp_path: Path, texts: list[str], said: str) -> None:
    rows = [json.dumps({"text": text, "label": text[0]}) for text in texts]
    (tmp_path / "d.jsonl").write_text("\n".join(rows))
    source = Sequences.model_validate_json(json.dumps(GIVEN), context=KNOWN).open(tmp_path)
    assert isinstance(source, WholeSource)
    words = source.in_words(Layout(2, source.longest()))
    assert words.startswith(f"{said}; each starts with a state of its own")
    assert ("work as an MLP" in words) == (texts == ["a"])


def test_check_tells_of_the_sequences_alone(whole: Path) -> None:
    said = done("check", "--data", whole / "spec.json").err
    assert "48 whole sequences of 1 to 11 steps, 7 batches of 7 an epoch; each starts with" in said
    assert "streams x" not in said


def test_explain_measures_the_longest_sequence(whole: Path) -> None:
    text = done("explain", whole / "spec.json").out
    assert "48 whole sequences of 1 to 11 steps, 7 batches of 7 an epoch" in text
    assert "21 steps in 3 epochs" in text
