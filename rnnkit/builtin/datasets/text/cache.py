"""A text as ids: those of a small text in memory, those of a large one in the user's cache.

The cache lies in $XDG_CACHE_HOME/rnnkit/tokens, by default ~/.cache/rnnkit/tokens; everything in it
may be removed at any time. Processes need no lock: each writes a file of its own and then gives it
its name, and whichever comes last has written the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import BinaryIO

from rnnkit.builtin.datasets.text.corpus import LargeText, SmallText
from rnnkit.builtin.datasets.text.tokenfile import FORMAT, Tokens, read_tokens, write_tokens
from rnnkit.contracts import checked_tokenizer
from rnnkit.contracts.tokenizer import Tokenizer, Vocabulary
from rnnkit.errors import StorageError
from rnnkit.version import VERSION

DAY = 24 * 60 * 60
UNUSED = {".tokens": 30 * DAY, ".tmp": DAY}
"""Seconds after which a token file that no run has used goes, and what a killed process left."""

_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW


def encoded(
    text: SmallText | LargeText,
    tokenizer: Tokenizer,
    vocabulary: Vocabulary | None,
    limit: int | None,
) -> Tokens:
    """Return the first `limit` tokens of a text; a given vocabulary replaces a fitted one.

    Those of a large text, which has to be fed to a digest first, are mapped from a token file.
    Raises StorageError where there is no room for it.
    """

    def read() -> Iterator[bytes]:
        chunks = text.chunks()
        return chunks if limit is None else checked_tokenizer.head(tokenizer, chunks, limit)

    key = ""
    new_file: AbstractContextManager[BinaryIO] = nullcontext(io.BytesIO())
    if isinstance(text, LargeText):
        if found := _found(text.sha256, tokenizer, vocabulary, limit):
            return found
        _tell("encoding a large text, once for all runs that read it")
        key = _key(text.sha256, tokenizer, vocabulary, limit)
        new_file = _new_file(_path(key))
    vocabulary = vocabulary or checked_tokenizer.fit(tokenizer, read())
    with new_file as file:
        ids = checked_tokenizer.stream(tokenizer, read(), vocabulary)
        return write_tokens(file, key, vocabulary, ids)


def _found(
    sha256: str, tokenizer: Tokenizer, vocabulary: Vocabulary | None, limit: int | None
) -> Tokens | None:
    # What was encoded with a vocabulary of its own fits a run that goes on with the same one.
    for asked in (vocabulary, None):
        key = _key(sha256, tokenizer, asked, limit)
        found = _look_up(_path(key), key)
        if found and vocabulary in (None, found.vocabulary):
            return found
    return None


def _key(
    sha256: str, tokenizer: Tokenizer, vocabulary: Vocabulary | None, limit: int | None
) -> str:
    kind = type(tokenizer)
    parts = (
        FORMAT,
        VERSION,
        sha256,
        f"{kind.__module__}:{kind.__qualname__} {kind.version}",
        tokenizer.model_dump(mode="json"),
        vocabulary and vocabulary.model_dump(mode="json"),
        limit,
    )
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _path(key: str) -> Path:
    # A user without a home keeps nothing: below /dev/null there is no file.
    bases = (os.environ.get("XDG_CACHE_HOME", ""), os.path.expanduser("~/.cache"), os.devnull)
    base = next(filter(os.path.isabs, bases))
    return Path(base, "rnnkit", "tokens", f"{key}.tokens")


def _look_up(path: Path, key: str) -> Tokens | None:
    """Map a token file of this user, and note that it is in use."""
    try:
        with open(os.open(path, _READ), "rb") as file:
            info = os.fstat(file.fileno())
            if not stat.S_ISREG(info.st_mode) or info.st_uid != os.geteuid():
                return None
            found = read_tokens(file, key)
            with suppress(OSError):
                os.utime(file.fileno())
            return found
    except OSError:
        return None


@contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """Open a private file that takes its name when it is whole; nameless where none can be kept."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sweep(path.parent)
        fd, name = tempfile.mkstemp(".tmp", dir=path.parent)
    except OSError:
        with _no_room(Path(tempfile.gettempdir())), tempfile.TemporaryFile() as file:
            yield file
        return
    try:
        with _no_room(path.parent), open(fd, "w+b") as file:
            yield file
            os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise


@contextmanager
def _no_room(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError.of(
            "IO_CACHE",
            f"cannot write the encoded text: {error.strerror} (free some space there, or set "
            "XDG_CACHE_HOME to a folder on another disk)",
            folder,
        ) from error


def _sweep(folder: Path) -> None:
    for path in folder.iterdir():
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > UNUSED.get(path.suffix, float("inf")):
                path.unlink()


def _tell(message: str) -> None:
    if sys.stderr.isatty():
        print(message, file=sys.stderr)
