"""Files of data within the memory that is free, also once they are unpacked."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest
from helpers import command

from rnnkit.builtin.datasets.series.series import Series
from rnnkit.contracts import data_file
from rnnkit.contracts.data_file import data_asked, read_data, read_stream, room
from rnnkit.contracts.data_size import CHUNK, DataSize, ReadingCost
from rnnkit.errors import DataError, ResourceError


@pytest.fixture(autouse=True)
def _little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_file, "spare_memory", lambda: 20_000)


def test_what_there_is_room_for(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_bytes(gzip.compress(b"a" * 2000))
    assert (room(), room(8), room(1)) == (2000, 2500, 20_000)
    assert read_data(tmp_path / "d.csv") == b"a" * 2000
    assert read_stream(io.BytesIO(b"a" * 2000), "stdin") == b"a" * 2000


def test_a_file_that_grows_when_it_is_unpacked_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "d.csv.gz"
    file.write_bytes(gzip.compress(b"v\n" + b"1\n" * 10**6))
    said = r"\[DATA_TOO_LARGE\] expected at most {} bytes once it is opened \(cut it into small"
    with pytest.raises(DataError, match=said.format("2,000")):
        read_data(file)
    series = Series(path="d.csv.gz", columns=("v",))
    with pytest.raises(DataError, match="d.csv.gz " + said.format("1,538")):
        series.open(tmp_path)


def test_a_large_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "d").open("wb") as file:
        file.truncate(2**30)
    with pytest.raises(ResourceError) as caught:
        read_data(tmp_path / "d")
    assert str(caught.value) == (
        f"{tmp_path}/d [MEM_BUDGET] to read and answer 1,073,741,824 bytes takes up to "
        "10,737,418,240, and memory has room for 20,000 (cut it into smaller files)"
    )


def test_rows_count_with_their_answers() -> None:
    assert data_asked(b"1\n" * 27, "d")
    with pytest.raises(ResourceError, match="to read and answer 56 bytes takes up to 20,160"):
        data_asked(b"1\n" * 28, "d")


def test_a_stream_without_an_end_is_given_up() -> None:
    class Endless(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            assert size >= 0
            return b"y" * size

    with pytest.raises(ResourceError, match="stdin .*more than 2,000 bytes, for which memory has"):
        read_stream(Endless(), "stdin")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["predict", "score", "forecast", "neurons"])
def test_every_command_that_reads_data_has_the_budget(
    tiny_run: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "d").write_bytes(b"a" * 2001)
    ran = command(name, tiny_run, tmp_path / "d")
    assert ran.code == 10 and "[MEM_BUDGET] to read and answer 2,001 bytes" in ran.err


def test_a_long_row_counts_its_objects() -> None:
    assert DataSize.of_bytes(b"a,b\n1,2\n") == (8, 2, 140)
    long = b"1, " * CHUNK
    assert DataSize.of_bytes(b"x\n" + long) == (2 + len(long), 1, 200 * CHUNK)
    assert DataSize.of_bytes(long + b"\n" + b"x" * CHUNK)[2] == 200 * CHUNK
    assert DataSize.of_bytes((b"{}" * 9 + b"\n") * 3)[:2] == (57, 27)
    assert ReadingCost(2, 10).of(DataSize(100, 3, 7)) == 237
