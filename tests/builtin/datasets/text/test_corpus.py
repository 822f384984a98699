"""Where a text comes from: what is compressed is the text that it holds."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers import command, done, newest, small_spec, text, told, trained, write_spec

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
