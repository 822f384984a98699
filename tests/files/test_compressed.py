"""Compressed files: opened by their first bytes, never beyond a limit, damage is named."""

from __future__ import annotations

import bz2
import gzip
import importlib.util
import lzma

import pytest

from rnnkit.errors import DataError
from rnnkit.files.compressed import decompressed, plain_name

PACKED = {"gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress}
ZSTD = bytes.fromhex("28b52ffd0458290000616263") + b"\0" * 8


def opened(data: bytes, limit: int = 1000) -> bytes:
    return decompressed(data, limit, DataError, "DATA", "d.csv")


@pytest.mark.parametrize("how", PACKED)
def test_what_was_compressed(how: str) -> None:
    assert opened(PACKED[how](b"abc")) == b"abc"


@pytest.mark.parametrize("data", [b"", b"abc", b"BZh is no mark of its own", b"\x1f\x8b"])
def test_other_data_stays(data: bytes) -> None:
    assert opened(data) == data


@pytest.mark.parametrize("how", PACKED)
def test_damage_is_named(how: str) -> None:
    with pytest.raises(DataError, match=r"d.csv \[DATA_COMPRESSED\] is compressed, and damaged"):
        opened(PACKED[how](bytes(range(256)))[:-9])


@pytest.mark.parametrize("how", PACKED)
def test_a_limit_ends_it(how: str) -> None:
    assert len(opened(PACKED[how](b"a" * 1000))) == 1000
    with pytest.raises(DataError) as caught:
        opened(PACKED[how](b"a" * 1001))
    assert str(caught.value) == (
        "d.csv [DATA_TOO_LARGE] expected at most 1,000 bytes once it is opened (cut it into "
        "smaller files)"
    )


@pytest.mark.skipif(
    any(importlib.util.find_spec(name) for name in ("compression", "backports")),
    reason="zstd can be opened here",
)
def test_what_to_do_about_zstd() -> None:
    with pytest.raises(DataError) as caught:
        opened(ZSTD)
    assert str(caught.value) == (
        "d.csv [DATA_COMPRESSED] is compressed by zstd, which this Python cannot open (pip install "
        "backports.zstd, or zstd -d it)"
    )


@pytest.mark.parametrize(
    ("name", "plain"),
    [("d.csv.gz", "d.csv"), ("d.jsonl.XZ", "d.jsonl"), ("d.gz.csv", "d.gz.csv"), ("d", "d")],
)
def test_a_name_without_its_ending(name: str, plain: str) -> None:
    assert plain_name(name) == plain
