"""What a run draws on a terminal, at the widths that people have."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from helpers import plain_spec, text
from helpers import write_spec as write

import rnnkit
from rnnkit.reporting.metrics_table import Group, MetricsTable, _groups

PROGRAM = "import sys; from rnnkit.cli import main; main(sys.argv[1:])"
SEQUENCE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])")


class Screen:
    """A terminal of some width that knows what rnnkit and rich write: lines, colours, erasing."""

    def __init__(self, width: int) -> None:
        self.width, self.row, self.column = width, 0, 0
        self.rows: list[str] = [""]
        self.drawn: list[str] = []

    def show(self, written: str) -> None:
        for part in re.split(r"(\x1b\[[0-9;?]*[A-Za-z]|\r|\n)", written):
            if part == "\n":
                self.down()
            elif part == "\r":
                self.column = 0
            elif match := SEQUENCE.fullmatch(part):
                self.control(match[1], match[2])
            else:
                for character in part:
                    self.put(character)
                self.drawn.append(self.rows[self.row])

    def control(self, argument: str, kind: str) -> None:
        if kind == "A":
            self.row -= int(argument or 1)
        elif kind == "K":
            assert argument == "2"
            self.rows[self.row] = ""

    def down(self) -> None:
        self.row += 1
        self.rows += [""] * (self.row == len(self.rows))

    def narrow(self, width: int) -> None:
        """Break what is wider, as most terminals do; the cursor stays at the end of the last."""
        self.rows = [
            row[k : k + width] for row in self.rows for k in range(0, max(len(row), 1), width)
        ]
        self.width, self.row = width, len(self.rows) - 1
        self.column = len(self.rows[-1])

    def put(self, character: str) -> None:
        if self.column == self.width:
            self.down()
            self.column = 0
        row = self.rows[self.row].ljust(self.column)
        self.rows[self.row] = row[: self.column] + character + row[self.column + 1 :]
        self.column += 1


def on_terminal(arguments: Sequence[object], width: int) -> Screen:
    outside, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    kept = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *map(str, arguments)],
        stdout=inside,
        stderr=inside,
        env={**kept, "TERM": "xterm"},
    ) as child:
        os.close(inside)
        written = b"".join(iter(lambda: _read(outside), b""))
    os.close(outside)
    assert child.returncode == 0, written.decode()
    screen = Screen(width)
    screen.show(written.decode())
    return screen


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other side is closed
        return b""


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_a_run_at_this_width(width: int, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(text(3000))
    value = plain_spec()
    # Of so few steps one fills a cell of every bar, whichever step is drawn first.
    value["train"].update(epochs=2, every={"log": 40})
    path = write(tmp_path, value)
    screen = on_terminal(["run", path, "--out", tmp_path / "run"], width)
    bars = [line for line in screen.drawn if "━" in line]
    assert bars and all(len(line) <= width for line in bars)
    late = [line for line in bars if " loss " in line]
    assert late and all(re.match(r" *\d+/\d+ [-\d]:..:.. ━", line) for line in late)
    assert not [line for line in screen.rows if "━" in line]
    (top,) = (n for n, line in enumerate(screen.rows) if line.startswith("   step  epoch"))
    assert screen.rows[top].split()[:4] == ["step", "epoch", "train", "valid"]
    assert screen.rows[top - 1].split()[0] == "loss"
    rows = [line for line in screen.rows[top + 1 :] if re.match(r" +\d+ +\d\.\d\d ", line)]
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert len(rows) == len(lines)
    assert all(len(line) < width for line in rows)
    assert ("lr" in screen.rows[top]) == (width >= 80)


def test_a_classifier_shows_its_accuracy_first(tmp_path: Path) -> None:
    texts = [{"text": f"{'good' if n % 3 else 'bad'} film", "label": str(n % 3)} for n in range(40)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, texts)))
    value = plain_spec(epochs=1, every={"evaluate": "epoch"})
    value["data"] = {
        "type": "sequences",
        "path": "rows.jsonl",
        "inputs": {"kind": "text", "key": "text", "tokenizer": {"type": "word"}},
        "targets": {"kind": "class", "key": "label"},
    }
    path = write(tmp_path, value)
    screen = on_terminal(["run", path, "--out", tmp_path / "run"], 60)
    (top,) = (n for n, line in enumerate(screen.rows) if line.startswith("   step  epoch"))
    assert screen.rows[top - 1].split() == ["loss", "accuracy"]
    assert screen.rows[top].split() == ["step", "epoch", "train", "valid", "train", "valid"]
    line = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[0])
    shown = [float(cell) for cell in screen.rows[top + 1].split()[4:]]
    assert shown == pytest.approx([line["train_accuracy"], line["valid_accuracy"]], rel=1e-3)


def test_a_wide_metric_has_room_for_its_title() -> None:
    group = Group("mase seasonal naive", {"valid_x": "valid"})
    assert group.width == len("mase seasonal naive") + 2
    table = MetricsTable((Group("", {"step": "step"}, 7), group))
    above, below = table.header().splitlines()
    assert above.endswith("  mase seasonal naive") and below.endswith("valid")
    assert len(above) == len(below) == len(table.row({"step": 3, "valid_x": 1e-5}))
    assert table.row({"step": 3}).split() == ["3"]


def test_what_says_most_stays_where_room_is_short() -> None:
    trained = ["loss", "perplexity", "bits_per_character"]
    groups = list(_groups(trained, [*trained, "accuracy", "f1"], "f1"))
    titles = [group.title or next(iter(group.columns.values())) for group in groups]
    assert titles == [
        *("loss", "bits per character", "f1"),
        *("norm", "lr", "perplexity", "accuracy"),
    ]
    assert groups[2].columns == {"valid_f1": "valid"}
    table = MetricsTable(tuple(groups))
    for width, shown in ((20, 0), (21, 1), (66, 4), (71, 5), (200, 7)):
        assert table.fitted(width).groups == tuple(groups[:shown])
    unmeasured = list(_groups(["loss"], [], "loss"))
    assert [list(group.columns) for group in unmeasured] == [
        ["train_loss"],
        ["gradient_norm"],
        ["lr"],
    ]


def test_every_number_has_a_space_before_it() -> None:
    keys = ("step", "a", "b", "c", "d", "e")
    table = MetricsTable(tuple(Group("", {key: key}, 10) for key in keys))
    row = table.row(
        {
            "step": 1_000_000,
            "a": 123456789.0,
            "b": -1.2345e-5,
            "c": -1.5e-200,
            "d": 12345.6,
            "e": 0.5,
        }
    )
    assert len(row) == len(table.header().splitlines()[1])
    assert row.split() == ["1,000,000", "1.235e+08", "-1.23e-05", "-1.5e-200", "12,346", "0.5"]


class Window(io.StringIO):
    """A terminal whose width changes."""

    width = 120

    def isatty(self) -> bool:
        return True

    def write(self, written: str) -> int:
        return super().write(written.replace("\n", "\r\n"))


@pytest.mark.parametrize("width", [120, 250])
def test_a_window_that_changes_its_width(
    width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window, screen = Window(), Screen(width)
    window.width = width
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", window)
    monkeypatch.setattr(os, "get_terminal_size", lambda *_: os.terminal_size((window.width, 40)))
    shown = 0

    def narrow(metrics: Mapping[str, object]) -> None:
        nonlocal shown
        if metrics["epoch"] == 5:
            screen.show(window.getvalue())
            shown = len(window.getvalue())
            window.width = 60
            screen.narrow(60)

    (tmp_path / "text.txt").write_text(text(3000))
    value = plain_spec()
    value["train"].update(epochs=9, every={"evaluate": "epoch"})
    rnnkit.train(value, root=tmp_path, callbacks=narrow)
    screen.show(window.getvalue()[shown:])
    assert not [row for row in screen.rows if "━" in row]
    heads = [number for number, row in enumerate(screen.rows) if row.startswith("   step  epoch")]
    assert len(heads) == 2
    below = [row for row in screen.rows[heads[1] + 1 :] if row]
    assert [row.split()[0] for row in below if float(row.split()[1]).is_integer()] == [
        *("1,194", "1,393", "1,592", "1,791")
    ]
    assert all(len(row) < 60 for row in below)
