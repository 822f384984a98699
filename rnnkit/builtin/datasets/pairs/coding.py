"""Pairs of texts as ids, and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from rnnkit.builtin.datasets.tables.rows import BadRows, Row, as_json
from rnnkit.contracts import checked_tokenizer
from rnnkit.contracts.tokenizer import Encoder, Tokenizer, Vocabulary
from rnnkit.errors import DataError
from rnnkit.files.marked_text import text_lines
from rnnkit.types import Array


@dataclass(frozen=True)
class PairCoder:
    """Turns texts into ids by one vocabulary, for which `encoder` is prepared.

    `start` is what a decoder reads first, `end` what it gives last (None: nothing); `pad` and
    `reverse` are those of `Pairs`.
    """

    tokenizer: Tokenizer
    vocabulary: Vocabulary
    encoder: Encoder
    start: int
    end: int | None
    pad: tuple[int, int]
    reverse: bool

    def ids(self, text: str) -> Array:
        """Return the ids of a text; raises DataError for what the vocabulary lacks."""
        pieces = self.encoder([text.encode(errors="surrogateescape")])
        return np.concatenate([np.empty(0, np.int32), *(each.astype(np.int32) for each in pieces)])

    def source(self, text: str) -> Array:
        """Return what an encoder reads of a text, at least one id."""
        ids = self.ids(text.ljust(self.pad[0]))
        if len(ids) == 0:
            raise DataError.of("DATA_EMPTY", "the source is empty (give it some text)")
        return ids[::-1] if self.reverse else ids

    def target(self, text: str) -> Array:
        """Return what a decoder reads and gives: the start, the text, the end."""
        text = text.ljust(self.pad[1])
        ids = self.ids(text)
        if self.end is None and len(ids) != self.pad[1]:
            message = f"the target has {len(ids)} tokens, and without an end each has {self.pad[1]}"
            raise DataError.of("DATA_LENGTH", f'{message} (give a larger "pad", or an "end")')
        if self.end is not None and self.end in ids:
            token = self.vocabulary.tokens[self.end]
            message = f"the target holds {as_json(token)}, which ends a target"
            raise DataError.of("DATA_MARK", f'{message} (give another "end")')
        ends = [] if self.end is None else [self.end]
        return np.concatenate([[self.start], ids, ends])

    def text(self, ids: Sequence[int]) -> str:
        """Return the text that a decoder gave, up to the end, without what fills it up."""
        found = list(ids)
        if self.end in found:
            found = found[: found.index(self.end)]
        text = checked_tokenizer.decode(self.tokenizer, found, self.vocabulary)
        return text.rstrip(" ") if self.pad[1] else text


def mark(name: str, text: str, tokenizer: Tokenizer, vocabulary: Vocabulary) -> int:
    """Return the id of a mark; raises DataError where it is not one token."""
    if text in vocabulary.tokens:
        return vocabulary.tokens.index(text)
    ids = checked_tokenizer.encode(tokenizer, text.encode(), vocabulary)
    if len(ids) != 1:
        message = f'"{name}" {as_json(text)} is {len(ids)} tokens (give one token)'
        raise DataError.of("DATA_MARK", message)
    return int(ids[0])


def read_lines(
    data: bytes, name: str, bad: BadRows, separator: str = "\t", padded: bool = False
) -> Iterator[Row]:
    """Yield the good rows of a file of lines: source, separator, target, without quotes.

    The spaces that fill up a `padded` text are taken away.
    """
    for number, line in enumerate(text_lines(data, name), 1):
        if line.strip():
            row = bad.attempt(name, number, partial(_parted, number, line, separator, padded))
            if row:
                yield row


def _parted(number: int, line: bytes, separator: str, padded: bool) -> Row:
    try:
        cells = line.decode().split(separator)
    except UnicodeDecodeError as error:
        message = f"byte {error.start} is not UTF-8 (save the file as UTF-8)"
        raise DataError.of("DATA_ENCODING", message) from None
    if len(cells) != 2:
        one, many = ("a tab", "tabs") if separator == "\t" else (as_json(separator),) * 2
        message = f"expected a source, {one} and a target, received {len(cells)} cells"
        advice = f"keep {many} out of the texts"
        if len(cells) == 1:
            advice = f'put {one} between them, or say by "separator" what there is'
        raise DataError.of("DATA_TSV", f"{message} ({advice})")
    source, target = (cell.rstrip(" ") for cell in cells) if padded else cells
    return Row(number, {"source": source, "target": target})
