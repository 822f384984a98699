"""The text of a recording: what is shown of each token, and its characters."""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rnnkit.types import Array


@dataclass(frozen=True)
class TokenText:
    """The characters that each token completes; none for a byte in the middle of a character."""

    tokens: tuple[str, ...]

    @classmethod
    def of(cls, spelling: Sequence[bytes]) -> TokenText:
        """Decode the parts of a text, whatever is no UTF-8 as U+FFFD."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        tokens = [decoder.decode(part) for part in spelling]
        if tokens:
            tokens[-1] += decoder.decode(b"", final=True)
        return cls(tuple(tokens))

    @cached_property
    def whole(self) -> str:
        """The text."""
        return "".join(self.tokens)

    @cached_property
    def last(self) -> Array:
        """The index (T,) of the last character that is known once a token was read."""
        ends = np.cumsum([len(token) for token in self.tokens], dtype=np.int64)
        return np.maximum(ends - 1, 0)


def visible(text: str) -> str:
    """Return text with a visible form for what cannot be seen or would rearrange its neighbours.

    Control characters become their Unicode pictures, all else that is not printable an escape such
    as \\u202e. Line feeds and spaces stay.
    """
    return "".join(map(_visible, text))


def _visible(character: str) -> str:
    if character.isprintable() or character == "\n":
        return character
    if unicodedata.category(character) == "Zs":
        return " "
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    return character.encode("unicode_escape", "surrogatepass").decode()
