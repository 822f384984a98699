"""Generated source as modules: files for Numba, whose cache asks for one, text for NumPy.

A file is named by the digest of its text and of all kernels and is never written again: Numba
compares its time. Where no folder can be written the module lives in memory and is compiled by
each process.
"""

from __future__ import annotations

import hashlib
import linecache
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from rnnkit.compute.kernels.jit import GENERATED, cache_folders, jit, sources

HEADER = '''"""Written by rnnkit from the equations of {of}."""

from math import sqrt

from rnnkit.compute.kernels.exponentials import compiled_exp, compiled_log, compiled_softplus
from rnnkit.compute.kernels.functions import compiled_sigmoid, compiled_tanh
from rnnkit.compute.kernels.product import multiply_rows


'''
NUMPY = (
    "absolute add divide exp log log1p matmul maximum minimum multiply negative sqrt subtract tanh "
    "where"
).split()


class WindowLoops(NamedTuple):
    """The whole window of a cell, forward and backward."""

    forward: Callable[..., Any]
    backward: Callable[..., Any]


def compiled_loops(name: str, source: str) -> WindowLoops:
    """Return the functions of generated source, compiled at their first call."""
    module = generated_module(name, source)
    return WindowLoops(jit(module.forward), jit(module.backward))


def numpy_loops(name: str, source: str) -> WindowLoops:
    """Return the functions of generated source; a traceback shows its lines."""
    scope = {each: getattr(np, each) for each in NUMPY}
    _run(source, f"<equations of {name} {_digest(source)}>", scope)
    return WindowLoops(scope["forward"], scope["backward"])


def generated_module(of: str, source: str) -> ModuleType:
    """Return the module of generated source; `of` says for whom it was written."""
    source = HEADER.format(of=of) + source
    name = f"{GENERATED}{_digest(source + sources())}"
    if name in sys.modules:
        return sys.modules[name]
    for folder in cache_folders():
        with suppress(OSError):
            return _load(name, _written(folder, name, source))
    module = ModuleType(name)
    _run(source, f"<{name}>", vars(module))
    return module


def _written(folder: Path, name: str, source: str) -> Path:
    """Return the file of a module, written whole unless another process has.

    One that holds something else, as after a crash of the machine, is replaced.
    """
    file = folder / f"{name}.source"  # no .py: nobody takes it for a module of the package
    if file.exists() and file.read_bytes() == source.encode():
        return file
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f"{name}.{os.getpid()}"
    draft.write_text(source)
    try:
        if file.exists():
            os.replace(draft, file)
        else:
            with suppress(FileExistsError):
                os.link(draft, file)
    finally:
        draft.unlink(missing_ok=True)
    return file


def _load(name: str, file: Path) -> ModuleType:
    loader = SourceFileLoader(name, str(file))
    spec = spec_from_loader(name, loader)
    assert spec, "a loader gives one"
    module = module_from_spec(spec)
    loader.exec_module(module)
    # Another thread may load it too: none sees a module of which half is there.
    return sys.modules.setdefault(name, module)


def _run(source: str, name: str, scope: dict[str, Any]) -> None:
    linecache.cache[name] = len(source), None, source.splitlines(keepends=True), name
    exec(compile(source, name, "exec"), scope)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]
