"""What a layer of a plugin declares is looked at before arrays are laid out by it.

What is no width, size or shape would fail in rnnkit's own code, where nobody can tell whose it is.
"""

from __future__ import annotations

from collections.abc import Mapping

from rnnkit.contracts.layer import Layer
from rnnkit.contracts.returned import broken, is_own, is_whole
from rnnkit.core.params import Declaration, ParamSpec, Shared
from rnnkit.core.signal import Signal
from rnnkit.errors import PluginError, printable


def checked_layer_of(layer: Layer, resolved: object) -> Layer:
    """Return what `layer.resolve` gave; raises PluginError for what is no layer."""
    if isinstance(resolved, Layer):
        return resolved
    raise _odd(layer, "resolve", "a layer", resolved)


def signal_after(layer: Layer, inputs: Signal) -> Signal:
    """Return `layer.output`; raises PluginError for what is no signal."""
    found: object = layer.output(inputs)
    if isinstance(found, Signal) and (found.width is None or is_whole(found.width, 1)):
        return found
    raise _odd(layer, "output", "a Signal of a width that is an integer >= 1, or None", found)


def layer_declarations(layer: Layer, inputs: Signal, path: str = "") -> Declaration:
    """Return `layer.params`.

    Raises PluginError for parameters, or sizes of a state, that nothing can be laid out by.

    `path` is where the layers of a network have the layer, as in a Context.
    """
    sizes: object = layer.state_sizes(inputs)
    if not isinstance(sizes, tuple) or not all(is_whole(size, 0) for size in sizes):
        raise _odd(layer, "state_sizes", "a tuple of integers >= 0", sizes, path)
    params: object = layer.params(inputs)
    if not isinstance(params, Mapping) or not all(map(_is_parameter, params.items())):
        wanted = "a dict of names, each with a ParamSpec of a shape and an initializer"
        raise _odd(layer, "params", wanted, params, path)
    return params


def _is_parameter(item: tuple[object, object]) -> bool:
    name, spec = item
    if isinstance(spec, ParamSpec):
        return isinstance(name, str) and callable(spec.init)
    return isinstance(name, str) and isinstance(spec, Shared)


def _odd(layer: Layer, method: str, wanted: str, found: object, path: str = "") -> PluginError:
    message = f"{method}: expected {wanted}, received {printable(found, 200)}"
    return broken(stranger(layer) or layer, path, message)


def stranger(layer: Layer) -> Layer | None:
    """Return the layer, or one inside it, that is not rnnkit's own."""
    if not is_own(layer):
        return layer
    return next(filter(None, map(stranger, layer.inner().values())), None)
