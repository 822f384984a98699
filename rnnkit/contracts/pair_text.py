"""What data of source and target texts offers to those who show or write such texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from rnnkit.contracts.tokenizer import Vocabulary
from rnnkit.types import Array


class Coder(Protocol):
    """Turns texts into ids and back; a decoder reads `start` first and gives `end` last, if any.

    Targets without an `end` are as long as they are filled up to, `pad[1]`.
    """

    @property
    def start(self) -> int:
        """What a decoder reads first."""
        ...

    @property
    def end(self) -> int | None:
        """What it gives last."""
        ...

    @property
    def pad(self) -> tuple[int, int]:
        """The characters up to which a source and a target are filled up; 0: as they are."""
        ...

    @property
    def reverse(self) -> bool:
        """Whether an encoder reads a source from its end."""
        ...

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
