"""What a model is asked about values in memory: raw values in, records in the data's units out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rnnkit.contracts.forecast_inputs import ForecastRequest
from rnnkit.contracts.row_labels import labelling
from rnnkit.contracts.table import FileData, MemoryTable
from rnnkit.errors import CheckpointError, wrong_type
from rnnkit.inference.asked_records import RecordList, log_note
from rnnkit.inference.bound_network import BoundNetwork
from rnnkit.inference.forecast import (
    Intervals,
    expect_forecast,
    forecast_rows,
    no_forecast,
    outlook_of,
)
from rnnkit.inference.inputs import checked_count
from rnnkit.inference.predict import predict_rows
from rnnkit.inference.translate import translate

NAME = "the values"
"""What values are called in errors."""


def predict_values(
    model: BoundNetwork, values: Any, top: int = 1, keep: Sequence[str] = ()
) -> RecordList:
    """Return what a model says of values of its own kind of data, a record for each row.

    See `Model.predict`.
    """
    checked_count("top", top)
    data = _asked(model, values)
    with labelling({NAME: data}):
        found = predict_rows(model, data, NAME, top, keep=keep)
    log_note(found.note)
    return _labelled(found.records, data)


def forecast_values(
    model: BoundNetwork, values: Any, asked: ForecastRequest, intervals: Intervals
) -> RecordList:
    """Return the forecasts of the rows after values, or after the model's own data (None)."""
    expect_forecast(asked, intervals)
    if values is None:
        try:
            data, seen = model.spec.data.newest_rows()
        except NotImplementedError:
            message = "the data is no series in memory (give values, or a file to rnnkit.forecast)"
            raise no_forecast(model, message) from None
        asked = asked._replace(seen=seen)
    else:
        data = _rows_of(model, values)
    with labelling({NAME: data}):
        outlook = outlook_of(model, data, NAME, asked)
        found = forecast_rows(model, outlook, asked.steps, intervals)
    log_note(found.note)
    return _labelled(found.records, data)


def decode_texts(
    model: BoundNetwork, sources: str | Sequence[str], width: int, length: int
) -> str | list[str]:
    """Return the text that a decoder writes for each source, or for the one."""
    checked_count("beams", width)
    checked_count("length", length)
    single = isinstance(sources, str)
    texts = [sources] if isinstance(sources, str) else [*sources]
    if odd := [text for text in texts if not isinstance(text, str)]:
        raise wrong_type("decode", "texts", odd[0], "an encoder reads text")
    written = [best[0].text for best in translate(model, texts, width, length=length)]
    return written[0] if single else written


def _asked(model: BoundNetwork, values: Any) -> FileData:
    """Return values as rows; of a text its lines, after each of which a token is foretold."""
    data = model.spec.data
    if not (data.predicts_next and data.text_tokenizer()):
        return _rows_of(model, values)
    lines = [values] if isinstance(values, str) else [*values]
    if odd := [line for line in lines if not isinstance(line, str)]:
        raise wrong_type("predict", "a text or a list of texts", odd[0], "the model reads text")
    return "".join(line.removesuffix("\n") + "\n" for line in lines).encode()


def _rows_of(model: BoundNetwork, values: Any) -> MemoryTable:
    if isinstance(values, Path):
        advice = "rnnkit.predict and rnnkit.forecast read files"
        raise wrong_type("values", "values in memory", values, advice)
    dataset = model.spec.data
    try:
        return dataset.rows_of(values)
    except NotImplementedError:
        message = f"data of the type {dataset.type!r} tells no values to be asked about"
        raise CheckpointError.of("CKPT_NO_PREDICT", message, model.path) from None


def _labelled(records: Sequence[Mapping[str, Any]], data: FileData) -> RecordList:
    """Return records whose lines are the labels of rows, or their numbers from 0."""
    return RecordList(
        {_key(key): _label(value, data) if _is_line(key) else value for key, value in each.items()}
        for each in records
    )


def _is_line(key: str) -> bool:
    return key in ("line", "from_line")


def _key(key: str) -> str:
    return key.replace("line", "row") if _is_line(key) else key


def _label(line: object, data: FileData) -> object:
    """Return the label of a row; its number where rows have none, None for a row to come."""
    if not isinstance(line, int):
        return None
    if not isinstance(data, MemoryTable) or data.labels is None:
        return line - 1
    return data.label(line) if line <= len(data) else None
