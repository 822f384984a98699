"""JSON with the place of every value, strict where `json` is generous.

A syntax error ends the scan. What is wrong inside the syntax (a key given twice, NaN, a number that
no float can hold) is collected, so that the user reads it together with everything else.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass

from rnnkit.errors import Path, SpecError
from rnnkit.files.binary_formats import binary_format
from rnnkit.spec.locations import Finding, Location, Position
from rnnkit.spec.scanner import Locate, Scanner
from rnnkit.spec.syntax import other_format
from rnnkit.types import JSON

MAX_BYTES = 1 << 20

OBJECT = "a spec is one JSON object: it starts with { and ends with }"
NO_JSON = re.compile(r"\s*(?!true|false|null)[A-Za-z_]")
"""A text that begins with a word, as a table with a header does."""


@dataclass(frozen=True)
class Scan:
    """What a text holds; a value with a finding is None."""

    value: JSON
    places: dict[Path, Location]
    findings: tuple[Finding, ...]


def scan_file(data: bytes, name: str) -> Scan:
    """Return the object that the bytes of a file hold; raises SpecError."""
    text = _decoded(data, name)
    starts = [0, *(newline.end() for newline in re.finditer("\n", text))]

    def locate(offset: int) -> Position:
        line = bisect_right(starts, offset)
        return Position(0, line, offset - starts[line - 1] + 1, name)

    if other := other_format(text):
        message = f"this looks like {other}; a spec is one JSON object (any JSON converter does it)"
        raise SpecError.of("SPEC_SYNTAX", message, locate(0))
    if NO_JSON.match(text):
        raise SpecError.of("SPEC_NOT_OBJECT", OBJECT, locate(0))
    scan = scan_text(text, locate)
    if not isinstance(scan.value, dict):
        raise SpecError.of("SPEC_NOT_OBJECT", OBJECT, scan.places[()].value)
    return scan


def scan_text(text: str, locate: Locate) -> Scan:
    """Return the value of a JSON text; raises SpecError."""
    scanner = Scanner(text, locate)
    value = scanner.document()
    return Scan(value, scanner.places, tuple(scanner.findings))


def _decoded(data: bytes, name: str) -> str:
    if len(data) > MAX_BYTES:
        raise SpecError.of("SPEC_TOO_LARGE", f"{len(data):,} bytes, limit {MAX_BYTES:,}", name)
    if data.startswith(b"\xef\xbb\xbf"):
        raise SpecError.of(
            "SPEC_BOM", "the file starts with a byte order mark (save it as UTF-8 without)", name
        )
    if found := binary_format(data):
        message = f"is {found.name}, not text; {OBJECT}"
        raise SpecError.of("SPEC_NOT_UTF8", message, name)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        raise SpecError.of(
            "SPEC_NOT_UTF8",
            f"byte {error.start} (0x{data[error.start]:02x}) is not UTF-8"
            + (", the file looks like UTF-16" if utf16 else "")
            + " (save it as UTF-8)",
            name,
        ) from None
