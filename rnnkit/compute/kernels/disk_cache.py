"""Numba's cache of one kernel on disk: what has to be the same, what is damaged, what a load needs.

Numba's own loads bring first all that a compilation may ask for, 30 modules of what it knows of
Python and NumPy; a compilation does so by itself.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import partial
from typing import Any


def set_up(cache: Any, name: str, stamp: tuple[str, ...], own: bool) -> None:
    """Let a cache hold what was compiled under a stamp; rnnkit's `own` kernels load by themselves.

    Of what is not rnnkit's nobody knows what it finds in the modules that are left out. Its own are
    told apart by their `name`, a digest of their sources: Numba pickles what a function is compiled
    around, and that has other bytes in a process that compiles the module than in those that load
    its bytecode, so that the second process would compile all kernels again.
    """
    if not (file := getattr(cache, "_cache_file", None)):
        return  # it is not cached
    file._source_stamp = file._source_stamp, *stamp
    # What an older version left may name a class that is gone; a disk may have damaged it.
    file._load_index = _or_else(file._load_index, dict)
    read = partial(_read, file) if own else file._load_data
    file._load_data = _or_else(read, lambda: None)
    if own:
        cache.load_overload = _alone(cache)
        cache._index_key = lambda types, code: (types, code.magic_tuple(), name)


def _alone(cache: Any) -> Callable[[Any, Any], Any]:
    """Return what loads a kernel into a target, with the functions that count references alone."""
    from numba.core.runtime.nrt import rtsys

    def load_overload(signature: Any, target: Any) -> Any:
        rtsys.initialize(target)
        with cache._guard_against_spurious_io_errors():
            return cache._load_overload(signature, target)

    return load_overload


class _Loader(pickle.Unpickler):
    """Loads a kernel without importing what is part of it: that has no use for its module."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what the file names; what Numba imports a module for is made without."""
        return _environment if name == "_rebuild_env" else super().find_class(module, name)


def _read(file: Any, name: str) -> Any:
    with open(file._data_path(name), "rb") as opened:
        return _Loader(opened).load()


def _environment(module: str, constants: list[Any], name: str) -> Any:
    """Return the constants of a function, once for all kernels that it is part of."""
    from numba.core.environment import Environment, lookup_environment

    known = lookup_environment(name)  # type: ignore[no-untyped-call]
    if known is not None:
        return known
    made: Any = Environment({"__name__": module})
    made.consts[:], made.env_name = constants, name
    Environment._memo[name] = made
    return made


def _or_else(read: Callable[..., Any], otherwise: Callable[[], Any]) -> Callable[..., Any]:
    """Return `read`, but what cannot be read is not there: it is compiled anew, and written.

    numba writes into the index that it gets, so each call makes one of its own.
    """

    def found(*arguments: Any) -> Any:
        try:
            return read(*arguments)
        except Exception:
            return otherwise()

    return found
