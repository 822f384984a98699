"""What cannot be used is named by column and row label, all faults at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnkit

X = np.arange(60.0).reshape(10, 3, 2)


def said(make: Callable[[], rnnkit.Dataset]) -> list[str]:
    with pytest.raises((rnnkit.DataError, rnnkit.SpecError)) as caught:
        make().open(Path("."))
    return str(caught.value).splitlines()


def nan_at(*places: tuple[int, ...]) -> Any:
    found = X.copy()
    for place in places:
        found[place] = np.nan
    return found


BIG = 10**5000
"""An integer of more digits than Python writes."""


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"texts": ["a", "b"], "labels": [BIG, 1]}, "labels: expected numbers, texts or"),
        (
            {"texts": ["a", "b"], "labels": np.array([BIG, 1], object)},
            "labels: expected numbers, texts or dates",
        ),
        ({"sequences": [["a"], ["b"]], "tags": [[BIG], [1]]}, "tags: expected the name of a class"),
        ({"tokens": [BIG, 1]}, "tokens:"),
        ({"inputs": [[1.0]] * 9, "targets": [1.0] * 9, "seed": BIG}, "expected an option that JSO"),
        ({"pairs": [(BIG, "a"), ("b", "c")]}, "source: expected numbers, texts"),
    ],
)
def test_an_integer_that_python_does_not_write(arguments: dict[str, Any], line: str) -> None:
    (found,) = said(lambda: rnnkit.Arrays(**{"split": (1, 0, 0)} | arguments))
    assert f" {line}" in found and "an integer of more than 4,300 digits" in found


@pytest.mark.parametrize("named", ["time", "group"])
def test_a_column_of_integers_that_python_does_not_write(named: str) -> None:
    frame = {"v": [1.0, 2.0, 3.0], "w": [BIG, 1, 2]}
    (found,) = said(lambda: rnnkit.Arrays(frame, **{named: "w"}))
    assert "w: expected numbers, texts or dates, received a value with an integer of more" in found


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (
            {},
            ["expected one of frame, inputs, sequences, texts, pairs, text, tokens, received none"],
        ),
        ({"text": "a", "pairs": []}, ["received pairs and text"]),
        ({"inputs": X}, ["expected one of targets, labels, tags beside inputs, received none"]),
        (
            {"inputs": X, "targets": np.ones(3), "time": "day"},
            [
                "Arrays [DATA_FIELD] time: does not go with inputs (leave it out)",
                "Arrays [DATA_LENGTH] expected as many of each, received inputs 10, targets 3",
            ],
        ),
        (
            {"inputs": nan_at((4, 2, 1), (7, 0, 0)), "targets": np.ones(10)},
            [
                "row 4 of the data [DATA_NAN] inputs: nan is no finite number (take the row out,",
                "row 7 of the data [DATA_NAN] inputs: nan is no finite number",
            ],
        ),
        (
            {"inputs": [X[0], X[1][:, :1]], "targets": [1.0, 2.0]},
            ["inputs: row 1 is (3, 1), and row 0 is (3, 2): each step needs as many numbers"],
        ),
        (
            {"inputs": np.arange(9.0), "targets": [1.0]},
            ["give one series as rnnkit.Arrays(series)"],
        ),
        (
            {"inputs": X, "labels": ["a", 1] * 5},
            ["labels: some are texts, as 'a' is, and some numbers, as 1 is (make them all of one"],
        ),
        (
            {"inputs": X, "targets": ["a", 0.5] * 5},
            ["targets: some are texts, as 'a' is, and some numbers, as 0.5 is (make them"],
        ),
        (
            {"inputs": X, "labels": [0.5] * 10},
            ["a class is named by a text or an integer, received"],
        ),
        ({"inputs": X, "tags": [1] * 10}, ['for one label a sequence give "labels"']),
        ({"inputs": X, "labels": [[1, 2]] * 10}, ['for one a step give "tags"']),
        (
            {"inputs": X, "targets": np.ones(10), "valid": X},
            ["valid: expected a tuple (inputs, tar"],
        ),
        (
            {"text": 5},
            ["Arrays [DATA_FIELD] text: expected an array or a list, received one int (wrap it in"],
        ),
        (
            {"tokens": 5, "vocabulary": 2},
            [
                "Arrays [DATA_FIELD] tokens: expected an array or a list, received one int (wrap",
                "Arrays [DATA_FIELD] vocabulary: expected an array or a list, received one int",
            ],
        ),
        (
            {"texts": ["a", None], "labels": [1, 2]},
            ["row 1 of the data [DATA_FIELD] texts: expect"],
        ),
        (
            {"sequences": [["a", 1]], "labels": ["x"]},
            ["some tokens are texts and some are numbers"],
        ),
        ({"pairs": [("a", "b"), ("c",)]}, ["pairs: row 1 holds 1 texts, expected a source and a"]),
        ({"text": [3]}, ["text: expected a text or a list of texts, of the data"]),
        ({"text": ""}, ["the data [DATA_TOO_SHORT] the text is empty (give it some text)"]),
        (
            {"tokens": [1, 9], "vocabulary": ["a", "b c"]},
            [
                "Arrays [DATA_ID] tokens: expected ids from 0 to 1, received 9 (repair it, or give",
                "Arrays [DATA_FIELD] tokens: 'b c' is empty or holds a space",
            ],
        ),
        (
            {"inputs": 3, "targets": [1.0]},
            ["inputs: expected an array or a list, received one int"],
        ),
        ({"frame": {"x": 5}}, ["Arrays [DATA_FIELD] x: expected a column of values, received 5"]),
        ({"frame": ["a", "b"]}, ["expected numbers (N,) or (N, C), received an array (2,) of obj"]),
        ({"frame": {"x": [1j] * 9}}, ["x: holds complex128, which is no number, text or date"]),
        ({"frame": {"x": [1.0], "y": [1, 2]}}, ["different numbers of rows: x 1, y 2"]),
        (
            {"inputs": X, "targets": np.ones((10, 5, 2))},
            ["one row of them for each step, received"],
        ),
        ({"text": "a\ud800"}, ["text: character 1 of the data is half a surrogate pair"]),
        ({"tokens": [3, -1]}, ["expected ids from 0 to 3, received -1 (repair it, or give a"]),
        ({"tokens": [0.5, 1.0]}, ["tokens: expected ids or texts, received float64 (ids are int"]),
        ({"text": "ab", "limit": object()}, ["expected an option that JSON has (a text, a number"]),
        ({"text": "ab", "tokenizer": "chars"}, ["the tokenizer 'chars'; did you mean 'char'?"]),
        (
            {"inputs": X, "targets": np.ones(10), "bukcet": 3, "seed": -1},
            [
                "Arrays [SPEC_VALUE] seed: expected a number greater than or equal to 0, receive",
                'Arrays [SPEC_VALUE] bukcet: there is no such option; did you mean "bucket"?',
            ],
        ),
    ],
)
def test_a_sentence_for_each(arguments: dict[str, Any], lines: list[str]) -> None:
    frame = [arguments.pop("frame")] if "frame" in arguments else []
    found = said(lambda: rnnkit.Arrays(*frame, **arguments))
    assert len(found) == len(lines)
    for line, wanted in zip(found, lines, strict=True):
        assert wanted in line


@pytest.fixture
def frame() -> Any:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    index = pandas.date_range("2024-01-01", periods=30, name="day")
    return pandas.DataFrame({"sales": np.arange(30.0), "price": np.ones(30)}, index=index)


def test_a_frame_with_many_faults(frame: Any) -> None:
    frame["shop"] = "north"
    frame["thing"] = [object()] * 30
    frame["zoned"] = frame.index.tz_localize("Europe/Berlin")
    lines = said(lambda: rnnkit.Arrays(frame, group="store"))
    assert len(lines) == 4
    assert "thing: expected numbers, texts or dates, received <object" in lines[0]
    assert "zoned: its times are of the zone Europe/Berlin (give times without one" in lines[1]
    assert "shop: holds 'north' in row 2024-01-01, which is no number" in lines[2]
    assert "there is no column 'store' (there is day, sales, price, shop" in lines[3]


def test_an_index(frame: Any) -> None:
    import pandas

    (line,) = said(lambda: rnnkit.Arrays(frame.tz_localize("UTC")))
    assert "day: its times are of the zone UTC" in line
    (line,) = said(lambda: rnnkit.Arrays(pandas.concat([frame, frame.iloc[3:5]])))
    assert "day: 2024-01-04 stands there twice, as do 1 more (keep one row, or name" in line
    numbered = frame.reset_index(drop=True)
    (line,) = said(lambda: rnnkit.Arrays(pandas.concat([numbered, numbered.iloc[:1]])))
    assert "[DATA_INDEX] the index names several rows 0 (frame.reset_index(drop=True)" in line
    (line,) = said(lambda: rnnkit.Arrays(frame.iloc[::-1]))
    assert line.startswith("row 2024-01-29 of the data [DATA_TIME] day: the time comes before that")
    assert "of row 2024-01-30 (sort the rows by time" in line
    (line,) = said(lambda: rnnkit.Arrays(frame.iloc[:0]))
    assert "there is no row in it (give it some)" in line
    frame["day"] = 1
    (line,) = said(lambda: rnnkit.Arrays(frame))
    assert "day: both a column and the index have this name" in line
    frame.columns = ["sales", "price", "sales"]
    (line,) = said(lambda: rnnkit.Arrays(frame))
    assert "sales: 2 columns have this name (give each its own)" in line


def test_missing_values_by_policy(frame: Any) -> None:
    frame.iloc[6, 0] = np.nan
    (line,) = said(lambda: rnnkit.Arrays(frame))
    assert line.startswith("row 2024-01-07 of the data [DATA_EMPTY] sales: null is a missing value")
    source = rnnkit.Arrays(frame, missing="drop").open(Path("."))
    assert (
        "1 row with a missing value left out, the first: row 2024-01-07 of the data" in source.note
    )


def test_splits_are_told_apart(frame: Any) -> None:
    import pandas

    late = frame.iloc[20:].astype(object)
    late.iloc[2, 0] = "none"
    lines = said(lambda: rnnkit.Arrays(frame, valid=late, test=pandas.DataFrame()))
    assert lines[1].startswith(
        "the validation data [DATA_FIELD] sales: holds 'none' in row 2024-01-23"
    )
    assert lines[0].startswith("the test data ")


def test_neither_pandas_nor_polars_is_imported() -> None:
    import subprocess
    import sys

    program = (
        "import sys, numpy as np, rnnkit\n"
        "rnnkit.Arrays({'x': np.arange(20.)})\n"
        "rnnkit.Arrays(inputs=np.ones((4,3)), targets=[1.]*4)\n"
        ""
        "print({'pandas', 'polars', 'pyarrow'} & {n.split('.')[0] for n in sys.modules})"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.stdout.strip() == "set()", ran.stderr


@pytest.mark.parametrize("ys", [[[1, "a"], ["a", "a"]], [["a", 1], ["a"]], [[1.5, 2.5], ["a"]]])
def test_texts_among_numbers_are_no_targets(ys: list[list[Any]]) -> None:
    said = "targets: some are texts, as 'a' is, and some numbers, as 1.* is .make them all of one"
    with pytest.raises(rnnkit.DataError, match=said):
        rnnkit.Arrays(inputs=[np.ones((len(y), 3)) for y in ys], targets=ys).open(Path("."))
