"""The text of a file as UTF-8 without a byte-order mark."""

from __future__ import annotations

from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE

from rnnkit.errors import DataError

# The mark of UTF-32 begins with that of UTF-16.
MARKED = {
    BOM_UTF8: "utf-8-sig",
    BOM_UTF32_LE: "utf-32",
    BOM_UTF32_BE: "utf-32",
    BOM_UTF16_LE: "utf-16",
    BOM_UTF16_BE: "utf-16",
}


def as_utf8(data: bytes, name: str) -> bytes:
    """Return data as UTF-8 where its mark says that it is UTF-16 or UTF-32; take a mark away.

    Raises DataError for a mark that what follows does not keep to.
    """
    for mark, encoding in MARKED.items():
        if data.startswith(mark):
            if mark == BOM_UTF8:
                return data.removeprefix(mark)
            try:
                return data.decode(encoding).encode()
            except UnicodeError:
                message = f"is marked as {encoding.upper()} and is not (save the file as UTF-8)"
                raise DataError.of("DATA_ENCODING", message, name) from None
    return data
