"""rnnkit eval and score: the numbers of an independent computation, and their protocol."""

from __future__ import annotations

import io
import json
import math
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from helpers import command, done, newest, plain_spec, threads_used
from helpers import write_spec as write

from rnnkit.cli.eval import _drawn
from rnnkit.cli.eval import command as eval_command
from rnnkit.contracts.metric import MetricName, Table
from rnnkit.inference.evaluate import Measured
from rnnkit.inference.model import Model, load
from rnnkit.types import Array


def log_softmax(logits: Array) -> Array:
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def expected(model: Model, ids: Array, streams: int, window: int) -> tuple[float, float]:
    """Return (loss, accuracy) of ids in so many streams, from `forward` alone."""
    rows = (len(ids) - 1) // streams
    used = ids[: rows * streams].reshape(streams, rows).T
    targets = ids[1 : rows * streams + 1].reshape(streams, rows).T
    state, logs, hits = None, [], []
    for start in range(0, rows, window):
        ys, state = model.forward(used[start : start + window], state)
        wanted = targets[start : start + window, :, None]
        logs.append(np.take_along_axis(log_softmax(ys), wanted, axis=2))
        hits.append(ys.argmax(axis=2)[:, :, None] == wanted)
    return -float(np.concatenate(logs).mean()), float(np.concatenate(hits).mean())


def evaluated(*arguments: object) -> dict[str, object]:
    return json.loads(done("eval", *arguments, "--json").out)


@pytest.mark.parametrize(
    ("options", "streams", "window"),
    [([], 3, 4), (["--streams", 1], 1, 4), (["--streams", 2, "--window", 50], 2, 50)],
)
def test_numbers_and_protocol(
    tiny_run: Path, options: list[object], streams: int, window: int
) -> None:
    model = load(tiny_run)
    content = (tiny_run.parent / "text.txt").read_text()
    for split, part in (("valid", slice(210, 255)), ("test", slice(255, 300))):
        found = evaluated(tiny_run, "--split", split, *options)
        loss, accuracy = expected(model, model.encode(content)[part], streams, window)
        metrics = found["metrics"]
        assert metrics["loss"] == pytest.approx(loss, rel=1e-6)
        assert metrics["bits_per_character"] == pytest.approx(loss / math.log(2), rel=1e-6)
        assert metrics["accuracy"] == pytest.approx(accuracy)
        assert found["split"] == split
        assert found["checkpoint"] == str(tiny_run / "best.h5")
        assert found["protocol"] == {
            "streams": streams,
            "window": window,
            "start": "zero state",
            "reset": "epoch",
            "read": 44 // streams * streams,
            "dropped": 44 % streams,
        }


def test_the_window_changes_nothing_but_memory(tiny_run: Path) -> None:
    one = evaluated(tiny_run, "--window", 1)["metrics"]
    whole = evaluated(tiny_run, "--window", 1000)["metrics"]
    assert one == pytest.approx(whole, rel=1e-6)


def test_text(tiny_run: Path) -> None:
    ran = done("eval", tiny_run)
    assert ran.err == ""
    *metrics, protocol = ran.out.splitlines()
    names = [line.split()[0] for line in metrics]
    assert names == ["loss", "perplexity", "bits_per_character", "accuracy"]
    assert (
        protocol == "test  streams 3  window 4  start zero state  reset epoch  read 42  dropped 2"
    )


def test_labels_that_are_asked_for(tiny_run: Path) -> None:
    plain, found = evaluated(tiny_run), evaluated(tiny_run, "--metric", "f1")
    assert list(found["metrics"]) == [*plain["metrics"], "precision", "recall", "f1"]
    assert "tables" not in plain
    rows = found["tables"]["labels"]
    tokens = load(tiny_run).vocabulary.tokens
    assert [row["label"] for row in rows] == list(tokens)
    assert sum(row["targets"] for row in rows) == found["protocol"]["read"]
    there = [row["f1"] for row in rows if row["targets"]]
    assert found["metrics"]["f1"] == pytest.approx(sum(there) / len(there), abs=0.2)
    hits = sum(row["recall"] * row["targets"] for row in rows)
    assert found["metrics"]["accuracy"] == pytest.approx(hits / found["protocol"]["read"])
    text = done("eval", tiny_run, "--metric", "f1").out.splitlines()
    head = next(i for i, line in enumerate(text) if line.startswith("label"))
    assert text[head].split() == ["label", "precision", "recall", "f1", "targets"]
    assert [line.split()[0] for line in text[head + 1 :]] == ["'\\n'", *tokens[1:]]


