"""Datasets whose files have rows with named columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rnnkit.builtin.datasets.shared.split_source import SplitDataset
from rnnkit.builtin.datasets.tables.cells import PLAIN, Marks
from rnnkit.builtin.datasets.tables.rows import BadRows, field_of
from rnnkit.builtin.datasets.tables.tables import read_rows
from rnnkit.contracts.table import FileData


class RowDataset(SplitDataset):
    """A dataset whose files have rows with named columns."""

    @property
    def marks(self) -> Marks:
        """What stands between the cells of a table, and in its numbers."""
        return PLAIN

    def columns_of(
        self, data: FileData, name: str, columns: Sequence[str]
    ) -> Mapping[int, Mapping[str, object]]:
        """Return columns of a table as they stand in it, by the line of their row."""
        rows = [*read_rows(data, name, BadRows(skip=True), columns, self.marks)]
        for key in columns:
            if rows and not any(key in row.fields for row in rows):
                field_of(rows[0].fields, key)
        return {row.line: {key: row.fields.get(key) for key in columns} for row in rows}
