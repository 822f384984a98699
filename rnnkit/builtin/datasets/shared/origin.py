"""What every dataset of files checks: where its data comes from, and how it is split."""

from __future__ import annotations

from typing import Protocol


class Files(Protocol):
    """One file, cut by `split`, or a file for each split."""

    @property
    def path(self) -> str | None:
        """The one file."""

    @property
    def train(self) -> str | None:
        """The file to learn from."""

    @property
    def valid(self) -> str | None:
        """The file to evaluate on, beside `train`."""

    @property
    def test(self) -> str | None:
        """The file to test on, beside `train`."""

    @property
    def split(self) -> tuple[float, float, float]:
        """The shares of the one file."""


class Sourced(Files, Protocol):
    """The same, or data that rnnkit carries or makes."""

    @property
    def source(self) -> str | None:
        """Its name."""


def check_files(data: Files) -> None:
    """Raise ValueError unless the data comes from one place and its split fits."""
    if (data.path is None) == (data.train is None):
        raise ValueError('give one of "path" and "train"')
    _check_splits(data)


def check_source(data: Sourced) -> None:
    """Do the same where a `source` may take the place of files."""
    origins = {"source": data.source, "path": data.path, "train": data.train}
    given = [key for key, value in origins.items() if value is not None]
    if len(given) != 1:
        raise ValueError(
            'give one of "source", "path" or "train", '
            + (f"not {' and '.join(given)}" if given else "received none")
        )
    _check_splits(data)


def _check_splits(data: Files) -> None:
    if (data.valid or data.test) and not data.train:
        raise ValueError('"valid" and "test" go with "train"')
    if abs(sum(data.split) - 1) > 1e-9:
        raise ValueError(f'"split" must sum to 1, received {list(data.split)}')
