"""rnnkit predict: for each record what the model gives for it alone, in the words of its data."""

from __future__ import annotations

import csv
import gzip
import io
import json
import stat
import sys
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from helpers import Ran, command, done, threads_used

import rnnkit
from rnnkit import Loss
from rnnkit.builtin.losses.binary_cross_entropy import BinaryCrossEntropy
from rnnkit.builtin.losses.mse import MSE
from rnnkit.builtin.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from rnnkit.contracts.inference_inputs import Question, Questions
from rnnkit.contracts.target_info import Meaning
from rnnkit.core.signal import Signal
from rnnkit.inference import predict as module
from rnnkit.inference.model import Model, load
from rnnkit.inference.predictions import Answers
from rnnkit.inference.states import load_states
from rnnkit.network import network
from rnnkit.network.sections import run_sections
from rnnkit.types import Array

Rows = list[dict[str, Any]]
CHAR = {"type": "char"}
SOFTMAX = {"type": "softmax_cross_entropy"}
LSTM = [{"type": "lstm", "units": 5}, {"type": "affine"}]
BOTH = [{"type": "bidirectional", "layer": {"type": "gru", "units": 3}}, {"type": "affine"}]


def texts(count: int) -> list[str]:
    random = np.random.default_rng(3)
    return ["".join(random.choice(list("abcd"), random.integers(1, 30))) for _ in range(count)]


def numbers(count: int) -> list[list[list[float]]]:
    random = np.random.default_rng(4)
    return [random.random((random.integers(1, 9), 2)).round(3).tolist() for _ in range(count)]


WORDS = {"one": "one", "two": "two", "three": "three"}
KINDS: dict[str, tuple[Rows, dict[str, Any], list[dict[str, Any]], dict[str, Any]]] = {
    "label": (
        [{"text": t, "label": "xyz"[t.count("a") % 3]} for t in texts(60)],
        {
            "inputs": {"kind": "text", "key": "text", "tokenizer": CHAR},
            "targets": {"kind": "class", "key": "label"},
        },
        [{"type": "one_hot"}, *LSTM],
        SOFTMAX,
    ),
    "tags": (
        [{"words": list(t), "tags": ["AB"[c < "c"] for c in t]} for t in texts(60)],
        {
            "inputs": {"kind": "tokens", "key": "words", "unknown": "<unk>"},
            "targets": {"kind": "class", "key": "tags", "each": True},
        },
        [{"type": "embedding", "units": 3}, *BOTH],
        SOFTMAX,
    ),
    "frames": (
        [{"x": x, "on": ["no" if a < b else "yes" for a, b in x]} for x in numbers(60)],
        {
            "inputs": {"kind": "numbers", "key": "x"},
            "targets": {
                "kind": "class",
                "key": "on",
                "each": True,
                "labels": ["no", "yes", "maybe"],
            },
        },
        LSTM,
        SOFTMAX,
    ),
    "values": (
        [{"x": x, "sum": sum(a for a, _ in x), "n": len(x)} for x in numbers(60)],
        {
            "inputs": {"kind": "numbers", "key": "x", "scale": "none"},
            "targets": {"kind": "numbers", "keys": ["sum", "n"]},
        },
        LSTM,
        {"type": "mse"},
    ),
    "word": (
        [{"id": name, "word": word} for name, word in WORDS.items()] * 20,
        {
            "inputs": {"kind": "class", "key": "id"},
            "targets": {"kind": "text", "key": "word"},
        },
        [{"type": "lstm", "units": 24}, {"type": "affine"}],
        SOFTMAX,
    ),
}


