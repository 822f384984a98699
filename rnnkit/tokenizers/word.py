"""One id for each word, and one for the end of a line."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from rnnkit.errors import DataError, printable
from rnnkit.tokenizer import Tokenizer, Vocabulary
from rnnkit.tokenizers._text import decode_utf8, smallest_ids, unknown_token
from rnnkit.types import Array

EOS = "<eos>"
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
            counts.pop(token, None)
        words = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        kept = (word for word, count in words if count >= self.min_count)
        room = None if self.max_size is None else self.max_size - len(special)
        tokens = (*special, *itertools.islice(kept, room))
        return Vocabulary(tokens=tokens, unknown=None if self.unknown is None else 0)

    def encode(self, text: bytes, vocabulary: Vocabulary) -> Array:
        """Return the id of each word and line end; see the contract for what it raises."""
        characters = "".join(decode_utf8([text]))
        words = _split(characters)
        table = {token: index for index, token in enumerate(vocabulary.tokens)}
        unseen = -1 if vocabulary.unknown is None else vocabulary.unknown
        found = map(table.get, words, itertools.repeat(unseen))
        ids = np.fromiter(found, np.int32, len(words))
        if unseen < 0 and ids.size and ids.min() < 0:
            raise _unknown_word(characters, int(ids.argmin()))
        return ids.astype(smallest_ids(vocabulary))

    def decode(self, ids: Iterable[int], vocabulary: Vocabulary) -> str:
        """Return the words with spaces between them, and lines as <eos> ends them."""
        tokens = [vocabulary.tokens[i] for i in ids]
        text = " ".join(["\n" if token == EOS else token for token in tokens])
        return text.replace(" \n", "\n").replace("\n ", "\n")


def _split(text: str) -> list[str]:
    return text.replace("\n", f" {EOS} ").split()


def _count(chunks: Iterable[bytes]) -> Counter[str]:
    counts: Counter[str] = Counter()
    tail = ""
    for piece in decode_utf8(chunks):
        text = tail + piece
        words = _split(text)
        # The last word may go on in the next chunk.
        tail = words.pop() if text and not text[-1].isspace() else ""
        counts.update(words)
    if tail:
        counts[tail] += 1
    longest = max(counts, key=len, default="")
    if len(longest) > LONGEST:
        raise DataError.of(
            "DATA_TOKEN_TOO_LONG",
            f'the word "{printable(longest, 24)}" has {len(longest)} characters, but a token holds '
            f'at most {LONGEST} (put whitespace between words, or use the tokenizer "char")',
        )
    return counts


def _unknown_word(text: str, number: int) -> DataError:
    match = next(itertools.islice(re.finditer(r"\n|\S+", text), number, None))
    return unknown_token("word", match.group(), text, match.start())
