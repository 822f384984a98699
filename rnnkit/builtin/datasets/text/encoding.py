"""A large text fitted and encoded: by several processes where that pays, else by this one alone.

What fails with processes is done again without: an error then names its place in the whole text,
and a tokenizer that cannot be sent to a process is only slower.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from typing import BinaryIO, TypeAlias

from rnnkit.builtin.datasets.text.crew import Crew, WorkerError
from rnnkit.builtin.datasets.text.tokenfile import Tokens, write_tokens
from rnnkit.compute.parallel import threads
from rnnkit.contracts import checked_tokenizer
from rnnkit.contracts.tokenizer import Tokenizer, Vocabulary

Read: TypeAlias = Callable[[], Iterator[bytes]]
"""Reads a text from its start."""

SHARE = 2**25
"""Bytes of text for which a process is worth its start, some 0.4 s."""

MOST = 8
"""Processes that this one, which reads and writes, keeps busy."""

LARGE = 2**20
"""Tokens of a vocabulary that not every process should hold once more."""


def processes_for(size: int, tokenizer: Tokenizer) -> int:
    """Return how many processes a text of `size` bytes deserves; below 2, this one does it.

    No more than there are idle cores, or threads for products (`--threads`): sharing a busy core
    only adds the cost of the pipes, a tenth to a half.
    """
    # A class that inherits `cut` may have changed what it was right for.
    if "cut" not in vars(type(tokenizer)) or not sys.executable:
        return 1
    return min(_idle_cores(), MOST, size // SHARE, threads())


def fitted(crew: Crew, tokenizer: Tokenizer, read: Read) -> Vocabulary:
    """Return `tokenizer.fit` of a text."""
    if crew.number > 1 and type(tokenizer).fit is Tokenizer.fit:
        try:
            return checked_tokenizer.merge(tokenizer, crew.counts(read()))
        except WorkerError:
            pass
    return checked_tokenizer.fit(tokenizer, read())


def written(
    crew: Crew, tokenizer: Tokenizer, read: Read, vocabulary: Vocabulary, file: BinaryIO, key: str
) -> Tokens:
    """Write the token file of a text, and map it."""
    if crew.number > 1 and vocabulary.size <= LARGE:
        try:
            return write_tokens(file, key, vocabulary, crew.stream(read(), vocabulary))
        except WorkerError:
            file.seek(0)
            file.truncate()
    return write_tokens(
        file, key, vocabulary, checked_tokenizer.stream(tokenizer, read(), vocabulary)
    )


def _idle_cores() -> int:
    mine = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    cores = os.cpu_count() or 1
    return min(mine or cores, cores - round(os.getloadavg()[0]))
