"""Text to ids and back by any tokenizer; what a tokenizer gives is looked at before it is used.

A wrong id reads past the end of a table, or wraps around where ids are stored: it is an error here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np

from rnnkit.contracts.returned import broken, is_whole, of_kind, shown
from rnnkit.contracts.tokenizer import Encoder, Tokenizer, Vocabulary
from rnnkit.core.block import stands_for
from rnnkit.errors import printable
from rnnkit.types import Array


def fit(tokenizer: Tokenizer, chunks: Iterable[bytes]) -> Vocabulary:
    """Return `tokenizer.fit`; raises PluginError for what is no vocabulary, or of no unit."""
    of_kind(tokenizer, "unit", tokenizer.unit, str)
    with _written(tokenizer):
        found: object = tokenizer.fit(chunks)
    if not isinstance(found, Vocabulary):
        raise broken(tokenizer, "", f"fit: expected a Vocabulary, received {shown(found)}")
    tokens, unknown = found.tokens, found.unknown
    if not (isinstance(tokens, tuple) and all(map(_is_text, tokens))):
        message = f"fit: expected tokens of UTF-8 in a tuple, received {printable(tokens, 200)}"
        raise broken(tokenizer, "", message)
    if unknown is not None and not (is_whole(unknown, 0) and unknown < len(tokens)):
        message = f"fit: expected unknown to be one of {len(tokens)} ids, received {unknown}"
        raise broken(tokenizer, "", message)
    return found


def _is_text(token: object) -> bool:
    """Tell whether a checkpoint can hold the token."""
    if not isinstance(token, str):
        return False
    try:
        token.encode()
    except UnicodeEncodeError:
        return False
    return True


def encode(tokenizer: Tokenizer, text: bytes, vocabulary: Vocabulary) -> Array:
    """Return `tokenizer.encode`; raises PluginError for what are no ids of the vocabulary."""
    with _written(tokenizer):
        return _ids(tokenizer, tokenizer.encode(text, vocabulary), vocabulary)


def stream(
    tokenizer: Tokenizer, chunks: Iterable[bytes], vocabulary: Vocabulary
) -> Iterator[Array]:
    """Yield the ids of a text piece by piece, each looked at like those of `encode`."""
    # A subclass may have written an `encode` that the `stream` it inherits does not know.
    if stands_for(tokenizer, "stream", "encode"):
        return _looked_at(tokenizer, tokenizer.stream(chunks, vocabulary), vocabulary)
    return _looked_at(tokenizer, Tokenizer.stream(tokenizer, chunks, vocabulary), vocabulary)


def encoder(tokenizer: Tokenizer, vocabulary: Vocabulary) -> Encoder:
    """Return `stream` for one vocabulary, prepared where the tokenizer can."""
    if not stands_for(tokenizer, "encoder", "stream", "encode"):
        return lambda chunks: stream(tokenizer, chunks, vocabulary)
    prepared = tokenizer.encoder(vocabulary)
    if not callable(prepared):
        message = f"encoder: expected a function, received {shown(prepared)}"
        raise broken(tokenizer, "", message)
    return lambda chunks: _looked_at(tokenizer, prepared(chunks), vocabulary)


def decode(tokenizer: Tokenizer, ids: Iterable[int], vocabulary: Vocabulary) -> str:
    """Return `tokenizer.decode`; raises PluginError for what is no text."""
    with _written(tokenizer):
        found: object = tokenizer.decode(ids, vocabulary)
    if not isinstance(found, str):
        raise broken(tokenizer, "", f"decode: expected a str, received {shown(found)}")
    return found


def spelling(tokenizer: Tokenizer, text: bytes, vocabulary: Vocabulary) -> list[bytes]:
    """Return `tokenizer.spelling`, or what each id decodes to."""
    if stands_for(tokenizer, "spelling", "stream", "encode"):
        spelled = of_kind(tokenizer, "spelling", tokenizer.spelling(text, vocabulary), list)
        return [of_kind(tokenizer, "spelling of an id", part, bytes, "bytes") for part in spelled]
    ids = encode(tokenizer, text, vocabulary)
    return [decode(tokenizer, [i], vocabulary).encode() for i in ids.tolist()]


def head(tokenizer: Tokenizer, chunks: Iterable[bytes], tokens: int) -> Iterator[bytes]:
    """Yield `tokenizer.head`, or what the first ids of the whole text decode to."""
    if stands_for(tokenizer, "head", "stream", "encode"):
        parts: object = tokenizer.head(chunks, tokens)
        if not isinstance(parts, Iterable):
            message = f"head: expected an iterator, received {shown(parts)}"
            raise broken(tokenizer, "", message)
        for part in parts:
            yield of_kind(tokenizer, "a part of head", part, bytes, "bytes")
        return
    text = b"".join(chunks)
    vocabulary = fit(tokenizer, [text])
    ids = encode(tokenizer, text, vocabulary)[:tokens]
    yield decode(tokenizer, ids.tolist(), vocabulary).encode()


def _looked_at(
    tokenizer: Tokenizer, pieces: Iterable[Array], vocabulary: Vocabulary
) -> Iterator[Array]:
    with _written(tokenizer):
        if not isinstance(pieces, Iterable):
            message = f"stream: expected an iterator, received {shown(pieces)}"
            raise broken(tokenizer, "", message)
        for piece in pieces:
            yield _ids(tokenizer, piece, vocabulary)


def _ids(tokenizer: Tokenizer, found: object, vocabulary: Vocabulary) -> Array:
    if not isinstance(found, np.ndarray) or found.ndim != 1 or found.dtype.kind not in "iu":
        message = f"ids: expected integers of shape (N,) in an array, received {shown(found)}"
        raise broken(tokenizer, "", message)
    below = found.dtype.kind == "i" and found.size and found.min() < 0
    if below or (found.size and found.max() >= vocabulary.size):
        raise broken(
            tokenizer,
            "",
            f"ids: expected 0 to {vocabulary.size - 1}, received {found.min()} to {found.max()}",
        )
    return found


@contextmanager
def _written(tokenizer: Tokenizer) -> Iterator[None]:
    """Name the tokenizer that lacks a method of the contract."""
    try:
        yield
    except NotImplementedError as error:
        raise broken(tokenizer, "", f"{error} is not written") from error
