"""A run in Jupyter: one table that grows in its place, and a bar below it."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from rnnkit.contracts.dataset import Source
from rnnkit.inference.asked_records import html_table
from rnnkit.reporting.printing import number
from rnnkit.reporting.reporters import in_lines, layout_in_words
from rnnkit.training.reporter import Silent
from rnnkit.training.step import Training, Update

ROWS = 20
"""Lines of metrics that are shown; the others stand in the history of the model."""

SECONDS = 0.5
"""Between two drawings of the bar."""

HIDDEN = ("gradient_norm", "lr")


def in_notebook() -> bool:
    """Tell whether what is displayed appears in a notebook: a kernel of Jupyter runs this."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")


class NotebookTable(Silent):
    """Shows lines of metrics as a table, which is drawn anew in its place."""

    def __init__(self) -> None:
        self._lines: list[Mapping[str, Any]] = []
        self._words: list[str] = []
        self._samples: list[str] = []
        self._total = self._step = 0
        self._drawn = 0.0
        self._handle: Any = None

    def begins(self, training: Training, source: Source) -> None:
        """Tell how the data is laid out, and where the run goes on."""
        self._words = layout_in_words(training.spec, source)
        self._step = training.progress.step
        self._total = training.windows * training.spec.train.epochs
        self._draw()

    def stepped(self, training: Training, update: Update, seconds: float) -> None:
        """Draw the bar now and then."""
        self._step = training.progress.step
        if time.monotonic() - self._drawn >= SECONDS:
            self._draw()

    def line(self, metrics: Mapping[str, Any]) -> None:
        """Add a row."""
        self._lines.append(metrics)
        self._draw()

    def sampled(self, sample: Mapping[str, Any]) -> None:
        """Show the newest sample below the table."""
        self._samples = [in_lines(sample)]
        self._draw()

    def _draw(self) -> None:
        from IPython.display import HTML, display

        self._drawn = time.monotonic()
        shown = HTML(self.html())
        if self._handle is None:
            self._handle = display(shown, display_id=True)
        else:
            self._handle.update(shown)

    def html(self) -> str:
        """Return what is shown."""
        parts = [f"<div>{escape(word)}</div>" for word in self._words]
        if self._lines:
            parts.append(metrics_as_html(self._lines[-ROWS:]))
        parts += [f"<pre>{escape(sample)}</pre>" for sample in self._samples]
        bar = f'<progress max="{max(self._total, 1)}" value="{self._step}"></progress>'
        parts.append(f"<div>{bar} step {self._step:,} of {self._total:,}</div>")
        return "\n".join(parts)


def metrics_as_html(lines: Sequence[Mapping[str, Any]]) -> str:
    """Return lines of metrics as a table."""
    names = [n for n in dict.fromkeys(n for line in lines for n in line) if n not in HIDDEN]
    head = [name.replace("_", " ") for name in names]
    return html_table(head, ([_shown(line.get(name)) for name in names] for line in lines))


def _shown(value: object) -> str:
    return "" if value is None else number(value)
