"""Text that a byte-order mark calls UTF-16 or UTF-32 is read as UTF-8, in any chunks and lines."""

from __future__ import annotations

import io

import pytest

from rnnkit.errors import DataError
from rnnkit.files.marked_text import as_utf8, text_lines, utf8_chunks, utf8_lines

TEXT = "one\nÄ Ċ ਊ 𝄞\r\n\nlast"
MARKED = {
    "utf-16-le": ("\ufeff" + TEXT).encode("utf-16-le"),
    "utf-16-be": ("\ufeff" + TEXT).encode("utf-16-be"),
    "utf-32-le": ("\ufeff" + TEXT).encode("utf-32-le"),
    "utf-32-be": ("\ufeff" + TEXT).encode("utf-32-be"),
}
WRONG = "d.txt [DATA_ENCODING] is marked as UTF-16 and is not (save the file as UTF-8)"
each = pytest.mark.parametrize("data", MARKED.values(), ids=MARKED)


def chunks(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@each
@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_chunks_of_any_size(data: bytes, size: int) -> None:
    assert b"".join(utf8_chunks(chunks(data, size), "")) == TEXT.encode() == as_utf8(data, "")


@each
def test_a_line_comes_before_the_next_is_read(data: bytes) -> None:
    stream = io.BytesIO(data)
    width = len("\ufeff".encode(data_encoding(data)))
    read = 0
    for line, wanted in zip(
        utf8_lines(stream, ""), TEXT.encode().splitlines(keepends=True), strict=True
    ):
        assert line == wanted
        read += len(line.decode().encode(data_encoding(data)))
        assert stream.tell() == width + read


def data_encoding(data: bytes) -> str:
    return next(name for name, each in MARKED.items() if each == data)


@pytest.mark.parametrize("data", [b"", b"a", b"ab\r\n\xff\xfe\n", b"\xef\xbb\xbfabcd\n\n", b"\xff"])
def test_what_has_no_such_mark_is_as_it_is(data: bytes) -> None:
    assert b"".join(utf8_chunks(chunks(data, 1), "")) == data
    assert list(utf8_lines(io.BytesIO(data), "")) == data.splitlines(keepends=True)
    assert as_utf8(data, "") == data.removeprefix(b"\xef\xbb\xbf")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_lines_end_in_every_way(end: str, encoding: str) -> None:
    text = end.join(["é", "", "a\x0b\x85\u2028b"])
    wanted = ["é".encode(), b"", "a\x0b\x85\u2028b".encode()]
    assert text_lines(text.encode(encoding), "") == wanted
    assert text_lines((text + end).encode(encoding), "") == wanted
    assert text_lines(b"", "") == []


@pytest.mark.parametrize("tail", [b"a", b"\x00\xdc\x00\xdc", b"\x00\xd8"])
def test_a_mark_that_the_rest_does_not_keep_to(tail: bytes) -> None:
    data = b"\xff\xfea\x00\n\x00" + tail
    for read in (
        lambda: as_utf8(data, "d.txt"),
        lambda: list(utf8_chunks([data], "d.txt")),
        lambda: list(utf8_lines(io.BytesIO(data), "d.txt")),
    ):
        with pytest.raises(DataError) as caught:
            read()
        assert str(caught.value) == WRONG
