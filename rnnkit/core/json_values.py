"""What of a plugin a checkpoint can hold: values that JSON gives back as they were."""

from __future__ import annotations

import json


def kept_by_json(value: object, tuples: bool = False) -> bool:
    """Tell whether a value can be written as JSON, and is read back as it was.

    With `tuples` one may come back as a list, as records keep lists as tuples.
    """
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
        return bool(json.loads(text) == (_as_lists(value) if tuples else value))
    except (TypeError, ValueError, RecursionError):
        return False


def _as_lists(value: object) -> object:
    if isinstance(value, dict):
        return {key: _as_lists(item) for key, item in value.items()}
    return [*map(_as_lists, value)] if isinstance(value, list | tuple) else value