def test_the_metrics_that_can_be_asked_for() -> None:
    options = {option.name: option for option in eval_command.params}
    assert tuple(options["asked"].type.choices) == get_args(MetricName)


def test_the_split_by_default(tiny_run: Path, word_run: Path) -> None:
    assert evaluated(tiny_run)["split"] == "test"
    assert evaluated(word_run)["split"] == "valid"
    ran = command("eval", word_run, "--split", "test")
    assert ran.code == 5
    assert f"{word_run} [DATA_NO_SPLIT] has no test split (it has train, valid" in ran.err


def test_what_was_trained_on_is_measured_where_nothing_is_held_out(tmp_path: Path) -> None:
    value = plain_spec()
    value["data"]["split"] = [1, 0, 0]
    run = tmp_path / "run"
    done("run", write(tmp_path, value), "--out", run)
    ran = done("eval", run, "--json")
    assert json.loads(ran.out)["split"] == "train"
    assert "nothing is held out: this is the train split, which the model has seen" in ran.err


def test_bad_rows_of_a_file_are_to_be_repaired(tmp_path: Path) -> None:
    value = plain_spec()
    value["data"] = {
        "type": "sequences",
        "path": "d.jsonl",
        "inputs": {"kind": "ids", "key": "x"},
        "targets": {"kind": "class", "key": "y"},
        "split": [1, 0, 0],
    }
    rows = [json.dumps({"x": [i % 3, 1], "y": i % 2}) for i in range(20)]
    (tmp_path / "d.jsonl").write_text("\n".join(rows))
    (tmp_path / "bad.jsonl").write_text("{\n" * 12 + rows[0])
    done("run", write(tmp_path, value), "--out", tmp_path / "run", "--max-steps", 1)
    ran = command("eval", tmp_path / "run", "--data", tmp_path / "bad.jsonl")
    assert ran.code == 5 and "; it is so in 12 rows (repair them)\n" in ran.err


