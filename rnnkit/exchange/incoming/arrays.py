"""Files of named arrays: safetensors, PyTorch's state_dicts, NumPy's .npz."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rnnkit.exchange.incoming.theirs import TheirModel
from rnnkit.exchange.incoming.torch_names import torch_model
from rnnkit.exchange.packages import needed
from rnnkit.types import Array

WRAPPED = ("state_dict", "model_state_dict", "model")
"""Keys under which checkpoints of training programs hold the state_dict."""

PICKLED = (
    "it holds a pickled module or other objects, which only the program that wrote them may open: "
    'save the state_dict there, with torch.save(model.state_dict(), "weights.pt"), and import that'
)


def read_safetensors(data: bytes, path: Path) -> TheirModel:
    """Return the arrays of a safetensors file; what `save_model` left out as shared is there."""
    found = needed("safetensors.numpy").load(data)
    size = int.from_bytes(data[:8], "little")
    shared = json_of(data[8 : 8 + size]).get("__metadata__", {})
    found |= {name: found[same] for name, same in shared.items() if same in found}
    return named_model("safetensors", found)


def json_of(data: bytes) -> dict[str, Any]:
    """Return a JSON object; ValueError where it is none."""
    found = json.loads(data)
    if not isinstance(found, dict):
        raise ValueError("expected a JSON object")
    return found


def read_npz(data: bytes, path: Path) -> TheirModel:
    """Return the arrays of an .npz file; pickled ones are refused."""
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        return named_model("npz", dict(file))


def read_torch(data: bytes, path: Path) -> TheirModel:
    """Return a state_dict; nothing is unpickled but tensors and plain values."""
    torch = needed("torch")
    try:
        found = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        return TheirModel("PyTorch", {}, (), wrong=(PICKLED,))
    for key in WRAPPED:
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    tensors = dict(_tensors(found, torch.Tensor)) if isinstance(found, Mapping) else {}
    if not tensors:
        wrong = ("expected a state_dict, names with a tensor each, and found none in it",)
        return TheirModel("PyTorch", {}, (), wrong=wrong)
    return named_model("PyTorch", tensors)


def _tensors(found: Mapping[Any, Any], tensor: type) -> Iterator[tuple[str, Array]]:
    for name, value in found.items():
        if isinstance(value, tensor):
            plain: Any = value
            plain = plain.detach().to_dense() if plain.is_sparse else plain.detach()
            floating = plain.is_floating_point() and plain.element_size() < 4
            yield str(name), (plain.float() if floating else plain).numpy()


def named_model(format: str, arrays: Mapping[str, Array]) -> TheirModel:
    """Return arrays with PyTorch's names in layers; rnnkit's own ("layer/name") stay arrays."""
    own = tuple(name for name in arrays if "/" in name)
    found = torch_model(format, {name: a for name, a in arrays.items() if name not in own})
    return TheirModel(format, arrays, found.layers, left=(*found.left, *own), wrong=found.wrong)
