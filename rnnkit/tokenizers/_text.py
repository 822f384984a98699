"""What the tokenizers of text share: strict UTF-8, positions, small ids."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator

import numpy as np

from rnnkit.errors import DataError, printable
from rnnkit.tokenizer import Vocabulary
from rnnkit.types import DType


def decode_utf8(chunks: Iterable[bytes]) -> Iterator[str]:
    """Yield the text of each chunk; a character cut by a border belongs to the later chunk.

    Raises DataError with the offset of the first bad byte, counted from the first chunk.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    read = 0
    for chunk, final in _with_end(chunks):
        start = read - len(decoder.getstate()[0])
        try:
            yield decoder.decode(chunk, final)
        except UnicodeDecodeError as error:
            raise _not_utf8(error, start) from None
        read += len(chunk)


def smallest_ids(vocabulary: Vocabulary) -> DType:
    """Return the smallest unsigned integer type for the ids of a vocabulary."""
    return np.min_scalar_type(max(vocabulary.size - 1, 0))


def unknown_token(kind: str, token: str, text: str, index: int) -> DataError:
    """Return the error for a token that stands at `index` of the text."""
    line = text.count("\n", 0, index) + 1
    column = index - text.rfind("\n", 0, index)
    return DataError.of(
        "DATA_UNKNOWN_TOKEN",
        f'the {kind} "{printable(token)}" at line {line}, column {column} is not in the '
        f'vocabulary (take it out of the text, or train with "unknown": "<unk>" in the tokenizer)',
    )


def _with_end(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    for chunk in chunks:
        yield chunk, False
    yield b"", True


def _not_utf8(error: UnicodeDecodeError, start: int) -> DataError:
    return DataError.of(
        "DATA_ENCODING",
        f"byte 0x{error.object[error.start]:02x} at offset {start + error.start} is not UTF-8: "
        f'{error.reason} (save the text as UTF-8, or use the tokenizer "byte")',
    )
