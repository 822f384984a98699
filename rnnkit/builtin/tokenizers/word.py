"""One id for each word, and one for the end of a line."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from rnnkit.builtin.tokenizers._tally import Counter, Tally, most_frequent
from rnnkit.builtin.tokenizers._text import Place, decode_utf8, pieces, unknown_token
from rnnkit.builtin.tokenizers._words import WordNumbers, last_space, narrow_spaces
from rnnkit.contracts.tokenizer import Counts, Encoder, Tokenizer, Vocabulary
from rnnkit.errors import DataError, printable
from rnnkit.types import Array

EOS = "<eos>"
TOKEN = re.compile(r"\n|\S+")
LONGEST = 65536
"""Characters in a token; the vocabulary of a checkpoint holds no longer string."""

ENDLESS = 1 << 20
"""Bytes without whitespace that are not read as a word, not even as an unknown one."""

MOST = 10**7
"""Tokens of a vocabulary."""

COUNTED, TALLIED = 2**26, 2**27
"""Bytes that the counts of a part of a text take in memory, and those of all; more goes to disk."""


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

    def counts(self, chunks: Iterable[bytes]) -> Iterator[Counts]:
        """Yield the counts of the words; DataError gives the offset of the first bad byte."""
        counter = Counter()
        for piece, place in pieces(chunks, _whole_words):
            _check_length(counter.add(_plain(piece, place)))
            if counter.bytes > COUNTED:
                yield counter.counts()
                counter = Counter()
        yield counter.counts()

    def merged(self, counts: Iterable[Counts]) -> Vocabulary:
        """Return the vocabulary; raises DataError where it would be too large to use."""
        special = (EOS,) if self.unknown is None else (self.unknown, EOS)
        aside = {token.encode() for token in special}
        with Tally(TALLIED) as tally:
            for part in counts:
                tally.add(part)
            frequent = (each for each in tally if each[1] >= self.min_count)
            kept = ((word, count) for word, count in frequent if word not in aside)
            room = (self.max_size or MOST) - len(special)
            words = most_frequent(kept, room, None if self.max_size else _too_many)
            tokens = (*special, *(word.decode() for word in words))
        return Vocabulary(tokens=tokens, unknown=None if self.unknown is None else 0)

    def cut(self, text: bytes) -> int:
        """Return the end of the last whitespace."""
        return _whole_words(text)

    def stream(self, chunks: Iterable[bytes], vocabulary: Vocabulary) -> Iterator[Array]:
        """Yield the id of each word and line end; see the contract for what it raises."""
        return self.encoder(vocabulary)(chunks)

    def encoder(self, vocabulary: Vocabulary) -> Encoder:
        """Return `stream` with a table of the ids by word."""
        table = {token.encode(): index for index, token in enumerate(vocabulary.tokens)}
        unseen = -1 if vocabulary.unknown is None else vocabulary.unknown
        numbers = WordNumbers(lambda word: table.get(word, unseen))

        def encode(chunks: Iterable[bytes]) -> Iterator[Array]:
            for piece, place in pieces(chunks, _whole_words):
                ids = numbers.of(_plain(piece, place))
                if ids.min(initial=0) < 0:
                    raise _unknown_word(piece, place, int(ids.argmin()))
                yield ids.astype(vocabulary.dtype)

        return encode

    def decode(self, ids: Iterable[int], vocabulary: Vocabulary) -> str:
        """Return the words with spaces between them, and lines as <eos> ends them."""
        tokens = [vocabulary.tokens[i] for i in ids]
        text = " ".join(["\n" if token == EOS else token for token in tokens])
        return text.replace(" \n", "\n").replace("\n ", "\n")

    def spelling(self, text: bytes, vocabulary: Vocabulary) -> list[bytes]:
        """Return the words and line ends, each with the whitespace before it."""
        string = decode_utf8(text, Place())
        ends = [match.end() for match in TOKEN.finditer(string)]
        ends[-1:] = [len(string)] if ends else []
        starts = [0, *ends[:-1]]
        return [string[a:b].encode() for a, b in zip(starts, ends, strict=False)]

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
    end = max(text.rfind(b" "), text.rfind(b"\n")) + 1 or last_space(text)
    if end == 0 and len(text) > ENDLESS:
        raise _too_long(_start(text), f"more than {ENDLESS} bytes")
    return end


def _plain(piece: bytes, place: Place) -> bytes:
    """Return the piece with ASCII whitespace only, and each line end as a word."""
    if len(piece) > ENDLESS:
        _check_endless(piece)
    if not piece.isascii():
        decode_utf8(piece, place)
        piece = narrow_spaces(piece)
    return piece.replace(b"\n", f" {EOS} ".encode())


def _check_endless(piece: bytes) -> None:
    # A piece is this long only with a word that is nearly so.
    longest = max(narrow_spaces(piece).split(), key=len, default=b"")
    if len(longest) > ENDLESS:
        raise _too_long(_start(longest), f"more than {ENDLESS} bytes")


def _check_length(words: Iterable[bytes]) -> None:
    longest = max((w.decode() for w in words if len(w) > LONGEST), key=len, default="")
    if len(longest) > LONGEST:
        raise _too_long(longest, f"{len(longest)} characters")


def _start(word: bytes) -> str:
    return word[:128].decode(errors="replace")


def _too_long(word: str, size: str) -> DataError:
    return DataError.of(
        "DATA_TOKEN_TOO_LONG",
        f'the word "{printable(word, 24)}" has {size}, but a token holds at most '
        f'{LONGEST} characters (put whitespace between words, or use the tokenizer "char")',
    )


def _too_many() -> DataError:
    return DataError.of(
        "DATA_TOO_MANY_TOKENS",
        f'the text has more than {MOST} different words (give the tokenizer "max_size", such as '
        '50000, or a larger "min_count")',
    )


def _unknown_word(piece: bytes, place: Place, number: int) -> DataError:
    text = piece.decode()
    match = next(itertools.islice(TOKEN.finditer(text), number, None))
    return unknown_token("word", match.group(), text[: match.start()], place)
