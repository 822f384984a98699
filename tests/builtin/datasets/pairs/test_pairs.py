"""Pairs of texts: files, generated ones, their batches, runs that resume, what is written."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import JSONObject, command, done, lines, results

from rnnkit.builtin.datasets.pairs.generated import generated
from rnnkit.builtin.datasets.pairs.pairs import Pairs
from rnnkit.builtin.tokenizers.char import Char
from rnnkit.contracts.dataset import Layout
from rnnkit.contracts.registry import Registry
from rnnkit.contracts.tokenizer import Vocabulary
from rnnkit.core.block import parse_block
from rnnkit.errors import DataError

CHAR = {"type": "char"}


def pairs(**fields: Any) -> Pairs:
    block = {"type": "pairs", "tokenizer": CHAR, **fields}
    found = parse_block("rnnkit.datasets", block, {"catalog": Registry()})
    assert isinstance(found, Pairs)
    return found


def spec(**train: Any) -> JSONObject:
    return {
        "name": "sums",
        "data": {
            "type": "pairs",
            "source": "addition",
            "count": 60,
            "tokenizer": CHAR,
            "start": "_",
            "end": "",
            "pad": [7, 4],
            "split": [0.8, 0.2, 0.0],
        },
        "model": {
            "encoder": {
                "layers": [{"type": "embedding", "units": 4}, {"type": "lstm", "units": 6}]
            },
            "decoder": {
                "layers": [
                    {"type": "embedding", "units": 4},
                    {"type": "dropout", "rate": 0.2},
                    {"type": "lstm", "units": 6},
                    {"type": "attention", "score": "additive"},
                    {"type": "affine"},
                ]
            },
            "peek": True,
            "loss": {"type": "softmax_cross_entropy"},
        },
        "train": {
            "epochs": 3,
            "streams": 7,
            "optimizer": {"type": "adam", "lr": 0.02},
            "clip": {"norm": 1.0},
            "every": {"log": 2, "evaluate": "epoch", "save": 4},
            "best": {"metric": "valid_exact_match", "mode": "max"},
            "seed": 3,
            **train,
        },
    }


def test_sums_are_right_and_none_comes_twice() -> None:
    found = generated("addition", 5000, seed=1)
    assert found == generated("addition", 5000, seed=1) != generated("addition", 5000, seed=2)
    assert len(found) == 5000
    asked = set()
    for question, answer in found:
        a, b = map(int, question.split("+"))
        assert a + b == int(answer) and max(a, b) < 1000
        asked.add((min(a, b), max(a, b)))
    assert len(asked) == 5000


def test_dates_in_twelve_forms() -> None:
    found = dict(generated("dates", 20000, seed=0))
    assert len(found) == 20000
    forms = {"".join("9" if c.isdigit() else "a" if c.isalpha() else c for c in s) for s in found}
    assert {"9/9/99", "99/99/9999", "aaa 99, 9999", "99 aaa 9999"} <= forms
    for source, target in found.items():
        year, month, day = map(int, target.split("-"))
        if source.count("/") == 2:
            first, second, third = map(int, source.split("/"))
            assert (first, second) == (month, day) and third in (year, year % 100)
        else:
            assert str(day) in source and str(year) in source


def test_no_source_is_in_two_splits() -> None:
    block = pairs(source="addition", count=300, split=[0.5, 0.25, 0.25])
    source = block.open(Path("."))
    parts = {split: _sources(source, split) for split in source.splits()}
    assert [len(parts[s]) for s in ("train", "valid", "test")] == [150, 75, 75]
    assert len(set().union(*parts.values())) == 300


def _sources(source: Any, split: str) -> list[str]:
    ragged = source.part(split).inputs
    starts = ragged.ends - ragged.lengths
    vocabulary = source.vocabulary.tokens
    return [
        "".join(vocabulary[i] for i in ragged.values[a:b])
        for a, b in zip(starts, ragged.ends, strict=True)
    ]


FILES = {
    "a.tsv": "1+1\t2\r\n10+5\t15\n",
    "old.tsv": "1+1\t2\r10+5\t15\r",
    "a.jsonl": '{"source": "1+1", "target": "2"}\n\n{"source": "10+5", "target": "15"}\n',
    "a.csv": "target,source,more\n2,1+1,x\n15,10+5,y\n",
}


def test_bytes_that_are_no_text_are_ids_of_a_source(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("1\t2\n")
    data = pairs(train="a.tsv", tokenizer={"type": "byte"}, start=" ", end="\n")
    coder = data.coder(data.open(tmp_path).vocabulary)
    assert coder.source("a\udcff").tolist() == [97, 255]


def test_a_window_is_as_long_as_the_longest_target(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("1\t12345\n2\t3\n")
    assert pairs(train="a.tsv").open(tmp_path).longest() == len("12345") + 1


@pytest.mark.parametrize("name", FILES)
def test_a_batch_of_pairs(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(FILES[name], newline="")
    source = pairs(train=name).open(tmp_path)
    ids = {token: i for i, token in enumerate(source.vocabulary.tokens)}
    (batch,) = source.batches("train", Layout(3, 9, tail=True), None)
    assert source.size("train") == 2 + 3 and source.longest() == 4

    def of(text: str) -> list[int]:
        return [ids[c] for c in text]

    assert batch.encoder is not None
    assert batch.encoder.inputs.T.tolist() == [[0, *of("1+1")], of("10+5"), [0] * 4]
    assert batch.encoder.valid.T.tolist() == [[False, True, True, True], [True] * 4, [False] * 4]
    assert batch.encoder.resets[:, 0].tolist() == [True, True, False, False]
    assert batch.inputs.T.tolist() == [[*of("\n2"), 0], of("\n15"), [0] * 3]
    assert batch.targets.T.tolist() == [[*of("2\n"), 0], of("15\n"), [0] * 3]
    assert batch.weights.T.tolist() == [[1, 1, 0], [1, 1, 1], [0, 0, 0]]


@pytest.mark.parametrize("reverse", [False, True])
def test_what_is_decoded_next_is_a_source_as_the_file_has_it(tmp_path: Path, reverse: bool) -> None:
    (tmp_path / "a.tsv").write_text("abc\tx\ndef\ty\n")
    block = pairs(train="a.tsv", reverse=reverse, pad=[6, 0])
    assert block.next_command(block.open(tmp_path), tmp_path) == ("decode", "abc")


def test_reversed_and_padded(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("12+3\t15\n")
    block = pairs(train="a.tsv", reverse=True, start="_", end="", pad=[6, 3])
    source = block.open(tmp_path)
    assert _sources(source, "train") == ["  3+21"]
    (batch,) = source.batches("train", Layout(1, 9), None)
    tokens = source.vocabulary.tokens
    assert "".join(tokens[i] for i in batch.inputs[:, 0]) == "_15"
    assert "".join(tokens[i] for i in batch.targets[:, 0]) == "15 "
    assert source.vocabulary.tokens == (" ", "+", "1", "2", "3", "5", "_")


def test_words_end_with_a_line(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("guten tag\tgood day\nja\tyes\n")
    source = pairs(train="a.tsv", tokenizer={"type": "word"}).open(tmp_path)
    tokens = source.vocabulary.tokens
    (batch,) = source.batches("train", Layout(2, 9, tail=True), None)
    assert [tokens[i] for i in batch.inputs[:, 0]] == ["<eos>", "good", "day"]
    assert [tokens[i] for i in batch.targets[:, 0]] == ["good", "day", "<eos>"]


BAD: list[tuple[str, str, JSONObject, str]] = [
    (
        "a.tsv",
        "a\tb\nc\n",
        {},
        "a.tsv:2 [DATA_TSV] expected a source, a tab and a target, received 1 cells "
        '(put a tab between them, or say by "separator" what there is)',
    ),
    ("a.tsv", "a\tb\n\tc\n", {}, "a.tsv:2 [DATA_EMPTY] source: is empty (take the row out)"),
    (
        "a.jsonl",
        '{"source": "a", "target": 1}\n',
        {},
        "a.jsonl:1 [DATA_FIELD] target: expected a text, received 1",
    ),
    (
        "a.jsonl",
        '{"source": "a", "target": "b\\nc"}\n',
        {},
        'a.jsonl:1 [DATA_MARK] the target holds "\\n", which ends a target (give another "end")',
    ),
    (
        "a.tsv",
        "a\tbbb\n",
        {"end": "", "pad": [0, 2]},
        "a.tsv:1 [DATA_LENGTH] the target has 3 tokens, and without an end each has 2 "
        '(give a larger "pad", or an "end")',
    ),
    (
        "a.tsv",
        "a\tb\n",
        {"start": "<s>"},
        '[DATA_MARK] "start" "<s>" is 3 tokens (give one token)',
    ),
    ("a.tsv", "\n", {}, "a.tsv [DATA_TOO_SHORT] there is no pair in it (give it rows)"),
]


@pytest.mark.parametrize(("name", "content", "fields", "message"), BAD, ids=range(len(BAD)))
def test_bad_pairs(
    tmp_path: Path, name: str, content: str, fields: JSONObject, message: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError) as caught:
        pairs(train=name, **fields).open(tmp_path)
    assert str(caught.value).strip() == message


BOOK = "16+75  _91  \n52+607 _659 \n"


@pytest.mark.parametrize("name", ["addition.txt", "addition.tsv"])
def test_lines_with_a_separator_lose_their_padding(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(BOOK)
    block = pairs(train=name, separator="_")
    source = block.open(tmp_path)
    assert sorted(_sources(source, "train")) == ["16+75", "52+607"]
    assert source.part("train").targets.lengths.tolist() == [4, 5]
    asked = block.questions(BOOK.encode(), "stdin", source.vocabulary).records
    tokens = source.vocabulary.tokens
    assert ["".join(tokens[i] for i in q.inputs) for q in asked] == ["16+75", "52+607"]


def test_generated_pairs_are_the_same_for_ever() -> None:
    sums = ["40+880", "41+332", "7+83", "613+5"]
    assert generated("addition", 4, 1) == [(each, str(eval(each))) for each in sums]
    assert generated("dates", 3, 1) == [
        ("10/28/10", "2010-10-28"),
        ("wednesday, april 4, 1979", "1979-04-04"),
        ("4/23/89", "1989-04-23"),
    ]


def test_a_line_that_is_no_utf_8_is_asked_byte_by_byte(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("1\t2\n")
    data = pairs(train="a.tsv", tokenizer={"type": "byte"}, start=" ", end="\n")
    vocabulary = data.open(tmp_path).vocabulary
    (question,) = data.questions(b"a\xff\n", "stdin", vocabulary).records
    assert question.inputs.tolist() == [97, 255]


@pytest.mark.parametrize("name", ["a.tsv", "a.TSV"])
def test_the_first_line_of_a_tsv_file_is_a_pair_like_the_others(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("source\ttarget\nab\tc\n")
    assert sorted(_sources(pairs(train=name).open(tmp_path), "train")) == ["ab", "source"]


def test_padding_stays_without_a_separator(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("a \tb \n")
    source = pairs(train="a.tsv").open(tmp_path)
    assert _sources(source, "train") == ["a "]
    assert source.part("train").targets.lengths.tolist() == [4]


def test_a_separator_that_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("1_2_3\n")
    with pytest.raises(DataError) as caught:
        pairs(train="a.txt", separator="_").open(tmp_path)
    assert str(caught.value) == (
        'a.txt:1 [DATA_TSV] expected a source, "_" and a target, received 3 cells (keep "_" out '
        "of the texts)"
    )


@pytest.mark.parametrize("name", ["a.txt", "a.tsv.gz", "a"])
def test_lines_are_known_by_their_content(tmp_path: Path, name: str) -> None:
    data = "1+1\t2\n10+5\t15\n".encode("utf-16" if name == "a" else "utf-8-sig")
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    assert sorted(_sources(pairs(train=name).open(tmp_path), "train")) == ["1+1", "10+5"]


def test_the_vocabulary_is_that_of_the_training_part(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("a\tb\n")
    (tmp_path / "v.tsv").write_text("a\tc\n")
    with pytest.raises(DataError, match=r'v.tsv:1 \[DATA_UNKNOWN_TOKEN\] the character "c"'):
        pairs(train="t.tsv", valid="v.tsv").open(tmp_path)


def test_a_vocabulary_is_prepared_once_for_all_texts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, encoder = [], Char.encoder
    monkeypatch.setattr(Char, "encoder", lambda *given: made.append(given) or encoder(*given))
    (tmp_path / "a.tsv").write_text("a\tbc\nb\t\nc\tab\n")
    source = pairs(train="a.tsv", start="a").open(tmp_path)
    assert len(made) == 1
    assert sorted(source.part("train").targets.lengths.tolist()) == [2, 4, 4]


def test_a_target_of_too_few_tokens_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("a\tb c\n")
    block = pairs(train="a.tsv", tokenizer={"type": "word"}, start="a", end="", pad=[0, 5])
    with pytest.raises(DataError, match="the target has 2 tokens, and without an end each has 5"):
        block.open(tmp_path)


def test_a_mark_without_a_token_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("a\tb\n")
    with pytest.raises(DataError, match=r'"start" " " is 0 tokens \(give one token\)'):
        pairs(train="a.tsv", tokenizer={"type": "word"}, start=" ").open(tmp_path)


@pytest.mark.parametrize(("pad", "text"), [([0, 0], "5 "), ([0, 3], "5")])
def test_a_text_loses_spaces_only_where_they_fill_it_up(pad: list[int], text: str) -> None:
    block = pairs(source="addition", count=50, pad=pad)
    coder = block.coder(Vocabulary(tokens=("\n", " ", "5")))
    assert coder.text([2, 1, 0, 2]) == text


def test_bad_pairs_are_skipped_when_asked(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("a\tb\nc\nd\te\n")
    source = pairs(train="a.tsv", skip_bad=True).open(tmp_path)
    assert len(source.part("train").inputs) == 2
    assert "1 bad row skipped, the first: a.tsv:2" in source.in_words(Layout(2, 9))


def test_a_pair_that_is_skipped_teaches_no_token(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("a\tbc\nz\tyyy\nc\tab\n")
    block = pairs(train="a.tsv", start="a", end="", pad=[0, 2], skip_bad=True)
    source = block.open(tmp_path)
    assert len(source.part("train").inputs) == 2
    assert source.vocabulary.tokens == ("a", "b", "c")
    assert "1 bad row skipped, the first: a.tsv:2" in source.in_words(Layout(2, 9))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    (folder / "spec.json").write_text(json.dumps(spec()))
    done("run", folder / "spec.json", "--out", folder / "run")
    return folder / "run"


@pytest.mark.parametrize("steps", [1, 7, 10])
def test_a_resumed_run_is_the_same_run(run: Path, tmp_path: Path, steps: int) -> None:
    done("run", run.parent / "spec.json", "--out", tmp_path / "run", "--max-steps", steps)
    done("resume", tmp_path / "run")
    assert results(tmp_path / "run") == results(run)


def test_batches_come_in_another_order_in_each_epoch() -> None:
    source = pairs(source="addition", count=60).open(Path("."))
    layout, first = Layout(7, 9), []
    cursor = None
    for _ in range(2):
        batches = list(source.batches("train", layout, cursor))
        cursor = batches[-1].next_cursor
        first.append(np.concatenate([b.targets.ravel() for b in batches]))
    assert first[0].tolist() != first[1].tolist()


def test_the_metrics_of_a_run(run: Path) -> None:
    last = [line for line in lines(run) if "valid_exact_match" in line][-1]
    assert 0 <= last["valid_exact_match"] <= 1 and last["epoch"] == 3
    measured = json.loads(done("eval", run, "--json").out)
    assert "exact_match" in json.dumps(measured)


def test_decode_writes_a_line_for_each_source(run: Path) -> None:
    ran = done("decode", run, "57+5", "1+2")
    assert len(ran.out.splitlines()) == 2
    beams = done("decode", run, "57+5", "--beam", 3, "-n", 2).out.splitlines()
    logs = [float(line.split("\t")[0]) for line in beams]
    assert len(beams) == 2 and logs == sorted(logs, reverse=True) and logs[0] < 0
    found = json.loads(done("decode", run, "57+5", "--beam", 4, "-n", 4, "--json").out)
    (target,) = found["targets"]
    assert target["source"] == "57+5" and len(target["targets"]) == 4
    assert all(t["score"] == pytest.approx(t["log_probability"] / 4) for t in target["targets"])


def test_decode_tells_what_it_cannot_read(run: Path) -> None:
    ran = command("decode", run, "5-7", "5+7", "x")
    assert ran.code == 5 and "Traceback" not in ran.err
    assert 'source 1 [DATA_UNKNOWN_TOKEN] the character "-" at line 1, column 2' in ran.err
    assert 'source 3 [DATA_UNKNOWN_TOKEN] the character "x"' in ran.err
    ran = command("decode", run, "5+7", "-n", 3)
    assert ran.code == 2 and "-n 3 needs as many beams (give --beam 3)" in ran.err


def test_what_goes_on_from_a_text_refuses_a_model_of_pairs(run: Path) -> None:
    ran = command("sample", run, "--prompt", "5+7")
    assert ran.code == 6
    assert "[CKPT_NO_TEXT] the model does not predict the next token of a text" in ran.err
    assert "use rnnkit decode" in ran.err


def test_decode_refuses_a_model_of_text(tiny_run: Path) -> None:
    ran = command("decode", tiny_run, "abc")
    assert ran.code == 6
    assert (
        "[CKPT_NO_ENCODER] the model has no encoder that reads a text; use rnnkit sample" in ran.err
    )


def test_rows_of_several_files_are_one_set(tmp_path: Path) -> None:
    for name, rows in {
        "a1.tsv": "ab\tc\nb\ta\n",
        "a2.tsv": "c\tab\n",
        "all.tsv": "ab\tc\nb\ta\nc\tab\n",
    }.items():
        (tmp_path / name).write_text(rows)
    block = {
        "type": "pairs",
        "tokenizer": {"type": "char"},
        "split": [1, 0, 0],
        "end": "|",
        "start": "|",
    }
    opened = [
        Pairs.model_validate_json(
            json.dumps({**block, "path": path}), context={"catalog": Registry()}
        )
        .open(tmp_path)
        .parts["train"]
        for path in ("a?.tsv", ["a1.tsv", "a2.tsv"], "all.tsv")
    ]
    for part in opened[:2]:
        np.testing.assert_array_equal(part.inputs.lengths, opened[2].inputs.lengths)
