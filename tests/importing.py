"""Networks of other programs with their specs, for the tests of what is imported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from helpers import plain_spec, sequences_data, text

import rnnkit
from rnnkit.inference.model import Model
from rnnkit.types import Array

WORDS = 6
"""Tokens of the text that the specs read."""

SEQUENCE_TOKENS = 7
"""Those of the sequences: six characters, and one for all others."""


def layers(kind: str, count: int = 1, both: bool = False, **cell: Any) -> list[dict[str, Any]]:
    """Return an embedding of 5, cells of 7 units, and a product."""
    one: dict[str, Any] = {"type": kind, "units": 7, **cell}
    if both:
        one = {"type": "bidirectional", "layer": one}
    return [{"type": "embedding", "units": 5}, *[one] * count, {"type": "affine"}]


def language_spec(folder: Path, stack: list[dict[str, Any]]) -> Path:
    """Write the spec of a language model of characters and its text; return its path."""
    spec = plain_spec()
    spec["data"]["split"] = [0.6, 0.2, 0.2]
    spec["model"]["layers"] = stack
    spec["evaluate"] = {"streams": 1}
    (folder / "text.txt").write_text(text(400))
    return written(folder, spec)


def sequence_spec(folder: Path, stack: list[dict[str, Any]]) -> Path:
    """Write the spec of a model of whole sequences: of three classes, read as characters."""
    rows = [{"text": "abcdef"[: n % 6 + 1] + "f", "label": "xyz"[n % 3]} for n in range(1, 13)]
    spec = plain_spec()
    spec["data"] = sequences_data(folder, rows)
    spec["model"]["layers"] = stack
    return written(folder, spec)


def written(folder: Path, spec: dict[str, Any]) -> Path:
    path = folder / "spec.json"
    path.write_text(json.dumps(spec))
    return path


def ids(model: Model, steps: int = 11, streams: int = 3) -> Array:
    """Return ids at random (T, B)."""
    width = model.network.inputs.known()
    return np.random.default_rng(5).integers(0, width, (steps, streams))


def valid_ids(spec: Path) -> Array:
    """Return the ids of the validation part of a text, in one stream."""
    loaded = rnnkit.load_spec(spec)
    tokens = sorted(set(text(400)))
    whole = np.array([tokens.index(c) for c in text(400)])
    first, last = (round(len(whole) * part) for part in (0.6, 0.8))
    assert loaded.data.type == "text"
    return whole[first:last]
