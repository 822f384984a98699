"""Files that are named twice: what a model learns would be what it is tested on."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from rnnkit.contracts.dataset import Split
from rnnkit.errors import DataError


def check_named_once(root: Path, names: Sequence[str]) -> None:
    """Raise DataError for files that several of the names lead to, all of them at once."""
    found: dict[object, list[str]] = {}
    for name in names:
        found.setdefault(identity(root, name), []).append(name)
    problems = [
        DataError.of("DATA_REPEATED", _repeated(same), root / same[0]).problems[0]
        for same in found.values()
        if len(same) > 1
    ]
    if problems:
        raise DataError(*problems)


def shared_by_splits(root: Path, splits: Mapping[Split, Sequence[str]]) -> str:
    """Return what is told of splits that read the file of one before them; "" for none."""
    said, first = list[str](), dict[object, Split]()
    for split, names in splits.items():
        for name in names:
            before = first.setdefault(identity(root, name), split)
            if before != split:
                said.append(
                    f"{split} is the file of {before}, {name}: its metrics tell what was "
                    "memorized, and nothing of other data"
                    if before == "train"
                    else f"{split} is the file of {before}, {name}"
                )
    return "; ".join(said)


def identity(root: Path, name: str) -> object:
    """Return what two names of one file have in common, through links as well."""
    with suppress(OSError, ValueError):  # the reader tells that it is not there
        info = os.stat(root / name)
        return info.st_dev, info.st_ino
    return os.path.normpath(root / name)


def _repeated(names: Sequence[str]) -> str:
    others = sorted({*names[1:]} - {names[0]})
    again = f", as {' and '.join(others)} too" if others else ""
    return (
        f"is named {len(names)} times{again}: what stands in it would be learned and tested on "
        "(name it once)"
    )
