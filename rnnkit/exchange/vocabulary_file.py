"""The tokens of a model of another program, in the order of their ids, from a file of a user."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from rnnkit.contracts.data_file import read_data
from rnnkit.contracts.tokenizer import Tokenizer, Vocabulary
from rnnkit.errors import DataError, printable
from rnnkit.files.marked_text import text_lines


def read_vocabulary(path: Path, tokenizer: Tokenizer | None) -> Vocabulary:
    """Return the tokens of a JSON list, or of the lines of a text, one each.

    What a tokenizer calls unknown stands for every other token, if it is among them. Raises
    DataError for another file, for a token that is there twice, and where the data is no text.
    """
    if tokenizer is None:
        message = "a vocabulary needs data that is read as text (leave --vocabulary out)"
        raise DataError.of("DATA_VOCABULARY", message, path)
    tokens = _tokens(path)
    if twice := [token for token, count in Counter(tokens).items() if count > 1]:
        shown = ", ".join(printable(repr(token)) for token in twice[:5])
        message = f"{len(twice):,} tokens are there twice, such as {shown}: each has one id"
        raise DataError.of("DATA_VOCABULARY", message, path)
    unknown = getattr(tokenizer, "unknown", None)
    return Vocabulary(
        tokens=tuple(tokens), unknown=tokens.index(unknown) if unknown in tokens else None
    )


def _tokens(path: Path) -> list[str]:
    data = text_lines(read_data(path), str(path))
    lines = [_decoded(line, f"{path}:{number}") for number, line in enumerate(data, 1)]
    text = "\n".join(lines)
    if not text.lstrip().startswith("["):
        return lines
    try:
        found: list[str] = json.loads(text)
    except ValueError:
        return lines  # a token may begin with a bracket
    if not all(isinstance(token, str) for token in found):
        message = "expected a JSON list of texts, a token each, or a token in each line"
        raise DataError.of("DATA_VOCABULARY", message, path)
    return found


def _decoded(line: bytes, where: str) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        message = f"byte {error.start:,} is no UTF-8 (save the file as UTF-8)"
        raise DataError.of("DATA_VOCABULARY", message, where) from error
