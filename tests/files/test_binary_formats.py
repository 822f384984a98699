"""A file that holds no text is told by its first bytes, with what to do, wherever text is read."""

from __future__ import annotations

import io
import json
import pickle
import sqlite3
import tarfile
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers import command, small_spec, write_spec

from rnnkit.builtin.datasets.series.series import Series
from rnnkit.builtin.datasets.tables.rows import BadRows
from rnnkit.builtin.datasets.tables.tables import read_rows
from rnnkit.builtin.tokenizers.byte import Byte
from rnnkit.builtin.tokenizers.char import Char
from rnnkit.contracts.tokenizer import as_read, lines_as_read
from rnnkit.errors import DataError, SpecError
from rnnkit.exchange.vocabulary_file import read_vocabulary
from rnnkit.files.binary_formats import binary_format, check_text
from rnnkit.files.marked_text import as_utf8, utf8_chunks, utf8_lines
from rnnkit.spec.scan import scan_file
from rnnkit.training.initial.vectors_file import read_vectors


def zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "application/vnd.oasis.opendocument.spreadsheet")
    return file.getvalue()


def numpy_file(**arrays: object) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays) if arrays else np.save(file, np.arange(3))
    return file.getvalue()


def hdf5() -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w") as image:
        image["x"] = [1, 2]
    return file.getvalue()


def tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.txt"))
    return file.getvalue()


def database(folder: Path) -> bytes:
    with sqlite3.connect(folder / "d.db") as base:
        base.execute("create table t (x)")
    return (folder / "d.db").read_bytes()


SHEET = "(save its sheet as CSV in UTF-8)"
UNPACK = "(unpack it, and give the file that is in it)"
ARRAYS = "(give its arrays to rnnkit.Arrays, in Python, or write them as CSV)"
FRAME = (
    "(pandas reads it, and its to_csv writes CSV; in Python rnnkit.Arrays takes the frame itself)"
)
PICTURE = "(give its pixels as numbers: CSV, JSONL, or in Python rnnkit.Arrays)"
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
SAID = {
    f"a workbook, not text {SHEET}": zipped("[Content_Types].xml", "xl/workbook.xml"),
    f"a workbook, not text  {SHEET}": zipped("docProps/app.xml"),
    f"a workbook, not text   {SHEET}": zipped("mimetype"),
    f"a workbook or document of Office, not text {SHEET}": bytes.fromhex("d0cf11e0a1b11ae1"),
    f"arrays of NumPy (.npz), not text {ARRAYS}": numpy_file(x=[1, 2]),
    f"a zip archive, not text {UNPACK}": zipped("data.csv"),
    f"a zip archive, not text  {UNPACK}": zipped(),
    f"a tar archive, not text {UNPACK}": tar(),
    f"a table in Parquet, not text {FRAME}": b"PAR1\x15\x04\x15\x10",
    f"a table in Arrow or Feather, not text {FRAME}": b"ARROW1\0\0\xff\xff",
    f"an array of NumPy (.npy), not text {ARRAYS}": numpy_file(),
    f"HDF5, not text {ARRAYS}": hdf5(),
    f"a pickle of Python, not text {ARRAYS}": pickle.dumps([1]),
    f"a pickle of Python, not text  {ARRAYS}": pickle.dumps({}, 2),
    f"a PNG image, not text {PICTURE}": PNG,
    f"a JPEG image, not text {PICTURE}": b"\xff\xd8\xff\xe0\0\x10JFIF",
    f"a GIF image, not text {PICTURE}": b"GIF89a\1\0",
    f"a TIFF image, not text {PICTURE}": b"II*\0\x08\0",
    f"a WebP image, not text {PICTURE}": b"RIFF\n\n\0\0WEBPVP8",
}


@pytest.mark.parametrize(("said", "data"), SAID.items(), ids=SAID)
def test_a_file_is_told_by_its_first_bytes(said: str, data: bytes) -> None:
    with pytest.raises(DataError) as caught:
        check_text(data, "d")
    assert str(caught.value) == f"d [DATA_NOT_TEXT] is {' '.join(said.split())}"


