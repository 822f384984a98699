"""The files that a dataset names: one by one, by a pattern, or as a list of both."""

from __future__ import annotations

import glob
import json
import os
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from rnnkit.builtin.datasets.shared.same_files import check_named_once
from rnnkit.errors import DataError
from rnnkit.files.compressed import plain_name

LOOKED = 10_000
"""Files of a folder that are looked at, at most, for a pattern that names them."""


def file_names(root: Path, given: str | Sequence[str], endings: Sequence[str] = ()) -> list[str]:
    """Return the files that are given by name, by a pattern, or as a list of both.

    The files of a pattern come in the order of their names. Raises DataError where it fits none,
    for a file that is named twice, and for a folder, with the pattern of its files that have one of
    the `endings`, or any.
    """
    found: list[str] = []
    for name in [given] if isinstance(given, str) else given:
        if not glob.has_magic(name) or (root / name).exists():
            check_no_folder(root, name, endings)
            found.append(name)
            continue
        fitting = sorted(glob.glob(name, root_dir=root, recursive=True))
        files = [each for each in fitting if not (root / each).is_dir()]
        if not files:
            message = "no file has such a name (* and ? stand for any characters); check the path"
            raise DataError.of("DATA_NOT_FOUND", message, root / name)
        found += files
    check_named_once(root, found)
    return found


def check_no_folder(root: Path, name: str, endings: Sequence[str] = ()) -> None:
    """Raise DataError for a folder, with the pattern that would read its files as `path`."""
    if not os.path.isdir(root / name):
        return
    message = "expected a regular file, received a folder; give the path of a file"
    if found := _most_frequent(root / name, endings):
        tail, count = found
        pattern = json.dumps(os.path.join(glob.escape(name), tail), ensure_ascii=False)
        files = "the one file" if count == 1 else f"the {count:,} files"
        message += f', or "path": {pattern} for {files} of that name in it'
    raise DataError.of("DATA_NOT_REGULAR", message, root / name)


def _most_frequent(folder: Path, endings: Sequence[str]) -> tuple[str, int] | None:
    """Return the pattern of the most frequent ending, and how many files have it.

    Those of the folder itself come before those of the folders in it.
    """
    for depth in ("", "**/"):
        names = islice(glob.iglob(f"{depth}*", root_dir=folder, recursive=True), LOOKED)
        files = (name for name in names if os.path.isfile(folder / name))
        counts = Counter(filter(None, (_ending(name, endings) for name in files)))
        if counts:
            ending, count = max(counts.items(), key=lambda item: (item[1], item[0]))
            return f"{depth}*{ending}", count
    return None


def _ending(name: str, endings: Sequence[str]) -> str:
    """Return how a name ends, with what tells that it is compressed; "" where it does not fit."""
    plain = plain_name(name)
    ending = os.path.splitext(plain)[1]
    fits = ending and (not endings or ending.lower() in endings)
    return ending + name[len(plain) :] if fits else ""
