"""What data of source and target texts offers to those who show or write such texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from rnnkit.contracts.dataset import EncoderInputs
from rnnkit.contracts.tokenizer import Vocabulary
from rnnkit.types import Array


class Coder(Protocol):
    """Turns texts into ids and back; a decoder reads `start` first and gives `end` last, if any."""

    start: int
    end: int | None
    pad: tuple[int, int]
    reverse: bool

    def source(self, text: str) -> Array:
        """Return the ids (S,) that an encoder reads, in that order."""
        ...

    def target(self, text: str) -> Array:
        """Return the start, the ids of the text, and the end where there is one."""
        ...

    def text(self, ids: Sequence[int]) -> str:
        """Return the text that a decoder gave."""
        ...


@runtime_checkable
class TextPairs(Protocol):
    """Data whose records are a source text and a target text."""

    def coder(self, vocabulary: Vocabulary) -> Coder:
        """Return what turns texts into ids and back."""
        ...

    def reading(self, texts: Sequence[str], vocabulary: Vocabulary) -> EncoderInputs:
        """Return what an encoder reads of texts (B,)."""
        ...
