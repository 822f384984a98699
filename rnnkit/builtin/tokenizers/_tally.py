"""Counts of more different words than memory holds, exact.

What is counted is kept in a dictionary up to a number of bytes, then written as a sorted run to a
temporary file. The runs are merged at the end, a line at a time, so that the memory taken does not
grow with the text.
"""

from __future__ import annotations

import heapq
import itertools
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import BinaryIO, Self

import numpy as np

from rnnkit.builtin.tokenizers._words import WordNumbers
from rnnkit.contracts.tokenizer import Counts
from rnnkit.errors import StorageError

ENTRY = 160
"""Bytes that a word takes in a dictionary beside its own."""

RUNS = 64
"""Runs, each an open file, before they are merged into one."""


class Counter:
    """The counts of the words of some pieces; `bytes` is about what they take in memory."""

    def __init__(self) -> None:
        self._table: defaultdict[bytes, int] = defaultdict(itertools.count().__next__)
        self._numbers = WordNumbers(self._table.__getitem__)
        self._counts = np.zeros(0, np.int64)
        self.bytes = 0

    def add(self, text: bytes) -> list[bytes]:
        """Count the words of a text, which has only ASCII whitespace; return the new ones."""
        before = len(self._table)
        found = self._numbers.of(text)
        new = list(itertools.islice(reversed(self._table), len(self._table) - before))
        self.bytes += sum(map(len, new)) + ENTRY * len(new)
        if len(self._table) > len(self._counts):
            self._counts = np.pad(self._counts, (0, len(self._table)))
        np.add.at(self._counts, found, 1)
        return new

    def counts(self) -> dict[bytes, int]:
        """Return the count of each word."""
        return dict(zip(self._table, self._counts.tolist(), strict=False))


class Tally:
    """A sum of counts, of which about `room` bytes are in memory: `with Tally() as tally: ...`."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._counts: dict[bytes, int] = {}
        self._bytes = 0
        self._runs: list[BinaryIO] = []

    def __enter__(self) -> Self:
        """Return the tally."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Remove what was written."""
        for run in self._runs:
            run.close()

    def add(self, counts: Counts) -> None:
        """Add counts of words without ASCII whitespace; StorageError where the disk is full."""
        here = self._counts
        for word, count in counts.items():
            if word not in here:
                self._bytes += ENTRY + len(word)
            here[word] = here.get(word, 0) + count
        if self._bytes > self._room:
            self._spill()

    def __iter__(self) -> Iterator[tuple[bytes, int]]:
        """Yield each word once, with its count; StorageError where a run cannot be read."""
        if not self._runs:
            yield from self._counts.items()
            return
        with _temporary():
            yield from _merged([*self._runs, self._lines()])

    def _lines(self) -> list[bytes]:
        return sorted([b"%b %d\n" % item for item in self._counts.items()])

    def _spill(self) -> None:
        with _temporary():
            self._write(self._lines())
            self._counts, self._bytes = {}, 0
            if len(self._runs) == RUNS:
                with ExitStack() as old:
                    for run in self._runs:
                        old.enter_context(run)
                    runs, self._runs = self._runs, []
                    self._write(b"%b %d\n" % item for item in _merged(runs))

    def _write(self, lines: Iterable[bytes]) -> None:
        run = tempfile.TemporaryFile()
        self._runs.append(run)
        run.writelines(lines)
        run.seek(0)


def most_frequent(
    words: Iterable[tuple[bytes, int]], room: int, too_many: Callable[[], Exception] | None
) -> list[bytes]:
    """Return words by falling count, equal counts in byte order, and only the first `room`.

    Where `too_many` is given, more words than `room` raise what it returns instead.
    """
    kept: list[tuple[int, bytes]] = []
    for word, count in words:
        kept.append((-count, word))
        if too_many and len(kept) > room:
            raise too_many()
        if len(kept) > 2 * room + 1000:
            kept.sort()
            del kept[room:]
    return [word for _, word in sorted(kept)[:room]]


def _merged(runs: Iterable[Iterable[bytes]]) -> Iterator[tuple[bytes, int]]:
    """Add up sorted lines; those of one word are neighbours, since no word has a space."""
    pairs = (line.rsplit(b" ", 1) for line in heapq.merge(*runs))
    for word, same in itertools.groupby(pairs, lambda pair: pair[0]):
        yield word, sum(int(count) for _, count in same)


@contextmanager
def _temporary() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError.of(
            "IO_COUNTS",
            f"cannot keep the counts of the words there: {error.strerror} (free some space, or set "
            "TMPDIR to a folder on another disk)",
            tempfile.gettempdir(),
        ) from error
