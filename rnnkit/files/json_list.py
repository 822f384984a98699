"""A JSON list where lines of text are read, as programs pipe one."""

from __future__ import annotations

import json
import re

LIST = re.compile(rb"\s*\[[\s\S]*\]\s*")

AS_TEXT = (
    "is a JSON list, and read as text, brackets and quotes too (give each text a line: jq -r '.[]')"
)
"""What is told where a text may be JSON itself."""


def is_json_list(data: bytes) -> bool:
    """Tell whether all of the data is one JSON list."""
    if not LIST.fullmatch(data):
        return False
    try:
        return isinstance(json.loads(data), list)
    except (ValueError, RecursionError):
        return False
