"""What of a text belongs to each token, how it is shown, and what holds at each character."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rnnkit.analysis.neurons.ansi import coloured
from rnnkit.analysis.neurons.properties import (
    inside_brackets,
    inside_quotes,
    position_in_line,
    position_in_word,
    property_of,
)
from rnnkit.analysis.neurons.text import TokenText, visible
from rnnkit.builtin.tokenizers.byte import Byte
from rnnkit.builtin.tokenizers.char import Char
from rnnkit.builtin.tokenizers.word import Word
from rnnkit.contracts import checked_tokenizer
from rnnkit.contracts.tokenizer import Tokenizer, Vocabulary
from rnnkit.types import Array

TEXTS = ["", "a", " the  cat\n\nsat é\u2028 on—it\n ", "\n", "日本 語\r\n\x1b[31m"]


class Pairs(Tokenizer):
    """Two characters an id, as a stranger may write it: no `spelling` of its own."""

    type: str = "pairs"

    def encode(self, text: bytes, vocabulary: Vocabulary) -> Array:
        string = text.decode()
        return np.array([vocabulary.tokens.index(string[k : k + 2]) for k in (0, 2)])

    def decode(self, ids: Any, vocabulary: Vocabulary) -> str:
        return "".join(vocabulary.tokens[i] for i in ids)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("tokenizer", [Char(), Byte(), Word()], ids=lambda t: t.type)
def test_a_spelling_is_the_text_a_part_for_each_id(tokenizer: Tokenizer, text: str) -> None:
    data = text.encode()
    vocabulary = tokenizer.fit([data])
    spelling = checked_tokenizer.spelling(tokenizer, data, vocabulary)
    ids = tokenizer.encode(data, vocabulary)
    assert b"".join(spelling) == data
    assert len(spelling) == len(ids)
    for part, index in zip(spelling, ids.tolist(), strict=True):
        assert tokenizer.encode(part, vocabulary).tolist() == [index]


def test_a_tokenizer_that_says_nothing_is_decoded_id_by_id() -> None:
    vocabulary = Vocabulary(tokens=("é!", "ab"))
    assert checked_tokenizer.spelling(Pairs(), "abé!".encode(), vocabulary) == [
        b"ab",
        "é!".encode(),
    ]


def test_a_character_belongs_to_the_byte_that_ends_it() -> None:
    text = TokenText.of([bytes([b]) for b in "aé€".encode() + b"\xff\xe2"])
    assert text.tokens == ("a", "", "é", "", "", "€", "\ufffd", "\ufffd")
    assert text.whole == "aé€\ufffd\ufffd"
    assert text.last.tolist() == [0, 0, 1, 1, 1, 2, 3, 4]


def marks(values: Array) -> str:
    return "".join(str(int(value)) for value in values)


@pytest.mark.parametrize(
    ("function", "text", "wanted"),
    [
        (inside_quotes, 'a "bc" d "e', "00111000011"),
        (inside_quotes, "“a” b", "11000"),
        (inside_quotes, '"a\n\nb "c" d', "11100011000"),
        (inside_brackets, "f(a[0]) )x(", "01111100001"),
        (inside_brackets, "(a\n\nb {c}", "111000110"),
        (position_in_line, "ab\n\ncd", "120012"),
        (position_in_word, "ab c\td\n", "1201010"),
    ],
)
def test_what_holds_after_each_character(
    function: Callable[[str], Array], text: str, wanted: str
) -> None:
    assert marks(function(text)) == wanted


def test_a_property_is_that_of_the_last_character_of_a_token() -> None:
    text = TokenText(("a", " (b", "", " c)", " d"))
    found = property_of("brackets", text)
    assert marks(found.values) == "01100" and found.yes_or_no and found.varies
    assert not property_of("quotes", text).varies
    assert not property_of("line", TokenText(())).varies


def test_a_pattern_holds_inside_its_matches() -> None:
    found = property_of("regex:[0-9]+|$", TokenText(tuple("a12 3b")))
    assert marks(found.values) == "011010" and found.yes_or_no


def test_names_that_are_none() -> None:
    with pytest.raises(KeyError):
        property_of("colour", TokenText(("a",)))
    with pytest.raises(ValueError, match="missing \\)"):
        property_of("regex:(", TokenText(("a",)))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a b\n", "a b\n"),
        ("\x1b[31m\r\t\x00\x7f", "␛[31m␍␉␀\\x7f"),
        ("\u202eabc\u2066", "\\u202eabc\\u2066"),
        ("\xa0\u3000|\u2028", "  |\\u2028"),
        ("é日\U0001f600\ud800", "é日\U0001f600\\ud800"),
    ],
)
def test_nothing_hidden_reaches_the_reader(text: str, wanted: str) -> None:
    assert visible(text) == wanted


def test_colours_of_a_terminal() -> None:
    painted = coloured(["a", "\n", "\x1b[2J", "b"], np.array([1.0, 0.0, -1.0, 0.1]))
    assert painted == (
        "\x1b[38;5;16;48;5;196ma\x1b[0m\n\x1b[38;5;15;48;5;21m␛[2J\x1b[38;5;16;48;5;231mb\x1b[0m"
    )
    bare = re.sub(r"\x1b\[[0-9;]*m", "", painted)
    assert bare == "a\n␛[2Jb"
