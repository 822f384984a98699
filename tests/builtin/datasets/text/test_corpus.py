"""Where a text comes from: what is compressed is the text that it holds."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import command, done, newest, small_spec, text, told, trained, write_spec

from rnnkit.builtin.datasets.text import corpus
from rnnkit.builtin.datasets.text.text import Text
from rnnkit.builtin.tokenizers.char import Char
from rnnkit.files import compressed

OPENERS = {"gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress}


def packed(folder: Path, ending: str, data: bytes) -> Path:
    """Write a spec whose text is a compressed file; return the path of the spec."""
    spec = small_spec()
    spec["data"]["path"] = f"text.{ending}"
    path = write_spec(folder, spec)
    (folder / f"text.{ending}").write_bytes(data)
    return path


@pytest.mark.parametrize(("ending", "compress"), OPENERS.items())
def test_a_compressed_text_is_the_text_that_it_holds(
    ending: str, compress: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    plain = newest(trained(tmp_path / "plain", small_spec()))
    path = packed(tmp_path / ending, ending, compress(text(85).encode()))
    done("run", path, "--out", tmp_path / "run")
    found = newest(tmp_path / "run")
    assert found.meta.data.sha256 == plain.meta.data.sha256
    for name, array in plain.arrays.items():
        assert np.array_equal(found.arrays[name], array), name


@pytest.mark.parametrize(
    ("room", "times"), [(2**26, [1, 1, 1]), (3000, [1, 1, 3]), (1200, [1, 3, 3]), (0, [3, 3, 3])]
)
def test_compressed_texts_are_opened_once_where_there_is_room(
    room: int, times: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{i}.gz" for i in range(3)]
    parts = [text(1200, seed) for seed in range(3)]
    for name, part in zip(names, parts, strict=True):
        (tmp_path / name).write_bytes(gzip.compress(part.encode()))
        (tmp_path / f"{name[0]}.txt").write_text(part)
    asked: list[str] = []

    @contextmanager
    def opened(file: Any, error: Any, prefix: str, where: Path) -> Iterator[Any]:
        asked.append(where.name)
        with compressed.opened(file, error, prefix, where) as plain:
            yield plain

    monkeypatch.setattr(corpus, "opened", opened)
    monkeypatch.setattr(corpus, "HELD", room)
    found = Text(path=tuple(names), tokenizer=Char()).open(tmp_path)
    assert [asked.count(name) for name in names] == times
    wanted = Text(path=("0.txt", "1.txt", "2.txt"), tokenizer=Char()).open(tmp_path)
    assert found.digest() == wanted.digest()


def test_a_file_that_a_model_is_asked_about_is_read_whole(tmp_path: Path) -> None:
    spec = small_spec()
    spec["data"]["limit"] = 50
    run = trained(tmp_path, spec, content=text(300))
    (tmp_path / "new.txt").write_text(text(200))
    result = json.loads(done("eval", run, "--data", tmp_path / "new.txt", "--json").out)
    assert result["protocol"]["read"] + result["protocol"]["dropped"] == 199


def test_a_compressed_text_that_is_cut_off(tmp_path: Path) -> None:
    path = packed(tmp_path, "gz", gzip.compress(text(85).encode())[:-9])
    ran = command("run", path, "--out", tmp_path / "run")
    told(ran, 5, f"{tmp_path / 'text.gz'} [DATA_COMPRESSED] is compressed, and damaged or cut off:")
    assert "(bring it anew)" in ran.err
