"""What a type of a plugin returned is looked at wherever it is used, not only before a run.

Another form would be read as something else, or fail in rnnkit's own code, where nobody can tell
whose it is: a broken contract is an error here, which names the plugin.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from rnnkit.core.block import Block
from rnnkit.core.installed import KINDS, origin
from rnnkit.errors import PluginError, printable
from rnnkit.types import Array, DType, Shape

Kind = TypeVar("Kind")


def is_own(block: Block) -> bool:
    """Tell whether a block is of a class of rnnkit's own, which the conformance kit knows."""
    return type(block).__module__.startswith("rnnkit.")


def parts_of(block: Block, path: str, method: str, found: object, *names: str) -> Sequence[Any]:
    """Return what a method gave; raises PluginError unless it is a tuple of so many values.

    What is named `backward`, the last one, is a function. `path` is where the layers of a network
    have the block, as in a Context.
    """
    if isinstance(found, tuple) and len(found) == len(names):
        if names[-1] == "backward" and not callable(found[-1]):
            message = f"{method}, backward: expected a function, received {shown(found[-1])}"
            raise broken(block, path, message)
        return found
    message = f"{method}: expected ({', '.join(names)}), received {shown(found)}"
    raise broken(block, path, message)


def of_kind(block: Block, method: str, found: object, kind: type[Kind], wanted: str = "") -> Kind:
    """Return what a method gave; raises PluginError for what is of another class."""
    if isinstance(found, kind):
        return found
    message = f"{method}: expected {wanted or f'a {kind.__name__}'}, received {shown(found)}"
    raise broken(block, "", message)


def size_of(block: Block, method: str, found: object) -> int:
    """Return what a method counts; raises PluginError for what is no number of anything."""
    if is_whole(found, 0):
        return int(found)  # type: ignore[call-overload, no-any-return]
    message = f"{method}: expected an integer >= 0, received {printable(found)}"
    raise broken(block, "", message)


def words_of(block: Block, method: str, found: object) -> tuple[str, ...]:
    """Return what a method gave; raises PluginError for what is no tuple of words."""
    if isinstance(found, tuple) and found and all(isinstance(word, str) for word in found):
        return found
    message = f"{method}: expected a tuple of words, received {printable(found)}"
    raise broken(block, "", message)


def check_arrays(block: Block, path: str, what: str, found: object, like: Sequence[Array]) -> None:
    """Raise PluginError unless it is a tuple of arrays in the form of those of `like`."""
    if not isinstance(found, tuple) or len(found) != len(like):
        arrays = f"{len(like)} array{'s' * (len(like) != 1)}"
        message = f"{what}: expected a tuple of {arrays}, received {shown(found)}"
        raise broken(block, path, message)
    for index, (array, other) in enumerate(zip(found, like, strict=True)):
        if not _has_form(array, other.shape, other.dtype):
            check_array(block, path, f"{what}[{index}]", array, other.shape, other.dtype)


def check_array(
    block: Block, path: str, what: str, found: object, shape: Shape, dtype: DType
) -> None:
    """Raise PluginError unless it is an array of this shape and type."""
    if not _has_form(found, shape, dtype):
        message = f"{what}: expected {dtype} of shape {shape}, received {shown(found)}"
        raise broken(block, path, message)


def broken(block: Block, path: str, message: str) -> PluginError:
    """Return the error of a plugin that breaks its contract."""
    kind = KINDS.get(block.entry_group, block.entry_group)
    plugin = origin(block.entry_group, block.type) or type(block).__qualname__
    where = f"{kind} {path}" if path else kind
    return PluginError.of("PLUGIN_CONTRACT", f"{where}, {plugin}: {message} (tell its author)")


def is_whole(value: object, least: int) -> bool:
    """Tell whether a value is an integer, NumPy's too, that is not below another."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    return whole and value >= least  # type: ignore[operator]


def shown(value: object) -> str:
    """Return what a value is, in words."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} of {value.shape}"
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}" if value else "an empty tuple"
    return "None" if value is None else type(value).__name__


def _has_form(found: object, shape: Shape, dtype: DType) -> bool:
    return isinstance(found, np.ndarray) and found.shape == shape and found.dtype == dtype
