"""Where text comes from, and how it is split."""

from __future__ import annotations

from typing import Protocol


class Sourced(Protocol):
    """A file, cut by `split`, a file for each split, or data that rnnkit carries."""

    @property
    def source(self) -> str | None:
        """The name of what rnnkit carries."""

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


def check_source(data: Sourced) -> None:
    """Raise ValueError unless the data comes from one place and its split fits."""
    origins = {"source": data.source, "path": data.path, "train": data.train}
    given = [key for key, value in origins.items() if value is not None]
    if len(given) != 1:
        raise ValueError(
            'give one of "source", "path" or "train", '
            + (f"not {' and '.join(given)}" if given else "received none")
        )
    if (data.valid or data.test) and not data.train:
        raise ValueError('"valid" and "test" go with "train"')
    if abs(sum(data.split) - 1) > 1e-9:
        raise ValueError(f'"split" must sum to 1, received {list(data.split)}')
