"""How the commands print numbers and tables, and split a text into lines."""

from __future__ import annotations

import io
import math
from contextlib import redirect_stdout

import pytest

from rnnkit.cli.common import finite_or_none, lines_of, number, table
from rnnkit.cli.results import print_result
from rnnkit.errors import SpecError


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (9999.0, "9999"),
        (10000.0, "10,000"),
        (-12345.6, "-12,346"),
        (999_999_999.0, "999,999,999"),
        (1e9, "1e+09"),
        (0.123456, "0.1235"),
        (1234567, "1,234,567"),
        (math.nan, "nan"),
        ("step", "step"),
    ],
)
def test_numbers_in_four_digits_and_counts_in_full(value: object, shown: str) -> None:
    assert number(value) == shown


def test_numbers_stand_to_the_right_and_words_to_the_left() -> None:
    rows = [("a", "1,200", "-0.5"), ("long", "7", "1e+09"), ("b", "3.0 GB", "")]
    assert table(rows, ("name", "size", "x")).splitlines() == [
        "name    size      x",
        "a      1,200   -0.5",
        "long       7  1e+09",
        "b     3.0 GB",
    ]
    assert table([("a", "1 or 2"), ("b", "3")]) == "a  1 or 2\nb  3"
    assert table([("\x1b[31m", "1")]) == "\\x1b[31m  1"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("\n", [""]),
        ("a", ["a"]),
        ("a\n", ["a"]),
        ("a\n\n", ["a", ""]),
        ("a\x0bb", ["a\x0bb"]),
    ],
)
def test_only_a_line_feed_ends_a_line(text: str, lines: list[str]) -> None:
    assert lines_of(text) == lines


def test_what_is_not_finite_is_null_in_json() -> None:
    metrics = {"a": math.inf, "b": math.nan, "c": 1.5, "d": 3, "e": "f"}
    assert finite_or_none(metrics) == {"a": None, "b": None, "c": 1.5, "d": 3, "e": "f"}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("out", "shown"),
    [
        (io.StringIO(), "a\t\x1b[1;31mb\x1b[2J\r\x9b2J\u202e\u3000\udc80\n"),
        (Terminal(), "a\t\x1b[1;31mb\\x1b[2J\\r\\x9b2J\\u202e\u3000\\udc80\n"),
    ],
)
def test_a_result_is_written_as_it_is_unless_it_would_steer_a_terminal(
    out: io.StringIO, shown: str
) -> None:
    with redirect_stdout(out):
        print_result("a\t\x1b[1;31mb\x1b[2J\r\x9b2J\u202e\u3000\udc80")
    assert out.getvalue() == shown


def test_an_error_is_one_line_whatever_it_quotes() -> None:
    error = SpecError.of("X", "a\n\x1b[31mb\u3000", "\n")
    assert str(error) == "\\n [X] a\\n\\x1b[31mb\u3000"


def test_a_wide_character_takes_two_columns() -> None:
    rows = [("日本語", "1"), ("e\u0301t\u00e9", "22")]
    assert table(rows).splitlines() == ["日本語   1", "e\u0301t\u00e9     22"]
    (line,) = table([("日" * 30, "x")], width=30).splitlines()
    assert line == f"{'日' * 4}…{'日' * 9}  x"
