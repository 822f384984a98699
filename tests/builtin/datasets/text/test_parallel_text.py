"""A text fitted and encoded by several processes: the same ids, and errors with their places."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest

from rnnkit.builtin.datasets.text import crew, encoding, tokenfile
from rnnkit.builtin.datasets.text.crew import Crew, WorkerError, parts
from rnnkit.builtin.tokenizers.byte import Byte
from rnnkit.builtin.tokenizers.word import Word
from rnnkit.contracts.tokenizer import Tokenizer, Vocabulary
from rnnkit.errors import DataError
from rnnkit.types import Array

TOKENIZERS = [Word(), Word(unknown=None), Word(min_count=2)]
ALPHABET = [*"ab\n\t \x00\x1c\x85é€😀\u2003\u2028\u3000—日", "abcdefghijklmnop", "<eos>", " c "]


def random_text(seed: int, size: int = 2000) -> bytes:
    return "".join(np.random.default_rng(seed).choice(ALPHABET, size)).encode()


def chunked(text: bytes, seed: int) -> list[bytes]:
    random = np.random.default_rng(seed)
    borders = np.sort(random.integers(0, len(text), 200))
    return [bytes(part) for part in np.split(np.frombuffer(text, np.uint8), borders)]


@pytest.mark.parametrize("tokenizer", TOKENIZERS, ids=str)
@pytest.mark.parametrize("seed", range(10))
def test_parts_encode_alone_as_in_the_whole(
    tokenizer: Tokenizer, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = random_text(seed)
    vocabulary = tokenizer.fit([text])
    ids = tokenizer.encode(text, vocabulary)
    encode = tokenizer.encoder(vocabulary)
    for size in (1, 2, 7, 100, 1000):
        monkeypatch.setattr(crew, "PART", size)
        found = list(parts(chunked(text, seed + size), tokenizer))
        assert b"".join(found) == text
        assert len(found) > 1
        pieces = [piece for part in found for piece in encode([part])]
        np.testing.assert_array_equal(np.concatenate(pieces), ids)
        counts = [each for part in found for each in tokenizer.counts([part])]
        assert tokenizer.merged(counts) == tokenizer.merged(reversed(counts)) == vocabulary


@pytest.mark.parametrize("tokenizer", TOKENIZERS, ids=str)
def test_processes_give_the_ids_of_one(
    tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "PART", 300)
    text = random_text(1, 20_000)
    vocabulary = tokenizer.fit([text])
    ids = tokenizer.encode(text, vocabulary)
    for number in (1, 3):
        with Crew(tokenizer, number) as workers:
            for seed in (2, 3):  # a process takes one task after the other
                chunks = chunked(text, seed)
                assert tokenizer.merged(workers.counts(chunks)) == vocabulary
                found = list(workers.stream(chunks, vocabulary))
                assert {piece.dtype for piece in found} == {vocabulary.dtype}
                np.testing.assert_array_equal(np.concatenate(found), ids)
            assert not np.concatenate(list(workers.stream([], vocabulary))).size


def test_no_place_to_cut_is_given_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "PART", 10)
    monkeypatch.setattr(crew, "UNCUT", 50)
    assert list(parts([b"x" * 40, b" y"], Word())) == [b"x" * 40 + b" ", b"y"]
    with pytest.raises(WorkerError):
        list(parts([b"x" * 40, b"x" * 40], Word()))


class Odd(Word):
    """A tokenizer which encodes in its own way, and does not say where to cut."""

    def stream(self, chunks: Iterable[bytes], vocabulary: Vocabulary) -> Iterator[Array]:
        yield np.zeros(len(b"".join(chunks)), vocabulary.dtype)


def test_how_many_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))
    monkeypatch.setattr(os, "cpu_count", lambda: 20)
    monkeypatch.setattr(os, "getloadavg", lambda: (0.4, 9, 9))
    monkeypatch.setattr(encoding, "threads", lambda: 16)
    assert encoding.processes_for(10**12, Word()) == encoding.MOST
    assert encoding.processes_for(3 * encoding.SHARE, Word()) == 3
    assert encoding.processes_for(10**12, Byte()) == 1, "a copy takes longer than to encode"
    assert encoding.processes_for(10**12, Odd()) == 1, "what it inherits may not fit it"
    with monkeypatch.context() as patch:
        patch.setattr(encoding, "threads", lambda: 2)  # --threads 2
        assert encoding.processes_for(10**12, Word()) == 2
    monkeypatch.setattr(os, "getloadavg", lambda: (15.8, 9, 9))
    assert encoding.processes_for(10**12, Word()) == 4, "cores that are busy"
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    assert encoding.processes_for(10**12, Word()) == 1


class Text:
    """A text that is read again and again."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def __call__(self) -> Iterator[bytes]:
        yield from chunked(self.content, 5)


