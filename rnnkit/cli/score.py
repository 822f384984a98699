"""rnnkit score: how likely a model finds text that is given."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnnkit.cli.common import PATH, emit, number, table, verb
from rnnkit.errors import DataError
from rnnkit.storage import read_regular

if TYPE_CHECKING:
    from rnnkit.model import Model

LIMIT = 2**30


@verb("score")
@click.argument("checkpoint", type=PATH)
@click.argument("file", type=PATH, default=Path("-"))
@click.option("--per-token", is_flag=True, help="Also each token with its log-probability.")
def command(checkpoint: Path, file: Path, per_token: bool, as_json: bool, verbose: bool) -> None:
    """Give the log-probability of each line of FILE (default: stdin) under CHECKPOINT.

    Each line is read from a cold start, as if it began a line. Logarithms are natural. Prints the
    log-probability, the perplexity of a token and the line, with tabs between them.
    """
    from rnnkit.model import load

    model = load(checkpoint)
    records = [scored(model, line, per_token) for line in lines_of(model, file)]
    text = "\n".join(map(as_text, records))
    if as_json or records:
        emit(as_json, {"checkpoint": str(model.path), "lines": records}, text)


def lines_of(model: Model, file: Path) -> list[str]:
    """Return the lines of a file, all of them known to the model; raises DataError.

    Only a line feed ends a line, as in the text that the model learned from.
    """
    stdin = str(file) == "-"
    data = sys.stdin.buffer.read() if stdin else bytes(read_regular(file, LIMIT, DataError, "DATA"))
    text = data.decode(errors="surrogateescape")
    try:
        model.encode(text)
    except DataError as error:
        name = "stdin" if stdin else str(file)
        raise DataError(*(replace(p, where=name) for p in error.problems)) from None
    return text.removesuffix("\n").split("\n") if text else []


def scored(model: Model, line: str, per_token: bool) -> dict[str, Any]:
    """Return what is printed of one line; its perplexity is per token."""
    ids, logs = model.score(line)
    total = float(logs.sum())
    mean = -total / len(logs) if len(logs) else 0.0
    record: dict[str, Any] = {
        "text": line.encode(errors="surrogateescape").decode(errors="replace"),
        "tokens": len(logs),
        "log_probability": total,
        "perplexity": math.exp(min(mean, 700.0)),
        "bits_per_token": mean / math.log(2),
    }
    if per_token:
        _, vocabulary = model.text()
        names = [vocabulary.tokens[int(i)] for i in ids]
        record["per_token"] = list(zip(names, logs.tolist(), strict=True))
    return record


def as_text(record: dict[str, Any]) -> str:
    """Return the same for people."""
    numbers = f"{record['log_probability']:.4f}\t{number(record['perplexity'])}"
    line = f"{numbers}\t{record['text']}"
    tokens = [("", repr(token), f"{p:.4f}") for token, p in record.get("per_token", [])]
    return f"{line}\n{table(tokens)}" if tokens else line
