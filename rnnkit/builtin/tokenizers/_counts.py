"""Exact counts of the words of a text, in memory."""

from __future__ import annotations

import itertools
from collections import defaultdict

import numpy as np

from rnnkit.builtin.tokenizers._words import WordNumbers

ENTRY = 160
"""Bytes that a word takes beside its own: two objects, their place in a dictionary, its count."""


class WordCounts:
    """The counts of the words of some pieces; `bytes` is about what they take in memory."""

    def __init__(self) -> None:
        self._table: defaultdict[bytes, int] = defaultdict(itertools.count().__next__)
        self._numbers = WordNumbers(self._table.__getitem__)
        self._counts = np.zeros(0, np.int64)
        self.bytes = 0

    def __len__(self) -> int:
        """Return the number of different words."""
        return len(self._table)

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

    def frequent(self, least: int) -> list[bytes]:
        """Return the words with `least` counts or more, by falling count, then in byte order."""
        words = sorted(self._table)
        counts = self._counts[[self._table[word] for word in words]]
        falling = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts >= least)]
        return [words[index] for index in falling.tolist()]