def encoded(folder: Path, tokenizer: Tokenizer, text: bytes, number: int) -> tuple[Any, bytes]:
    """What `rnnkit.builtin.datasets.text.cache` does with a text."""
    with Crew(tokenizer, number) as workers, (folder / "tokens").open("w+b") as file:
        vocabulary = encoding.fitted(workers, tokenizer, Text(text))
        tokens = encoding.written(workers, tokenizer, Text(text), vocabulary, file, "key")
    return tokens.ids.tolist(), (folder / "tokens").read_bytes()


@pytest.mark.parametrize("tokenizer", TOKENIZERS, ids=str)
def test_the_token_file_is_the_same(
    tmp_path: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "PART", 200)
    text = random_text(4)
    assert encoded(tmp_path, tokenizer, text, 2) == encoded(tmp_path, tokenizer, text, 1)


def test_a_tokenizer_that_cannot_be_sent_is_encoded_here(tmp_path: Path) -> None:
    class Local(Word):
        """A class that a process cannot import."""

    assert encoded(tmp_path, Local(), b"a b a", 2)[0] == [2, 3, 2]


def test_a_vocabulary_that_not_every_process_should_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = encoded(tmp_path, Word(), b"a b", 1)
    monkeypatch.setattr(encoding, "LARGE", 3)
    monkeypatch.setattr(Crew, "stream", None)
    assert encoded(tmp_path, Word(), b"a b", 2) == wanted


def test_errors_have_their_places_in_the_whole_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "PART", 50)
    tokenizer = Word(unknown=None)
    vocabulary = tokenizer.fit([b"a b\n"])
    for text, said in {
        b"a b\n" * 90 + b"a \xff": "byte 0xff at offset 362 is not UTF-8",
        b"a b\n" * 90 + b"a Z b\n" * 90: '"Z" at line 91, column 3 is not in the vocabulary',
    }.items():
        with Crew(tokenizer, 2) as workers, (tmp_path / "tokens").open("w+b") as file:
            with pytest.raises(DataError, match=said):
                encoding.written(workers, tokenizer, Text(text), vocabulary, file, "key")


def test_a_process_that_dies_costs_only_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "PART", 100)
    text = random_text(6)
    wanted = encoded(tmp_path, Word(), text, 1)
    real = tokenfile.write_tokens

    def killing(file: BinaryIO, key: str, vocabulary: Vocabulary, pieces: Any) -> Any:
        def dying() -> Iterator[Array]:
            for number, piece in enumerate(pieces):
                if number == 3:
                    for worker in workers._workers:
                        worker._process.kill()
                yield piece

        return real(file, key, vocabulary, dying())

    monkeypatch.setattr(encoding, "write_tokens", killing)
    with Crew(Word(), 2) as workers, (tmp_path / "tokens").open("w+b") as file:
        vocabulary = Word().fit([text])
        ids = encoding.written(workers, Word(), Text(text), vocabulary, file, "key").ids
    assert (ids.tolist(), (tmp_path / "tokens").read_bytes()) == wanted


def test_where_no_process_can_be_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = encoded(tmp_path, Word(), b"abc", 1)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "missing"))
    assert encoded(tmp_path, Word(), b"abc", 2) == wanted
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert encoded(tmp_path, Word(), b"abc", 2) == wanted


def test_a_process_that_is_stopped_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")
    text = b"abc " * 10**6
    vocabulary = Word().fit([text])
    with Crew(Word(), 1) as workers:
        workers._begin(vocabulary)
        (worker,) = workers._workers
        worker.tell(text)
        assert select.select([worker._answers], [], [], 30)[0]  # now it waits for the reader
        for number in (signal.SIGSTOP, signal.SIGCONT):
            worker._process.send_signal(number)
            time.sleep(0.05)
        assert len(crew.receive(worker._answers)) == 10**6


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1]
    except FileNotFoundError:
        return False


def gone(pids: Iterable[int]) -> bool:
    """Wait until processes have ended; a limit keeps a broken one from hanging the tests."""
    return any(time.sleep(0.05) or not any(map(alive, pids)) for _ in range(400))


def test_processes_end_when_the_reader_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "PART", 10)
    with Crew(Word(), 2) as workers:
        stream = workers.stream([b"abc " * 10] * 100, Word().fit([b"abc"]))
        next(stream)
        pids = [worker._process.pid for worker in workers._workers]
        stream.close()
        assert not any(map(alive, pids))


PARENT = """
import sys, time
from rnnkit.builtin.datasets.text.crew import Crew
from rnnkit.builtin.tokenizers.word import Word

def chunks():
    while True:
        yield b"abc " * 2**20
        print(*(worker._process.pid for worker in crew._workers), flush=True)

with Crew(Word(), 2) as crew:
    for counts in crew.counts(chunks()):
        pass
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_its_parent(number: int) -> None:
    command = [sys.executable, "-c", PARENT]
    run = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, process_group=0
    )
    assert run.stdout
    pids = [int(pid) for pid in run.stdout.readline().split()]
    assert len(pids) == 2 and all(map(alive, pids))
    # Ctrl-C goes to the whole group, the others to one process.
    os.killpg(run.pid, number) if number == signal.SIGINT else run.send_signal(number)
    run.stdout.close()
    run.wait(30)
    assert gone(pids)
