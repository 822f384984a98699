"""One id for each byte."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar, Literal

import numpy as np

from rnnkit.contracts.tokenizer import Tokenizer, Vocabulary
from rnnkit.types import Array

TOKENS = tuple(repr(bytes([value]))[2:-1] for value in range(256))
"""Byte values as Python writes them in a bytes literal: a, \\n, \\x00, \\xff."""


class Byte(Tokenizer):
    """The bytes of a file of any kind: 256 ids, each the value of its byte.

    The vocabulary is the same for every text. `decode` reads the bytes as UTF-8 and puts U+FFFD
    in place of what is not.
    """

    type: Literal["byte"] = "byte"
    unit: ClassVar[str] = "byte"

    def fit(self, chunks: Iterable[bytes]) -> Vocabulary:
        """Return the 256 bytes, whatever the text."""
        return Vocabulary(tokens=TOKENS)

    def stream(self, chunks: Iterable[bytes], vocabulary: Vocabulary) -> Iterator[Array]:
        """Yield the bytes as uint8."""
        for chunk in chunks:
            yield np.frombuffer(chunk, np.uint8)

    def decode(self, ids: Iterable[int], vocabulary: Vocabulary) -> str:
        """Return the bytes read as UTF-8."""
        return np.fromiter(ids, np.uint8).tobytes().decode("utf-8", errors="replace")

    def spelling(self, text: bytes, vocabulary: Vocabulary) -> list[bytes]:
        """Return the bytes."""
        return [text[k : k + 1] for k in range(len(text))]

    def head(self, chunks: Iterable[bytes], tokens: int) -> Iterator[bytes]:
        """Yield the first bytes."""
        for chunk in chunks:
            yield chunk[:tokens]
            tokens -= len(chunk)
            if tokens <= 0:
                return
