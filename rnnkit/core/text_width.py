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


def _columns(character: str) -> int:
    if character.isascii():
        return 1
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
