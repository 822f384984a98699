"""Tables and JSON as people have them: other delimiters, marks, encodings, arrays, compressed."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from pathlib import Path
from typing import Any

import pytest

import rnnkit
from rnnkit.builtin.datasets.shared.sequence_source import WholeSource
from rnnkit.builtin.datasets.tables import csv_rows
from rnnkit.builtin.datasets.tables.sequences import Sequences
from rnnkit.contracts.dataset import Layout
from rnnkit.contracts.registry import Registry
from rnnkit.errors import DataError


def opened(folder: Path, content: str | bytes, name: str = "d.csv", **fields: Any) -> WholeSource:
    data = content.encode() if isinstance(content, str) else content
    (folder / name).write_bytes(data)
    given = {
        "type": "sequences",
        "path": name,
        "split": [1, 0, 0],
        "inputs": {"kind": "numbers", "keys": ["a", "b"]},
        "targets": {"kind": "class", "key": "y"},
        **fields,
    }
    block = Sequences.model_validate_json(json.dumps(given), context={"catalog": Registry()})
    return block.open(folder)


def numbers(source: WholeSource) -> Any:
    (batch,) = source.batches("train", Layout(source.size("train"), 1, tail=True), None)
    return batch.inputs[0].tolist()


def refused(folder: Path, content: str | bytes, name: str = "d.csv", **fields: Any) -> str:
    with pytest.raises(DataError) as caught:
        opened(folder, content, name, **fields)
    return str(caught.value)


TABLE = "a,b,y\n1,2.5,p\n3,4,q\n"
READ = [[1, 2.5], [3, 4]]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["d.csv", "d.txt", "d.tsv", "D.CSV", "d.dat"])
def test_what_stands_between_cells_is_found(tmp_path: Path, delimiter: str, name: str) -> None:
    assert numbers(opened(tmp_path, TABLE.replace(",", delimiter), name)) == READ


def test_what_parts_the_header_into_what_is_needed_is_found(tmp_path: Path) -> None:
    inputs = {"kind": "numbers", "key": "a,b,c"}
    assert numbers(opened(tmp_path, "a,b,c;y\n1;p\n3;q\n", inputs=inputs)) == [[1], [3]]


def test_what_stands_between_cells_is_given(tmp_path: Path) -> None:
    table = TABLE.replace(",", ":")
    assert numbers(opened(tmp_path, table, delimiter=":")) == READ
    assert refused(tmp_path, table) == (
        'd.csv:1 [DATA_FIELD] the header names no "a" (there is "a:b:y"; give "delimiter" if it is '
        "several)"
    )


def test_spaces_around_a_name_are_no_part_of_it(tmp_path: Path) -> None:
    assert numbers(opened(tmp_path, "a, b ,\ty\n1, 2.5,p\n3,4 ,q\n")) == READ
    twice = 'd.csv:1 [DATA_CSV] the header names "a" twice (give each column its own name)'
    assert refused(tmp_path, "a, a,y\n1,2,p\n") == twice


def test_a_spreadsheet_says_what_stands_between_cells(tmp_path: Path) -> None:
    table = TABLE.replace(",", ":")
    assert numbers(opened(tmp_path, f"sep=:\r\n{table}")) == READ
    assert refused(tmp_path, f"sep=:\n{table}x:1:p\n").startswith("d.csv:5 [DATA_FIELD] a: expec")
    assert numbers(opened(tmp_path, "a,sep=,b,y\n1,0,2.5,p\n3,0,4,q\n")) == READ


def test_thousands_are_parted_by_any_space(tmp_path: Path) -> None:
    table = "a;b;y\n1\u00a0234,5;2;p\n12\u202f345;1 000;q\n"
    source = opened(tmp_path, table, decimal=",", thousands=" ")
    assert numbers(source) == [[1234.5, 2], [12345, 1000]]


def test_a_comma_is_not_taken_for_another_delimiter(tmp_path: Path) -> None:
    one = {"kind": "tokens", "key": "a;b"}
    source = opened(tmp_path, "a;b,y\nu,p\nv,q\n", inputs=one)
    assert source.vocabulary.tokens == ("u", "v")


def test_decimal_commas_and_thousands(tmp_path: Path) -> None:
    table = "a;b;y\n1.234,5;2;p\n-1.000.000;0,25;q\n"
    source = opened(tmp_path, table, decimal=",", thousands=".")
    assert numbers(source) == [[1234.5, 2], [-1000000, 0.25]]
    spaced = opened(tmp_path, "a;b;y\n1 234.5;2;p\n", thousands=" ")
    assert numbers(spaced) == [[1234.5, 2]]


@pytest.mark.parametrize(
    ("cell", "marks", "problem"),
    [
        ("1,5", {}, 'a: expected a number, received "1,5" (give "decimal": ",")'),
        (
            "1,5",
            {"thousands": ","},
            "a: '1,5' is not parted into thousands by ',' (repair it, or leave out \"thousands\")",
        ),
        ("1,234.5", {}, 'a: expected a number, received "1,234.5" (give "thousands": ",")'),
        (
            "-1.234,5",
            {},
            'a: expected a number, received "-1.234,5" (give "decimal": ",", "thousands": ".")',
        ),
        (
            "1\u00a0234,5",
            {},
            'a: expected a number, received "1\\xa0234,5" (give "decimal": ",", "thousands": " ")',
        ),
        ("1'234", {}, 'a: expected a number, received "1\'234" (give "thousands": "\'")'),
        ("$1.5", {}, 'a: expected a number, received "$1.5" (write the number alone)'),
        ("12 %", {}, 'a: expected a number, received "12 %" (write the number alone)'),
        ("1.5", {"decimal": ","}, 'a: expected a number, received "1.5"'),
        ("\u0663", {}, 'a: expected a number, received "\u0663"'),
        ("1_000", {}, 'a: expected a number, received "1_000"'),
        (
            "1e+308",
            {},
            "a: 1e+308 is beyond 3.4e+38, the largest float32 (give it in another unit, or take it "
            "out)",
        ),
        (
            "-1e400",
            {},
            "a: -1e400 is beyond 3.4e+38, the largest float32 (give it in another unit, or take it "
            "out)",
        ),
        (
            "1e-320",
            {},
            "a: 1e-320 is below 1.4e-45, the smallest float32 (give it in another unit, or take it "
            "out)",
        ),
        (
            "1e-5000000",
            {},
            "a: 1e-5000000 is below 1.4e-45, the smallest float32 (give it in another unit, or "
            "take it out)",
        ),
        ("nan", {}, "a: nan is no finite number (take the row out, or fill in a number)"),
        ("-Inf", {}, "a: -inf is no finite number (take the row out, or fill in a number)"),
    ],
)
def test_cells_that_are_no_numbers(tmp_path: Path, cell: str, marks: Any, problem: str) -> None:
    line = refused(tmp_path, f"a;b;y\n{cell};2;p\n", **marks)
    assert line.partition("] ")[2] == problem and line.startswith("d.csv:2 [DATA_")


def test_zero_and_the_smallest_number_are_numbers(tmp_path: Path) -> None:
    assert numbers(opened(tmp_path, "a,b,y\n0,1.401298464324817e-45,p\n"))[0][1] > 0
    assert numbers(opened(tmp_path, "a,b,y\n-0.00,0e5,p\n"))[0] == [0, 0]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ('"3"', 'b: expected a number, received "3" (remove the quotes)'),
        ('"x"', 'b: expected a number, received "x"'),
        ("true", "b: expected a number, received true"),
        ("null", "b: expected a number, received null"),
        ("1" + "0" * 400, "is beyond 3.4e+38, the largest float32"),
    ],
)
def test_values_of_json_that_are_no_numbers(tmp_path: Path, value: str, problem: str) -> None:
    line = refused(tmp_path, f'{{"a": 1, "b": {value}, "y": "p"}}', "d.jsonl")
    assert problem in line


def test_columns_without_a_name_are_passed_over(tmp_path: Path) -> None:
    table = ",a,b, ,y,,\n0,1,2.5,note,p,,\n1,3,4,,q\n2,5,6,,q,,x\n"
    assert numbers(opened(tmp_path, table)) == [*READ, [5, 6]]
    assert "expected 7 columns as in the header, received 8" in refused(
        tmp_path, table + "3,7,8,,p,,,more\n"
    )


def test_a_header_of_many_columns_is_read_at_once(tmp_path: Path) -> None:
    names = [f"c{i}" for i in range(200_000)]
    table = ",".join(["a", "b", "y", *names]) + "\n" + ",".join(["1", "2", "p"] + ["0"] * 200_000)
    assert numbers(opened(tmp_path, table)) == [[1, 2]]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("name", ["d.csv", "d.txt"])
def test_a_mark_tells_the_encoding(tmp_path: Path, encoding: str, name: str) -> None:
    source = opened(tmp_path, TABLE.replace("p", "\u00e9").encode(encoding), name)
    assert numbers(source) == READ and source.block.targets.labels == ("q", "\u00e9")


def test_a_mark_that_is_not_kept_to_is_named(tmp_path: Path) -> None:
    assert refused(tmp_path, TABLE.encode("utf-16")[:-1]) == (
        "d.csv [DATA_ENCODING] is marked as UTF-16 and is not (save the file as UTF-8)"
    )


ARRAY = '[\n {"a": 1, "b": 2.5, "y": "p"},\n\n {"a": 3, "b": 4, "y": "q"}\n]\n'


@pytest.mark.parametrize("name", ["d.json", "d.jsonl", "d.txt"])
def test_an_array_of_objects_is_read(tmp_path: Path, name: str) -> None:
    assert numbers(opened(tmp_path, ARRAY, name)) == READ


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (ARRAY.replace("4", '"x"'), 'd.json:4 [DATA_FIELD] b: expected a number, received "x"'),
        (
            '[{"a": 1},\n 7]',
            "d.json:2 [DATA_JSON] expected a JSON object, received 7 (one object a line)",
        ),
        (
            '[{"a": 1}\n {"a": 2}]',
            "d.json [DATA_JSON] line 2: expected a comma or the end of the array (one array of "
            "objects)",
        ),
        (
            '[{"a": 1},\n {"a": }]',
            "d.json [DATA_JSON] line 2, column 8: Expecting value (one JSON object a line)",
        ),
        (ARRAY + "{}", "d.json [DATA_JSON] something follows the array (take it out)"),
        ('[{"a": 1', "d.json [DATA_JSON] column 9: Expecting ',' delimiter"),
    ],
)
def test_a_bad_array_is_named(tmp_path: Path, content: str, problem: str) -> None:
    assert problem in refused(tmp_path, content, "d.json")


LONG = "9" * 5000
"""An integer of more digits than Python reads."""


@pytest.mark.parametrize(
    ("odd", "problem"),
    [
        (
            '"a": 1e999',
            "[DATA_NAN] a: 1e999 is no number that float64 holds (give it in another unit, or take "
            "the row out)",
        ),
        (
            f'"a": [{LONG}]',
            f"[DATA_NAN] a: {LONG[:39]}… is no number that float64 holds (give it in another unit, "
            "or take the row out)",
        ),
        (
            '"a": {"c": NaN}',
            "[DATA_NAN] c: NaN is no finite number (write null where a number is missing, or take "
            "the row out)",
        ),
        ('"a": 1, "a": 2', '[DATA_JSON] the key "a" stands twice in one object (keep one)'),
        ('"b": 0, "a": 1, "a": 2', '[DATA_JSON] the key "a" stands twice in one object (keep one)'),
    ],
)
@pytest.mark.parametrize(("name", "line"), [("d.json", 3), ("d.jsonl", 2)])
def test_an_object_that_is_wrong_is_one_bad_row(
    tmp_path: Path, odd: str, problem: str, name: str, line: int
) -> None:
    rows = ['{"a": 1, "b": 2.5, "y": "p"}', f'{{{odd}, "y": "q"}}', '{"a": 3, "b": 4, "y": "q"}']
    content = "\n".join(rows) if name == "d.jsonl" else "[\n" + ",\n".join(rows) + "\n]"
    assert refused(tmp_path, content, name) == f"{name}:{line} {problem}"
    source = opened(tmp_path, content, name, skip_bad=True)
    assert numbers(source) == READ
    assert source.note == f"1 bad row skipped, the first: {name}:{line} {problem}"


@pytest.mark.parametrize(
    "value", [10**5000, [10**5000], {"a": 10**5000}], ids=["plain", "list", "dict"]
)
def test_a_python_integer_of_many_digits_is_told(value: object) -> None:
    with pytest.raises(DataError, match="is no finite number|of more than 4,300 digits of type"):
        rnnkit.Arrays({"inputs": [1, 2, value], "targets": [1, 2, 3]}).open(Path())


def test_an_empty_array_has_no_sequence(tmp_path: Path) -> None:
    assert "there is no sequence in it (give it rows)" in refused(tmp_path, "[ ]", "d.json")


PACKED = {"gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress}


@pytest.mark.parametrize("ending", PACKED)
@pytest.mark.parametrize("name", ["d.csv.{}", "d.CSV", "d.txt.{}", "d"])
def test_compressed_files_are_opened(tmp_path: Path, ending: str, name: str) -> None:
    plain = opened(tmp_path, TABLE)
    source = opened(tmp_path, PACKED[ending](TABLE.encode()), name.format(ending))
    assert numbers(source) == READ
    assert source.digest() == plain.digest()  # the same data


def test_names_of_columns_in_errors(tmp_path: Path) -> None:
    assert refused(tmp_path, "a,b,y\n1,x,p\n") == (
        'd.csv:2 [DATA_FIELD] b: expected a number, received "x"'
    )


def test_marks_that_cannot_be_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='"thousands" and "decimal" are both \',\''):
        opened(tmp_path, "", decimal=",", thousands=",")


def test_an_empty_table_has_no_sequence(tmp_path: Path) -> None:
    assert "[DATA_TOO_SHORT] there is no sequence in it" in refused(tmp_path, "")


@pytest.mark.parametrize("name", ["d.csv", "D.CSV", "d.csv.gz"])
def test_a_table_may_begin_as_json_does(tmp_path: Path, name: str) -> None:
    inputs = {"kind": "numbers", "key": "{a"}
    assert numbers(opened(tmp_path, "{a,y\n1,p\n2,q\n", name, inputs=inputs)) == [[1], [2]]


def test_a_class_is_no_number_to_be_ignored_among_inputs(tmp_path: Path) -> None:
    text = "".join(f'{{"a": {i}, "y": "w"}}\n' for i in (-1, 0, 1))
    inputs, targets = {"kind": "class", "key": "a"}, {"kind": "text", "key": "y"}
    source = opened(tmp_path, text, "d.jsonl", inputs=inputs, targets=targets)
    assert source.block.inputs.labels == ("-1", "0", "1")


def test_a_table_of_one_column_keeps_what_could_part_cells(tmp_path: Path) -> None:
    inputs, targets = {"kind": "tokens", "key": "y"}, {"kind": "class", "key": "y"}
    source = opened(tmp_path, "y\nu;v|w\n", inputs=inputs, targets=targets)
    assert source.vocabulary.tokens == ("u;v|w",)


def test_a_name_that_stands_twice_is_named(tmp_path: Path) -> None:
    assert refused(tmp_path, "a,b,a,y\n1,2,3,p\n") == (
        'd.csv:1 [DATA_CSV] the header names "a" twice (give each column its own name)'
    )


def test_a_row_that_is_no_csv_moves_no_line_after_it(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        opened(tmp_path, 'a,b,y\n1,2,p\n"3"4,5,q\n6,x,p\n7,8,q\n')
    assert [problem.where for problem in caught.value.problems] == ["d.csv:3", "d.csv:4"]


def test_a_header_that_is_no_csv_is_never_skipped(tmp_path: Path) -> None:
    line = refused(tmp_path, 'a,b,"y"x\n1,2,p\n', skip_bad=True)
    assert line.startswith("d.csv:1 [DATA_CSV] is no CSV: ")


def test_utf_16_of_either_order_is_read(tmp_path: Path) -> None:
    assert numbers(opened(tmp_path, ("\ufeff" + TABLE).encode("utf-16-be"))) == READ


@pytest.mark.parametrize("looked_at", range(20, 28))
def test_a_header_may_be_looked_at_up_to_the_middle_of_a_character(
    looked_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_rows, "HEADER", looked_at)
    assert numbers(opened(tmp_path, "a,b,y\n1,2.5,é\n3,4,éü\n", "d.csv")) == READ
