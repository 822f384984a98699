"""Whose fault it is: a plugin is named in whatever goes wrong inside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from rnnkit.contracts.layer import Layer
from rnnkit.contracts.registry import Registry
from rnnkit.core.block import Block
from rnnkit.core.installed import Plugin
from rnnkit.errors import PluginError, printable
from rnnkit.types import STORED_NAME, Shape


def foreign_plugin(block: Block, registry: Registry) -> Plugin | None:
    """Return the plugin of a block, or of a layer inside it, that is not rnnkit's own."""
    plugin = registry.plugin(block.entry_group, block.type)
    if plugin.distribution != "rnnkit":
        return plugin
    layers = block.inner().values() if isinstance(block, Layer) else ()
    inside = (foreign_plugin(inner, registry) for inner in layers)
    return next((found for found in inside if found), None)


class Broken(Exception):
    """What a plugin did against the contract."""


@contextmanager
def blamed(plugin: Plugin, what: str, check: str = "") -> Iterator[None]:
    """Name `what` and the plugin in whatever goes wrong inside; `check` says what shows it."""
    try:
        yield
    except MemoryError:
        raise
    except (Exception, SystemExit) as error:
        text = str(error) if isinstance(error, Broken) else f"{type(error).__name__}: {error}"
        raise PluginError.of(
            "PLUGIN_CONTRACT",
            f"{what}, {plugin}: {printable(text, 300)} (tell its author{check})",
        ) from error


def expect(
    what: str, array: object, shape: Shape, dtype: np.dtype[np.generic], finite: bool = True
) -> None:
    """Raise Broken for another shape or type, or numbers that are not finite."""
    if not isinstance(array, np.ndarray):
        raise Broken(f"{what}: expected an array, received {type(array).__name__}")
    if (array.shape, array.dtype) != (shape, dtype):
        raise Broken(
            f"{what}: expected {dtype} of shape {shape}, received {array.dtype} of {array.shape}"
        )
    if finite and not np.isfinite(array).all():
        raise Broken(f"{what} holds NaN or infinity, from inputs and parameters that do not")


def expect_name(what: str, name: object) -> None:
    """Raise Broken for a name that no checkpoint can hold."""
    if not isinstance(name, str) or not STORED_NAME.fullmatch(name):
        raise Broken(
            f"{what} has the name {name!r}, which no checkpoint can hold (1 to 128 of the letters "
            "A to Z and a to z, digits, '_', '.' and '-')"
        )
