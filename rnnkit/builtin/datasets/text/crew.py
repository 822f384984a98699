"""Processes that fit and encode the parts of a large text at once.

The parent reads the text, cuts it where the tokenizer says so, and takes the answers in the order
of the parts: the result does not depend on how many processes there are. A process is started
anew, not forked, since a fork copies locks that other threads hold; it needs no `__main__` guard
in a script, and ends with the pipe from its parent, however that one ends.
"""

from __future__ import annotations

import os
import pickle
import queue
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Self

import numpy as np

from rnnkit.builtin.datasets.text.worker import Task, receive, send
from rnnkit.contracts.tokenizer import Counts, Tokenizer, Vocabulary
from rnnkit.types import Array

PART = 2**22
"""Bytes of a part, about."""

UNCUT = 2**25
"""Bytes without a place to cut that are given up on."""

# The search path is the parent's before anything but Python's own is imported.
_PROGRAM = (
    "import sys, pickle; sys.path[:] = pickle.load(sys.stdin.buffer);"
    " from rnnkit.builtin.datasets.text.worker import main; main()"
)


class WorkerError(Exception):
    """A process could not do its part; the same work without processes tells why."""


class Crew:
    """Processes for one tokenizer: `with Crew(tokenizer, number) as crew: ...`."""

    def __init__(self, tokenizer: Tokenizer, number: int) -> None:
        self._tokenizer, self.number = tokenizer, number
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        """Return the crew; the processes start with the first task."""
        return self

    def __exit__(self, *exception: object) -> None:
        """End all processes, at once."""
        for worker in self._workers:
            worker.end()

    def counts(self, chunks: Iterable[bytes]) -> Iterator[Counts]:
        """Yield `tokenizer.counts` of the parts, in any order; raises WorkerError."""
        self._begin(None)
        for answer in self._answers(chunks):
            yield from pickle.loads(answer)

    def stream(self, chunks: Iterable[bytes], vocabulary: Vocabulary) -> Iterator[Array]:
        """Yield the ids of `tokenizer.stream`, in its order; raises WorkerError."""
        self._begin(vocabulary)
        for answer in self._answers(chunks):
            yield np.frombuffer(answer, vocabulary.dtype)

    def _begin(self, vocabulary: Vocabulary | None) -> None:
        try:
            task = pickle.dumps(Task(self._tokenizer, vocabulary))
            while len(self._workers) < self.number:
                self._workers.append(_Worker())
        except (OSError, pickle.PicklingError, AttributeError, TypeError) as error:
            raise WorkerError from error
        for worker in self._workers:
            worker.tell(task)

    def _answers(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        for worker in self._workers:
            idle.put(worker)

        def ask(part: bytes) -> bytes:
            worker = idle.get()
            try:
                return worker.ask(part)
            finally:
                idle.put(worker)

        with ThreadPoolExecutor(self.number) as threads:
            try:
                # Twice as many as there are workers, so that none waits for the parent.
                yield from _in_order(threads, ask, parts(chunks, self._tokenizer), 2 * self.number)
            except BaseException:
                threads.shutdown(wait=False, cancel_futures=True)
                self.__exit__()  # what the threads wait for
                raise
        for worker in self._workers:
            yield worker.ask(b"")


def parts(chunks: Iterable[bytes], tokenizer: Tokenizer) -> Iterator[bytes]:
    """Yield the text in parts that the tokenizer may read alone; raises WorkerError."""
    held: list[bytes] = []
    size = 0
    for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        if size < PART:
            continue
        text = b"".join(held)
        end = _cut(tokenizer, text)
        held, size = [text[end:]], len(text) - end
        if end:
            yield text[:end]
        elif size > UNCUT:
            raise WorkerError
    if size:
        yield b"".join(held)


class _Worker:
    def __init__(self) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _PROGRAM],
            stdin=pipe,
            stdout=pipe,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )
        assert self._process.stdin and self._process.stdout
        self._questions, self._answers = self._process.stdin, self._process.stdout
        with suppress(OSError):  # the first task meets it again
            self._questions.write(pickle.dumps(sys.path))

    def tell(self, message: bytes) -> None:
        try:
            send(self._questions, message)
        except (OSError, ValueError) as error:
            raise WorkerError from error

    def ask(self, message: bytes) -> bytes:
        self.tell(message)
        try:
            return receive(self._answers)
        except (OSError, ValueError, EOFError) as error:
            raise WorkerError from error

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for file in (self._questions, self._answers):
            with suppress(OSError):
                file.close()


def _in_order(
    threads: ThreadPoolExecutor,
    ask: Callable[[bytes], bytes],
    questions: Iterable[bytes],
    ahead: int,
) -> Iterator[bytes]:
    waiting: deque[Future[bytes]] = deque()
    for question in questions:
        waiting.append(threads.submit(ask, question))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    for answer in waiting:
        yield answer.result()


def _cut(tokenizer: Tokenizer, text: bytes) -> int:
    try:
        return tokenizer.cut(text)
    except Exception as error:
        raise WorkerError from error