def write_jsonl(path: Path, rows: Rows) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A finished run for each kind of target; its data lies beside it."""
    folder = tmp_path_factory.mktemp("kinds")
    found = {}
    for kind, (rows, data, layers, loss) in KINDS.items():
        write_jsonl(folder / f"{kind}.jsonl", rows)
        spec = {
            "spec_version": 1,
            "data": {"type": "sequences", "path": f"{kind}.jsonl", **data},
            "model": {"layers": layers, "loss": loss},
            "train": {
                "epochs": 40 if kind == "word" else 2,
                "streams": 8,
                "optimizer": {"type": "adam", "lr": 0.02},
            },
        }
        (folder / f"{kind}.json").write_text(json.dumps(spec))
        found[kind] = folder / f"run-{kind}"
        done("run", folder / f"{kind}.json", "--out", found[kind])
    return found


def records(run: Path, data: Path, *options: object) -> Rows:
    return [json.loads(line) for line in done("predict", run, data, *options).out.splitlines()]


def inputs_of(kind: str, model: Model, row: dict[str, Any]) -> Array:
    if kind == "label":
        return model.encode(row["text"])[:, None]
    if kind == "tags":
        return np.array([[model.vocabulary.tokens.index(w)] for w in row["words"]])
    return np.array(row["x"])[:, None]


def softmax(logits: Array) -> Array:
    weights = np.exp(logits.astype(np.float64))
    return weights / weights.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("kind", ["label", "tags", "frames"])
def test_labels_are_those_of_each_sequence_alone(
    kind: str, runs: dict[str, Path], tmp_path: Path
) -> None:
    rows, model = KINDS[kind][0][:45], load(runs[kind])
    labels = model.spec.data.targets.labels
    found = records(runs[kind], write_jsonl(tmp_path / "d.jsonl", rows))
    assert [record["line"] for record in found] == list(range(1, 46))
    for row, record in zip(rows, found, strict=True):
        ps = softmax(model.forward(inputs_of(kind, model, row))[0][:, 0])
        if kind == "label":
            ps, record = ps[-1:], {k: [v] for k, v in record.items()}
        assert record["label"] == [labels[i] for i in ps.argmax(axis=1)]
        assert record["probability"] == pytest.approx(ps.max(axis=1), abs=1e-6)


def test_layers_are_told_which_steps_carry_data(
    runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Array | None] = []

    def noted(*arguments: Any) -> Any:
        given.append(arguments[-1].valid)
        return run_sections(*arguments)

    monkeypatch.setattr(network, "run_sections", noted)
    file = tmp_path / "d.jsonl"
    records(runs["tags"], write_jsonl(file, [{"words": ["a"] * n} for n in (5, 6, 4)]))
    (valid,) = given
    assert valid is not None and sorted(valid.sum(axis=0)) == [4, 5, 6]
    records(runs["tags"], write_jsonl(file, [{"words": ["a"] * 4}] * 3))
    assert given[1:] == [None]


@pytest.mark.parametrize("kind", KINDS)
def test_python_gives_the_records_of_the_command(
    kind: str, runs: dict[str, Path], tmp_path: Path
) -> None:
    file = write_jsonl(tmp_path / "d.jsonl", KINDS[kind][0][:9])
    found = rnnkit.predict(rnnkit.load(runs[kind]), file)
    assert json.loads(json.dumps(found)) == records(runs[kind], file)
    with pytest.raises(ValueError, match="top: expected at least 1, received 0"):
        rnnkit.predict(rnnkit.load(runs[kind]), file, top=0)


def test_values_are_those_of_each_sequence_alone(runs: dict[str, Path], tmp_path: Path) -> None:
    rows, model = KINDS["values"][0][:45], load(runs["values"])
    for row, record in zip(
        rows, records(runs["values"], write_jsonl(tmp_path / "d.jsonl", rows)), strict=True
    ):
        ys = model.forward(np.array(row["x"])[:, None])[0][-1, 0]
        assert [record["sum"], record["n"]] == pytest.approx(ys, abs=1e-6)


def test_a_class_unrolls_to_its_word(runs: dict[str, Path], tmp_path: Path) -> None:
    rows = [{"id": name} for name in ("three", "one", "two", "three")]
    found = records(runs["word"], write_jsonl(tmp_path / "d.jsonl", rows))
    assert [record["text"] for record in found] == ["three", "one", "two", "three"]


def test_an_answer_without_an_end_is_cut(
    runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONGEST", 2)
    file = write_jsonl(tmp_path / "d.jsonl", [{"id": "three"}])
    assert records(runs["word"], file)[0]["text"] == "th"


def test_what_overflows_has_no_value(runs: dict[str, Path], tmp_path: Path) -> None:
    rows = [{"x": [[3e38, -3e38]] * 3}, {"x": [[1, 2]]}]
    file = write_jsonl(tmp_path / "d.jsonl", rows)
    shown = records(runs["values"], file)
    assert [row["line"] for row in shown] == [1, 2]
    alone = records(runs["values"], write_jsonl(tmp_path / "e.jsonl", rows[1:]))
    assert shown[1]["sum"] == pytest.approx(alone[0]["sum"], rel=1e-5)


@pytest.mark.parametrize("kind", ["label", "tags", "frames", "values"])
def test_targets_are_optional(kind: str, runs: dict[str, Path], tmp_path: Path) -> None:
    rows = KINDS[kind][0]
    data = [{k: v for k, v in row.items() if k in ("text", "words", "x")} for row in rows]
    with_them = done("predict", runs[kind], write_jsonl(tmp_path / "a.jsonl", rows)).out
    assert with_them == done("predict", runs[kind], write_jsonl(tmp_path / "b.jsonl", data)).out


@pytest.mark.parametrize("kind", ["label", "frames"])
def test_windows_and_streams_decide_nothing(
    kind: str, runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_jsonl(tmp_path / "d.jsonl", KINDS[kind][0])
    whole = records(runs[kind], file)
    for streams, window in ((1, 256), (7, 3), (60, 1)):
        monkeypatch.setattr(module, "SEQUENCES", streams)
        monkeypatch.setattr(module, "WINDOW", window)
        for wanted, found in zip(whole, records(runs[kind], file), strict=True):
            assert found["label"] == wanted["label"]
            assert found["probability"] == pytest.approx(wanted["probability"], abs=1e-6)


def test_top(runs: dict[str, Path], tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "d.jsonl", KINDS["label"][0][:5])
    for record, best in zip(
        records(runs["label"], file, "--top", 9), records(runs["label"], file), strict=True
    ):
        names = [record[key] for key in ("label", "label_2", "label_3")]
        ps = [record[key] for key in ("probability", "probability_2", "probability_3")]
        assert sorted(names) == ["x", "y", "z"] and "label_4" not in record
        assert ps == sorted(ps, reverse=True) and sum(ps) == pytest.approx(1, abs=1e-5)
        assert names[0] == best["label"]


def test_csv_has_a_row_for_each_step(runs: dict[str, Path], tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "d.jsonl", KINDS["tags"][0][:9])
    out = tmp_path / "tags.csv"
    assert done("predict", runs["tags"], file, "--out", out).out == ""
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert done("predict", runs["tags"], file, "--format", "csv").out == out.read_text()
    wanted = [
        [str(r["line"]), str(step), label, str(p)]
        for r in records(runs["tags"], file)
        for step, (label, p) in enumerate(zip(r["label"], r["probability"], strict=True), 1)
    ]
    head, *rows = csv.reader(io.StringIO(out.read_text()))
    assert head == ["line", "step", "label", "probability"]
    assert rows == wanted


def test_a_csv_of_one_record_has_its_header(runs: dict[str, Path], tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "d.jsonl", KINDS["label"][0][:1])
    head, row = done("predict", runs["label"], file, "--format", "csv").out.splitlines()
    assert head == "line,label,probability" and row.startswith("1,")


def test_csv_in_and_out(runs: dict[str, Path], tmp_path: Path) -> None:
    rows = KINDS["values"][0][:5]
    (tmp_path / "d.csv").write_text("a,text\n1,abca\n2,dd\n")
    out = done("predict", runs["label"], tmp_path / "d.csv", "--format", "csv").out
    assert [line.split(",")[0] for line in out.splitlines()] == ["line", "2", "3"]
    file = write_jsonl(tmp_path / "v.jsonl", rows)
    assert done("predict", runs["values"], file, "--format", "csv").out.startswith("line,sum,n\n1,")


def test_a_text_is_one_cell_of_a_csv(runs: dict[str, Path], tmp_path: Path) -> None:
    file, out = write_jsonl(tmp_path / "d.jsonl", KINDS["word"][0][:3]), tmp_path / "words.CSV"
    done("predict", runs["word"], file, "--out", out)
    rows = [f"{r['line']},{r['text']}\n" for r in records(runs["word"], file)]
    assert out.read_text() == "line,text\n" + "".join(rows)


@pytest.mark.parametrize("before", [b"\n", b" \t", b"\xef\xbb\xbf\n"])
def test_objects_on_stdin_after_blanks(
    before: bytes, runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_jsonl(tmp_path / "d.jsonl", KINDS["label"][0][:2])
    found = piped(runs["label"], before + file.read_bytes(), monkeypatch).out
    labels = [json.loads(line)["label"] for line in found.splitlines()]
    assert labels == [record["label"] for record in records(runs["label"], file)]


def test_nothing_on_stdin(runs: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    said = "stdin holds nothing to predict (give it a line for each text or row)\n"
    assert piped(runs["label"], b"", monkeypatch) == Ran(0, "", said)


def test_threads(runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    used = threads_used(monkeypatch, module, "predict_rows")
    file = write_jsonl(tmp_path / "d.jsonl", KINDS["label"][0][:2])
    for threads in (1, 2):
        done("predict", runs["label"], file, "--threads", threads)
    assert used == [1, 2]


def test_columns_of_the_file_are_kept(runs: dict[str, Path], tmp_path: Path) -> None:
    rows = [
        {"id": i, "label": "?", "extra": {"a": i}, **row}
        for i, row in enumerate({"text": row["text"]} for row in KINDS["label"][0][:3])
    ]
    file, options = write_jsonl(tmp_path / "d.jsonl", rows), ("--keep", "id", "--keep", "label")
    found = records(runs["label"], file, *options, "--keep", "extra")
    plain = records(runs["label"], file)
    for i, (kept, record) in enumerate(zip(found, plain, strict=True)):
        names = ["line", "id", "given_label", "extra", "label", "probability"]
        assert list(kept) == names
        assert (kept["id"], kept["given_label"], kept["extra"]) == (i, "?", {"a": i})
        assert {k: kept[k] for k in record} == record
    shown = done("predict", runs["label"], file, "--keep", "extra", "--format", "csv").out
    assert shown.splitlines()[1].startswith('1,"{""a"": 0}",')
    del rows[0]["extra"]
    write_jsonl(file, rows)
    found = records(runs["label"], file, "--keep", "extra")
    assert [record["extra"] for record in found] == [None, {"a": 1}, {"a": 2}]
    (tmp_path / "d.csv").write_text("n,text\n007,ab\n,cd\n")
    kept = records(runs["label"], tmp_path / "d.csv", "--keep", "n", "--keep", "n")
    assert [record["n"] for record in kept] == ["007", ""]


def test_columns_are_kept_beside_each_step(runs: dict[str, Path], tmp_path: Path) -> None:
    rows = [{"id": i, **row} for i, row in enumerate(KINDS["tags"][0][:2], 7)]
    file = write_jsonl(tmp_path / "d.jsonl", rows)
    head, first = done(
        "predict", runs["tags"], file, "--keep", "id", "--format", "csv"
    ).out.splitlines()[:2]
    assert head == "line,id,step,label,probability" and first.startswith("1,7,1,")


def test_a_column_that_there_is_not_is_not_kept(
    runs: dict[str, Path], tiny_run: Path, tmp_path: Path
) -> None:
    file = write_jsonl(tmp_path / "d.jsonl", [{"text": "ab", "id": 1}])
    ran = command("predict", runs["label"], file, "--keep", "name")
    assert (ran.code, ran.out) == (5, "")
    assert 'there is no "name" (there is "text", "id")' in ran.err
    (tmp_path / "d.csv").write_text("text\nab\n")
    ran = command("predict", runs["label"], tmp_path / "d.csv", "--keep", "id")
    assert ran.code == 5 and 'the header names no "id" (there is "text")' in ran.err
    (tmp_path / "d.txt").write_text("abc\n")
    ran = command("predict", tiny_run, tmp_path / "d.txt", "--keep", "id")
    assert ran.code == 6
    assert "data of the type 'text' has no columns (leave out --keep)" in ran.err


def piped(run: Path, data: bytes, monkeypatch: pytest.MonkeyPatch, *options: object) -> Ran:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    return command("predict", run, "-", *options)


def test_stdin(runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_jsonl(tmp_path / "d.jsonl", KINDS["label"][0][:5])
    wanted = done("predict", runs["label"], file).out
    assert piped(runs["label"], file.read_bytes(), monkeypatch).out == wanted
    texts = "text\n" + "".join(row["text"] + "\n" for row in KINDS["label"][0][:5])
    found = piped(runs["label"], texts.encode(), monkeypatch).out.splitlines()
    labels = [json.loads(line)["label"] for line in wanted.splitlines()]
    assert [json.loads(line)["label"] for line in found] == labels


def test_a_byte_order_mark_on_stdin(
    runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_jsonl(tmp_path / "d.jsonl", KINDS["label"][0][:5])
    marked = b"\xef\xbb\xbf" + file.read_bytes()
    assert piped(runs["label"], marked, monkeypatch).out == done("predict", runs["label"], file).out


@pytest.mark.parametrize(("data", "there"), [(b"1.4,0.2\n", '"1.4", "0.2"'), (b"ab", '"ab"')])
def test_stdin_without_a_header(
    data: bytes, there: str, runs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = piped(runs["tags"], data, monkeypatch)
    assert (ran.code, ran.out) == (5, "")
    problem = f'stdin:1 [DATA_FIELD] the header names no "words" (there is {there})'
    assert ran.err.splitlines() == [problem]


def test_a_list_has_no_named_values(runs: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    ran = piped(runs["tags"], b"[1,2]", monkeypatch)
    said = "stdin:1 [DATA_JSON] expected a JSON object, received {} (one object a line)"
    assert ran.err.splitlines() == [said.format(1), said.format(2), "2 errors"]


def test_plain_lines_are_the_texts_of_a_model_of_text(
    runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"text": text} for text in ("abca", "dd", "c")]
    wanted = done("predict", runs["label"], write_jsonl(tmp_path / "d.jsonl", rows)).out
    lines = b"abca\r\ndd\nc\n"
    assert piped(runs["label"], b"abca\rdd\rc", monkeypatch).out == wanted
    assert piped(runs["label"], lines, monkeypatch).out == wanted
    assert piped(runs["label"], lines.removesuffix(b"\n"), monkeypatch).out == wanted
    (tmp_path / "lines.txt").write_bytes(b"\xef\xbb\xbf" + lines)
    assert done("predict", runs["label"], tmp_path / "lines.txt").out == wanted
    (tmp_path / "lines.gz").write_bytes(gzip.compress(lines))
    assert done("predict", runs["label"], tmp_path / "lines.gz").out == wanted
    assert json.loads(piped(runs["word"], b'{"id": "one"}', monkeypatch).out)["line"] == 1


def test_a_plain_line_that_cannot_be_read_is_named(
    runs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = piped(runs["label"], b"ab\n\n[a\ta]\n", monkeypatch)
    assert ran.code == 5 and 'stdin:3 [DATA_UNKNOWN_TOKEN] the character "["' in ran.err
    assert "stdin:2 [DATA_EMPTY] text: the sequence has length 0" in ran.err


def test_json_is_one_object(runs: dict[str, Path], tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "d.jsonl", KINDS["label"][0][:3])
    shown = json.loads(done("predict", runs["label"], file, "--json").out)
    assert shown == {"records": records(runs["label"], file), "count": 3, "skipped": 0}


BAD = '{"text": "ab"}\n{"text": ""}\n{"text": "aéb"}\n{"test": "a"}\n[1]\n{"text": "cd"}\n'


def test_bad_rows_are_told_with_their_lines(runs: dict[str, Path], tmp_path: Path) -> None:
    file = tmp_path / "d.jsonl"
    file.write_text(BAD)
    ran = command("predict", runs["label"], file)
    assert (ran.code, ran.out) == (5, "")
    said = ran.err.splitlines()
    for line, code in ((2, "EMPTY"), (3, "UNKNOWN_TOKEN"), (4, "FIELD"), (5, "JSON")):
        assert any(each.startswith(f"{file}:{line} [DATA_{code}] ") for each in said), said
    file.write_text(BAD * 4)
    advice = command("predict", runs["label"], file).err
    assert "it is so in 4 rows (repair them, or give --skip-bad)\n16 errors\n" in advice


def test_bad_rows_are_skipped_and_counted(runs: dict[str, Path], tmp_path: Path) -> None:
    file = tmp_path / "d.jsonl"
    file.write_text(BAD)
    ran = done("predict", runs["label"], file, "--skip-bad")
    assert [json.loads(line)["line"] for line in ran.out.splitlines()] == [1, 6]
    assert ran.err.startswith(f"4 bad rows skipped, the first: {file}:5 [DATA_JSON]") or (
        ran.err.startswith(f"4 bad rows skipped, the first: {file}:2 [DATA_EMPTY]")
    )
    shown = json.loads(done("predict", runs["label"], file, "--skip-bad", "--json").out)
    assert (shown["count"], shown["skipped"]) == (2, 4)


def test_nothing_to_predict(runs: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "none").write_text("")
    assert done("predict", runs["label"], tmp_path / "none").out == ""
    assert done("predict", runs["tags"], tmp_path / "none", "--format", "csv").out == "line\n"
    ran = command("predict", runs["label"], tmp_path / "no")
    assert ran.code == 5 and "[DATA_NOT_FOUND] no such file" in ran.err


def test_frames_go_on_tomorrow(runs: dict[str, Path], tmp_path: Path) -> None:
    run, model = runs["frames"], load(runs["frames"])
    xs = np.concatenate([np.array(x) for x in numbers(40)])
    today, tomorrow = ([{"x": part.tolist()}] for part in (xs[:83], xs[83:]))
    state = tmp_path / "state"
    first = write_jsonl(tmp_path / "1.jsonl", today)
    second = write_jsonl(tmp_path / "2.jsonl", tomorrow)
    found = records(run, first, "--state-out", state) + records(run, second, "--state-in", state)
    ps = softmax(model.forward(xs[:, None])[0][:, 0])
    assert sum((r["probability"] for r in found), []) == pytest.approx(ps.max(axis=1), abs=1e-6)
    assert records(run, second)[0]["probability"][:3] != found[1]["probability"][:3]


def test_the_records_of_a_stream_go_on_from_one_another(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    run, rows = runs["frames"], [{"x": x} for x in numbers(6)]
    whole = [{"x": sum((row["x"] for row in rows), [])}]
    parts = records(run, write_jsonl(tmp_path / "p.jsonl", rows), "--state-out", tmp_path / "s")
    (one,) = records(run, write_jsonl(tmp_path / "w.jsonl", whole), "--state-out", tmp_path / "t")
    assert sum((r["probability"] for r in parts), []) == pytest.approx(one["probability"], abs=1e-6)


def test_a_model_of_both_directions_has_no_states(runs: dict[str, Path], tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "d.jsonl", KINDS["tags"][0][:3])
    ran = command("predict", runs["tags"], file, "--state-out", tmp_path / "s")
    assert ran.code == 6
    assert "[STATE_NOT_CAUSAL] layer 1.bidirectional reads later inputs" in ran.err
    assert not (tmp_path / "s").exists()


def test_answers_that_unroll_are_no_stream(runs: dict[str, Path], tmp_path: Path) -> None:
    data, states = write_jsonl(tmp_path / "x.jsonl", KINDS["word"][0][:2]), tmp_path / "states"
    ran = command("predict", runs["word"], data, "--state-out", states)
    assert (ran.code, ran.out, states.exists()) == (6, "", False)
    assert "[STATE_UNROLLS] each answer unrolls from a record to an end of its own, so" in ran.err
    assert "nothing goes on (leave out --state-in and --state-out)" in ran.err


def test_step_by_step_is_the_whole_sequence(runs: dict[str, Path]) -> None:
    model = load(runs["frames"])
    xs = np.random.default_rng(0).random((40, 3, 2)).astype(np.float32)
    wanted, after = model.forward(xs)
    state, alone = model.start(3), model.start()
    for x, y in zip(xs, wanted, strict=True):
        found, state = model.step(x, state)
        assert found == pytest.approx(y, abs=1e-6)
        one, alone = model.step(x[1], alone)
        assert one == pytest.approx(y[1], abs=1e-6) and one.shape == (3,)
    assert state["0.lstm"][1] == pytest.approx(after["0.lstm"][1], abs=1e-6)


def test_tokens_step_by_step(tiny_run: Path) -> None:
    model = load(tiny_run)
    ids = model.encode("abcde\nabc")
    state = model.start()
    for k, token in enumerate(ids):
        y, state = model.step(int(token), state)
        assert y == pytest.approx(model.forward(ids[: k + 1, None])[0][-1, 0], abs=1e-6)


def test_the_next_token_after_each_line(tiny_run: Path, tmp_path: Path) -> None:
    (tmp_path / "t").write_text("abc\n\nde")
    model, found = load(tiny_run), records(tiny_run, tmp_path / "t", "--top", 2)
    assert [record["line"] for record in found] == [1, 2, 3]
    for line, record in zip(("abc", "", "de"), found, strict=True):
        ids = model.encode("\n" + line)[:, None]
        ps = softmax(model.forward(ids)[0][-1, 0])
        first, second = np.argsort(-ps)[:2]
        assert [record["token"], record["token_2"]] == [
            model.vocabulary.tokens[i] for i in (first, second)
        ]
        assert record["probability"] == pytest.approx(ps[first], abs=1e-6)


@pytest.mark.parametrize("cut", ["abc\nde\n", "abc\nde"])
def test_a_text_goes_on_tomorrow(cut: str, tiny_run: Path, tmp_path: Path) -> None:
    rest, state = "bcd\na\n", tmp_path / "s"
    for name, text in (("w", cut + rest), ("a", cut), ("b", rest)):
        (tmp_path / name).write_text(text)
    whole = records(tiny_run, tmp_path / "w", "--state-out", tmp_path / "end")
    records(tiny_run, tmp_path / "a", "--state-out", state)
    second = records(tiny_run, tmp_path / "b", "--state-in", state, "--state-out", state)
    model = load(tiny_run)
    ids = model.encode("\n" + (cut + rest).removesuffix("\n"))[:, None]
    assert whole[-1]["probability"] == pytest.approx(softmax(model.forward(ids)[0][-1, 0]).max())
    for wanted, found in zip(whole[-2:], second, strict=True):
        assert found["token"] == wanted["token"]
        assert found["probability"] == pytest.approx(wanted["probability"], abs=1e-6)
    sampled = [
        done("sample", tiny_run, "--state-in", path, "--greedy", "--length", 9).out
        for path in (state, tmp_path / "end")
    ]
    assert sampled[0] == sampled[1]


def test_a_text_without_line_ends_goes_on(dna_run: Path, tmp_path: Path) -> None:
    states, lines = tmp_path / "states", tmp_path / "lines"
    lines.write_text("ACG\nTT\n")
    (tmp_path / "whole").write_text("ACGTT")
    shown = done("predict", dna_run, lines, "--state-out", states).out.splitlines()
    whole = done("predict", dna_run, tmp_path / "whole").out
    assert json.loads(shown[1])["token"] == json.loads(whole)["token"]
    assert load_states(states, load(dna_run)).last.tolist() == [load(dna_run).encode("T")[0]]


def test_a_line_of_text_that_is_not_known(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "t"
    file.write_text("ab\ncé\nab\n")
    ran = command("predict", tiny_run, file)
    assert (ran.code, ran.out) == (5, "")
    assert f'{file}:2 [DATA_UNKNOWN_TOKEN] the character "é" at column 2 is not in' in ran.err
    said = piped(tiny_run, file.read_bytes(), monkeypatch).err
    assert said.startswith("stdin:2 [DATA_UNKNOWN_TOKEN]")
    ran = done("predict", tiny_run, file, "--skip-bad")
    assert [json.loads(line)["line"] for line in ran.out.splitlines()] == [1, 3]
    assert ran.err.startswith(f"1 bad line skipped, the first: {file}:2 [DATA_UNKNOWN_TOKEN]")


@pytest.mark.parametrize("verb", [["sample"], ["score", "/dev/null"], ["sample", "--stream"]])
@pytest.mark.parametrize("kind", ["label", "values"])
def test_what_predicts_no_next_token_writes_no_text(
    kind: str, verb: list[str], runs: dict[str, Path]
) -> None:
    ran = command(verb[0], runs[kind], *verb[1:], *(["--state-out", "x"] if len(verb) > 1 else []))
    assert (ran.code, ran.out) == (6, "")
    assert "[CKPT_NO_TEXT] the model " in ran.err
    assert "; use rnnkit predict" in ran.err


def test_a_series_read_in_both_directions_is_read_whole(
    runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load(runs["tags"])
    xs = np.array([0, 1, 2, 3] * 100, np.int32)
    asked = Questions([Question(1, xs, True, None, range(1, 401))], streams=True)
    monkeypatch.setattr(module, "_questions", lambda *_: asked)
    found = module.predict_rows(model, b"", "x")
    ps = softmax(model.forward(xs[:, None])[0][:, 0]).max(axis=1)
    assert [r["probability"] for r in found.records] == pytest.approx(ps, abs=1e-6)
    assert found.after is None


def test_answers_yes_or_no() -> None:
    ys = np.array([[0.0, 2.0], [-1.0, 0.5]], np.float32)
    answers = Answers(BinaryCrossEntropy(), Signal(2), Meaning(names=("wet", "cold")))
    found = answers.columns(ys)
    assert found["wet"] == pytest.approx([0.5, 0.2689414])
    assert found["cold"] == pytest.approx([0.8807971, 0.6224593])
    single = Answers(BinaryCrossEntropy(), Signal(2, ids=True), Meaning(names=("no", "yes")), 2)
    found = single.columns(np.array([[2.0], [-2.0]], np.float32))
    assert (found["label"], found["label_2"]) == (["yes", "no"], ["no", "yes"])
    assert found["probability"] == pytest.approx([0.8807971] * 2)


class Signs(Loss):
    """One output for two labels, of which its sign takes one; how likely nobody knows."""

    type: Literal["signs"] = "signs"

    def decisions(self, ys: Array, targets: Array, *window: Array | None) -> tuple[Array, Array]:
        return (ys[..., 0] > 0).astype(np.int32), targets


def test_a_loss_that_only_decides_among_more_labels_than_outputs() -> None:
    answers = Answers(Signs(), Signal(2, ids=True), Meaning(names=("no", "yes")))
    found = answers.columns(np.array([[-1.0], [2.0], [0.5]], np.float32))
    assert found == {"label": ["no", "yes", "yes"]}


def test_values_in_the_units_of_the_data() -> None:
    meaning = Meaning(names=("t",), unscaled=lambda v: 10 * v + 3)
    assert Answers(MSE(), Signal(1), meaning).columns(np.array([[0.125]], np.float32)) == {
        "t": [4.25]
    }


def test_no_digit_is_lost_where_a_large_mean_is_added() -> None:
    meaning = Meaning(names=("t",), unscaled=lambda v: 0.1 * v + 4492557)
    ys = np.array([[0.5], [0.500001], [np.nan]], np.float32)
    expected = [0.1 * float(np.float32(v)) + 4492557 for v in (0.5, 0.500001)]
    assert Answers(MSE(), Signal(1), meaning).columns(ys) == {"t": [*expected, None]}
    assert expected[0] != expected[1]


def test_a_probability_near_one_is_told_from_one() -> None:
    columns = Answers(SoftmaxCrossEntropy(), Signal(2, ids=True), Meaning(), 2).columns(
        np.array([[20.0, 0.0]], np.float32)
    )
    p = 1 / (1 + np.exp(-20.0))
    assert columns["probability"] == [pytest.approx(p, rel=1e-14)] != [1.0]
    assert columns["probability_2"] == [pytest.approx(1 - p, rel=1e-6)]
    two = Answers(MSE(), Signal(2), Meaning()).columns(np.array([[1, np.inf]], np.float32))
    assert two == {"value_1": [1.0], "value_2": [None]}


def test_distributions_as_targets_choose_a_label() -> None:
    found = Answers(SoftmaxCrossEntropy(), Signal(2), Meaning(names=("a", "b"))).columns(
        np.array([[0.0, 1.0]], np.float32)
    )
    assert found["label"] == ["b"] and found["probability"] == pytest.approx([0.7310586])
