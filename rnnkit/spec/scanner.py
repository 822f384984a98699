"""A scanner of JSON text that keeps the place of every value."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import NoReturn, TypeAlias

from rnnkit.errors import Path, SpecError
from rnnkit.spec.locations import Finding, Location, Position
from rnnkit.spec.syntax import KEY, explain, explain_string
from rnnkit.types import JSON

MAX_DEPTH = 32
MAX_DIGITS = 20
MAX_FINDINGS = 1000
MAX_VALUES = 10_000

Locate: TypeAlias = Callable[[int], Position]

SPACE = re.compile(r"[ \t\n\r]*+")
STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*+"')
WORD = re.compile(r"[-+.\w]*+")
INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
REAL = re.compile(INTEGER.pattern + r"(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
LITERALS: dict[str, JSON] = {"true": True, "false": False, "null": None}


class Scanner:
    """Reads one JSON text; `places` and `findings` fill up on the way."""

    def __init__(self, text: str, locate: Locate) -> None:
        self.text, self.locate, self.at = text, locate, 0
        self.count = 0
        self.places: dict[Path, Location] = {}
        self.findings: list[Finding] = []

    def document(self) -> JSON:
        """Return the value; raises SpecError for what is no JSON."""
        self._space()
        if not self._peek():
            self._fail(0, "the file is empty")
        value = self._value((), self.at)
        self._space()
        if self._peek():
            self._fail(self.at, explain(self.text, self.at, "nothing after the end of the spec"))
        return value

    def _value(self, path: Path, key: int) -> JSON:
        start, first = self.at, self._peek()
        self.count += 1
        if self.count > MAX_VALUES:
            self._fail(start, f"more than {MAX_VALUES:,} values", "SPEC_TOO_LARGE")
        if first == "{":
            value: JSON = self._object(path)
        elif first == "[":
            value = self._array(path)
        elif first == '"':
            value = self._string(path)
        else:
            value = self._scalar(path)
        text = "" if first in ("{", "[") else self.text[start : self.at]
        self.places[path] = Location(self.locate(key), self.locate(start), text)
        return value

    def _object(self, path: Path) -> dict[str, JSON]:
        found: dict[str, JSON] = {}
        first: dict[str, Position] = {}
        for _ in self._items(path, "}"):
            start = self.at
            if self._peek() != '"':
                self._fail(start, explain(self.text, start, KEY))
            key = self._string(path)
            self._space()
            if self._peek() != ":":
                self._fail(self.at, explain(self.text, self.at, 'a ":" after the key'))
            self.at += 1
            self._space()
            if key is None:
                self._value((*path, "?"), start)
                continue
            if key in first:
                message = "key given twice"
                if line := first[key].line:
                    message += f", first at {line}:{first[key].column}"
                self._note((*path, key), "SPEC_DUPLICATE_KEY", f"{message} (keep one)", start)
            first.setdefault(key, self.locate(start))
            found[key] = self._value((*path, key), start)
        return found

    def _array(self, path: Path) -> list[JSON]:
        found: list[JSON] = []
        for _ in self._items(path, "]"):
            found.append(self._value((*path, len(found)), self.at))
        return found

    def _items(self, path: Path, close: str) -> Iterator[None]:
        """Yield before each item; reads the brackets and the commas."""
        opened = self.at
        if len(path) >= MAX_DEPTH:
            self._fail(opened, f"more than {MAX_DEPTH} levels of brackets", "SPEC_TOO_DEEP")
        self.at += 1
        self._space()
        while self._peek() != close:
            yield
            self._space()
            if self._peek() == ",":
                comma = self.at
                self.at += 1
                self._space()
                if self._peek() == close:
                    self._fail(comma, f'remove the comma before "{close}"')
            elif self._peek() not in ("", close):
                self._fail(self.at, explain(self.text, self.at, f'"," or "{close}"'))
            if not self._peek():
                self._fail(opened, f'this "{self.text[opened]}" is never closed')
        self.at += 1

    def _string(self, path: Path) -> str | None:
        match = STRING.match(self.text, self.at)
        if not match:
            self._fail(*explain_string(self.text, self.at))
        start, self.at = self.at, match.end()
        value: str = json.loads(match.group())
        if re.search("[\ud800-\udfff]", value):
            message = "half of a surrogate pair is no character (write both halves, or neither)"
            self._note(path, "SPEC_SURROGATE", message, start)
            return None
        if "\0" in value:
            self._note(path, "SPEC_NUL", "the character \\u0000 is not allowed", start)
            return None
        return value

    def _scalar(self, path: Path) -> JSON:
        start = self.at
        word = WORD.match(self.text, start).group()  # type: ignore[union-attr]
        self.at += len(word)
        if word in LITERALS:
            return LITERALS[word]
        if word in ("NaN", "Infinity", "-Infinity"):
            message = f"expected a finite number, received {word}"
            self._note(path, "SPEC_NONFINITE", message, start)
            return None
        if INTEGER.fullmatch(word):
            return self._integer(path, word, start)
        if REAL.fullmatch(word):
            return self._real(path, word, start)
        self._fail(start, explain(self.text, start, "a value"))

    def _integer(self, path: Path, word: str, start: int) -> int | None:
        digits = len(word.lstrip("-"))
        if digits > MAX_DIGITS:
            message = f"an integer of {digits:,} digits, limit {MAX_DIGITS}"
            self._note(path, "SPEC_INT_TOO_LONG", message, start)
            return None
        return int(word)

    def _real(self, path: Path, word: str, start: int) -> float | None:
        value = float(word)
        if not math.isfinite(value):
            message = f"{word[:40]} overflows (the largest number is about 1.8e308)"
            self._note(path, "SPEC_NONFINITE", message, start)
            return None
        if value == 0 and re.search("[1-9]", re.split("[eE]", word)[0]):
            message = f"{word[:40]} would become 0 (the smallest number is about 4.9e-324)"
            self._note(path, "SPEC_UNDERFLOW", message, start)
            return None
        return value

    def _space(self) -> None:
        self.at = SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def _note(self, path: Path, code: str, message: str, offset: int) -> None:
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(Finding(path, code, message, self.locate(offset)))

    def _fail(self, offset: int, message: str, code: str = "SPEC_SYNTAX") -> NoReturn:
        raise SpecError.of(code, message, self.locate(offset))
