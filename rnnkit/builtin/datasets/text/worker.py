"""A process that fits or encodes parts of a text: what `rnnkit.builtin.datasets.text.crew` starts.

It answers every message on stdin with one on stdout. A message is its length, 8 bytes, and that
many bytes; an empty one ends the text. Whatever goes wrong ends the process without a word: the
parent then does the work alone, and what went wrong goes wrong there, where it is told.
"""

from __future__ import annotations

import pickle
import signal
import sys
from collections.abc import Iterator
from typing import IO, NamedTuple

import numpy as np

from rnnkit.contracts import checked_tokenizer
from rnnkit.contracts.tokenizer import Counts, Tokenizer, Vocabulary

PREFIX = 8


class Task(NamedTuple):
    """What to do with the parts that follow: encode them, or count where `vocabulary` is None."""

    tokenizer: Tokenizer
    vocabulary: Vocabulary | None


def send(file: IO[bytes], message: bytes) -> None:
    """Write a message."""
    file.write(len(message).to_bytes(PREFIX, "little"))
    file.write(message)
    file.flush()


def receive(file: IO[bytes]) -> bytes:
    """Read a message; raises EOFError where the other side has ended."""
    prefix = file.read(PREFIX)
    message = file.read(int.from_bytes(prefix, "little"))
    if len(prefix) < PREFIX or len(message) < int.from_bytes(prefix, "little"):
        raise EOFError
    return message


def main() -> None:
    """Work until stdin ends."""
    # Ctrl-C reaches every process of the terminal; this one ends when its parent closes the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # With PYTHONUNBUFFERED, `sys.stdout.buffer` may write less than it is given.
    answers = open(sys.stdout.fileno(), "wb", closefd=False)
    try:
        while True:
            task = pickle.loads(receive(sys.stdin.buffer))
            if task.vocabulary is None:
                _count(task.tokenizer, sys.stdin.buffer, answers)
            else:
                _encode(task.tokenizer, task.vocabulary, sys.stdin.buffer, answers)
    except Exception:
        sys.exit(1)


def _encode(
    tokenizer: Tokenizer, vocabulary: Vocabulary, questions: IO[bytes], answers: IO[bytes]
) -> None:
    """Answer each part with its ids."""
    encode, dtype = checked_tokenizer.encoder(tokenizer, vocabulary), vocabulary.dtype
    while part := receive(questions):
        ids = np.concatenate([np.empty(0, dtype), *encode([part])])
        send(answers, ids.astype(dtype, copy=False).tobytes())
    send(answers, b"")


def _count(tokenizer: Tokenizer, questions: IO[bytes], answers: IO[bytes]) -> None:
    """Answer each part with the counts that are ready, and the end with the rest."""
    ready: list[Counts] = []

    def parts() -> Iterator[bytes]:
        while part := receive(questions):
            yield part
            send(answers, pickle.dumps(ready))
            ready.clear()

    for counts in tokenizer.counts(parts()):
        ready.append(counts)
    send(answers, pickle.dumps(ready))
