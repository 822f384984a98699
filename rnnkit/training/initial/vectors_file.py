"""A text file of vectors, as GloVe, word2vec and fastText write it: a word a line, and its numbers.

Words may hold spaces, and a first line may say how many words there are and how long the vectors
are. Only the vectors of words that are wanted are kept, so a file may be larger than memory.
"""

from __future__ import annotations

import hashlib
import re
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

import numpy as np

from rnnkit.errors import DataError, Problem, printable
from rnnkit.files.atomic import open_regular, reading
from rnnkit.files.binary_formats import check_text
from rnnkit.files.compressed import opened_if
from rnnkit.files.marked_text import WIDE
from rnnkit.types import Array

LIMIT = 2**40
"""The largest file that is read, in bytes."""

LONGEST = 2**20
"""Bytes of a line; a vector of 65,536 numbers takes about as many."""

LOOKED = 100
"""Lines that tell how long the vectors are: most of them are right."""

SHOWN = 20
"""Problems of a file that are told one by one."""

HEADER = re.compile(rb"\s*(\d{1,18})\s+(\d{1,9})\s*")


@dataclass
class TextVectors:
    """What a file has for the words that were wanted, and what is wrong with it.

    `words` are the lines with a word, `repeated` those of a wanted word that came before.
    """

    path: Path
    width: int
    found: dict[bytes, Array] = field(default_factory=dict)
    words: int = 0
    repeated: int = 0
    sha256: str = ""
    problems: list[Problem] = field(default_factory=list)

    def report(self, line: int, message: str) -> None:
        """Add a problem of a line."""
        self.problems.append(Problem(f"{self.path}:{line}", "DATA_VECTORS", message))

    def check(self) -> None:
        """Raise DataError with what was reported."""
        if not self.problems:
            return
        shown, more = self.problems[:SHOWN], len(self.problems) - SHOWN
        if more > 0:
            message = f"{more:,} more lines have such faults"
            shown = [*shown, Problem(str(self.path), "DATA_VECTORS", message)]
        raise DataError(*shown)


def read_vectors(path: Path, wanted: Collection[bytes], width: int) -> TextVectors:
    """Read the vectors of some words; of a word that stands there twice the first counts.

    Raises DataError with all lines that are no word with `width` numbers, and where a header says
    something else than what there is.
    """
    digest, vectors = hashlib.sha256(), TextVectors(path, width)
    with reading(path, DataError, "DATA"), _plain(path) as file:
        lines = _numbered(file, digest.update)
        first = list(islice(lines, LOOKED))
        _check_lines(b"".join(line for _, line in first[:8]), path)
        header, rest = _without_header(first)
        usual = Counter(len(line.split()) - 1 for _, line in rest if line.split())
        length = usual.most_common(1)[0][0] if usual else width
        _check_lengths(vectors, header, length)
        for number, line in chain(rest, lines):
            _read_line(vectors, wanted, number, line)
    vectors.sha256 = digest.hexdigest()
    if header and header[0] != vectors.words:
        says = f"says that there are {header[0]:,} words, but there are {vectors.words:,}"
        vectors.report(1, f"{says} (the file is cut off or of another origin: bring it anew)")
    vectors.check()
    return vectors


@contextmanager
def _plain(path: Path) -> Iterator[BinaryIO]:
    """Give the bytes of a regular file, opened where it is compressed."""
    with open(open_regular(path, LIMIT, DataError, "DATA"), "rb") as file:
        with opened_if(file, DataError, "DATA", path) as plain:
            yield plain


def _numbered(file: BinaryIO, seen: Callable[[bytes], object]) -> Iterator[tuple[int, bytes]]:
    """Yield the lines with their numbers, no mark before the first.

    One that is longer than any vector comes in pieces.
    """
    number, ended = 0, True
    while line := file.readline(LONGEST):
        number += ended
        ended = line.endswith(b"\n")
        seen(line)
        yield number, line.removeprefix(BOM_UTF8) if number == 1 else line


def _check_lines(start: bytes, path: Path) -> None:
    """Raise DataError for what no lines of UTF-8 begin with."""
    if start.startswith(tuple(WIDE)):
        message = "begins with the mark of UTF-16 or UTF-32 (save the file as UTF-8)"
        raise DataError.of("DATA_ENCODING", message, path)
    check_text(start, path)
    if b"\r" in start and b"\n" not in start:
        message = "its lines end in a carriage return alone (save the file with line feeds)"
        raise DataError.of("DATA_VECTORS", message, path)


def _without_header(
    lines: list[tuple[int, bytes]],
) -> tuple[tuple[int, int] | None, list[tuple[int, bytes]]]:
    """Return (words, length) of a header, None without one, and the lines after it."""
    if lines and (found := HEADER.fullmatch(lines[0][1])):
        words, length = map(int, found.groups())
        others = [line for _, line in lines[1:] if len(line.split()) != 2]
        if others or length == 1:  # else it is a number of one dimension
            return (words, length), lines[1:]
    return None, lines


def _check_lengths(vectors: TextVectors, header: tuple[int, int] | None, length: int) -> None:
    """Raise DataError where the vectors have another length than the rows, or than they say."""
    if header and header[1] != length:
        says = f"says that the vectors have {header[1]:,} numbers, but they have {length:,}"
        vectors.report(1, f"{says} (correct the line)")
    if length != vectors.width:
        message = f"its vectors have {length:,} numbers, but the rows have {vectors.width:,} "
        advice = f'("units": {length}, or other vectors)' if length else "(is it one of vectors?)"
        vectors.problems.append(Problem(str(vectors.path), "DATA_VECTORS", message + advice))
    vectors.check()


def _read_line(vectors: TextVectors, wanted: Collection[bytes], number: int, line: bytes) -> None:
    line, width = line.rstrip(), vectors.width
    word, _, numbers = line.partition(b" ")
    if line.count(b" ") != width:  # another separator, a word with spaces, or too few numbers
        parts = line.split()
        if not parts:
            return
        if len(parts) <= width:
            received = f"received {len(parts)} fields in place of {width + 1}"
            vectors.report(number, f"expected a word and {width:,} numbers, {received}")
            return
        word, numbers = b" ".join(parts[:-width]), b" ".join(parts[-width:])
    vectors.words += 1
    if word not in wanted:
        return
    if word in vectors.found:
        vectors.repeated += 1
        return
    _keep(vectors, number, word, numbers.split())


def _keep(vectors: TextVectors, number: int, word: bytes, numbers: Iterable[bytes]) -> None:
    """Keep a vector of numbers, all of them finite; report any other."""
    try:
        with np.errstate(over="ignore"):
            values = np.array([*map(float, numbers)]).astype(np.float32)
    except ValueError:
        values = np.full(1, np.nan, np.float32)
    if np.isfinite(values).all():
        vectors.found[word] = values
        return
    name = printable(word.decode(), 40)
    message = f'the vector of "{name}" holds what is no finite number (take the line out)'
    vectors.report(number, message)
