"""What to say about text that is not JSON, though some language or habit would take it."""

from __future__ import annotations

import json
import re

from rnnkit.errors import printable

KEY = "a key in double quotes"
COMMENT = 'JSON has no comments (put the text into a "$comment" key)'
QUOTES = 'strings and keys take straight double quotes (")'
WORDS = {"True": "true", "False": "false", "None": "null", "undefined": "null"}

TOKEN = re.compile(r'"[^"\n]*"?|[-+.\w]+|.', re.DOTALL)
HEXADECIMAL = re.compile(r"[-+]?0[xX][0-9a-fA-F]{1,16}")
LEADING_ZERO = re.compile(r"-?0+[0-9]+(\.[0-9]+)?")
PLUS = re.compile(r"\+[0-9]+(\.[0-9]+)?")
BARE_POINT = re.compile(r"-?(\.[0-9]+|[0-9]+\.)")
UNDERSCORES = re.compile(r"-?[0-9]+(_[0-9]+)+")

OTHERS = {
    "YAML": re.compile(r"(?:\s*#[^\n]*\n)*\s*(?:---|%YAML|[A-Za-z_]\w*:(?:\s|$)|- )"),
    "TOML": re.compile(r"(?:\s*#[^\n]*\n)*\s*(?:\[[A-Za-z_][\w.]*\]|[A-Za-z_][\w.]* *= )"),
}

ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]*|.?)", re.DOTALL)
GOOD_CHARACTERS = re.compile(r'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*+')


def other_format(text: str) -> str:
    """Return what a file is written in that is no JSON, or ""."""
    return next((name for name, start in OTHERS.items() if start.match(text)), "")


def explain(text: str, at: int, expected: str) -> str:
    """Return what is wrong at an offset where `expected` should stand."""
    if text.startswith(("//", "/*", "#"), at):
        return COMMENT
    if text.startswith(("'", "“", "”", "‘", "’", "`"), at):
        return QUOTES
    match = TOKEN.match(text, at)
    if not match:
        return f"the file ends where {expected} should stand"
    token = match.group()
    return f"expected {expected}, received {printable(token, 40)}{_hint(token, expected)}"


def explain_string(text: str, start: int) -> tuple[int, str]:
    """Return where and why the string that starts at an offset is not one."""
    end = GOOD_CHARACTERS.match(text, start).end()  # type: ignore[union-attr]
    found = text[end : end + 1]
    if found in ("", "\n", "\r"):
        return start, "this string is not closed on its line"
    if found == "\\":
        escape = printable(ESCAPE.match(text, end).group())  # type: ignore[union-attr]
        return end, f"{escape} is no escape (write \\\\ for a backslash)"
    return end, f"control character in a string (write {json.dumps(found)[1:-1]})"


def _number(token: str) -> str:
    """Return the number that the user meant, or ""."""
    if HEXADECIMAL.fullmatch(token):
        return str(int(token, 16))
    if UNDERSCORES.fullmatch(token):
        return token.replace("_", "")
    if LEADING_ZERO.fullmatch(token) or PLUS.fullmatch(token):
        sign = "-" if token.startswith("-") else ""
        digits = token.lstrip("+-0")
        return sign + (digits if digits[:1].isdigit() else "0" + digits)
    if BARE_POINT.fullmatch(token):
        whole, _, fraction = token.partition(".")
        return f"{whole if whole.strip('-') else whole + '0'}.{fraction or '0'}"
    return ""


def _hint(token: str, expected: str) -> str:
    if expected == KEY:
        return f' (write "{token}")' if re.fullmatch(r"\w{1,40}", token) else ""
    if expected.startswith('","') and (token[0] in '"{[-' or token[0].isalnum()):
        return " (a comma is missing before it)"
    better = WORDS.get(token) or _number(token)
    return f" (write {better})" if better else ""
