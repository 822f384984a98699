"""What a model writes while it is trained: in its file, on the terminal, and changing nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from helpers import (
    JSONObject,
    command,
    done,
    lines,
    newest,
    pair_spec,
    small_spec,
    told,
    trained,
    write_spec,
)

from rnnkit.inference.model import load

EVERY: JSONObject = {"log": 2, "evaluate": "epoch", "save": 4, "sample": 3}


def sampling(**sample: Any) -> JSONObject:
    return small_spec(every=EVERY, sample={"prompt": "ab", "length": 12, **sample})


SEVEN = sampling()["train"] | {"every": {**EVERY, "sample": 7}}


def samples(run: Path) -> list[JSONObject]:
    return [json.loads(line) for line in (run / "samples.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("sampled"), sampling())


def test_a_language_model_goes_on_from_the_prompt(run: Path) -> None:
    found = samples(run)
    assert [line["step"] for line in found] == [3, 6, 9, 12, 15]
    assert all(line["prompt"] == "ab" and len(line["text"]) == 12 for line in found)
    last = load(run / "checkpoints" / "step-000000000015.h5")
    assert found[-1]["text"] == last.sample("ab", 12, seed=3)


def test_a_run_ends_with_a_sample(tmp_path: Path) -> None:
    found = samples(trained(tmp_path, sampling() | {"train": SEVEN}))
    assert [line["step"] for line in found] == [7, 14, 15]


def test_training_does_not_notice_it(run: Path, tmp_path: Path) -> None:
    plain = trained(tmp_path, small_spec(every={**EVERY, "sample": None}))
    assert lines(plain) == lines(run) and not (plain / "samples.jsonl").exists()
    ours, theirs = newest(run).arrays, newest(plain).arrays
    assert all(ours[name].tobytes() == theirs[name].tobytes() for name in theirs)


def test_a_copy_of_hard_links_keeps_its_samples(run: Path, tmp_path: Path) -> None:
    part = trained(tmp_path, sampling(), "--max-steps", 4)
    os.link(part / "samples.jsonl", tmp_path / "other")
    before = (tmp_path / "other").read_bytes()
    done("resume", part)
    assert (tmp_path / "other").read_bytes() == before
    assert (part / "samples.jsonl").read_bytes() == (run / "samples.jsonl").read_bytes()


@pytest.mark.parametrize("stop", [1, 4, 7, 13])
def test_a_resume_goes_on_bit_for_bit(run: Path, stop: int, tmp_path: Path) -> None:
    part = trained(tmp_path, sampling(), "--max-steps", stop)
    done("resume", part)
    assert (part / "samples.jsonl").read_bytes() == (run / "samples.jsonl").read_bytes()
    assert newest(part).meta.progress == newest(run).meta.progress


def test_lines_after_the_checkpoint_are_written_again(run: Path, tmp_path: Path) -> None:
    part = trained(tmp_path, sampling(), "--max-steps", 7)
    with open(part / "samples.jsonl", "a") as file:
        file.write('{"step": 9}\n{"step')
    done("resume", part)
    assert (part / "samples.jsonl").read_bytes() == (run / "samples.jsonl").read_bytes()


@pytest.mark.parametrize("deleted", [True, False])
def test_a_changed_file_is_put_aside_and_told(run: Path, deleted: bool, tmp_path: Path) -> None:
    part = trained(tmp_path, sampling(), "--max-steps", 7)
    path = part / "samples.jsonl"
    changed = path.read_bytes().replace(b'"step": 3', b'"step": 4')
    path.unlink() if deleted else path.write_bytes(changed)
    ran = done("resume", part)
    renamed = "" if deleted else "; it is renamed to samples.jsonl.rejected"
    assert f"{path} [RUN_SAMPLES] is not as it was written{renamed}; a new one begins" in ran.err
    assert samples(part) == samples(run)[2:]
    if not deleted:
        assert (part / "samples.jsonl.rejected").read_bytes() == changed


def test_the_terminal_shows_it_and_is_not_fooled(tmp_path: Path) -> None:
    write_spec(tmp_path, sampling(), "ab\x1b[31mc\n" * 60)
    ran = done("run", tmp_path / "spec.json", "--out", tmp_path / "run", "--max-steps", 6)
    assert "step      3  sample\n  | ab" in ran.err and "\x1b" not in ran.err


def test_the_length_is_at_most_that_of_the_text(tmp_path: Path) -> None:
    spec = small_spec(every={**EVERY, "sample": "epoch"}, epochs=1)
    (line,) = samples(trained(tmp_path, spec, content="abcde\n" * 12))
    assert len(line["text"]) == round(0.8 * 72) and line["prompt"] == ""


def test_a_decoder_writes_for_one_source_of_the_validation_split(tmp_path: Path) -> None:
    spec = pair_spec(epochs=1, streams=4, every={"sample": 2, "log": 2})
    spec["data"] |= {"count": 40, "split": [0.6, 0.4, 0]}
    run = trained(tmp_path, spec)
    first, *more = samples(run)
    assert more and first.keys() == {"step", "epoch", "source", "target", "text"}
    assert {(line["source"], line["target"]) for line in more} == {
        (first["source"], first["target"])
    }
    last = load(run / "checkpoints" / f"step-{more[-1]['step']:012d}.h5")
    assert done("decode", last.path, first["source"]).out == more[-1]["text"] + "\n"


def unrolling() -> JSONObject:
    return {
        "data": {
            "type": "sequences",
            "path": "d.jsonl",
            "inputs": {"kind": "class", "key": "id"},
            "targets": {"kind": "text", "key": "word"},
            "split": [1, 0, 0],
        },
        "model": {
            "layers": [{"type": "lstm", "units": 24}, {"type": "affine"}],
            "loss": {"type": "softmax_cross_entropy"},
        },
        "train": {
            "epochs": 90,
            "streams": 1,
            "optimizer": {"type": "adam", "lr": 0.03},
            "every": {"sample": 30},
        },
    }


def test_a_memorized_text_is_written_whole(tmp_path: Path) -> None:
    (tmp_path / "d.jsonl").write_text('{"id": 0, "word": "hello world"}\n')
    found = samples(trained(tmp_path, unrolling()))
    assert [line["step"] for line in found] == [30, 60, 90]
    assert {line["target"] for line in found} == {"hello world"}
    assert found[-1]["text"] == "hello world"


def test_what_writes_no_text_is_refused(tmp_path: Path) -> None:
    wave = {"type": "synthetic", "task": "sine", "train": 200}
    spec = {**small_spec(every=EVERY), "data": wave}
    spec["model"] = {
        "layers": [{"type": "rnn", "units": 3}, {"type": "affine"}],
        "loss": {"type": "mse"},
    }
    ran = command("run", write_spec(tmp_path, spec), "--out", tmp_path / "run")
    told(ran, 3, "train.every.sample: the model writes no text (leave it out)")
    ran = command("run", write_spec(tmp_path, sampling(prompt="xyz")), "--out", tmp_path / "run")
    told(ran, 3, 'train.sample.prompt: the character "x" at line 1, column 1 is not in the voc')


def test_an_estimate_is_sampled_greedily(tmp_path: Path) -> None:
    spec = sampling()
    spec["model"]["loss"] = {"type": "mse"}
    found = samples(trained(tmp_path, spec))
    last = load(tmp_path / "run" / "checkpoints" / "step-000000000015.h5")
    assert found[-1]["text"] == last.sample("ab", 12, greedy=True)
