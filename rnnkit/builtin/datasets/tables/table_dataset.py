"""What datasets of tables share: how cells and numbers are written, and what of bad rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from rnnkit.builtin.datasets.shared.file_dataset import FileDataset
from rnnkit.builtin.datasets.tables.cells import Marks
from rnnkit.builtin.datasets.tables.row_dataset import RowDataset
from rnnkit.builtin.datasets.tables.tables import ENDINGS
from rnnkit.contracts.dataset import Source

Delimiter = Annotated[str, Field(pattern=r'^[^"\r\n]\z')]


class TableDataset(FileDataset, RowDataset):
    """Rows of tables, and how their cells and numbers are written.

    `delimiter` stands between cells; left out it is found: a comma, a semicolon, a tab or |.
    `decimal` and `thousands` are the marks within numbers. `skip_bad` leaves out rows that cannot
    be used, which is an error otherwise.
    """

    endings: ClassVar[tuple[str, ...]] = ENDINGS

    delimiter: Delimiter | None = None
    decimal: Literal[".", ","] = "."
    thousands: Literal[",", ".", " ", "'", "_"] | None = None
    skip_bad: bool = False

    @model_validator(mode="after")
    def _told_apart(self) -> TableDataset:
        if self.thousands == self.decimal:
            raise ValueError(f'"thousands" and "decimal" are both {self.decimal!r}')
        return self

    def next_command(self, source: Source, root: Path) -> tuple[str, ...]:
        """Predict the newest file of the data, which shows what other files are to be like."""
        return "predict", str(self.newest(root)[0])

    @property
    def marks(self) -> Marks:
        """What stands between cells and in numbers."""
        return Marks(self.delimiter, self.decimal, self.thousands)
