"""One id for each word, and one for the end of a line."""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from rnnkit.errors import DataError, printable
from rnnkit.tokenizer import Tokenizer, Vocabulary
from rnnkit.tokenizers._text import Place, decode_utf8, pieces, unknown_token
from rnnkit.tokenizers._words import WordNumbers, narrow_spaces
from rnnkit.types import Array

EOS = "<eos>"
TOKEN = re.compile(r"\n|\S+")
LONGEST = 65536
"""Characters in a token; the vocabulary of a checkpoint holds no longer string."""


class Word(Tokenizer):
    r"""The words of a UTF-8 text between whitespace; every "\n" becomes the token <eos>.

    The ids are `unknown`, <eos>, then the words by falling count, equal counts in the order of
    their code points. Words seen less than `min_count` times, and those beyond `max_size` tokens
    in all, become `unknown`. Where the text itself holds the word <unk> or <eos>, as the Penn
    Treebank does, it is that token. With "unknown": null every word is kept, and a word that `fit`
    did not see is an error.

    `decode` joins words by spaces and ends a line at <eos>: it gives back the text up to the kind
    and amount of whitespace.
    """

    type: Literal["word"] = "word"
    unit: ClassVar[str] = "word"

    min_count: Annotated[int, Field(ge=1, le=10**9)] = 1
    max_size: Annotated[int, Field(ge=3, le=10**7)] | None = None
    unknown: Annotated[str, Field(pattern=r"^\S{1,64}\z")] | None = "<unk>"

    @model_validator(mode="after")
    def _has_a_place_for_the_rest(self) -> Word:
        if self.unknown is None and (self.min_count > 1 or self.max_size is not None):
            raise ValueError('"min_count" and "max_size" need "unknown", such as "<unk>"')
        if self.unknown == EOS:
            raise ValueError(f'"unknown" must not be "{EOS}", the end of a line')
        return self

    def fit(self, chunks: Iterable[bytes]) -> Vocabulary:
        """Return the vocabulary; DataError gives the offset of the first bad byte."""
        counts = _count(chunks)
        special = (EOS,) if self.unknown is None else (self.unknown, EOS)
        for token in special:
            counts.pop(token.encode(), None)
        # UTF-8 sorts as the code points do.
        words = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        kept = (word.decode() for word, count in words if count >= self.min_count)
        room = None if self.max_size is None else self.max_size - len(special)
        tokens = (*special, *itertools.islice(kept, room))
        return Vocabulary(tokens=tokens, unknown=None if self.unknown is None else 0)

    def stream(self, chunks: Iterable[bytes], vocabulary: Vocabulary) -> Iterator[Array]:
        """Yield the id of each word and line end; see the contract for what it raises."""
        table = {token.encode(): index for index, token in enumerate(vocabulary.tokens)}
        unseen = -1 if vocabulary.unknown is None else vocabulary.unknown
        numbers = WordNumbers(lambda word: table.get(word, unseen))
        for piece, place in pieces(chunks, _whole_words):
            ids = numbers.of(_plain(piece, place))
            if ids.min(initial=0) < 0:
                raise _unknown_word(piece, place, int(ids.argmin()))
            yield ids.astype(vocabulary.dtype)

    def decode(self, ids: Iterable[int], vocabulary: Vocabulary) -> str:
        """Return the words with spaces between them, and lines as <eos> ends them."""
        tokens = [vocabulary.tokens[i] for i in ids]
        text = " ".join(["\n" if token == EOS else token for token in tokens])
        return text.replace(" \n", "\n").replace("\n ", "\n")

    def head(self, chunks: Iterable[bytes], tokens: int) -> Iterator[bytes]:
        """Yield the text up to the end of the last of the first tokens."""
        for piece, place in pieces(chunks, _whole_words):
            found = TOKEN.finditer(decode_utf8(piece, place))
            ends = [match.end() for match in itertools.islice(found, tokens)]
            tokens -= len(ends)
            if tokens == 0:
                yield piece.decode()[: ends[-1]].encode()
                return
            yield piece


def _whole_words(text: bytes) -> int:
    return max(text.rfind(b" "), text.rfind(b"\n")) + 1


def _plain(piece: bytes, place: Place) -> bytes:
    """Return the piece with ASCII whitespace only, and each line end as a word."""
    if not piece.isascii():
        decode_utf8(piece, place)
        piece = narrow_spaces(piece)
    return piece.replace(b"\n", f" {EOS} ".encode())


def _count(chunks: Iterable[bytes]) -> dict[bytes, int]:
    """Return how often each word occurs."""
    table: defaultdict[bytes, int] = defaultdict(itertools.count().__next__)
    numbers, counts = WordNumbers(table.__getitem__), np.zeros(0, np.int64)
    for piece, place in pieces(chunks, _whole_words):
        found = numbers.of(_plain(piece, place))
        if len(table) > len(counts):
            counts = np.pad(counts, (0, len(table)))
        np.add.at(counts, found, 1)
    _check_length(table)
    return dict(zip(table, counts.tolist(), strict=False))


def _check_length(words: Iterable[bytes]) -> None:
    longest = max((w.decode() for w in words if len(w) > LONGEST), key=len, default="")
    if len(longest) > LONGEST:
        raise DataError.of(
            "DATA_TOKEN_TOO_LONG",
            f'the word "{printable(longest, 24)}" has {len(longest)} characters, but a token holds '
            f'at most {LONGEST} (put whitespace between words, or use the tokenizer "char")',
        )


def _unknown_word(piece: bytes, place: Place, number: int) -> DataError:
    text = piece.decode()
    match = next(itertools.islice(TOKEN.finditer(text), number, None))
    return unknown_token("word", match.group(), text[: match.start()], place)
