"""Digests of the Python source of a type: of its module, and of the whole package around it.

The mathematics of a plugin often sits in a helper module beside its class, so that the module
alone says too little.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from types import ModuleType

PACKAGE = "package:"
"""What the digest of a package begins with; that of a module is hexadecimal digits alone."""


def module_digest(cls: type) -> str | None:
    """Return the SHA-256 of the module of a class; None where it has no file."""
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    try:
        return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else None
    except OSError:
        return None


def package_digest(cls: type) -> str | None:
    """Return the SHA-256 of all Python files of the outermost package of a class, by path.

    A base class of another plugin's package counts with its package. A package that several
    distributions share, one without `__init__.py`, is not counted as one. A module that is in no
    package is digested alone.
    """
    own = _package_digest(cls.__module__)
    top = cls.__module__.split(".")[0]
    others = {
        base.__module__
        for base in cls.__mro__
        if hasattr(base, "entry_group") and base.__module__.split(".")[0] not in ("rnnkit", top)
    }
    found = [own, *map(_package_digest, sorted(others))]
    if not others or None in found:
        return own
    return PACKAGE + hashlib.sha256("".join(map(str, found)).encode()).hexdigest()


def _package_digest(name: str) -> str | None:
    top = _outermost(name)
    file = getattr(top, "__file__", None)
    if top is None or file is None:
        return None
    root = Path(file).parent
    files = sorted(root.rglob("*.py")) if hasattr(top, "__path__") else [Path(file)]
    digest = hashlib.sha256()
    try:
        for path in files:
            source = path.read_bytes()
            digest.update(f"{path.relative_to(root).as_posix()}\n{len(source)}\n".encode())
            digest.update(source)
    except OSError:
        return None
    return PACKAGE + digest.hexdigest()


def _outermost(name: str) -> ModuleType | None:
    """Return the first module on the way to `name` that has a file."""
    parts = name.split(".")
    outer = (sys.modules.get(".".join(parts[:end])) for end in range(1, len(parts) + 1))
    return next((module for module in outer if getattr(module, "__file__", None)), None)
