"""Files that hold no text, known by their first bytes, and how what is in them becomes a text."""

from __future__ import annotations

import re
from typing import NamedTuple

from rnnkit.errors import DataError


class BinaryFormat(NamedTuple):
    """What a file is, by its first bytes, and what to do about it where a text is expected."""

    start: bytes
    name: str
    advice: str


LOOKED = 512
"""Bytes that tell a format at most: the mark of a tar archive stands far in."""

SHEET = "save its sheet as CSV in UTF-8"
FRAME = "pandas reads it, and its to_csv writes CSV; in Python rnnkit.Arrays takes the frame itself"
ARRAYS = "give its arrays to rnnkit.Arrays, in Python, or write them as CSV"
PICTURE = "give its pixels as numbers: CSV, JSONL, or in Python rnnkit.Arrays"
SOUND = "give its samples as numbers: CSV, JSONL, or in Python rnnkit.Arrays"
UNPACK = "unpack it, and give the file that is in it"
TEXT = "take its text out, and save that as UTF-8"

FORMATS = (
    BinaryFormat(rb"PK\x03\x04.{26}(\[Content_Types\]|_rels/|docProps/|xl/)", "a workbook", SHEET),
    BinaryFormat(rb"PK\x03\x04.{26}mimetype.{0,40}opendocument\.sp", "a workbook", SHEET),
    BinaryFormat(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a workbook or document of Office", SHEET),
    BinaryFormat(rb"PK\x03\x04.{26}[^\x00]{1,200}?\.npy", "arrays of NumPy (.npz)", ARRAYS),
    BinaryFormat(rb"PK(\x03\x04|\x05\x06)", "a zip archive", UNPACK),
    BinaryFormat(rb"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    BinaryFormat(rb"Rar!\x1a\x07", "a rar archive", UNPACK),
    BinaryFormat(rb".{257}ustar(\x0000| {2}\x00)", "a tar archive", UNPACK),
    BinaryFormat(rb"PAR1[\x00-\x1f]", "a table in Parquet", FRAME),
    BinaryFormat(rb"ARROW1\x00\x00", "a table in Arrow or Feather", FRAME),
    BinaryFormat(rb"SQLite format 3\x00", "a database of SQLite", "export its table as CSV"),
    BinaryFormat(rb"\x93NUMPY", "an array of NumPy (.npy)", ARRAYS),
    BinaryFormat(rb"RNNKIT\x00", "a checkpoint of rnnkit", "give the data that it is asked about"),
    BinaryFormat(rb"\x89HDF\r\n", "HDF5", ARRAYS),
    BinaryFormat(rb"\x80[\x02-\x05][\x95\x8a}\]c(]", "a pickle of Python", ARRAYS),
    BinaryFormat(rb"\x89PNG\r\n", "a PNG image", PICTURE),
    BinaryFormat(rb"\xff\xd8\xff", "a JPEG image", PICTURE),
    BinaryFormat(rb"GIF8[79]a", "a GIF image", PICTURE),
    BinaryFormat(rb"II\*\x00|MM\x00\*", "a TIFF image", PICTURE),
    BinaryFormat(rb"RIFF.{4}WEBP", "a WebP image", PICTURE),
    BinaryFormat(rb"RIFF.{4}WAVE|OggS\x00|fLaC|ID3[\x02-\x04]\x00", "sound", SOUND),
    BinaryFormat(rb"%PDF-\d\.\d", "a PDF", TEXT),
)
"""The first that fits is taken; a zip archive may be many things."""


def binary_format(start: bytes) -> BinaryFormat | None:
    """Return what a file is by its first LOOKED bytes; None where it may be a text."""
    head = start[:LOOKED]
    return next((each for each in FORMATS if re.match(each.start, head, re.DOTALL)), None)


def check_text(start: bytes, where: object) -> None:
    """Raise DataError for a file that its first bytes show to be no text."""
    if found := binary_format(start):
        message = f"is {found.name}, not text ({found.advice})"
        raise DataError.of("DATA_NOT_TEXT", message, where)
