"""One page for the browser: the text, and a unit of choice that colours it.

The page is a single file that asks no network for anything, which its security policy forbids too.
"""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Sequence
from importlib import resources
from typing import Any

import numpy as np

from rnnkit.analysis.neurons.follow import Search
from rnnkit.analysis.neurons.record import Activations
from rnnkit.analysis.neurons.report import gates_object, search_object
from rnnkit.analysis.neurons.saturation import Saturation
from rnnkit.analysis.neurons.text import visible
from rnnkit.types import Array

SCALE = 127
"""The activation 1 as a byte; a page needs no more than 255 colours."""


def page(
    title: str,
    tokens: Sequence[str],
    parts: Sequence[Activations],
    searches: Sequence[Search],
    gates: Sequence[Saturation],
    unit: str,
) -> str:
    """Return the HTML; `unit` such as `1.lstm/c/17` is shown first, unless the address names one.

    Each part travels as bytes, unit after unit, so that the values of one are a slice. Nothing of
    the text is markup: it goes into the page as JSON, and from there as text alone.
    """
    data = {
        "tokens": [visible(token) for token in tokens],
        "parts": [_part(each) for each in parts],
        "searches": [search_object(each) for each in searches],
        "gates": gates_object(gates),
        "unit": unit,
    }
    template = resources.files(__package__).joinpath("page.html").read_text("utf-8")
    before, middle, after = _split(template, "{{title}}", "{{data}}")
    return f"{before}{html.escape(visible(title))}{middle}{embedded(data)}{after}"


def embedded(value: object) -> str:
    """Return JSON that may stand in a script element: nothing in it can end the element."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _part(part: Activations) -> dict[str, Any]:
    levels, scales = companded(part.values) if part.squashed else (part.values, None)
    return {
        "label": part.label,
        "name": part.name,
        "formula": part.formula(),
        "units": part.size,
        "gate": part.gate,
        "scales": None if scales is None else [float(f"{s:.5g}") for s in scales.tolist()],
        "bytes": base64.b64encode(_bytes(levels)).decode(),
    }


def companded(values: Array) -> tuple[Array, Array]:
    """Return levels (T, n), -1 to 1, and scales (n,) for values of any size.

    |v| = exp(|level| scale) - 1: a byte of level is as exact near zero, where tanh moves, as it is
    far out in proportion.
    """
    logarithms = np.log1p(np.abs(values))
    scales = logarithms.max(axis=0)
    return np.sign(values) * logarithms / np.where(scales > 0, scales, 1.0), scales


def _bytes(levels: Array) -> bytes:
    whole = np.rint(levels.T * SCALE).clip(-SCALE, SCALE).astype(np.int8)
    return bytes(whole.tobytes())


def _split(template: str, *marks: str) -> list[str]:
    """Split at each mark once, so that what is put in one place is not read for the next."""
    found, rest = [], template
    for mark in marks:
        part, rest = rest.split(mark, 1)
        found.append(part)
    return [*found, rest]
