"""The reporter that suits where rnnkit runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rnnkit.reporting.notebook import NotebookTable, in_notebook
from rnnkit.reporting.reporters import reporter
from rnnkit.training.reporter import Reporter


@contextmanager
def suited_reporter() -> Iterator[Reporter]:
    """Give a table in Jupyter, a bar on a terminal, and lines elsewhere."""
    if in_notebook():
        yield NotebookTable()
        return
    with reporter() as found:
        yield found
