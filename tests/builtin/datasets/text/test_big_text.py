"""Texts larger than memory: ids of the short way whatever the chunks, the cache, its damage."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
from helpers import done, plain_spec, write_spec

from rnnkit.builtin.datasets.text import cache, corpus
from rnnkit.builtin.datasets.text.text import Text, TextSource
from rnnkit.builtin.tokenizers import _text
from rnnkit.builtin.tokenizers.char import Char
from rnnkit.builtin.tokenizers.word import Word
from rnnkit.contracts.dataset import Layout
from rnnkit.contracts.registry import Registry
from rnnkit.contracts.tokenizer import Tokenizer, Vocabulary
from rnnkit.errors import DataError, StorageError
from rnnkit.types import Array

EXOTIC = (
    "e\u0301 שלום 👨‍👩‍👧 \U0010ffff \x00 a\u2028b\x85c\x1cd\u3000e\r\nf\ufeff\n longest_of_words\n"
    * 2
)
BLOCKS: list[dict[str, Any]] = [
    {"type": "char"},
    {"type": "char", "unknown": "<unk>"},
    {"type": "byte"},
    {"type": "word"},
    {"type": "word", "unknown": None},
    {"type": "word", "min_count": 2},
]
CHUNKS = (1, 2, 3, 5, 16, 1000)


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache of token files."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "rnnkit" / "tokens"


@pytest.fixture
def big(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Make every file a large one, read in chunks of some size."""

    def make(chunk: int) -> None:
        monkeypatch.setattr(cache, "LARGE", 0)
        monkeypatch.setattr(corpus, "CHUNK", chunk)
        monkeypatch.setattr(cache, "CHUNK", chunk)
        monkeypatch.setattr(_text, "PIECE", chunk)

    return make


def dataset(**more: Any) -> Text:
    block = {"type": "text", "tokenizer": {"type": "char"}, **more}
    return Text.model_validate(block, context={"catalog": Registry()})


