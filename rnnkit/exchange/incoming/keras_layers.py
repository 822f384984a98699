"""The layers of Keras by the arrays of their groups: kernels, biases, tables.

A cell has kernel (F, gates H), recurrent kernel (H, gates H) and bias (gates H), that of a GRU with
`reset_after` a second row for the recurrent product (Keras 3, lstm.py, gru.py, simple_rnn.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from rnnkit.exchange.incoming.gates import CELLS, TheirCell, gates_in
from rnnkit.exchange.incoming.keras_config import KerasLayer
from rnnkit.exchange.incoming.linear import matrix_layer
from rnnkit.exchange.incoming.theirs import Direction, TheirLayer, TheirParameter
from rnnkit.types import Array

ALONE: Direction = ""
WAYS: dict[str, Direction] = {"forward_layer": "forward", "backward_layer": "backward"}


def _settings(layer: KerasLayer) -> dict[str, Any]:
    """Return what config.json says of keys of ours."""
    if layer.kind == "SimpleRNN":
        return {"activation": layer.config.get("activation")}
    if layer.kind == "LayerNormalization":
        return {"epsilon": float(layer.config["epsilon"])}
    return {}


def keras_layers(
    name: str, arrays: Mapping[str, Array], layer: KerasLayer | None = None
) -> Iterator[TheirLayer]:
    """Yield the layers of a group, `arrays` by their whole names; two where both ways are run.

    `layer` is what config.json says of it, None where there is none.
    """
    parts: dict[str, dict[str, Array]] = {}
    for path, array in arrays.items():
        parts.setdefault(path.rpartition("/vars/")[0], {})[path] = array
    for part, own in sorted(parts.items(), reverse=True):  # forward before backward
        direction: Direction = next((WAYS[each] for each in part.split("/") if each in WAYS), ALONE)
        whole = f"{name}.{direction}" if direction else name
        told = layer.at(direction) if layer else None
        found = _cell(whole, own, told) if part.endswith("/cell") else _plain(whole, own)
        if found is not None:
            yield replace(found, direction=direction, settings=_settings(told) if told else {})


def _cell(name: str, arrays: Mapping[str, Array], told: KerasLayer | None) -> TheirLayer | None:
    paths = sorted(arrays)
    kernel, recurrent, *rest = (arrays[path] for path in paths)
    if recurrent.ndim != 2 or gates_in(recurrent) not in CELLS:
        return None
    bias = rest[0] if rest else None
    biases = list(bias) if bias is not None and bias.ndim == 2 else [bias]
    names = {"Wx": paths[:1], "Wh": paths[1:2], "b": paths[2:]}
    kind = CELLS[gates_in(recurrent)]
    if bias is not None:
        after = [bias.ndim == 2]
    else:  # then config.json alone tells how a GRU resets
        after = [True, False] if told is None else [bool(told.config.get("reset_after"))]
    cell = TheirCell("keras", kind, kernel, recurrent, biases, names)
    forms = dict(replace(cell, reset_after=each).parameters() for each in after)
    return TheirLayer(name, forms, "" if len(forms) > 1 else next(iter(forms)))


def _plain(name: str, arrays: Mapping[str, Array]) -> TheirLayer | None:
    items = sorted(arrays.items())
    first, *rest = items
    if first[1].ndim == 2:
        usual = "embedding" if "/embedding" in first[0] else "affine"
        return matrix_layer(name, first, rest[0] if rest else None, transposed=False, usual=usual)
    if first[1].ndim == 1 and len(rest) == 1:
        gain, bias = (TheirParameter(array, (path,)) for path, array in items)
        return TheirLayer(name, {"layer_norm": {"gain": gain, "bias": bias}}, "layer_norm")
    return None
