"""The times of the rows of a series, and the step from one to the next."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from rnnkit.builtin.datasets.tables.rows import as_json
from rnnkit.core.block import Record
from rnnkit.errors import DataError
from rnnkit.types import Array

COMPACT = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")
"""A date without dashes, which is no count of rows."""

FORM = re.compile(r"(\d{4}-\d\d-\d\d|\d{8})(.?)(.*)", re.ASCII)
"""A date, what parts it from the time of day, and that."""

NEAR = 1e-3
"""Parts of a step that a time may be off its place, as decimal fractions are."""

DAY = 86400
"""Seconds of a day."""

UNITS = (("day", DAY), ("hour", 3600), ("minute", 60), ("second", 1))


class Step(Record):
    """The time from a row to the next: `count` seconds, weekdays, months, or of a column's numbers.

    With "rows" the time between rows differs: each row is a step, however long it lasts.
    """

    unit: Literal["seconds", "weekdays", "months", "numbers", "rows"]
    count: Annotated[float, Field(gt=0)] = 1.0

    def in_words(self) -> str:
        """Return the step as people say it."""
        count, name = self.count, self.unit.removesuffix("s")
        if self.unit == "numbers":
            return f"{count:.12g}"
        if self.unit == "seconds":
            name, size = next((u for u in UNITS if count % u[1] == 0), UNITS[-1])
            count /= size
        return f"{count:.12g} {name}{'s' * (count != 1)}"


@dataclass
class Clock:
    """Reads the times of a column `key`: ISO dates, with or without a time of day, or numbers.

    All are of the kind of the first one. A time with an offset is taken to UTC.
    """

    key: str
    dates: bool | None = None
    zoned: bool | None = None

    def read(self, value: object) -> float:
        """Return a time as a number, of a date the seconds since 1970; DataError for neither."""
        text = str(value).strip()
        if not text or value is None:
            message = f"{self.key}: the time is missing (fill it in, or take the row out)"
            raise DataError.of("DATA_TIME", message)
        number = None if isinstance(value, bool) else _number(text)
        if self.dates is None:
            self.dates = number is None or bool(COMPACT.fullmatch(text))
        if not self.dates and number is not None:
            return number
        found = _date(text) if self.dates else None
        if found is None:
            expected = "a date such as 2024-01-31 or 2024-01-31 18:00"
            expected = f"{expected}, or a number" if self.dates else "a number, as above"
            message = f"{self.key}: expected {expected}, received {as_json(value)}"
            raise DataError.of("DATA_TIME", message)
        zoned = found.tzinfo is not None
        if self.zoned is None:
            self.zoned = zoned
        if self.zoned != zoned:
            message = f"{self.key}: {as_json(value)} and a time before it differ in having an "
            raise DataError.of("DATA_TIME", f"{message}offset (give all of them one, or none)")
        return found.replace(tzinfo=found.tzinfo or UTC).timestamp()


def _number(text: str) -> float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    return found if np.isfinite(found) else None


def _date(text: str) -> datetime | None:
    month = re.fullmatch(r"\d{4}-\d\d", text, re.ASCII)
    try:
        return datetime.fromisoformat(f"{text}-01" if month else text)
    except ValueError:
        return None


def found_step(times: Sequence[Array], dates: bool) -> Step:
    """Return the step that all rows (N,) of each group are on, and most are one after another."""
    between = np.sort(np.concatenate([np.diff(each) for each in times]))
    if not len(between):
        return Step(unit="rows")
    usual = float(between[(len(between) - 1) // 2])
    steps = [Step(unit="seconds" if dates else "numbers", count=usual)]
    if dates and usual == DAY:
        steps = [Step(unit="weekdays"), *steps]
    elif dates and usual >= 28 * DAY:
        steps = [Step(unit="months", count=round(usual / (30.44 * DAY))), *steps]
    for step in steps:
        if all(places_on(each, step) is not None for each in times):
            return step
    return Step(unit="rows")


def places_on(times: Array, step: Step) -> Array | None:
    """Return how many steps each of times (N,) comes after the first; None where one is between."""
    if step.unit == "rows":
        return np.arange(len(times))
    if step.unit in ("seconds", "numbers"):
        found = (times - times[0]) / step.count
    else:
        days = np.floor(times / DAY).astype("datetime64[D]")
        if np.ptp(times % DAY) or not _fits(days, step):
            return None
        if step.unit == "months":
            found = np.diff(days.astype("datetime64[M]").astype(int), prepend=0)
            found = (np.cumsum(found) - found[0]) / step.count
        else:
            found = np.busday_count(days[0], days) / step.count
    places: Array = np.rint(found).astype(np.int64)
    on_it = np.abs(found - places) <= NEAR
    return places if on_it.all() and (np.diff(places) > 0).all() else None


def _fits(days: Array, step: Step) -> bool:
    """Tell whether days are the same of each month, or its last; or weekdays of several weeks."""
    if step.unit == "weekdays":
        weekend = ~np.is_busday(days)
        return not weekend.any() and int(np.ptp(days).astype(int)) > 7
    months = days.astype("datetime64[M]")
    day = (days - months).astype(int)
    last = (days + 1).astype("datetime64[M]") > months
    return bool((day == day[0]).all() or last.all())


def later(text: str, step: Step, count: int) -> str:
    """Return the time so many steps after the one that a file writes as `text`, in its form.

    Where each row is a step there is no such time: the text with + and the steps.
    """
    if step.unit == "rows":
        return f"{text} +{count}"
    if step.unit == "numbers":
        return _number_after(text, count, step.count)
    start = _date(text)
    assert start
    if step.unit == "seconds":
        found = start + timedelta(seconds=count * step.count)
    elif step.unit == "weekdays":
        day = np.busday_offset(start.date(), int(count * step.count)).astype("datetime64[s]")
        found = datetime.combine(day.astype(datetime), start.timetz())
    else:
        found = _months_after(start, int(count * step.count))
    return _as_written(found, text)


def _number_after(text: str, count: int, size: float) -> str:
    """Return the number so many steps of a size later, with at least the decimals of the text.

    A size within a thousandth of what those decimals can say is meant to be that.
    """
    start = Decimal(text)
    decimals = max(0, -int(start.as_tuple().exponent))
    said = round(size, decimals)
    meant = said if abs(said - size) <= NEAR * size else size
    return f"{start + count * Decimal(f'{meant:.12g}'):f}"


def _months_after(start: datetime, count: int) -> datetime:
    month = start.year * 12 + start.month - 1 + count
    first = start.replace(year=month // 12, month=month % 12 + 1, day=1)
    length = ((first + timedelta(days=31)).replace(day=1) - first).days
    at_end = (start + timedelta(days=1)).month != start.month
    return first.replace(day=length if at_end else min(start.day, length))


def _as_written(found: datetime, text: str) -> str:
    """Return a time in the form of another one, longer where the form has no room for it."""
    day_alone = found == found.replace(hour=0, minute=0, second=0, microsecond=0)
    if day_alone and re.fullmatch(r"\d{4}-\d\d", text) and found.day == 1:
        return f"{found:%Y-%m}"
    week = re.fullmatch(r"\d{4}(-?)W\d\d(-?\d)?", text, re.ASCII)
    if day_alone and week and (week[2] or found.isoweekday() == 1):
        day = f"{week[1]}{found:%u}" if week[2] else ""
        return f"{found:%G}{week[1]}{found:W%V}{day}"
    if day_alone and len(text) <= 10:
        return f"{found:%Y%m%d}" if COMPACT.fullmatch(text) else f"{found:%Y-%m-%d}"
    form = FORM.match(text)
    day, between, clock = form.groups() if form else ("", "", "")
    written = found.isoformat(between or " ", _precision(clock, found))
    if day.isdigit():
        written = f"{found:%Y%m%d}{written[10:] if ':' in clock else written[10:].replace(':', '')}"
    return written.replace("+00:00", "Z") if text.endswith("Z") else written


def _precision(clock: str, found: datetime) -> str:
    """Return how finely a time is written: as a time of day of the file, or finer where it is."""
    if parts := re.search(r"[.,](\d+)", clock):
        coarse = len(parts[1]) <= 3 and not found.microsecond % 1000
        return "milliseconds" if coarse else "microseconds"
    seconds = re.match(r"\d\d:?\d\d:?\d\d", clock)
    return "auto" if found.second or found.microsecond or seconds else "minutes"
