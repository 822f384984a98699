"""rnnkit score: how likely a model finds text that is given."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnnkit.cli.common import (
    emit,
    finite_or_none,
    lines_of,
    located,
    number,
    read_input,
    table,
    tell,
    tell_nothing,
)
from rnnkit.cli.options import CHECKPOINT, STATES, WEIGHTS, make_command, registry, with_weights
from rnnkit.cli.paths import PATH
from rnnkit.cli.results import json_asked
from rnnkit.files.json_list import AS_TEXT, is_json_list

if TYPE_CHECKING:
    from rnnkit.inference.model import Model
    from rnnkit.types import Array


@make_command("score")
@CHECKPOINT
@click.argument("file", type=PATH, default=Path("-"))
@click.option("--per-token", is_flag=True, help="Also each token with its log-probability.")
@STATES
@WEIGHTS
def command(
    checkpoint: Path,
    file: Path,
    per_token: bool,
    state_in: Path | None,
    state_out: Path | None,
    weights: str,
) -> None:
    """Give the log-probability of each line of FILE (default: stdin) under CHECKPOINT.

    Each line is read from a zero hidden state, as if it began a line. With --state-in or
    --state-out FILE is one text instead, that goes on from line to line: the token that ends a line
    counts with it, where the model knows one. Logarithms are natural. Prints the log-probability,
    the perplexity of a token and the line, with tabs between them.
    """
    from rnnkit.contracts.tokenizer import line_reader
    from rnnkit.inference.model import load
    from rnnkit.inference.states import check_continues, load_states, save_states

    model = with_weights(load(checkpoint, registry(), tell), weights)
    if state_in or state_out:
        check_continues(model)
        stands = load_states(state_in, model) if state_in else model.line_start()
        lines, records = re.findall(r"[^\n]*\n|[^\n]+", known_text(model, file)), []
        read = line_reader(*model.text())
        for line in lines:
            ids, logs, stands = model.score_on(read(line), stands)
            records.append(scored(model, line.removesuffix("\n"), ids, logs, per_token))
    else:
        lines = lines_of(known_text(model, file))
        found = zip(lines, model.scores(lines), strict=True)
        records = [scored(model, line, *both, per_token) for line, both in found]
    if not records:
        tell_nothing(file, "score")
    text = "\n".join(map(_as_text, records))
    if json_asked() or records:
        lines_found = [_as_json(record) for record in records]
        emit({"checkpoint": str(model.path), "lines": lines_found}, text)
    if state_out:
        save_states(state_out, model, stands)


def known_text(model: Model, file: Path) -> str:
    """Return the text of a file or of stdin; raises DataError for what the model does not know.

    It is asked line by line where it knows no line end.
    """
    from rnnkit.contracts.tokenizer import as_read, reads_line_ends

    data, name = read_input(file)
    if is_json_list(data):
        tell(f"{name} {AS_TEXT}")
    text = as_read(model.text()[0], data, name)
    if reads_line_ends(*model.text()):
        with located(name):
            model.encode(text)
        return text
    encode = model.encoder()
    for line_number, line in enumerate(text.split("\n"), 1):
        with located(name, line_number):
            encode(line)
    return text


def scored(model: Model, line: str, ids: Array, logs: Array, per_token: bool) -> dict[str, Any]:
    """Return what is printed of one line; its perplexity is per token."""
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


def _as_json(record: dict[str, Any]) -> dict[str, object]:
    """Return the same as JSON can hold it: the log-probability of what cannot be is null."""
    found = finite_or_none(record)
    if "per_token" in record:
        found["per_token"] = [(t, p if math.isfinite(p) else None) for t, p in record["per_token"]]
    return found


def _as_text(record: dict[str, Any]) -> str:
    """Return the same for people."""
    numbers = f"{record['log_probability']:.4f}\t{number(record['perplexity'])}"
    line = f"{numbers}\t{record['text']}"
    tokens = [("", repr(token), f"{p:.4f}") for token, p in record.get("per_token", [])]
    return f"{line}\n{table(tokens)}" if tokens else line
