"""A cell of a table, and how numbers are written in one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple, Self

from rnnkit.errors import DataError


class Marks(NamedTuple):
    """What stands between the cells of a table (None: it is found), and in its numbers."""

    delimiter: str | None = None
    decimal: str = "."
    thousands: str | None = None


THIN = re.compile("[\u00a0\u2009\u202f]")
"""Spaces at which no line breaks: they part thousands as a plain one does."""

SIGN = re.compile(r"[$€£¥]\s*[-+]?[\d.,]+|[-+]?[\d.,]+\s*[%$€£¥]", re.ASCII)
"""A number with the sign of what it counts."""

PLAIN = Marks()
"""A comma, semicolon, tab or | between cells, and a point in numbers."""


class TableCell(str):
    """A cell: text, until it is known to stand for a number, for a list, or for nothing."""

    __slots__ = ("marks",)

    marks: Marks

    def __new__(cls, text: str, marks: Marks = PLAIN) -> Self:
        """Return the text as a cell of a table with these marks."""
        cell = super().__new__(cls, text)
        cell.marks = marks
        return cell

    def items(self) -> Iterator[TableCell]:
        """Yield what stands between spaces; where they part thousands, the whole cell."""
        pattern = r"\S.*" if self.marks.thousands == " " else r"\S+"
        return (TableCell(found[0], self.marks) for found in re.finditer(pattern, self, re.DOTALL))

    def number(self, key: str) -> str:
        """Return a number as Python writes it; raises DataError where thousands are not parted."""
        _, decimal, thousands = self.marks
        text = self.strip()
        if thousands == " ":
            text = THIN.sub(" ", text)
        if thousands and thousands in text:
            if not re.fullmatch(_parted(decimal, thousands), text, re.ASCII):
                message = f"{key}: {text!r} is not parted into thousands by {thousands!r} "
                raise DataError.of("DATA_FIELD", f'{message}(repair it, or leave out "thousands")')
            text = text.replace(thousands, "")
        return text if decimal == "." else text.replace(".", "?").replace(decimal, ".")


def _parted(decimal: str, thousands: str) -> str:
    """Return the pattern of a number whose whole part stands in groups of three digits."""
    whole = rf"[+-]?\d{{1,3}}(?:{re.escape(thousands)}\d{{3}})+"
    return rf"{whole}(?:{re.escape(decimal)}\d*)?"


def marks_meant(text: str) -> str:
    """Return what to do about a cell that is no number, where that is plain; else ""."""
    text = THIN.sub(" ", text.strip())
    if re.fullmatch(r"[+-]?\d*,\d+", text, re.ASCII):
        return ' (give "decimal": ",")'
    for decimal, thousands in ((".", ","), (",", "."), (".", " "), (",", " "), (".", "'")):
        if re.fullmatch(_parted(decimal, thousands), text, re.ASCII):
            comma = '"decimal": ",", ' if decimal == "," else ""
            return f' (give {comma}"thousands": "{thousands}")'
    return " (write the number alone)" if SIGN.fullmatch(text) else ""


def is_missing(value: object) -> bool:
    """Tell whether a value is left out: null in JSON, an empty cell of a table."""
    return value is None or (isinstance(value, TableCell) and not value.strip())
