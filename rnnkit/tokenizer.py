"""The contract of a tokenizer: text to ids and back, by a vocabulary that the checkpoint stores."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from rnnkit.block import Block, Record
from rnnkit.types import Array


class Vocabulary(Record):
    """Tokens by id; `unknown` is the id that stands for every other token, if there is one."""

    tokens: tuple[str, ...]
    unknown: int | None = None

    @property
    def size(self) -> int:
        """The number of ids."""
        return len(self.tokens)


class Tokenizer(Block):
    """Turns text into ids. `unit` names what one id stands for: character, byte or word."""

    group: ClassVar[str] = "rnnkit.tokenizers"
    unit: ClassVar[str] = "token"

    def fit(self, chunks: Iterable[bytes]) -> Vocabulary:
        """Return the vocabulary of a text given in pieces; DataError names the first bad byte."""
        raise NotImplementedError(f"{type(self).__name__}.fit")

    def encode(self, text: bytes, vocabulary: Vocabulary) -> Array:
        """Return ids (N,) in the smallest unsigned integer type that fits.

        Raises DataError for bytes that are not text, and for a token outside a vocabulary without
        `unknown`.
        """
        raise NotImplementedError(f"{type(self).__name__}.encode")

    def decode(self, ids: Iterable[int], vocabulary: Vocabulary) -> str:
        """Return the text of the ids."""
        raise NotImplementedError(f"{type(self).__name__}.decode")

    def head(self, text: bytes, tokens: int) -> bytes:
        """Return the part of the text that holds its first tokens."""
        vocabulary = self.fit([text])
        ids = self.encode(text, vocabulary)[:tokens]
        return self.decode(ids.tolist(), vocabulary).encode()
