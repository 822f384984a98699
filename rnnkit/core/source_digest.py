"""Digests of the code of a type: of its module, and of the whole package around it.

The mathematics of a plugin often sits in a helper module beside its class, so that the module
alone says too little.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

PACKAGE = "package:"
"""What the digest of the Python files of a package begins with; that of a module has no word."""

FOLDER = "folder:"
"""What the digest of all files of a package begins with."""

LONG = 2**24
"""Bytes of a file that is read whole."""

END = 2**20
"""Bytes that are read at each end of a longer one."""

PASSING = frozenset(
    (".pyc", ".pyo", ".log", ".tmp", ".lock", ".nbi", ".nbc", ".swp", ".md", ".rst")
)
"""Endings of files that come and go beside the code, or are for people."""


def module_digest(cls: type) -> str | None:
    """Return the SHA-256 of the module of a class; None where it has no file."""
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    try:
        return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else None
    except OSError:
        return None


def package_digest(cls: type, python_alone: bool = False) -> str | None:
    """Return the SHA-256 of all files of the outermost package of a class, by path.

    Compiled modules and data count as its source does, but for what Python and others keep there
    for a while. Of a file of more than 16 MiB size and ends count. A base class of another plugin's
    package counts with its package. A package that several distributions share, one without
    `__init__.py`, is not counted as one. A module that is in no package is digested alone. With
    `python_alone` it is what older releases stored.
    """
    own = _package_digest(cls.__module__, python_alone)
    top = cls.__module__.split(".")[0]
    others = {
        base.__module__
        for base in cls.__mro__
        if hasattr(base, "entry_group") and base.__module__.split(".")[0] not in ("rnnkit", top)
    }
    found = [own, *(_package_digest(name, python_alone) for name in sorted(others))]
    if not others or None in found:
        return own
    digest = hashlib.sha256("".join(map(str, found)).encode()).hexdigest()
    return (PACKAGE if python_alone else FOLDER) + digest


def _package_digest(name: str, python_alone: bool) -> str | None:
    top = _outermost(name)
    file = getattr(top, "__file__", None)
    if top is None or file is None:
        return None
    root = Path(file).parent
    files = [Path(file)]
    if hasattr(top, "__path__"):
        files = sorted(root.rglob("*.py")) if python_alone else sorted(_lasting_files(root))
    digest = hashlib.sha256()
    try:
        for path in files:
            size, source = _content(path)
            digest.update(f"{path.relative_to(root).as_posix()}\n{size}\n".encode())
            digest.update(source)
    except (OSError, UnicodeEncodeError):
        return None
    return (PACKAGE if python_alone else FOLDER) + digest.hexdigest()


def _lasting_files(root: Path) -> Iterator[Path]:
    """Yield the files of a package, without caches, logs and what is hidden."""
    for path in root.rglob("*"):
        parts = path.relative_to(root).parts
        passing = "__pycache__" in parts or any(part.startswith(".") for part in parts)
        if not passing and path.suffix not in PASSING and path.is_file():
            yield path


def _content(path: Path) -> tuple[int, bytes]:
    """Return the size of a file and its bytes, of a long one those at both ends."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size <= LONG:
            found = file.read()
            return len(found), found
        begin = file.read(END)
        file.seek(size - END)
        return size, begin + file.read(END)


def _outermost(name: str) -> ModuleType | None:
    """Return the first module on the way to `name` that has a file."""
    parts = name.split(".")
    outer = (sys.modules.get(".".join(parts[:end])) for end in range(1, len(parts) + 1))
    return next((module for module in outer if getattr(module, "__file__", None)), None)
