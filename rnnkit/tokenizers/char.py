"""One id for each character."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from rnnkit.tokenizer import Tokenizer, Vocabulary
from rnnkit.tokenizers._text import decode_utf8, smallest_ids, unknown_token
from rnnkit.types import Array

CODE_POINTS = 0x110000
PIECE = 1 << 20
"""Characters that are looked up at once; bounds the memory beside the ids."""


class Char(Tokenizer):
    """The characters (code points) of a UTF-8 text, ids in the order of the code points.

    Nothing is normalized or translated: `decode` gives back the text that `encode` read. With
    `unknown`, such as "<unk>", a character that `fit` did not see becomes that token, which takes
    the last id, or the id of the character where it is itself one of the text.
    """

    type: Literal["char"] = "char"
    unit: ClassVar[str] = "character"

    unknown: Annotated[str, Field(min_length=1, max_length=64)] | None = None

    def fit(self, chunks: Iterable[bytes]) -> Vocabulary:
        """Return the characters of the text; DataError gives the offset of the first bad byte."""
        seen = np.zeros(CODE_POINTS, bool)
        for text in decode_utf8(chunks):
            seen[_code_points(text)] = True
        tokens = list(map(chr, np.flatnonzero(seen).tolist()))
        if self.unknown is None:
            return Vocabulary(tokens=tuple(tokens))
        if self.unknown not in tokens:
            tokens.append(self.unknown)
        return Vocabulary(tokens=tuple(tokens), unknown=tokens.index(self.unknown))

    def encode(self, text: bytes, vocabulary: Vocabulary) -> Array:
        """Return the id of each character; see the contract for what it raises."""
        characters = "".join(decode_utf8([text]))
        table = _table(vocabulary)
        ids = np.empty(len(characters), smallest_ids(vocabulary))
        for start in range(0, len(characters), PIECE):
            found = table[_code_points(characters[start : start + PIECE])]
            if vocabulary.unknown is None and found.min() < 0:
                index = start + int(found.argmin())
                raise unknown_token("character", characters[index], characters, index)
            ids[start : start + PIECE] = found
        return ids

    def decode(self, ids: Iterable[int], vocabulary: Vocabulary) -> str:
        """Return the characters, one after the other."""
        return "".join([vocabulary.tokens[i] for i in ids])


def _code_points(text: str) -> Array:
    return np.frombuffer(text.encode("utf-32-le"), "<u4")


def _table(vocabulary: Vocabulary) -> Array:
    unseen = -1 if vocabulary.unknown is None else vocabulary.unknown
    table = np.full(CODE_POINTS, unseen, np.int32)
    for index, token in enumerate(vocabulary.tokens):
        if len(token) == 1:
            table[ord(token)] = index
    return table
