"""Tokens of another program, as a list of JSON or in lines of any kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnnkit.builtin.tokenizers.word import Word
from rnnkit.errors import DataError
from rnnkit.exchange.vocabulary_file import read_vocabulary

TOKENS = ("the", "[cat", "<unk>")
FILES = {
    "lines": b"the\n[cat\n<unk>\n",
    "Windows": b"the\r\n[cat\r\n<unk>\r\n",
    "marked": b"\xef\xbb\xbfthe\r\n[cat\r\n<unk>",
    "old": b"the\r[cat\r<unk>\r",
    "UTF-16": "the\r\n[cat\r\n<unk>".encode("utf-16"),
    "JSON": b'\xef\xbb\xbf\r\n["the",\r\n"[cat", "<unk>"]\r\n',
}


@pytest.mark.parametrize("data", FILES.values(), ids=FILES)
def test_line_ends_and_marks_are_no_part_of_a_token(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "tokens").write_bytes(data)
    found = read_vocabulary(tmp_path / "tokens", Word(unknown="<unk>"))
    assert found.tokens == TOKENS and found.unknown == 2


def test_a_bracket_may_be_the_first_token(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_bytes(b"[\n]\nthe\n")
    found = read_vocabulary(tmp_path / "tokens", Word())
    assert found.tokens == ("[", "]", "the") and found.unknown is None


def test_a_line_that_is_no_utf_8_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_bytes(b"a\r\nb\xff\r\n")
    with pytest.raises(DataError, match=r"tokens:2 \[DATA_VOCABULARY\] byte 1 is no UTF-8 \(save"):
        read_vocabulary(tmp_path / "tokens", Word())
