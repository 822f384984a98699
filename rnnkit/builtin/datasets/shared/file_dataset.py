"""What datasets of files share: where their data comes from, and how it is split."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self, TypeVar

import numpy as np
from pydantic import Field, model_validator

from rnnkit.builtin.datasets.shared.data_place import DataPlace, Folder
from rnnkit.builtin.datasets.shared.file_names import file_names
from rnnkit.builtin.datasets.shared.split_source import SplitDataset
from rnnkit.contracts.data_size import DataSize, ReadingCost
from rnnkit.contracts.dataset import SPLITS, Source, Split
from rnnkit.contracts.table import FileData, hashed
from rnnkit.contracts.tokenizer import Vocabulary
from rnnkit.core.context import keyed_generator
from rnnkit.core.file_name import FileName
from rnnkit.errors import DataError
from rnnkit.types import Array

FileNames = FileName | Annotated[tuple[FileName, ...], Field(min_length=1)]
"""A file, a pattern such as "texts/*.txt", or a list of them."""

Share = Annotated[float, Field(ge=0, le=1)]
Shares = tuple[Share, Share, Share]
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]

T = TypeVar("T")


class FileDataset(SplitDataset):
    """Data from `path`, cut by `split`, or from a file for each split.

    `path` may be a list of files, or a pattern such as "texts/*.txt", whose files come by name.
    """

    cost: ClassVar[ReadingCost] = ReadingCost(held=19, row=550)
    """The memory that a file takes while it is read."""
    endings: ClassVar[tuple[str, ...]] = ()
    """How the names of such files end; none where they may be any."""

    path: FileNames | None = None
    train: FileName | None = None
    valid: FileName | None = None
    test: FileName | None = None
    split: Shares = (0.8, 0.1, 0.1)

    @model_validator(mode="after")
    def _read_from_one_place(self) -> Self:
        self._check_origin()
        if (self.valid or self.test) and not self.train:
            raise ValueError('"valid" and "test" go with "train"')
        if abs(sum(self.split) - 1) > 1e-9:
            raise ValueError(f'"split" must sum to 1, received {list(self.split)}')
        return self

    def _check_origin(self) -> None:
        if (self.path is None) == (self.train is None):
            raise ValueError('give one of "path" and "train"')

    def of_file(self, path: Path) -> Self:
        """Return the same kind of data from one file, all of it to be tested on."""
        update = {"path": str(path), "train": None, "valid": None, "test": None}
        return self.model_copy(update={**update, "split": (0.0, 0.0, 1.0)})

    def newest(self, root: Path) -> tuple[Path, float]:
        """Return the file that the data ends with, and the part of it that is trained on."""
        if self.path:
            return root / file_names(root, self.path)[-1], self.split[0]
        held_out = self.test or self.valid
        if not held_out and not self.train:
            return super().newest(root)
        return root / (held_out or self.train or ""), 0.0 if held_out else 1.0

    def reads(self, root: Path) -> int:
        """Return the bytes that `open` takes at most for its files, which are held in memory."""
        found = 0
        for given in filter(None, (self.path, self.train, self.valid, self.test)):
            with suppress(OSError, ValueError, DataError):  # which `open` tells of
                names = file_names(root, given) if self.cost.held else ()
                found += sum(self.cost.of(DataSize.of_file(root / name)) for name in names)
        return found

    @property
    def where(self) -> str:
        """The name of the data in errors."""
        names = self.path or self.train or ""
        return names if isinstance(names, str) else ", ".join(names)

    def cut(self, rows: Sequence[Any], seed: int | None) -> dict[Split, Sequence[Any]]:
        """Deal the rows of the one file out to the splits."""
        return deal(rows, self.split, seed)

    def open(self, root: Path, vocabulary: Vocabulary | None = None) -> Source:
        """Read the files, whose relative paths start at `root`; see `opened`."""
        return self.opened(Folder(root), vocabulary)

    def opened(self, place: DataPlace, vocabulary: Vocabulary | None = None) -> Source:
        """Read the data from where it lies; a given vocabulary replaces a fitted one."""
        raise NotImplementedError(f"{type(self).__name__}.opened")

    def read(
        self,
        place: DataPlace,
        rows_of: Callable[[str, FileData], Sequence[T]],
        seed: int | None = None,
    ) -> tuple[dict[Split, Sequence[T]], str]:
        """Return the rows of each split, and the SHA-256 of all that was read.

        `rows_of(name, content)` gives the rows of a file, opened where it is compressed; with a
        `seed` those of one file are dealt out at random. Raises DataError for a file that cannot be
        read.
        """
        digest = hashlib.sha256()

        def rows(name: str) -> Sequence[T]:
            content = place.content(name, self.cost.held)
            digest.update(hashed(content))
            return rows_of(name, content)

        names = self.files(place)
        parts: dict[Split, Sequence[T]]
        parts = {split: [row for name in names[split] for row in rows(name)] for split in names}
        if self.path:
            parts = self.cut(parts["train"], seed)
        return parts, digest.hexdigest()

    def files(self, place: DataPlace) -> dict[Split, list[str]]:
        """Return the names of the files of each split; of one that is cut all are in train.

        Raises DataError for a pattern that fits none, and for a folder.
        """
        if self.path:
            return {"train": place.names(self.path, self.endings)}
        splits = {split: name for split in SPLITS if (name := getattr(self, split))}
        for name in splits.values():
            place.check(name, self.endings)
        return {split: [name] for split, name in splits.items()}

    def shared(self, place: DataPlace) -> str:
        """Return what is told of splits that read one file; "" for none."""
        return "" if self.path else place.shared(self.files(place))


class SourcedDataset(FileDataset):
    """The same, or data that rnnkit carries or makes, by its name in `source`."""

    source: str | None = None

    def _check_origin(self) -> None:
        origins = {"source": self.source, "path": self.path, "train": self.train}
        given = [key for key, value in origins.items() if value is not None]
        if len(given) != 1:
            raise ValueError(
                'give one of "source", "path" or "train", '
                + (f"not {' and '.join(given)}" if given else "received none")
            )

    def of_file(self, path: Path) -> Self:
        """Return the same kind of data from one file, all of it to be tested on."""
        return super().of_file(path).model_copy(update={"source": None})


def split_values(values: Array, shares: Shares) -> dict[Split, Array]:
    """Cut values (N, ...) into splits, in their order; empty ones are left out."""
    ends = [round(len(values) * share) for share in np.cumsum(shares)[:2].tolist()]
    parts = zip(SPLITS, np.split(values, ends), strict=True)
    return {split: part for split, part in parts if len(part)}


def deal(rows: Sequence[T], shares: Shares, seed: int | None) -> dict[Split, Sequence[T]]:
    """Deal rows out at random, or without a `seed` in their order; a split keeps that order."""
    order = np.arange(len(rows))
    if seed is not None:
        order = keyed_generator(seed, "split").permutation(len(rows))
    parts = split_values(order, shares)
    return {split: [rows[i] for i in np.sort(part)] for split, part in parts.items()}
