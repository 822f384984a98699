"""Packages that only an exchange needs: each an extra of rnnkit, imported when it is used."""

from __future__ import annotations

import importlib
import importlib.metadata
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


def needed(name: str, extra: str = "") -> ModuleType:
    """Return a package, or one of its modules; PluginError, with the pip line, without it.

    An `extra` that installs it beside what else is needed takes the place of its own.
    """
    package = name.partition(".")[0]
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise no_package(package, f"which cannot be imported: {error}", extra) from error


def version_of(package: str) -> str:
    """Return the version of a package that is not imported here; PluginError without it."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        raise no_package(package, "which is not installed") from None


def no_package(package: str, why: str, extra: str = "") -> PluginError:
    """Return the error for a package, with the pip line."""
    extra = extra or EXTRAS[package]
    message = f"needs the package {package}, {why} (pip install 'rnnkit[{extra}]')"
    return PluginError.of("PACKAGE_MISSING", message, "rnnkit")