@pytest.mark.parametrize("terminal", [True, False])
def test_a_large_text_is_told_of_on_a_terminal(
    terminal: bool,
    big: Callable[[int], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = io.StringIO()
    monkeypatch.setattr(said, "isatty", lambda: terminal)
    monkeypatch.setattr(sys, "stderr", said)
    one_file(tmp_path, "abc" * 9).open(tmp_path)
    assert said.getvalue() == ""
    big(5)
    for _ in range(2):
        one_file(tmp_path, "abc" * 9).open(tmp_path)
    told = "encoding a large text, once for all runs that read it\n"
    assert said.getvalue() == (told if terminal else "")


def one_file(folder: Path, content: str | bytes, **more: Any) -> Text:
    (folder / "text.txt").write_bytes(content if isinstance(content, bytes) else content.encode())
    return dataset(path="text.txt", **more)


def same(one: TextSource, other: TextSource) -> None:
    assert one.vocabulary == other.vocabulary
    assert one.digest() == other.digest()
    assert one.splits() == other.splits()
    for split in one.splits():
        assert one.parts[split].ids.dtype == other.parts[split].ids.dtype
        for array, wanted in zip(one.parts[split], other.parts[split], strict=True):
            np.testing.assert_array_equal(array, wanted)


def in_memory(source: TextSource) -> TextSource:
    """What no damage of a file reaches."""
    return replace(
        source, parts={s: part._replace(ids=part.ids.copy()) for s, part in source.parts.items()}
    )


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# The same ids.


@pytest.mark.parametrize("block", BLOCKS, ids=str)
@pytest.mark.parametrize("limit", [None, 2, 11, 10_000])
def test_ids_are_those_of_a_text_in_memory(
    tmp_path: Path, big: Callable[[int], None], block: dict[str, Any], limit: int | None
) -> None:
    data = one_file(tmp_path, EXOTIC, tokenizer=block, limit=limit, split=(0.6, 0.2, 0.2))
    small = data.open(tmp_path)
    assert small.mapped == ()
    for chunk in CHUNKS:
        big(chunk)
        found = data.open(tmp_path)
        assert len(found.mapped) == 1
        same(found, small)
        for path in (tmp_path / "cache").rglob("*.tokens"):
            path.unlink()


@pytest.mark.parametrize("seed", range(20))
def test_chunks_of_random_text_do_not_matter(seed: int) -> None:
    random = np.random.default_rng(seed)
    alphabet = [
        *"ab\n\t \x00\x1c\x85\xa0é€😀\u2003\u2028\u205f\u3000—日",
        "abcdefghijklmnop",
        "<eos>",
        " c ",
    ]
    text = "".join(random.choice(alphabet, 400)).encode()
    for tokenizer in (Char(), Word(), Word(unknown=None), Word(min_count=2)):
        vocabulary = tokenizer.fit([text])
        ids = tokenizer.encode(text, vocabulary)
        if tokenizer in (Word(), Word(unknown=None)):
            words = text.decode().replace("\n", " <eos> ").split()
            assert [vocabulary.tokens[i] for i in ids] == words
        for _ in range(5):
            borders = np.sort(random.integers(0, len(text), random.integers(1, 60)))
            chunks = [bytes(part) for part in np.split(np.frombuffer(text, np.uint8), borders)]
            assert tokenizer.fit(chunks) == vocabulary
            parts = list(tokenizer.stream(chunks, vocabulary))
            np.testing.assert_array_equal(np.concatenate(parts), ids)
            head = b"".join(tokenizer.head(chunks, 37))
            np.testing.assert_array_equal(tokenizer.encode(head, vocabulary), ids[:37])


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_file_for_each_split(
    tmp_path: Path, big: Callable[[int], None], block: dict[str, Any]
) -> None:
    names = {split: f"{split}.txt" for split in ("train", "valid", "test")}
    for number, name in enumerate(names.values()):
        (tmp_path / name).write_text(EXOTIC + "the ab\n" * number)
    if block.get("unknown", "") is None or block == {"type": "char"}:
        (tmp_path / "train.txt").write_text(EXOTIC + "the ab\n")
    data = dataset(tokenizer=block, **names)
    small = data.open(tmp_path)
    big(3)
    found = data.open(tmp_path)
    same(found, small)
    assert len(found.mapped) == 3


def test_windows_read_mapped_ids(
    tmp_path: Path, big: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = one_file(tmp_path, EXOTIC * 20)
    small = data.open(tmp_path)
    big(100)
    monkeypatch.setattr(cache, "RESIDENT", 0)  # let go after every window
    found = data.open(tmp_path)
    for layout in (Layout(3, 7, "document", "\n"), Layout(4, 9, tail=True)):
        batches = zip(
            found.batches("train", layout, {"window": 2}),
            small.batches("train", layout, {"window": 2}),
            strict=True,
        )
        for one, other in batches:
            for got, wanted in zip(one[:4], other[:4], strict=True):
                np.testing.assert_array_equal(got, wanted)


def test_a_run_is_the_same(
    tmp_path: Path, big: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_spec(tmp_path, plain_spec())
    done("run", path, "--out", tmp_path / "small")
    big(7)
    done("run", path, "--out", tmp_path / "big", "--max-steps", 2)
    monkeypatch.delattr(Char, "fit")  # what is encoded need not be read again
    monkeypatch.delattr(Char, "stream")
    done("resume", tmp_path / "big")
    done("eval", tmp_path / "big", "--split", "train")
    for name in ("metrics.jsonl", "best.h5"):
        assert (tmp_path / "big" / name).exists() == (tmp_path / "small" / name).exists()
    wanted = (tmp_path / "small" / "metrics.jsonl").read_bytes()
    assert (tmp_path / "big" / "metrics.jsonl").read_bytes() == wanted


class Whole(Tokenizer):
    """A tokenizer of somebody else, which knows nothing of chunks."""

    type: Literal["whole"] = "whole"
    unit: ClassVar[str] = "letter"

    def fit(self, chunks: Iterable[bytes]) -> Vocabulary:
        return Vocabulary(tokens=tuple(sorted(set(b"".join(chunks).decode()))))

    def encode(self, text: bytes, vocabulary: Vocabulary) -> Array:
        return np.array([vocabulary.tokens.index(c) for c in text.decode()], vocabulary.dtype)

    def decode(self, ids: Iterable[int], vocabulary: Vocabulary) -> str:
        return "".join(vocabulary.tokens[i] for i in ids)


@pytest.mark.parametrize("limit", [None, 7])
def test_a_tokenizer_without_chunks(
    tmp_path: Path, big: Callable[[int], None], limit: int | None
) -> None:
    data = one_file(tmp_path, EXOTIC, tokenizer=Whole(), limit=limit)
    small = data.open(tmp_path)
    big(5)
    same(data.open(tmp_path), small)


def test_a_tokenizer_needs_one_way_to_encode() -> None:
    with pytest.raises(NotImplementedError, match=r"Tokenizer\.encode"):
        Tokenizer(type="none").encode(b"a", Vocabulary(tokens=("a",)))


def test_a_small_text_leaves_nothing_on_disk(tmp_path: Path) -> None:
    data = one_file(tmp_path, EXOTIC)
    before = sorted(tmp_path.rglob("*"))
    assert data.open(tmp_path).mapped == ()
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("size", [0, 1000])
@pytest.mark.parametrize(("kinds", "width"), [(256, 1), (257, 2), (65_537, 4)])
def test_ids_take_one_two_or_four_bytes(
    tmp_path: Path, big: Callable[[int], None], size: int, kinds: int, width: int
) -> None:
    if size:
        big(size)
    text = "".join(chr(0xF0000 + number) for number in range(65_000))[:kinds]
    text += "".join(chr(0x100000 + number) for number in range(kinds - len(text)))
    assert one_file(tmp_path, text).open(tmp_path).parts["train"].ids.itemsize == width


# Errors.


@pytest.mark.parametrize("kind", ["char", "word"])
@pytest.mark.parametrize("chunk", CHUNKS)
def test_errors_name_places_of_the_whole_file(
    tmp_path: Path, big: Callable[[int], None], kind: str, chunk: int
) -> None:
    block = {"type": kind, **({"unknown": None} if kind == "word" else {})}
    vocabulary = one_file(tmp_path, "", tokenizer=block).tokenizer.fit(["aé b\n😀".encode()])
    big(chunk)
    for content, said in {
        "aé b\n😀 ".encode() * 9 + b"\xe2\x28": "byte 0xe2 at offset 99 is not UTF-8: invalid cont",
        "aé b\n😀 ".encode() * 9 + b"\xe2\x82": "byte 0xe2 at offset 99 is not UTF-8: unexpected e",
        "aé b\n😀 ".encode() * 9 + b"b Z b": 'the {} "Z" at line 10, column 5 is not in',
    }.items():
        with pytest.raises(DataError) as caught:
            one_file(tmp_path, content, tokenizer=block).open(tmp_path, vocabulary)
        (problem,) = caught.value.problems
        assert problem.where == "text.txt"
        assert said.format({"char": "character", "word": "word"}[kind]) in problem.message
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_other_things_than_files_are_refused(tmp_path: Path, big: Callable[[int], None]) -> None:
    big(10)
    os.mkfifo(tmp_path / "fifo")
    for name in ("fifo", "/dev/zero", "/proc/self/environ", ".", "missing"):
        with pytest.raises(DataError, match=r"DATA_NOT_(REGULAR|FOUND)"):
            dataset(path=name).open(tmp_path)
    (tmp_path / "empty").touch()
    with pytest.raises(DataError, match="the file is empty"):
        dataset(path="empty").open(tmp_path)


def append(path: Path) -> None:
    with path.open("a") as file:
        file.write("more")


def rewrite_in_place(path: Path) -> None:
    info = path.stat()
    with path.open("r+") as file:
        file.write("ZZ")
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


@pytest.mark.parametrize("limit", [None, 5])
@pytest.mark.parametrize("change", [append, rewrite_in_place, lambda path: os.truncate(path, 4)])
@pytest.mark.parametrize("when", ["fit", "stream"])
def test_a_file_that_changes_while_it_is_read(
    tmp_path: Path,
    big: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path], None],
    when: str,
    limit: int | None,
) -> None:
    big(4)
    real = getattr(Char, when)

    def changing(*arguments: Any) -> Any:
        change(tmp_path / "text.txt")
        return real(*arguments)

    monkeypatch.setattr(Char, when, changing)
    with pytest.raises(DataError, match=r"text.txt \[DATA_CHANGING\] changed while it was read"):
        one_file(tmp_path, "ab\n" * 50, limit=limit).open(tmp_path)


# The cache.


@pytest.fixture
def cached(tmp_path: Path, store: Path, big: Callable[[int], None]) -> tuple[Text, Path]:
    """A text that is in the cache, and its token file."""
    big(16)
    data = one_file(tmp_path, EXOTIC)
    data.open(tmp_path)
    (path,) = store.iterdir()
    return data, path


def test_the_cache_is_private(cached: tuple[Text, Path], store: Path) -> None:
    assert cached[1].stat().st_mode & 0o777 == 0o600
    assert store.stat().st_mode & 0o777 == 0o700


def test_the_cache_knows_text_tokenizer_vocabulary_and_limit(
    tmp_path: Path, cached: tuple[Text, Path], store: Path
) -> None:
    data, _ = cached
    own = data.open(tmp_path).vocabulary
    other = Vocabulary(tokens=(*own.tokens, "Z"))
    for number, (block, vocabulary) in enumerate(
        [
            ({}, None),
            ({}, own),
            ({}, other),
            ({"limit": 9}, None),
            ({"tokenizer": {"type": "char", "unknown": "?"}}, None),
            ({"tokenizer": {"type": "byte"}}, None),
        ]
    ):
        found = dataset(path="text.txt", **block).open(tmp_path, vocabulary)
        assert vocabulary in (None, found.vocabulary)
        assert len(list(store.iterdir())) == max(1, number)
    (tmp_path / "text.txt").write_text(EXOTIC + "a")
    assert data.open(tmp_path).size("train") > 0
    assert len(list(store.iterdir())) == 6


def spoil_everywhere(path: Path) -> Iterable[str]:
    whole = path.read_bytes()
    for place in range(0, len(whole), 41):
        yield f"byte {place}"
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    for size in (0, 1, 39, 40, len(whole) // 2, len(whole) - 1):
        yield f"{size} bytes"
        path.write_bytes(whole[:size])
    yield "longer"
    path.write_bytes(whole + b"\0")


def test_a_damaged_token_file_is_written_anew(tmp_path: Path, cached: tuple[Text, Path]) -> None:
    data, path = cached
    wanted, whole = in_memory(data.open(tmp_path)), path.read_bytes()
    for what in spoil_everywhere(path):
        same(data.open(tmp_path), wanted)
        assert path.read_bytes() == whole, what


def seal(data: bytes) -> bytes:
    return data + hashlib.sha256(data).digest()


def test_a_foreign_token_file_is_written_anew(tmp_path: Path, cached: tuple[Text, Path]) -> None:
    data, path = cached
    wanted, whole = in_memory(data.open(tmp_path)), path.read_bytes()
    body = whole[:-32]
    foreign: dict[str, bytes] = {
        "of another key": seal(body.replace(path.stem.encode(), b"0" * 64)),
        "of another format": seal(body.replace(b'"format":2', b'"format":3')),
        "without facts": seal(bytes(100)),
        "with too much": seal(bytes(50) + b"\xff" * 8),
    }
    for what, content in foreign.items():
        path.write_bytes(content)
        same(data.open(tmp_path), wanted)
        assert path.read_bytes() == whole, what
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(whole)
    for make in (lambda: path.symlink_to(elsewhere), lambda: os.mkfifo(path)):
        path.unlink()
        make()
        same(data.open(tmp_path), wanted)
        assert path.is_file() and not path.is_symlink() and path.read_bytes() == whole
    assert elsewhere.read_bytes() == whole


def test_a_token_file_of_another_user(
    tmp_path: Path, cached: tuple[Text, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = cached[1].stat().st_ino
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    cached[0].open(tmp_path)
    assert cached[1].stat().st_ino != before


ENCODE = """
import sys
from pathlib import Path
from rnnkit.builtin.datasets.text import cache
from rnnkit.builtin.datasets.text.text import Text
from rnnkit.contracts.registry import Registry
cache.LARGE = 0
block = {"type": "text", "path": "text.txt", "tokenizer": {"type": "word"}}
data = Text.model_validate(block, context={"catalog": Registry()})
print("ready", flush=True)
sys.stdin.readline()
for _ in range(3):
    source = data.open(Path(sys.argv[1]))
print(int(source.parts["train"].ids.astype("i8").sum()))
"""


def test_processes_may_encode_at_once(tmp_path: Path, store: Path) -> None:
    data = one_file(tmp_path, EXOTIC * 3000, tokenizer={"type": "word"})
    command = [sys.executable, "-c", ENCODE, str(tmp_path)]
    pipe = subprocess.PIPE
    runs = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(3)]
    for run in runs:
        assert run.stdout and run.stdout.readline() == "ready\n"
    results = {run.communicate("\n")[0] for run in runs}
    assert results == {f"{data.open(tmp_path).parts['train'].ids.astype('i8').sum()}\n"}
    assert [run.returncode for run in runs] == [0, 0, 0]
    assert len(list(store.iterdir())) == 1


def test_old_files_go(
    tmp_path: Path, cached: tuple[Text, Path], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, path = cached
    for name in ("old.tokens", "new.tokens", "old.tmp", "new.tmp", "other.txt"):
        (store / name).touch()
        age = {"old.tokens": 31, "old.tmp": 2, "new.tokens": 29, "other.txt": 99}.get(name, 0)
        then = (store / name).stat().st_mtime - age * cache.DAY
        os.utime(store / name, (then, then))
    os.utime(path, (0, 0))
    data.open(tmp_path)  # it is in use
    one_file(tmp_path, EXOTIC + "b").open(tmp_path)
    left = {name for name in files(store) if len(name) < 20}
    assert left == {"new.tokens", "new.tmp", "other.txt"}
    assert path.exists() and len(files(store)) == 5


def test_a_full_disk_is_told_and_leaves_nothing(
    tmp_path: Path, store: Path, big: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    big(16)
    monkeypatch.setattr(cache, "write_tokens", full)
    said = rf"{store} \[IO_CACHE\] cannot write .* No space left .*set XDG_CACHE_HOME"
    with pytest.raises(StorageError, match=said):
        one_file(tmp_path, EXOTIC).open(tmp_path)
    assert files(store) == {}


@pytest.mark.parametrize("home", [True, False])
def test_where_no_cache_can_be(
    tmp_path: Path, big: Callable[[int], None], monkeypatch: pytest.MonkeyPatch, home: bool
) -> None:
    data = one_file(tmp_path, EXOTIC)
    small = data.open(tmp_path)
    big(16)
    if home:
        (tmp_path / "cache").touch()  # in the place of the folder
    else:
        monkeypatch.delenv("XDG_CACHE_HOME")
        monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    found = data.open(tmp_path)
    same(found, small)
    assert len(found.mapped) == 1


def test_the_cache_lies_in_the_home_folder(
    tmp_path: Path, big: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    big(16)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for value in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        one_file(tmp_path, EXOTIC + value).open(tmp_path)
    assert len(list((tmp_path / "home/.cache/rnnkit/tokens").glob("*.tokens"))) == 2


# Memory.

RESIDENT = r"""
import re, sys
from pathlib import Path
from rnnkit.contracts.dataset import Layout
from rnnkit.builtin.datasets.text import cache
from rnnkit.builtin.datasets.text.text import Text
from rnnkit.contracts.registry import Registry
cache.LARGE, cache.RESIDENT = 2**20, 2**22
block = {"type": "text", "path": "text.txt", "tokenizer": {"type": sys.argv[2]}}
data = Text.model_validate(block, context={"catalog": Registry()})
def peak():
    # getrusage would count what the parent had in memory when it started this process.
    return int(re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[1]) // 1024
before = peak()
for _ in range(2):
    source = data.open(Path(sys.argv[1]))
    for split in source.splits():
        for batch in source.batches(split, Layout(20, 500, "document", sys.argv[3]), None):
            pass
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("kind", "separator"), [("byte", "\n"), ("char", "é"), ("word", "the")])
def test_little_is_in_memory(tmp_path: Path, kind: str, separator: str) -> None:
    random = np.random.default_rng(1)
    words = random.choice(["the", "café", "of", "a\n", "recurrent", "\u2014"], 100_000)
    content = " ".join(words).encode()
    copies = 32 * 2**20 // len(content)
    (tmp_path / "text.txt").write_bytes(content * copies)
    command = [sys.executable, "-c", RESIDENT, str(tmp_path), kind, separator]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(ran.stdout) < 24, "MiB more, for a text of 32 MiB"
