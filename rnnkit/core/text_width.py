"""How wide text stands on a terminal, where not every character takes one column."""

from __future__ import annotations

import unicodedata


def columns(text: str) -> int:
    """Return the columns of a text: two for a wide character, none for what joins another."""
    return sum(map(_columns, text))


def to_left(text: str, width: int) -> str:
    """Return text with spaces after it, up to a width in columns."""
    return text + " " * (width - columns(text))


def to_right(text: str, width: int) -> str:
    """Return text with spaces before it, up to a width in columns."""
    return " " * (width - columns(text)) + text


def cut(text: str, room: int) -> str:
    """Return text that fits `room` columns, its middle left out; of a path the end says most."""
    if columns(text) <= room:
        return text
    start = (room - 1) // 3
    head, tail = text[:start], text[-(room - 1 - start) :]
    while columns(head) > start:
        head = head[:-1]
    while columns(tail) > room - 1 - start:
        tail = tail[1:]
    return f"{head}…{tail}"


def _columns(character: str) -> int:
    if character.isascii():
        return 1
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
