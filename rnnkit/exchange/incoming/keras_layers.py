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


def keras_settings(layer: KerasLayer) -> dict[str, Any]:
    """Return what config.json says of keys of ours."""
    found = layer.inner or layer
    if found.kind == "SimpleRNN":
        return {"activation": found.config.get("activation")}
    if found.kind == "LayerNormalization":
        return {"epsilon": float(found.config["epsilon"])}
    return {}


def keras_layers(
    name: str, arrays: Mapping[str, Array], settings: Mapping[str, Any]
) -> Iterator[TheirLayer]:
    """Yield the layers of a group, `arrays` by their whole names; two where both ways are run."""
    parts: dict[str, dict[str, Array]] = {}
    for path, array in arrays.items():
        parts.setdefault(path.rpartition("/vars/")[0], {})[path] = array
    for part, own in sorted(parts.items(), reverse=True):  # forward before backward
        direction: Direction = next((WAYS[each] for each in part.split("/") if each in WAYS), ALONE)
        whole = f"{name}.{direction}" if direction else name
        found = _cell(whole, own) if part.endswith("/cell") else _plain(whole, own)
        if found is not None:
            yield replace(found, direction=direction, settings=settings)


def _cell(name: str, arrays: Mapping[str, Array]) -> TheirLayer | None:
    paths = sorted(arrays)
    kernel, recurrent, *rest = (arrays[path] for path in paths)
    if recurrent.ndim != 2 or gates_in(recurrent) not in CELLS:
        return None
    bias = rest[0] if rest else None
    after = bias is not None and bias.ndim == 2
    biases = [bias[0], bias[1]] if bias is not None and after else [bias]
    names = {"Wx": paths[:1], "Wh": paths[1:2], "b": paths[2:]}
    kind = CELLS[gates_in(recurrent)]
    cell = TheirCell("keras", kind, kernel, recurrent, biases, names, reset_after=after)
    ours, parameters = cell.parameters()
    return TheirLayer(name, {ours: parameters}, ours)


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
