"""Files of Keras 3 without Keras: `.keras`, a zip of config.json and weights, and `.weights.h5`.

The weights lie in groups named by class with a counter (`lstm`, `lstm_1`), whatever a layer is
called; their order is that of config.json, which `.weights.h5` has not (Keras 3, saving_lib.py).
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py

from rnnkit.exchange.incoming.keras_config import (
    OVER_LAST,
    SILENT,
    KerasLayer,
    layers_of,
    wrong_with,
)
from rnnkit.exchange.incoming.keras_layers import keras_layers
from rnnkit.exchange.incoming.theirs import TheirLayer, TheirModel
from rnnkit.exchange.incoming.torch_names import by_numbers
from rnnkit.types import Array

UNUSED = re.compile(r"optimizer/.*|metrics/.*|.*seed_generator.*|_.*")
"""What is stored beside weights: slots of an optimizer, states of random numbers."""


def read_keras(data: bytes, path: Path) -> TheirModel:
    """Return the layers of a model that `model.save("x.keras")` wrote."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        config = json.loads(file.read("config.json"))
        arrays = _arrays(file.read("model.weights.h5"))
    layers = layers_of(config)
    wrong = [problem for layer in layers for problem in wrong_with(layer)]
    groups, found = _groups(layers), list[TheirLayer]()
    for group, layer in groups.items():
        own = {n: a for n, a in arrays.items() if n.startswith(f"layers/{group}/")}
        found += keras_layers(layer.name, own, layer)
    *before, end = [layer for layer in layers if layer.kind not in SILENT]
    wrong += [
        f"layer {each.name} ({each.kind}): the activation {each.last!r} before the last layer"
        for each in before
        if each.last in OVER_LAST
    ]
    last = end.last if end.last in OVER_LAST else ""
    return _model("Keras", arrays, found, wrong, ordered=True, last=last)


def read_weights(data: bytes, path: Path) -> TheirModel:
    """Return the layers of a file that `model.save_weights("x.weights.h5")` wrote."""
    arrays = _arrays(data)
    groups = dict.fromkeys(n.split("/")[1] for n in arrays if n.startswith("layers/"))
    found = list[TheirLayer]()
    for group in sorted(groups, key=by_numbers):
        own = {n: a for n, a in arrays.items() if n.startswith(f"layers/{group}/")}
        found += keras_layers(group, own)
    return _model("Keras weights", arrays, found, [], ordered=False, last="")


def _model(
    format: str,
    arrays: Mapping[str, Array],
    found: list[TheirLayer],
    wrong: list[str],
    ordered: bool,
    last: str,
) -> TheirModel:
    used = {name for layer in found for name in layer.arrays()}
    left = tuple(name for name in arrays if name not in used)
    return TheirModel(format, arrays, tuple(found), ordered, left, tuple(wrong), last)


def _arrays(data: bytes) -> dict[str, Array]:
    with h5py.File(io.BytesIO(data), "r") as file:
        return {name: array for name, array in _walk(file, "") if not UNUSED.fullmatch(name)}


def _walk(group: h5py.Group, start: str) -> Iterator[tuple[str, Array]]:
    for name, item in group.items():
        if isinstance(item, h5py.Group):
            yield from _walk(item, f"{start}{name}/")
        else:
            yield f"{start}{name}", item[...]


def _groups(layers: list[KerasLayer]) -> dict[str, KerasLayer]:
    """Return the layers by the names of their groups."""
    seen: Counter[str] = Counter()
    found: dict[str, KerasLayer] = {}
    for layer in layers:
        name = _snake(layer.kind)
        found[f"{name}_{seen[name]}" if seen[name] else name] = layer
        seen[name] += 1
    return found


def _snake(name: Any) -> str:
    """Return the name of a class as Keras writes it (naming.py, to_snake_case)."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
