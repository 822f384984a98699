"""Records that a command writes, as JSONL or CSV, to stdout or to a file that a user names."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from rnnkit.cli.common import print_json
from rnnkit.cli.options import together
from rnnkit.cli.paths import OUTPUT
from rnnkit.cli.results import json_asked, print_result

FORMAT: Callable[..., Callable[..., object]] = together(
    click.option(
        "--format",
        "form",
        type=click.Choice(["csv", "jsonl"]),
        help="Default: as the name of --out ends, else jsonl.",
    ),
    click.option("--out", type=OUTPUT, help="Write to this file instead of stdout."),
)


@dataclass(frozen=True)
class Records:
    """Records of equal fields; those after the first `lead` ones are lists where it is given.

    Such a list has an item for each step, and CSV then a row.
    """

    values: Sequence[Mapping[str, Any]]
    lead: int | None = None

    def write(self, form: str | None, out: Path | None, **facts: object) -> None:
        """Write all records; with --json one object, which has the `facts` too."""
        from rnnkit.files.outputs import write_output

        form = form or ("csv" if out and out.suffix.lower() == ".csv" else "jsonl")
        if out:
            text = "".join(self.lines(form))
            write_output(out, text.encode(errors="backslashreplace"))
        if json_asked():
            value: dict[str, Any] = {"records": [] if out else [*self.values]}
            print_json({**value, "count": len(self.values), **facts})
        elif not out:
            for line in self.lines(form):
                print_result(line.encode(errors="backslashreplace").decode(), nl=False)

    def lines(self, form: str) -> Iterator[str]:
        """Yield the records as lines of text, with their line ends."""
        if form == "jsonl":
            for record in self.values:
                yield json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n"
            return
        names = list(self.values[0]) if self.values else ["line"]
        if self.lead is not None:
            names.insert(self.lead, "step")
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(names)
        for record in self.values:
            writer.writerows(self._rows([*record.values()]))
        yield buffer.getvalue()

    def _rows(self, values: list[Any]) -> Iterator[list[Any]]:
        cells = [_cell(value) for value in values[: self.lead]]
        if self.lead is None:
            yield cells
            return
        for step, row in enumerate(zip(*values[self.lead :], strict=True), 1):
            yield [*cells, step, *row]


def _cell(value: object) -> object:
    """Return a value as a cell of CSV; lists and objects as JSON."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else value
