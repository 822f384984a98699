"""Packages that only an exchange needs: each an extra of rnnkit, imported when it is used."""

from __future__ import annotations

import importlib
from types import ModuleType

from rnnkit.errors import PluginError

EXTRAS = {
    "safetensors": "safetensors",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "torch": "torch",
    "keras": "keras",
}
"""The extra of rnnkit that installs each package."""


def needed(name: str) -> ModuleType:
    """Return a package, or one of its modules; PluginError, with the pip line, without it."""
    package = name.partition(".")[0]
    try:
        return importlib.import_module(name)
    except ImportError as error:
        message = f"needs the package {package}, which cannot be imported: {error} "
        message += f"(pip install 'rnnkit[{EXTRAS[package]}]')"
        raise PluginError.of("PACKAGE_MISSING", message, "rnnkit") from error
