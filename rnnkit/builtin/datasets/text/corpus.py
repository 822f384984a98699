"""Where the text of a dataset comes from: files, or the corpus that every Python carries."""

from __future__ import annotations

import hashlib
import importlib
import os
import stat
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rnnkit.builtin.datasets.text.bigtext import BigText, opened
from rnnkit.builtin.datasets.text.tokenfile import Tokens
from rnnkit.contracts import checked_tokenizer
from rnnkit.contracts.tokenizer import Tokenizer, Vocabulary
from rnnkit.errors import DataError
from rnnkit.files.atomic import read_regular

BIG = 64 * 2**20
"""Bytes beyond which a text is not read into memory, but encoded into a token file."""

LIMIT = 2**40
"""The largest text that is read, in bytes."""


@dataclass(frozen=True)
class SmallText:
    """A text in memory."""

    data: bytes

    def feed(self, digest: hashlib._Hash) -> None:
        """Add all bytes to a digest."""
        digest.update(self.data)

    def encoded(
        self, tokenizer: Tokenizer, vocabulary: Vocabulary | None, limit: int | None
    ) -> Tokens:
        """Return the first `limit` tokens; a given vocabulary replaces a fitted one."""
        data = (
            self.data
            if limit is None
            else b"".join(checked_tokenizer.head(tokenizer, [self.data], limit))
        )
        found = vocabulary or checked_tokenizer.fit(tokenizer, [data])
        return Tokens(found, checked_tokenizer.encode(tokenizer, data, found))


def python_docs() -> SmallText:
    """Return Python's language reference, as `help()` shows it: some 465,000 characters of English.

    It varies a little between versions of Python; the digest in a checkpoint tells.
    """
    topics: dict[str, str] = importlib.import_module("pydoc_data.topics").topics
    return SmallText("\n".join(topics[name] for name in sorted(topics)).encode())


def open_text(path: Path, files: ExitStack) -> SmallText | BigText:
    """Return the text of a regular file, open until `files` closes; raises DataError otherwise."""
    if _is_big(path):
        return files.enter_context(opened(path))
    data = bytes(read_regular(path, BIG, DataError, "DATA"))
    if not data:
        raise DataError.of("DATA_TOO_SHORT", "the file is empty (give it some text)", path)
    return SmallText(data)


def _is_big(path: Path) -> bool:
    try:
        info = os.stat(path)
    except (OSError, ValueError):
        return False  # read_regular says why
    return stat.S_ISREG(info.st_mode) and BIG < info.st_size <= LIMIT
