"""Where the files of a dataset lie: under a folder, or in memory, where nothing is a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rnnkit.builtin.datasets.shared.file_names import check_no_folder, file_names
from rnnkit.builtin.datasets.shared.same_files import shared_by_splits
from rnnkit.builtin.datasets.text.corpus import OpenTexts, TextDocument, open_document
from rnnkit.contracts.data_file import unpacked
from rnnkit.contracts.data_size import LIMIT
from rnnkit.contracts.dataset import Split
from rnnkit.contracts.table import FileData
from rnnkit.errors import DataError
from rnnkit.files.atomic import read_regular


class DataPlace(Protocol):
    """Gives what a dataset reads, by the names that it has in the spec."""

    def names(self, given: str | Sequence[str], endings: Sequence[str]) -> list[str]:
        """Return the names of files that are given by name, by a pattern, or as a list of both."""
        ...

    def check(self, name: str, endings: Sequence[str]) -> None:
        """Raise DataError for what is no file; such files have one of the `endings`."""
        ...

    def shared(self, splits: Mapping[Split, Sequence[str]]) -> str:
        """Return what is told of splits that read one file; "" for none."""
        ...

    def content(self, name: str, held: int) -> FileData:
        """Return what a file holds, which takes `held` times its size in memory."""
        ...

    def document(self, name: str, files: OpenTexts) -> TextDocument:
        """Return a text, open until `files` closes."""
        ...


@dataclass(frozen=True)
class Folder:
    """Files whose relative paths start at `root`."""

    root: Path

    def names(self, given: str | Sequence[str], endings: Sequence[str]) -> list[str]:
        """Return the files that are there; raises DataError for a pattern that fits none."""
        return file_names(self.root, given, endings)

    def check(self, name: str, endings: Sequence[str]) -> None:
        """Raise DataError for a folder."""
        check_no_folder(self.root, name, endings)

    def shared(self, splits: Mapping[Split, Sequence[str]]) -> str:
        """Compare the files themselves, through links as well."""
        return shared_by_splits(self.root, splits)

    def content(self, name: str, held: int) -> FileData:
        """Return the bytes of a file, opened where it is compressed."""
        packed = bytes(read_regular(self.root / name, LIMIT, DataError, "DATA"))
        return unpacked(packed, name, held)

    def document(self, name: str, files: OpenTexts) -> TextDocument:
        """Return the text of a file."""
        return open_document(self.root, name, files)


@dataclass(frozen=True)
class InMemory:
    """Rows or texts by name; a text is bytes."""

    held: Mapping[str, FileData]

    def names(self, given: str | Sequence[str], endings: Sequence[str]) -> list[str]:
        """Return the names as they are."""
        return [given] if isinstance(given, str) else list(given)

    def check(self, name: str, endings: Sequence[str]) -> None:
        """All that is held is there."""

    def shared(self, splits: Mapping[Split, Sequence[str]]) -> str:
        """Each split has values of its own."""
        return ""

    def content(self, name: str, held: int) -> FileData:
        """Return what has the name."""
        return self.held[name]

    def document(self, name: str, files: OpenTexts) -> TextDocument:
        """Return the text that has the name."""
        text = self.held[name]
        assert isinstance(text, bytes)
        if not text:
            raise DataError.of("DATA_TOO_SHORT", "the text is empty (give it some text)", name)
        return TextDocument(name, Path(name), len(text), lambda: iter([text]))
