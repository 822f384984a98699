"""A text is cut for its pieces between characters, never within one."""

from __future__ import annotations

import pytest

from rnnkit.builtin.tokenizers._text import whole_characters


def test_a_cut_is_before_the_last_character_that_is_not_whole() -> None:
    text = "aé€😀\u0080\u07ff\u0800\uffff\U00010000b".encode()
    for end in range(len(text) + 1):
        piece = text[:end]
        whole = len(piece.decode(errors="ignore").encode())
        assert whole_characters(piece) == whole, piece


@pytest.mark.parametrize(
    ("text", "cut"),
    [(b"", 0), (b"a\xc0", 1), (b"a\xff", 1), (b"\x80\x80\x80\x80", 4), (b"a\x80", 2)],
)
def test_what_is_no_utf_8_is_cut_where_a_character_would_begin(text: bytes, cut: int) -> None:
    assert whole_characters(text) == cut
