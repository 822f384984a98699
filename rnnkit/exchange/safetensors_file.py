"""Arrays as a safetensors file, what a program needs to know of the model in its metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from rnnkit.exchange.packages import needed
from rnnkit.exchange.trained import Trained, describe
from rnnkit.types import Array

FILE = "model.safetensors"


def save_arrays(
    folder: Path,
    arrays: Mapping[str, Array],
    model: Trained,
    verified: bool,
    extra: str = "safetensors",
    **facts: str,
) -> None:
    """Write model.safetensors, with more `facts` in its metadata.

    Raises PluginError without the package, which names the `extra` that installs it.
    """
    facts |= {"rnnkit": json.dumps(describe(model)), "verified": str(verified).lower()}
    # The library writes the buffer of a transposed view as it lies, and says nothing.
    plain = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    needed("safetensors.numpy", extra).save_file(plain, folder / FILE, metadata=facts)
