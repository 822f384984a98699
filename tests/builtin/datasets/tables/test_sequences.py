"""Sequences from JSONL and CSV: what each kind gives, what is stored, how bad rows are named."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rnnkit.builtin.datasets.shared.sequence_source import WholeSource
from rnnkit.builtin.datasets.tables.sequences import Sequences
from rnnkit.contracts.dataset import Layout, Split
from rnnkit.contracts.registry import Registry
from rnnkit.errors import DataError

CHARS = {"kind": "text", "key": "text", "tokenizer": {"type": "char"}}
LABEL = {"kind": "class", "key": "label"}
TAGGED = {"inputs": {"kind": "tokens", "key": "tokens"}, "targets": {**LABEL, "each": True}}


def block(**fields: Any) -> Sequences:
    given = {"type": "sequences", "path": "d.jsonl", "split": [1, 0, 0], "targets": LABEL, **fields}
    return Sequences.model_validate_json(json.dumps(given), context={"catalog": Registry()})


def write(folder: Path, rows: Sequence[Any], name: str = "d.jsonl") -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    (folder / name).write_text("\n".join(lines) + "\n")
    return folder


def opened(folder: Path, rows: Sequence[Any], name: str = "d.jsonl", **fields: Any) -> WholeSource:
    return block(path=name, **fields).open(write(folder, rows, name))


def one(source: WholeSource, split: Split = "train") -> Any:
    (batch,) = source.batches(split, Layout(9, 1, tail=True), None)
    return batch


def refused(folder: Path, rows: Sequence[Any], name: str = "d.jsonl", **fields: Any) -> list[str]:
    with pytest.raises(DataError) as caught:
        opened(folder, rows, name, **fields)
    return str(caught.value).splitlines()


@pytest.mark.parametrize("longest", ["train", "valid"])
def test_a_window_is_as_long_as_the_longest_sequence_of_any_split(
    tmp_path: Path, longest: str
) -> None:
    for name in ("train", "valid"):
        last = "abcba" if name == longest else "ab"
        rows = [{"text": text, "label": "x"} for text in ("a", "abc", last)]
        write(tmp_path, rows, f"{name}.jsonl")
    data = block(path=None, train="train.jsonl", valid="valid.jsonl", inputs=CHARS)
    source = data.open(tmp_path)
    assert data.laid_out(source, Layout(3, 1, tail=True)) == Layout(3, 5, "window", tail=True)


def test_a_target_of_the_last_step_is_one_row(tmp_path: Path) -> None:
    """A flat list is one row, and so is a list of one."""

    def targets(*rows: Any) -> Any:
        given = [{"text": "ab", "y": row} for row in rows]
        values = {"kind": "numbers", "key": "y", "scale": "none"}
        return opened(tmp_path, given, inputs=CHARS, targets=values)

    assert one(targets([1, 2], [[3, 4]])).targets[-1, :2].tolist() == [[1, 2], [3, 4]]
    with pytest.raises(DataError) as caught:
        targets([1, 2], [[3, 4], [5, 6]])
    assert 'y: expected one row of numbers, received 2 (or give "each")' in str(caught.value)


def test_text_with_a_label_at_its_last_step(tmp_path: Path) -> None:
    rows = [{"text": "abc", "label": "x"}, {"text": "b", "label": "y"}]
    source = opened(tmp_path, rows, inputs=CHARS)
    batch = one(source)
    assert source.vocabulary.tokens == ("\n", "a", "b", "c")
    assert batch.inputs[:, :2].T.tolist() == [[1, 2, 3], [0, 0, 2]]
    assert batch.targets[-1, :2].tolist() == [0, 1]
    assert batch.weights.sum() == 2 and batch.weights[-1, :2].all()
    assert batch.valid[:, :3].T.tolist() == [[True] * 3, [False, False, True], [False] * 3]
    assert source.size("train") == 2 and source.unit == "sequence"


def test_tokens_with_a_label_at_each_step(tmp_path: Path) -> None:
    rows = [
        {"tokens": ["Ann", "ran"], "label": ["N", "V"]},
        {"tokens": ["ran"], "label": ["V"]},
    ]
    source = opened(tmp_path, rows, **TAGGED)
    batch = one(source)
    assert source.vocabulary.tokens == ("Ann", "ran")
    assert batch.targets[:, :2].T.tolist() == [[0, 1], [0, 1]]
    assert batch.weights[:, :2].T.tolist() == [[1, 1], [0, 1]]
    assert source.unit == "step" and source.size("train") == 3


def test_a_row_that_is_skipped_teaches_neither_a_token_nor_a_class(tmp_path: Path) -> None:
    rows = [{"x": ["a", "b"], "label": ["p", "q"]}, {"x": ["zz"], "label": ["new", "q"]}]
    targets = {"kind": "class", "key": "label", "each": True}
    inputs = {"kind": "tokens", "key": "x"}
    source = opened(tmp_path, rows, inputs=inputs, targets=targets, skip_bad=True)
    assert source.vocabulary.tokens == ("a", "b")
    assert source.block.targets.labels == ("p", "q")


@pytest.mark.parametrize("split", [[1, 0, 0], [0.5, 0.5, 0]])
def test_a_row_that_shows_to_be_bad_once_it_is_encoded_teaches_nothing(
    split: list[float], tmp_path: Path
) -> None:
    good = [{"text": "ab", "label": ["p", "q"]}, {"text": "a", "label": ["p"]}] * 3
    bad = {"text": "azé", "label": ["new", "-1"]}
    targets = {**LABEL, "each": True}
    rows = [bad, *good, bad]
    source = opened(tmp_path, rows, inputs=CHARS, targets=targets, skip_bad=True, split=split)
    assert source.vocabulary.tokens == ("\n", "a", "b")
    assert source.block.targets.labels == ("p", "q")
    assert "2 bad rows skipped" in source.note and "ignored" not in source.note


def test_a_row_of_another_width_teaches_no_width_and_no_scale(tmp_path: Path) -> None:
    fields = {
        "inputs": {"kind": "numbers", "key": "x", "scale": "standard"},
        "targets": {"kind": "numbers", "key": "y", "scale": "standard"},
        "skip_bad": True,
    }
    good = [{"x": [[1, 2]], "y": 3}, {"x": [[3, 5]], "y": 5}]
    wide, narrow = {"x": [[1, 2, 900]], "y": 900}, {"x": [[1]], "y": [900, 900]}
    source = opened(tmp_path, [wide, *good, narrow], **fields)
    assert source.note.startswith("2 bad rows skipped")
    assert source.block == opened(tmp_path, good, **fields).block
    assert source.block.targets.scaler.offset == (4.0,)


def test_rare_tokens_are_unknown(tmp_path: Path) -> None:
    rows = [{"tokens": ["a", "a", "b"], "label": "x"}]
    inputs = {"kind": "tokens", "key": "tokens", "unknown": "<unk>", "min_count": 2}
    source = opened(tmp_path, rows, inputs=inputs)
    assert source.vocabulary.tokens == ("a", "<unk>")
    assert one(source).inputs[:, 0].tolist() == [0, 0, 1]
    inputs["unknown"] = "a"
    source = opened(tmp_path, rows, inputs=inputs)
    assert source.vocabulary.tokens == ("a",)
    assert one(source).inputs[:, 0].tolist() == [0, 0, 0]


def test_rows_of_numbers_with_numbers(tmp_path: Path) -> None:
    rows = [{"x": [[1, 2], [3, 4]], "y": [5, 6, 7]}, {"x": [[8, 9]], "y": [1, 2, 3]}]
    inputs, targets = {"kind": "numbers", "key": "x"}, {"kind": "numbers", "key": "y"}
    source = opened(tmp_path, rows, inputs=inputs, targets=targets)
    batch = one(source)
    assert batch.inputs[:, :2].tolist() == [[[1, 2], [0, 0]], [[3, 4], [8, 9]]]
    assert batch.targets[-1, :2].tolist() == [[5, 6, 7], [1, 2, 3]]
    assert (source.block.inputs.size, source.block.targets.size) == (2, 3)


def test_a_number_for_each_step(tmp_path: Path) -> None:
    rows = [{"x": [1, 2], "y": [3, 4]}]
    targets = {"kind": "numbers", "key": "y", "each": True}
    source = opened(tmp_path, rows, inputs={"kind": "numbers", "key": "x"}, targets=targets)
    assert one(source).targets[:, 0].tolist() == [[3], [4]]


def test_columns_of_a_csv_are_one_step(tmp_path: Path) -> None:
    rows = ["a,b,label", "1,2.5,x", '"3",-4,y']
    source = opened(tmp_path, rows, "d.csv", inputs={"kind": "numbers", "keys": ["a", "b"]})
    assert one(source).inputs[0, :2].tolist() == [[1, 2.5], [3, -4]]
    words = source.block.in_words(source, Layout(2, 1))
    assert words.endswith("so nothing is carried on: the recurrent layers work as an MLP")


def test_lists_in_a_csv_stand_in_one_cell(tmp_path: Path) -> None:
    rows = ["tokens,label", "Ann ran,N V"]
    assert one(opened(tmp_path, rows, "d.csv", **TAGGED)).targets[:, 0].tolist() == [0, 1]


def test_a_class_unrolls_to_its_text(tmp_path: Path) -> None:
    rows = [{"id": 7, "word": "ab"}, {"id": 12, "word": "b"}]
    inputs, targets = {"kind": "class", "key": "id"}, {"kind": "text", "key": "word"}
    source = opened(tmp_path, rows, inputs=inputs, targets=targets)
    batch = one(source)
    assert source.block.inputs.labels == ("12", "7")
    assert source.block.targets.labels == ("\n", "a", "b")
    assert batch.inputs[:, 0].tolist() == [[0, 1], [0, 0], [0, 0]]
    assert batch.targets[:, :2].T.tolist() == [[1, 2, 0], [0, 2, 0]]
    assert batch.weights[:, :2].T.tolist() == [[1, 1, 1], [0, 1, 1]]


VECTORS: list[tuple[str, list[Any]]] = [
    ("d.jsonl", [{"x": [0.5, -1], "word": "ab"}, {"x": [2, 3], "word": "b"}]),
    ("d.jsonl", [{"x": [[0.5, -1]], "word": "ab"}, {"x": [[2, 3]], "word": "b"}]),
    ("d.csv", ["x,word", "0.5 -1,ab", "2 3,b"]),
]


@pytest.mark.parametrize(("name", "rows"), VECTORS, ids=["flat", "nested", "csv"])
def test_a_vector_unrolls_to_its_text(name: str, rows: list[Any], tmp_path: Path) -> None:
    inputs, targets = (
        {"kind": "numbers", "key": "x", "unroll": True},
        {"kind": "text", "key": "word"},
    )
    batch = one(opened(tmp_path, rows, name, inputs=inputs, targets=targets))
    assert batch.inputs[:, 0].tolist() == [[0.5, -1], [0, 0], [0, 0]]
    assert batch.inputs[1:, 1].tolist() == [[2, 3], [0, 0]]


def test_a_vector_that_unrolls_to_numbers_has_no_end_to_look_for(tmp_path: Path) -> None:
    data = block(
        inputs={"kind": "numbers", "key": "x", "unroll": True, "scale": "none"},
        targets={"kind": "numbers", "key": "y", "each": True, "scale": "none"},
    )
    rows = [{"x": [0.5, -1], "y": [1, 2, 3]}, {"x": [2, 3], "y": [4, 5]}]
    fitted = data.open(write(tmp_path, rows)).block
    (question,) = fitted.questions(b'{"x": [7, 8]}\n', "d.jsonl", None).records
    assert question.ends is None and question.inputs.tolist() == [[7, 8]]


def test_two_rows_do_not_unroll(tmp_path: Path) -> None:
    inputs = {"kind": "numbers", "key": "x", "unroll": True}
    rows = [{"x": [[1], [2]], "word": "ab"}]
    said = refused(tmp_path, rows, inputs=inputs, targets={"kind": "text", "key": "word"})
    problem = "[DATA_LENGTH] x: expected one row of numbers to unroll, received 2 (give one list of"
    assert problem in said[0]


def test_fractions_deal_out_every_row_once(tmp_path: Path) -> None:
    rows = [{"text": "ab", "label": "x" if i < 50 else "y"} for i in range(100)]
    source = opened(tmp_path, rows, inputs=CHARS, split=[0.6, 0.2, 0.2])
    assert [source.size(split) for split in source.splits()] == [60, 20, 20]
    labels = [source.part(split).targets.values for split in source.splits()]
    assert sum(int(part.sum()) for part in labels) == 50
    assert all(0 < part.mean() < 1 for part in labels)


def test_classes_are_those_of_training_and_go_into_the_spec(tmp_path: Path) -> None:
    write(tmp_path, [{"text": "a", "label": True}, {"text": "b", "label": 3}], "t.jsonl")
    write(tmp_path, [{"text": "b", "label": "3"}], "v.jsonl")
    data = block(path=None, train="t.jsonl", valid="v.jsonl", inputs=CHARS)
    source = data.open(tmp_path)
    fitted = data.fitted(source)
    assert fitted.targets.labels == ("3", "true")
    tested = fitted.of_file(tmp_path / "v.jsonl").open(Path("."), source.vocabulary)
    assert tested.splits() == ("test",)
    assert one(tested, "test").targets[-1, 0] == 0


BAD = [
    ('{"text": ', "DATA_JSON", "column 10: Expecting value (one JSON object a line)"),
    ("[1]", "DATA_JSON", "expected a JSON object, received [1] (one object a line)"),
    ({"text": "a"}, "DATA_FIELD", 'there is no "label" (there is "text")'),
    ({"text": 3, "label": "x"}, "DATA_FIELD", "text: expected a text, received 3"),
    (
        {"text": "", "label": "x"},
        "DATA_EMPTY",
        "text: the sequence has length 0 (take the row out, or give it a step)",
    ),
    (
        '{"text": "\\ud800", "label": "x"}',
        "DATA_ENCODING",
        "holds half a surrogate pair, \\ud800 to \\udfff (take it out)",
    ),
    (
        {"text": "a", "label": [1]},
        "DATA_FIELD",
        "label: expected the name of a class, received [1]",
    ),
    (
        {"text": "a", "label": ""},
        "DATA_EMPTY",
        "label: the class is missing (take the row out, or name its class)",
    ),
    (
        '{"text": "a", "label": "x", "text": "b"}',
        "DATA_JSON",
        'the key "text" stands twice in one object (keep one)',
    ),
]


@pytest.mark.parametrize(("row", "code", "message"), BAD, ids=lambda v: str(v)[:20])
def test_a_bad_row_is_named(tmp_path: Path, row: Any, code: str, message: str) -> None:
    good = {"text": "a", "label": "x"}
    assert refused(tmp_path, [good, row], inputs=CHARS) == [f"d.jsonl:2 [{code}] {message}"]
    source = opened(tmp_path, [good, row], inputs=CHARS, skip_bad=True)
    assert source.size("train") == 1
    words = source.block.in_words(source, Layout(2, 1))
    assert f"1 bad row skipped, the first: d.jsonl:2 [{code}] {message}" in words


NUMBERS = {"inputs": {"kind": "numbers", "key": "x"}}


@pytest.mark.parametrize(
    ("x", "problem"),
    [
        (
            "NaN",
            "[DATA_NAN] x: NaN is no finite number (write null where a number is missing, or take "
            "the row out)",
        ),
        ("[[1], [-Infinity]]", "[DATA_NAN] x: -Infinity is no finite number (write null where"),
        ("[0, -1E-400]", "[DATA_NAN] x: -1E-400 is no number that float64 holds (give it in ano"),
        ("0." + "0" * 400 + "1", "[DATA_NAN] x: 0.00000000000000000000000000000000000"),
        ("[1, 1e999]", "[DATA_NAN] x: 1e999 is no number that float64 holds (give it in anothe"),
        ('[1, "b"]', '[DATA_FIELD] x: expected a number, received "b"'),
        ("[[1], [2, 3]]", "[DATA_FIELD] x: expected rows of one length, received [[1], [2, 3]]"),
        (
            "[[1, 2]]",
            "[DATA_FIELD] x: expected 1 number a step, as in training, received 2 (repair it",
        ),
        ("[]", "[DATA_EMPTY] x: the sequence has length 0"),
    ],
)
def test_bad_numbers_are_named(tmp_path: Path, x: str, problem: str) -> None:
    rows = ['{"x": [1], "label": 1}', "", f'{{"x": {x}, "label": 1}}']
    (line,) = refused(tmp_path, rows, **NUMBERS)
    assert line.startswith(f"d.jsonl:3 {problem}")


def test_a_ragged_csv_is_named(tmp_path: Path) -> None:
    rows = ["x,label", "1,a", "2", '"3\n4",b', "5,c,d"]
    assert refused(tmp_path, rows, "d.csv", **NUMBERS) == [
        "d.csv:3 [DATA_CSV] expected 2 columns as in the header, received 1 (write an empty cell "
        "too)",
        "d.csv:6 [DATA_CSV] expected 2 columns as in the header, received 3 (quote a cell that "
        "holds a comma)",
    ]


@pytest.mark.parametrize(
    ("tags", "than", "count"), [(["N", "V", "N"], "longer", 3), (["N"], "shorter", 1)]
)
def test_targets_of_another_length_are_named(
    tmp_path: Path, tags: list[str], than: str, count: int
) -> None:
    (line,) = refused(tmp_path, [{"tokens": ["a", "b"], "label": tags}], **TAGGED)
    assert line == (
        f"d.jsonl:1 [DATA_LENGTH] label: the targets are {than} than the inputs: {count} for 2 "
        "steps (give one for each step)"
    )


@pytest.mark.parametrize(
    ("inputs", "row", "problem"),
    [
        (CHARS, {"text": "a", "label": "z"}, '[DATA_UNKNOWN_LABEL] label: the label "z" was never'),
        (CHARS, {"text": "q", "label": "x"}, '[DATA_UNKNOWN_TOKEN] the character "q" at line 1'),
        (
            {"kind": "tokens", "key": "text"},
            {"text": ["q"], "label": "x"},
            '[DATA_UNKNOWN_TOKEN] text: the token "q" is not in the vocabulary (take it out, or',
        ),
    ],
    ids=["label", "character", "token"],
)
def test_what_training_never_saw_is_named(
    tmp_path: Path, inputs: Any, row: Any, problem: str
) -> None:
    write(tmp_path, [{"text": "a", "label": "x"}, {"text": "a", "label": "y"}], "t.jsonl")
    write(tmp_path, [{"text": "a", "label": "x"}, row], "v.jsonl")
    data = block(path=None, train="t.jsonl", valid="v.jsonl", inputs=inputs)
    with pytest.raises(DataError) as caught:
        data.open(tmp_path)
    assert str(caught.value).startswith(f"v.jsonl:2 {problem}")


@pytest.mark.parametrize("bad", [4, -1, 1.5])
def test_an_id_outside_the_vocabulary_is_named(tmp_path: Path, bad: float) -> None:
    rows = [{"x": [0, 3], "label": 1}, {"x": [1, bad], "label": 1}]
    (line,) = refused(tmp_path, rows, inputs={"kind": "ids", "key": "x", "size": 4})
    assert line == (
        f"d.jsonl:2 [DATA_ID] x: expected ids from 0 to 3, received {bad} "
        '(repair it, or give a larger "size")'
    )


@pytest.mark.parametrize("bad", [-5, 2**24, 2**31, 12_000_000_003, 0.5])
def test_ids_that_no_table_holds_are_named(tmp_path: Path, bad: float) -> None:
    (line,) = refused(tmp_path, [{"x": [bad], "label": 1}], inputs={"kind": "ids", "key": "x"})
    assert line == (
        f"d.jsonl:1 [DATA_ID] x: expected ids from 0 to 16777215, received {bad} (repair it)"
    )


def test_ids_are_one_a_step(tmp_path: Path) -> None:
    (line,) = refused(tmp_path, [{"x": [[1, 2]], "label": 1}], inputs={"kind": "ids", "key": "x"})
    assert line == (
        "d.jsonl:1 [DATA_FIELD] x: expected 1 number a step, as in training, received 2 (repair it)"
    )


def test_a_file_of_bad_rows_alone_tells_the_first(tmp_path: Path) -> None:
    (line,) = refused(tmp_path, ["{", "{"], inputs=CHARS, skip_bad=True)
    assert line.startswith(
        "d.jsonl [DATA_TOO_SHORT] there is no sequence in it (2 bad rows skipped, the first: "
        "d.jsonl:1 [DATA_JSON]"
    )


def test_a_header_that_is_no_csv_is_named(tmp_path: Path) -> None:
    (line,) = refused(tmp_path, ['"x,label'], "d.csv", **NUMBERS)
    assert line == (
        "d.csv:1 [DATA_CSV] a quote is not closed up to the end in line 1 (close it, or double a "
        "quote that stands in a cell)"
    )


def test_a_quote_that_swallows_rows_is_never_skipped(tmp_path: Path) -> None:
    rows = ["x,label", "1,a", '"2,a', "3,a", "4,b"]
    (line,) = refused(tmp_path, rows, "d.csv", **NUMBERS, skip_bad=True)
    assert line.startswith("d.csv:3 [DATA_CSV] a quote is not closed up to the end in line 5")


def test_a_bad_quote_tells_the_lines_it_took(tmp_path: Path) -> None:
    rows = ["x,label", '"2,a', '3",4,"x"y', "4,b"]
    (line,) = refused(tmp_path, rows, "d.csv", **NUMBERS)
    assert line.startswith("d.csv:2 [DATA_CSV] is no CSV up to line 3: ")


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (["1.4,a"], 'd.csv:1 [DATA_FIELD] the header names no "x" (there is "1.4", "a")'),
        (["\0"], 'd.csv:1 [DATA_FIELD] the header names no "x" (there is "\\u0000")'),
        (["", "", "y,label"], 'd.csv:3 [DATA_FIELD] the header names no "x" (there is "y", "label'),
        (["x"], 'd.csv:1 [DATA_FIELD] the header names no "label" (there is "x")'),
        (["", ""], "d.csv:1 [DATA_CSV] there is no header (name the columns in the first line)"),
    ],
)
def test_a_header_without_a_column_is_named(tmp_path: Path, rows: Any, problem: str) -> None:
    (line,) = refused(tmp_path, rows, "d.csv", **NUMBERS, skip_bad=True)
    assert line.startswith(problem)


def test_a_header_stands_after_empty_lines(tmp_path: Path) -> None:
    assert opened(tmp_path, ["", "x,label", "1,a"], "d.csv", **NUMBERS).size("train") == 1


def test_a_cell_may_be_long(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    source = opened(tmp_path, ["text,label", "a" * 200_000 + ",x"], "d.csv", inputs=CHARS)
    assert len(one(source).inputs) == 200_000
    assert csv.field_size_limit() == before


def test_a_byte_order_mark_is_no_part_of_the_first_row(tmp_path: Path) -> None:
    rows = ['\ufeff{"x": [1], "label": 1}', '{"x": [2], "label": 2}']
    assert opened(tmp_path, rows, **NUMBERS).size("train") == 2


@pytest.mark.parametrize("name", ["d.tsv", "d.txt", "d.csv"])
def test_a_table_with_tabs_is_read(tmp_path: Path, name: str) -> None:
    source = opened(tmp_path, ["x\tlabel", "1\ta", "2.5\tb"], name, **NUMBERS)
    assert one(source).inputs[0, :2].tolist() == [[1], [2.5]]


def test_many_bad_rows_are_counted(tmp_path: Path) -> None:
    good = '{"text": "ab", "label": "pos"}'
    bad = [f'{{"text": "ab", "label": {n}.5}}' for n in range(13)]
    lines = refused(tmp_path, [*bad, good], inputs=CHARS)
    assert len(lines) == 11
    assert lines[-1].endswith('3 more rows are bad (repair them, or give "skip_bad": true)')


def test_rows_that_are_bad_in_one_way_are_one_error(tmp_path: Path) -> None:
    good, bad = '{"text": "ab", "label": "pos"}', '{"text": "ab", "label": 0.5}'
    with pytest.raises(DataError) as caught:
        opened(tmp_path, [good, bad, "{", bad, good, bad, "{"], inputs=CHARS)
    label, first, second = caught.value.problems
    assert (label.where, label.count) == ("d.jsonl:2", 3)
    assert label.message == (
        "label: expected the name of a class, received 0.5; it is so in 3 rows (repair them, or "
        'give "skip_bad": true)'
    )
    assert (first.where, second.where, first.count) == ("d.jsonl:3", "d.jsonl:7", 1)


def test_an_error_of_every_row_is_one(tmp_path: Path) -> None:
    (line,) = refused(tmp_path, ["{"] * 13, inputs=CHARS)
    assert line.startswith("d.jsonl:1 [DATA_JSON] column 2: ")
    assert line.endswith("; it is so in each of the 13 rows") and "skip_bad" not in line
    rows = ['{"text": "x", "label": "pos"}'] * 13
    (line,) = refused(tmp_path, rows, inputs={"kind": "numbers", "key": "text"})
    assert line == (
        'd.jsonl:1 [DATA_FIELD] text is no number in any row; the first of 13 holds "x" (repair '
        "it, or leave it out)"
    )
    few = refused(tmp_path, rows[:2], inputs={"kind": "numbers", "key": "text"})
    assert [line.partition(" ")[0] for line in few] == ["d.jsonl:1", "d.jsonl:2"]


def test_a_file_without_rows_is_named(tmp_path: Path) -> None:
    (line,) = refused(tmp_path, [""], inputs=CHARS)
    assert line == "d.jsonl [DATA_TOO_SHORT] there is no sequence in it (give it rows)"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"inputs": {"kind": "text", "key": "a"}}, 'needs a "tokenizer"'),
        ({"inputs": {"kind": "ids"}}, 'give "key", or for numbers "keys"'),
        ({"inputs": {"kind": "class", "key": "a"}}, "needs a target at each step"),
        ({"inputs": CHARS, "train": "x"}, 'give one of "path" and "train"'),
        ({"inputs": CHARS, "split": [1, 1, 0]}, '"split" must sum to 1'),
    ],
)
def test_blocks_that_cannot_be(fields: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        block(**fields)


def test_empty_lines_among_rows_are_counted(tmp_path: Path) -> None:
    rows = ["text,label", "a,x", "", "", "b,y", ""]
    source = opened(tmp_path, rows, "d.csv", inputs=CHARS)
    assert source.note.startswith("2 empty lines passed over")
