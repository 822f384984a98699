"""Properties of a text that a unit may follow, a number for each character."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from rnnkit.analysis.neurons.text import TokenText
from rnnkit.types import Array

OPEN, CLOSED = "([{", ")]}"


@dataclass(frozen=True)
class Property:
    """What holds once each token was read: values (T,), or 0 and 1 for a property of yes or no."""

    name: str
    values: Array
    yes_or_no: bool

    @property
    def varies(self) -> bool:
        """Whether there is anything to follow."""
        return bool(self.values.size) and bool((self.values != self.values[0]).any())


def inside_quotes(text: str) -> Array:
    """Tell for each character whether it follows an opening double quote.

    The closing one is outside. A blank line ends every quotation, so that a mark that was
    forgotten does not turn the rest around.
    """
    found, inside = np.zeros(len(text)), False
    for index, character in enumerate(text):
        if character == '"':
            inside = not inside
        elif character in "“”":
            inside = character == "“"
        inside = inside and not _blank_line(text, index)
        found[index] = inside
    return found


def inside_brackets(text: str) -> Array:
    """Tell for each character whether it stands in round, square or curly brackets.

    The opening one is inside, the closing one outside; a blank line closes all.
    """
    found, depth = np.zeros(len(text)), 0
    for index, character in enumerate(text):
        depth += (character in OPEN) - (character in CLOSED)
        depth = 0 if _blank_line(text, index) else max(depth, 0)
        found[index] = depth > 0
    return found


def position_in_line(text: str) -> Array:
    """Count the characters since the last line feed, which itself has 0."""
    return _since(text, lambda character: character == "\n")


def position_in_word(text: str) -> Array:
    """Count the characters since the last whitespace, which itself has 0."""
    return _since(text, str.isspace)


PROPERTIES: Mapping[str, tuple[Callable[[str], Array], bool]] = {
    "quotes": (inside_quotes, True),
    "brackets": (inside_brackets, True),
    "line": (position_in_line, False),
    "word": (position_in_word, False),
}
"""By name: what it is, and whether it is a matter of yes or no."""

PATTERN = "regex:"


def property_of(name: str, text: TokenText) -> Property:
    """Return a property by its name in PROPERTIES, or `regex:...`: inside a match of the pattern.

    Raises KeyError for another name, and ValueError for what is no pattern.
    """
    if name.startswith(PATTERN):
        values, yes_or_no = _matched(pattern_of(name), text.whole), True
    else:
        function, yes_or_no = PROPERTIES[name]
        values = function(text.whole)
    return Property(name, values[text.last] if len(values) else values, yes_or_no)


def pattern_of(name: str) -> re.Pattern[str]:
    """Return the pattern of `regex:...`; raises ValueError, which says what is wrong with it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as of what a later Python may read otherwise
            return re.compile(name.removeprefix(PATTERN))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except (re.error, OverflowError) as error:
        raise ValueError(str(error)) from None


def _matched(pattern: re.Pattern[str], text: str) -> Array:
    found = np.zeros(len(text))
    for match in pattern.finditer(text):
        found[match.start() : match.end()] = 1
    return found


def _since(text: str, starts: Callable[[str], bool]) -> Array:
    found, count = np.zeros(len(text)), 0
    for index, character in enumerate(text):
        count = 0 if starts(character) else count + 1
        found[index] = count
    return found


def _blank_line(text: str, index: int) -> bool:
    return text[index] == "\n" and text[max(index - 1, 0)] == "\n" and index > 0
