"""rnnkit predict: what a model says of a file of its own kind of data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rnnkit.cli.common import advising, read_input, tell, tell_nothing
from rnnkit.cli.options import (
    CHECKPOINT,
    STATES,
    THREADS,
    WEIGHTS,
    make_command,
    registry,
    with_weights,
)
from rnnkit.cli.paths import PATH
from rnnkit.cli.records import FORMAT, Records

if TYPE_CHECKING:
    from rnnkit.inference.model import Model
    from rnnkit.inference.stream_state import StreamState


@make_command("predict")
@CHECKPOINT
@click.argument("data", type=PATH)
@FORMAT
@click.option("--top", default=1, type=click.IntRange(1, 1000), help="Give the k likeliest labels.")
@click.option("--keep", multiple=True, metavar="COLUMN", help="Carry this column of DATA along.")
@click.option("--skip-bad", is_flag=True, help="Skip and count the lines that cannot be used.")
@STATES
@WEIGHTS
@THREADS
def command(
    checkpoint: Path,
    data: Path,
    form: str | None,
    out: Path | None,
    top: int,
    keep: tuple[str, ...],
    skip_bad: bool,
    state_in: Path | None,
    state_out: Path | None,
    weights: str,
    threads: int | None,
) -> None:
    """Tell what the model of CHECKPOINT says of DATA, a file of its own kind, or - for stdin.

    DATA needs no targets; a model of texts also reads plain lines. Each line or row gives a record
    with its line number: a label and its probability, a label for each step, numbers in the units
    of the data, or after a line of text the likeliest next token; --keep gives a column of DATA
    beside it. CSV has a row for each step. Every sequence starts from a zero hidden state; with
    --state-in or --state-out DATA is one stream, which goes on from record to record.
    """
    from rnnkit.compute.numerics import limited_threads
    from rnnkit.inference.model import load
    from rnnkit.inference.predict import predict_rows
    from rnnkit.inference.states import save_states

    model = with_weights(load(checkpoint, registry(), tell), weights)
    begun = _begun(model, state_in, state_out)
    content, name = read_input(data)
    with limited_threads(threads), advising("repair them, or give --skip-bad"):
        found = predict_rows(model, content, name, top, skip_bad, begun, keep)
    if not found.records and not found.skipped:
        tell_nothing(data, "predict")
    if found.note:
        tell(found.note)
    Records(found.records, found.lead).write(form, out, skipped=found.skipped)
    if state_out and found.after:
        save_states(state_out, model, found.after)


def _begun(model: Model, state_in: Path | None, state_out: Path | None) -> StreamState | None:
    from rnnkit.inference.states import check_continues, load_states
    from rnnkit.inference.stream_state import StreamState

    if state_in:
        return load_states(state_in, model)
    if not state_out:
        return None
    check_continues(model)
    return model.line_start() if _reads_lines(model) else StreamState.zero(model.network)


def _reads_lines(model: Model) -> bool:
    """Tell whether the model predicts the next token of a text."""
    data = model.spec.data
    return data.predicts_next and data.text_tokenizer() is not None