def test_a_database_and_a_checkpoint(tmp_path: Path, tiny_run: Path) -> None:
    found = binary_format(database(tmp_path))
    assert found and (found.name, found.advice) == (
        "a database of SQLite",
        "export its table as CSV",
    )
    found = binary_format(next((tiny_run / "checkpoints").glob("*.h5")).read_bytes())
    assert found and found.name == "a checkpoint of rnnkit"
    assert found.advice == "give the data that it is asked about"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"a,b\n1,2\n",
        b"PAR1 is where it begins",
        b"GIF images",
        b"RIFFRAFF at the WAVE",
        b"PKI",
        b"\xff\xfea\0",
        b"\x80\x81",
        b"II* in Latin",
        b"{" + b" " * 256 + b"ustar x",
        "Rar ÿØ".encode("latin-1"),
    ],
)
def test_a_text_is_none(data: bytes) -> None:
    assert binary_format(data) is None


WORKBOOK = next(iter(SAID.values()))
IS = f"is {next(iter(SAID))}"


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_however_a_text_is_read(size: int, tmp_path: Path) -> None:
    chunks = [WORKBOOK[start : start + size] for start in range(0, len(WORKBOOK), size)]
    (tmp_path / "d.csv").write_bytes(WORKBOOK)
    for read in (
        lambda: as_utf8(WORKBOOK, "d.csv"),
        lambda: list(utf8_chunks(chunks, "d.csv")),
        lambda: list(utf8_lines(io.BytesIO(PNG), "d.csv")),
        lambda: [*read_rows(WORKBOOK, "d.csv", BadRows(skip=True), ["x"])],
        lambda: as_read(Char(), WORKBOOK, "d.csv"),
        lambda: Char(verbatim=True).fit([WORKBOOK]),
        lambda: read_vocabulary(tmp_path / "d.csv", Char()),
        lambda: read_vectors(tmp_path / "d.csv", [b"a"], 2),
    ):
        with pytest.raises(DataError, match="DATA_NOT_TEXT") as caught:
            read()
        assert len(caught.value.problems) == 1


def test_bytes_may_be_anything() -> None:
    assert as_read(Byte(), PNG, "d").encode(errors="surrogateescape") == PNG


def test_a_spec_is_none_either() -> None:
    with pytest.raises(SpecError) as caught:
        scan_file(WORKBOOK, "spec.json")
    assert str(caught.value) == (
        "spec.json [SPEC_NOT_UTF8] is a workbook, not text; a spec is one JSON object: it starts "
        "with { and ends with }"
    )


@pytest.mark.parametrize("words", [["score"], ["predict"], ["neurons"]])
def test_what_a_model_is_asked(words: list[str], tiny_run: Path, tmp_path: Path) -> None:
    (tmp_path / "d.txt").write_bytes(WORKBOOK)
    ran = command(*words, tiny_run, tmp_path / "d.txt")
    assert ran.code == 5 and f"{tmp_path / 'd.txt'} [DATA_NOT_TEXT] {IS}" in ran.err


def test_the_data_of_a_spec(tmp_path: Path) -> None:
    path = write_spec(tmp_path, small_spec())
    (tmp_path / "text.txt").write_bytes(WORKBOOK)
    ran = command("check", path, "--data")
    assert ran.code == 5 and f"text.txt [DATA_NOT_TEXT] {IS}" in ran.err
    (tmp_path / "s.csv").write_bytes(WORKBOOK)
    given = {"type": "series", "path": "s.csv", "columns": ["x"]}
    with pytest.raises(DataError) as caught:
        Series.model_validate_json(json.dumps(given)).open(tmp_path)
    assert str(caught.value) == f"s.csv [DATA_NOT_TEXT] {IS}"


def test_the_lines_of_a_stream_keep_bytes_that_are_no_text() -> None:
    data = b"a\xff\nb\r\n\xe9"
    found = list(lines_as_read(Byte(), io.BytesIO(data), "d"))
    assert found == ["a\udcff\n", "b\r\n", "\udce9"]
    assert as_read(Byte(), data, "d") == "".join(found)
