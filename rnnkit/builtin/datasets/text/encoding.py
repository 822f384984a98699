"""Texts, one after the other, through a tokenizer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from rnnkit.builtin.datasets.text.corpus import TextDocument
from rnnkit.contracts import checked_tokenizer
from rnnkit.contracts.tokenizer import Border, Tokenizer, Vocabulary, chunks_as_given
from rnnkit.errors import DataError
from rnnkit.types import Array


def fitted(texts: Sequence[TextDocument], tokenizer: Tokenizer, limit: int | None) -> Vocabulary:
    """Return the vocabulary of the first `limit` tokens; DataError with the name of the text."""
    read: list[str] = []

    def chunks() -> Iterator[bytes]:
        for text in texts:
            if read:
                yield Border()
            read.append(text.name)
            yield from chunks_as_given(tokenizer, text.chunks(), text.name)

    with _located(read):
        if limit is None:
            return checked_tokenizer.fit(tokenizer, chunks())
        return checked_tokenizer.fit(tokenizer, checked_tokenizer.head(tokenizer, chunks(), limit))


def ids_of(
    texts: Sequence[TextDocument],
    tokenizer: Tokenizer,
    vocabulary: Vocabulary,
    limit: int | None,
    starts: list[int],
) -> Iterator[Array]:
    """Yield the first `limit` ids of texts; `starts` gets the places where all but one begin.

    Raises DataError with the name of the text.
    """
    done = 0
    for text in texts:
        if done:
            starts.append(done)
        chunks = chunks_as_given(tokenizer, text.chunks(), text.name)
        if limit is not None:
            chunks = checked_tokenizer.head(tokenizer, chunks, limit - done)
        with _located([text.name]):
            for ids in checked_tokenizer.stream(tokenizer, chunks, vocabulary):
                done += len(ids)
                yield ids
        if limit is not None and done >= limit:
            return


@contextmanager
def _located(names: Sequence[str]) -> Iterator[None]:
    """Give what is wrong with a text its name, the last of those that are read."""
    try:
        yield
    except DataError as error:
        raise DataError(*(replace(p, where=names[-1]) for p in error.problems)) from None