def test_a_file(tiny_run: Path, tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("abcabdab\n" * 9)
    found = evaluated(tiny_run, "--data", tmp_path / "other.txt", "--streams", 2)
    model = load(tiny_run)
    loss, _ = expected(model, model.encode("abcabdab\n" * 9), 2, 4)
    assert found["metrics"]["loss"] == pytest.approx(loss, rel=1e-6)
    assert (found["split"], found["protocol"]["read"]) == ("test", 80)
    (tmp_path / "other.txt").write_text("abcé")
    ran = command("eval", tiny_run, "--data", tmp_path / "other.txt")
    assert ran.code == 5
    assert f'{tmp_path}/other.txt [DATA_UNKNOWN_TOKEN] the character "é" at line 1' in ran.err
    missing = command("eval", tiny_run, "--data", tmp_path / "none.txt")
    assert missing.code == 5 and "[DATA_NOT_FOUND]" in missing.err


def test_a_bare_checkpoint_needs_its_data(tiny_run: Path, tmp_path: Path) -> None:
    bare = tmp_path / "model.h5"
    bare.write_bytes((tiny_run / "best.h5").read_bytes())
    ran = command("eval", bare)
    assert ran.code == 5 and "text.txt [DATA_NOT_FOUND]" in ran.err
    same = evaluated(bare, "--data-root", tiny_run.parent)
    assert same["metrics"] == evaluated(tiny_run)["metrics"]


def test_a_checkpoint_inside_a_run_knows_its_data(
    tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = newest(tiny_run).meta.progress.step
    monkeypatch.chdir(tiny_run / "checkpoints")
    assert evaluated(f"step-{step:012d}.h5")["protocol"]["streams"] == 3


def test_other_data_is_told(tiny_run: Path, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("abcabdab\n" * 30)
    ran = done("eval", tiny_run, "--data-root", tmp_path)
    assert "the data is not what the model was trained on: SHA-256 " in ran.err


def test_thresholds(tiny_run: Path) -> None:
    loss = evaluated(tiny_run)["metrics"]["loss"]
    done("eval", tiny_run, "--fail-above", f"loss={loss + 0.01}", "--fail-below", "accuracy=0")
    done("eval", tiny_run, "--fail-above", f"loss={loss!r}", "--fail-below", f"loss={loss!r}")
    ran = command("eval", tiny_run, "--fail-above", "loss=0.001", "--fail-below", "accuracy=0.999")
    assert ran.code == 9
    assert ran.out == done("eval", tiny_run).out
    first, second, count = ran.err.splitlines()
    assert first.startswith(f"{tiny_run}/best.h5 [THRESHOLD_MISSED] loss is {loss!r}, above 0.001")
    assert second.endswith(", below 0.999")
    assert count == "2 errors"


def test_a_missed_threshold_is_in_the_one_object(tiny_run: Path) -> None:
    ran = command("eval", tiny_run, "--fail-above", "loss=0.001", "--json")
    assert ran.code == 9
    found = json.loads(ran.out)
    assert found["metrics"]["loss"] > 0.001
    assert found["error"]["problems"][0]["code"] == "THRESHOLD_MISSED"


@pytest.mark.parametrize("option", ["--fail-above", "--fail-below"])
def test_nan_misses_every_threshold(
    tiny_run: Path, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Model, "measure", lambda *_, **__: Measured({"loss": math.nan}, {}, []))
    ran = command("eval", tiny_run, option, "loss=1", "--json")
    assert ran.code == 9
    assert json.loads(ran.out)["metrics"] == {"loss": None}
    assert "loss is nan" in ran.err


def test_a_metric_that_there_is_not(tiny_run: Path) -> None:
    ran = command("eval", tiny_run, "--fail-above", "mase=9")
    assert (ran.code, ran.out) == (2, "")
    assert "no metric 'mase' (there are loss, perplexity, bits_per_character, accuracy)" in ran.err


def test_threads(tiny_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert evaluated(tiny_run, "--threads", 1) == evaluated(tiny_run, "--threads", 1)
    used = threads_used(monkeypatch, Model, "measure")
    for threads in (1, 2):
        evaluated(tiny_run, "--threads", threads)
    assert used == [1, 2]
    for verb in (["eval", tiny_run], ["predict", tiny_run, "questions.txt"]):
        ran = command(*verb, "--threads", "1025")
        assert ran.code == 2 and "1025 is not in the range 1<=x<=1024" in ran.err


LINES = ["abcab", "", "e", "abcde" * 120]


def scored(*arguments: object) -> list[dict[str, object]]:
    return json.loads(done("score", *arguments, "--json").out)["lines"]


def test_score_is_the_sum_of_independent_log_probabilities(tiny_run: Path, tmp_path: Path) -> None:
    file = tmp_path / "lines.txt"
    file.write_text("\n".join(LINES) + "\n")
    model = load(tiny_run)
    records = scored(tiny_run, file)
    assert [record["text"] for record in records] == LINES
    for line, record in zip(LINES, records, strict=True):
        ids = model.encode("\n" + line)
        logs = log_softmax(model.forward(ids[:, None])[0][:, 0])
        total = sum(float(logs[t, ids[t + 1]]) for t in range(len(line)))
        assert record["log_probability"] == pytest.approx(total, rel=1e-5, abs=1e-9)
        assert record["tokens"] == len(line)
        mean = -total / max(len(line), 1)
        assert record["perplexity"] == pytest.approx(math.exp(mean), rel=1e-5)
        assert record["bits_per_token"] == pytest.approx(mean / math.log(2), rel=1e-5, abs=1e-9)


def test_score_in_text(tiny_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"ab\nc")))
    first, second = done("score", tiny_run).out.splitlines()
    log, perplexity, text = first.split("\t")
    assert float(log) < 0 < float(perplexity) and text == "ab"
    assert second.endswith("\tc")


def test_score_of_each_token(tiny_run: Path, tmp_path: Path) -> None:
    (tmp_path / "t").write_text("ab\n\n")
    first, empty = scored(tiny_run, tmp_path / "t", "--per-token")
    assert [token for token, _ in first["per_token"]] == ["a", "b"]
    assert sum(p for _, p in first["per_token"]) == pytest.approx(first["log_probability"])
    assert empty["per_token"] == []
    text = done("score", tiny_run, tmp_path / "t", "--per-token").out.splitlines()
    assert [line.split()[0] for line in text[1:3]] == ["'a'", "'b'"]


def test_score_of_nothing(tiny_run: Path, tmp_path: Path) -> None:
    (tmp_path / "t").write_text("")
    assert done("score", tiny_run, tmp_path / "t").out == ""
    assert scored(tiny_run, tmp_path / "t") == []


def test_score_names_the_line_of_what_it_does_not_know(tiny_run: Path, tmp_path: Path) -> None:
    (tmp_path / "t").write_text("ab\nabé\n")
    ran = command("score", tiny_run, tmp_path / "t")
    assert (ran.code, ran.out) == (5, "")
    assert f'{tmp_path}/t [DATA_UNKNOWN_TOKEN] the character "é" at line 2, column 3' in ran.err
    (tmp_path / "t").write_bytes(b"ab\n\xff")
    assert "[DATA_ENCODING] byte 0xff at offset 3" in command("score", tiny_run, tmp_path / "t").err
    assert "[DATA_NOT_FOUND]" in command("score", tiny_run, tmp_path / "none").err


def test_only_a_line_feed_ends_a_line(word_run: Path, tmp_path: Path) -> None:
    (tmp_path / "t").write_text("the cat\x0cthe\u2028cat\nend")
    assert [record["tokens"] for record in scored(word_run, tmp_path / "t")] == [4, 1]


def test_score_of_bytes(byte_run: Path, tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b"a\xff\n\xc3\xa9")
    first, second = scored(byte_run, tmp_path / "t")
    assert (first["text"], first["tokens"]) == ("a\ufffd", 2)
    assert (second["text"], second["tokens"]) == ("é", 2)


def test_the_folder_of_checkpoints_is_its_newest(tiny_run: Path, tmp_path: Path) -> None:
    newest = sorted((tiny_run / "checkpoints").iterdir())[-1]
    ran = done("eval", tiny_run / "checkpoints", "--json")
    assert json.loads(ran.out)["checkpoint"] == str(newest)
    assert ran.out == done("eval", newest, "--json").out
    empty = command("eval", tmp_path)
    assert empty.code == 6 and f"{tmp_path} [CKPT_NOT_FOUND] holds no checkpoint" in empty.err


def test_names_whose_ends_would_not_be_seen_are_in_quotes() -> None:
    names = ("plain", " before", "after ", "", "two words", "\x1b[1m")
    shown = _drawn(Table(("label", "f1"), tuple((name, 0.5) for name in names)))
    assert [line.removesuffix("  0.5").rstrip() for line in shown.splitlines()[1:]] == [
        "plain",
        "' before'",
        "'after '",
        "''",
        "two words",
        "\\x1b[1m",
    ]


def test_a_file_is_named_as_it_was_given(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "bad.txt").write_text("abc?")
    monkeypatch.chdir(tmp_path)
    ran = command("eval", tiny_run, "--data", "deep/bad.txt")
    assert (ran.code, ran.err.partition(" ")[0]) == (5, "deep/bad.txt")
