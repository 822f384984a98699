"""Pairs made by a seeded generator: sums of numbers, and dates in many forms."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator

import numpy as np

from rnnkit.core.context import keyed_generator

Pair = tuple[str, str]

FIRST_DAY = datetime.date(1970, 1, 1)
DAYS = (datetime.date(2020, 1, 1) - FIRST_DAY).days
"""Fifty years, so that two digits of a year tell which it is."""

FORMS: tuple[Callable[[datetime.date], str], ...] = (
    lambda day: f"{day.month}/{day.day}/{day:%y}",
    lambda day: f"{day.month}/{day.day}/{day.year}",
    lambda day: f"{_month(day)} {day.day}, {day.year}",
    lambda day: f"{_month(day)[:3]} {day.day}, {day.year}",
    lambda day: f"{day.day} {_month(day)} {day.year}",
    lambda day: f"{day.day} {_month(day)[:3]} {day.year}",
    lambda day: f"{_month(day).lower()} {day.day}, {day.year}",
    lambda day: f"{_month(day)[:3].lower()} {day.day}, {day.year}",
    lambda day: f"{_month(day).upper()} {day.day}, {day.year}",
    lambda day: f"{_weekday(day)}, {_month(day)} {day.day}, {day.year}",
    lambda day: f"{_weekday(day).lower()}, {_month(day).lower()} {day.day}, {day.year}",
    lambda day: f"{_weekday(day).upper()}, {_month(day).upper()} {day.day}, {day.year}",
)
"""A date as people write it, the month before the day where both are numbers."""

MONTHS = (
    "January February March April May June July August September October November December"
).split()
WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()


def generated(kind: str, count: int, seed: int) -> list[Pair]:
    """Return `count` different pairs: no source occurs twice, and no sum in the other order."""
    found: dict[object, Pair] = {}
    for key, pair in {"addition": _sums, "dates": _dates}[kind](seed):
        found.setdefault(key, pair)
        if len(found) == count:
            break
    return list(found.values())


def _sums(seed: int) -> Iterator[tuple[object, Pair]]:
    """Yield questions such as 57+5 with their sums, for ever; numbers of one to three digits.

    A number is drawn by its length, then digit by digit, as in the addition example of Keras.
    """
    random = keyed_generator(seed, "addition")
    while True:
        lengths = random.integers(1, 4, size=(4096, 2))
        for a, b in (random.integers(0, 1000, size=(4096, 2)) % 10**lengths).tolist():
            yield (min(a, b), max(a, b)), (f"{a}+{b}", str(a + b))


def _dates(seed: int) -> Iterator[tuple[object, Pair]]:
    """Yield dates in some form with the same as YYYY-MM-DD, for ever."""
    random = keyed_generator(seed, "dates")
    while True:
        draws = random.integers(0, (DAYS, len(FORMS)), size=(4096, 2))
        for number, form in np.asarray(draws).tolist():
            day = FIRST_DAY + datetime.timedelta(days=number)
            source = FORMS[form](day)
            yield source, (source, day.isoformat())


def _month(day: datetime.date) -> str:
    return MONTHS[day.month - 1]  # strftime would follow the user's locale


def _weekday(day: datetime.date) -> str:
    return WEEKDAYS[day.weekday()]
