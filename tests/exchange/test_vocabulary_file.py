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


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b'["a", "b", "a"]', "1 tokens are there twice, such as 'a': each has one id"),
        (
            b"\n".join(b"%c\n%c" % (c, c) for c in b"ghfedc") + b"\nz",
            "6 tokens are there twice, such as 'g', 'h', 'f', 'e', 'd': each has one id",
        ),
        (
            b'["a\\u001b", "a\\u001b"]',
            r"1 tokens are there twice, such as 'a\x1b': each has one id",
        ),
        (b'["a", 1]', "expected a JSON list of texts, a token each, or a token in each line"),
        (b'[["a"]]', "expected a JSON list of texts, a token each, or a token in each line"),
    ],
)
def test_what_gives_no_ids_is_refused(tmp_path: Path, data: bytes, told: str) -> None:
    file = tmp_path / "tokens"
    file.write_bytes(data)
    with pytest.raises(DataError) as caught:
        read_vocabulary(file, Word())
    assert str(caught.value) == f"{file} [DATA_VOCABULARY] {told}"


def test_data_that_is_no_text_has_no_vocabulary(tmp_path: Path) -> None:
    told = r"\[DATA_VOCABULARY\] a vocabulary needs data that is read as text \(leave --vocabulary"
    with pytest.raises(DataError, match=told):
        read_vocabulary(tmp_path / "tokens", None)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("[a, b]", ("[a, b]",)), ('{"a": 1}\nb', ('{"a": 1}', "b")), ('{"a": 1}', ('{"a": 1}',))],
)
def test_what_is_no_list_of_json_is_lines(
    tmp_path: Path, text: str, tokens: tuple[str, ...]
) -> None:
    (tmp_path / "tokens").write_text(text)
    found = read_vocabulary(tmp_path / "tokens", Word(unknown="<unk>"))
    assert found.tokens == tokens and found.unknown is None
