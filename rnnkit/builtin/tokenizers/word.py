"""One id for each word, and one for the end of a line."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from rnnkit.builtin.tokenizers._counts import WordCounts
from rnnkit.builtin.tokenizers._text import PieceStart, TextTokenizer, decode_utf8, unknown_token
from rnnkit.builtin.tokenizers._words import WordNumbers, last_space, narrow_spaces
from rnnkit.contracts.tokenizer import Encoder, Vocabulary
from rnnkit.errors import DataError, printable
from rnnkit.types import Array

EOS = "<eos>"
TOKEN = re.compile(r"\n|\S+")
READ = re.compile(r"\r\n|\r|\n|\S+")
"""The same before line ends are plain."""

LONGEST = 65536
"""Characters in a token; the vocabulary of a checkpoint holds no longer string."""

ENDLESS = 1 << 20
"""Bytes without whitespace that are not read as a word, not even as an unknown one."""

COUNTED = 320 * 2**20
"""Bytes that the counts of the different words may take in memory, some two million words."""


class Word(TextTokenizer):
    r"""The words of a UTF-8 text between whitespace; every line end becomes the token <eos>.

    The ids are `unknown`, <eos>, then the words by falling count, equal counts in the order of
    their code points. Words seen less than `min_count` times, and those beyond `max_size` tokens
    in all, become `unknown`. Where the text itself holds the word <unk> or <eos>, as the Penn
    Treebank does, it is that token. With "unknown": null every word is kept, and a word that `fit`
    did not see is an error. With `verbatim` only "\n" ends a line, and a byte-order mark at the
    start is part of its word.

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
        """Return the vocabulary; DataError tells of bad bytes, and of too many words to count."""
        counts = WordCounts()
        for piece, start in self.pieces(chunks, _whole_words):
            _check_length(counts.add(_plain(piece, start)))
            if counts.bytes > COUNTED:
                raise _too_many(len(counts))
        special = (EOS,) if self.unknown is None else (self.unknown, EOS)
        words = [word.decode() for word in counts.frequent(self.min_count)[: self.max_size]]
        tokens = (*special, *(word for word in words if word not in special))
        unknown = None if self.unknown is None else 0
        return Vocabulary(tokens=tokens[: self.max_size], unknown=unknown)

    def stream(self, chunks: Iterable[bytes], vocabulary: Vocabulary) -> Iterator[Array]:
        """Yield the id of each word and line end; see the contract for what it raises."""
        return self.encoder(vocabulary)(chunks)

    def encoder(self, vocabulary: Vocabulary) -> Encoder:
        """Return `stream` with a table of the ids by word."""
        table = {token.encode(): index for index, token in enumerate(vocabulary.tokens)}
        unseen = -1 if vocabulary.unknown is None else vocabulary.unknown
        numbers = WordNumbers(lambda word: table.get(word, unseen))

        def encode(chunks: Iterable[bytes]) -> Iterator[Array]:
            for piece, start in self.pieces(chunks, _whole_words):
                ids = numbers.of(_plain(piece, start))
                if ids.min(initial=0) < 0:
                    raise _unknown_word(piece, start, int(ids.argmin()))
                yield ids.astype(vocabulary.dtype)

        return encode

    def decode(self, ids: Iterable[int], vocabulary: Vocabulary) -> str:
        """Return the words with spaces between them, and lines as <eos> ends them."""
        tokens = [vocabulary.tokens[i] for i in ids]
        text = " ".join(["\n" if token == EOS else token for token in tokens])
        return text.replace(" \n", "\n").replace("\n ", "\n")

    def spelling(self, text: bytes, vocabulary: Vocabulary) -> list[bytes]:
        """Return the words and line ends, each with the whitespace before it."""
        string = decode_utf8(text, PieceStart())
        token, start = (TOKEN, 0) if self.verbatim else (READ, string.startswith("\ufeff"))
        ends = [match.end() for match in token.finditer(string, start)]
        ends[-1:] = [len(string)] if ends else []
        starts = [0, *ends[:-1]]
        return [string[a:b].encode() for a, b in zip(starts, ends, strict=False)]

    def head(self, chunks: Iterable[bytes], tokens: int) -> Iterator[bytes]:
        """Yield the text up to the end of the last of the first tokens."""
        for piece, start in self.pieces(chunks, _whole_words):
            yield from self.begun(start)
            found = TOKEN.finditer(decode_utf8(piece, start))
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


def _plain(piece: bytes, start: PieceStart) -> bytes:
    """Return the piece with ASCII whitespace only, and each line end as a word."""
    if len(piece) > ENDLESS:
        _check_endless(piece)
    if not piece.isascii():
        decode_utf8(piece, start)
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


def _too_many(words: int) -> DataError:
    return DataError.of(
        "DATA_TOO_MANY_TOKENS",
        f"the text has at least {words:,} different words, more than are counted in "
        f"{COUNTED >> 20} MiB of memory (put spaces between words and punctuation, read less of "
        'the text with "limit", or use the tokenizer "char" or "byte")',
    )


def _unknown_word(piece: bytes, start: PieceStart, number: int) -> DataError:
    text = piece.decode()
    match = next(itertools.islice(TOKEN.finditer(text), number, None))
    return unknown_token("word", match.group(), text[: match.start()], start)
