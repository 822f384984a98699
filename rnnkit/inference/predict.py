"""What a model says of data without targets: a label, tags, numbers, the next token."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple, TypeAlias

import numpy as np

from rnnkit.contracts.dataset import Batch
from rnnkit.contracts.inference_inputs import Question, Questions, Stamp
from rnnkit.contracts.pair_text import Coder
from rnnkit.contracts.ragged import side_by_side
from rnnkit.contracts.table import FileData
from rnnkit.contracts.target_info import Meaning
from rnnkit.contracts.tokenizer import as_read, line_reader
from rnnkit.core.context import Context
from rnnkit.errors import CheckpointError, DataError, placed
from rnnkit.files.json_list import AS_TEXT, is_json_list
from rnnkit.inference.bound_network import BoundNetwork
from rnnkit.inference.by_length import in_batches
from rnnkit.inference.generate import WINDOW, following, seen, windows
from rnnkit.inference.predictions import Answers, Columns
from rnnkit.inference.stream_state import StreamState
from rnnkit.inference.translate import likeliest
from rnnkit.network.network import cut_window
from rnnkit.network.states import copied
from rnnkit.types import Array

SEQUENCES = 32
"""Sequences that are read side by side, where each starts from a zero hidden state."""

LONGEST = 1024
"""Steps after which an answer that does not end is cut."""

Prediction: TypeAlias = Mapping[str, object]
Kept: TypeAlias = Mapping[int, Mapping[str, object]]
"""Columns of a file by name, by the line of their row."""


class Predicted(NamedTuple):
    """Records, each with its `line`; what was skipped, and where the stream stands at the end.

    A record has a value for each column; where every step has an answer, those after the first
    `lead` ones are lists.
    """

    records: list[Prediction]
    lead: int | None = None
    skipped: int = 0
    note: str = ""
    after: StreamState | None = None


@np.errstate(over="ignore", invalid="ignore")  # what is not finite is told
def predict_rows(
    model: BoundNetwork,
    data: FileData,
    name: str,
    top: int = 1,
    skip_bad: bool = False,
    begun: StreamState | None = None,
    keep: Sequence[str] = (),
) -> Predicted:
    """Return what the model says of a file of its own kind of data; targets in it are not read.

    Each sequence is read from a zero hidden state, alone in what it gives, though many are read at
    once. With `begun` the file is one stream that goes on from there. `keep` names columns of the
    file to stand in each record, as `given_` and the name where an answer has that name. `name` is
    the file's name in errors, and tells CSV from JSONL. Raises DataError with file and line;
    `skip_bad` skips and counts those lines. Raises CheckpointError for a model that cannot predict
    so.
    """
    keep = tuple(dict.fromkeys(keep))
    kept = _kept(model, data, name, keep) if keep else {}
    text = model.spec.data.predicts_next and model.spec.data.text_tokenizer()
    if model.network.targets.ids:
        model.network.token_scores.check(model.path, whole=not text)
    if text:
        assert isinstance(data, bytes), "a text has no rows"
        return _NextTokens(model, name, top, skip_bad).of(data, begun)
    asked = _questions(model, data, name, skip_bad)
    if asked.coder:
        written = _beside(kept, keep, _written(model, asked, asked.coder))
        return Predicted(written, None, asked.skipped, asked.note)
    answers = Answers(model.network.loss, model.network.targets, asked.meaning, top)
    if begun is not None:
        _check_continues(model, asked.records)
    elif asked.streams and not model.network.reads_later:
        begun = StreamState.zero(model.network)
    if begun is None:
        found, after = _each_alone(model, asked.records), None
    else:
        found, after = _as_stream(model, asked.records, begun)
    _check_finite(asked.records, found, name, ", nor could a later one be" if begun else "")
    records: list[Prediction] = []
    for question, ys in zip(asked.records, found, strict=True):
        records += _predictions(question, ys, answers, asked)
    each = any(q.each and not q.lines for q in asked.records) and not asked.whole
    lead = 1 + len(keep) if each else None
    records = _beside(kept, keep, records)
    return Predicted(records, lead, asked.skipped, asked.note, after)


def _kept(model: BoundNetwork, data: FileData, name: str, keep: Sequence[str]) -> Kept:
    """Return the columns of a file that are kept, by line; CheckpointError where it has none."""
    dataset = model.spec.data
    if not dataset.predicts_next:  # else the whole file is one text
        with suppress(NotImplementedError):
            return dataset.columns_of(data, name, keep)
    message = f"data of the type {dataset.type!r} has no columns (leave out --keep)"
    raise CheckpointError.of("CKPT_NO_COLUMNS", message, model.path)


def _beside(kept: Kept, keep: Sequence[str], records: list[Prediction]) -> list[Prediction]:
    """Return records with the columns that are kept after their line."""
    found: list[Prediction] = []
    for record in records:
        line = record["line"]
        given = kept.get(line, {}) if isinstance(line, int) else {}
        columns = {f"given_{key}" if key in record else key: given.get(key) for key in keep}
        found.append({"line": line, **columns, **record})
    return found


def _questions(model: BoundNetwork, data: FileData, name: str, skip_bad: bool) -> Questions:
    dataset = model.spec.data
    try:
        return dataset.questions(data, name, model.vocabulary, skip_bad)
    except NotImplementedError:
        message = f"data of the type {dataset.type!r} tells no file to predict from"
        raise CheckpointError.of("CKPT_NO_PREDICT", message, model.path) from None


def _written(model: BoundNetwork, asked: Questions, coder: Coder) -> list[Prediction]:
    """Return the text that a decoder writes for each source."""
    longest = coder.pad[1] + (coder.end is not None) if coder.pad[1] else LONGEST
    texts = likeliest(model, [question.inputs for question in asked.records], coder, longest)
    return [
        {"line": question.line, "text": text}
        for question, text in zip(asked.records, texts, strict=True)
    ]


def _check_continues(model: BoundNetwork, records: Sequence[Question]) -> None:
    """Raise CheckpointError for records that are no one stream: each has a start of its own."""
    if any(question.ends is not None for question in records):
        message = "each answer unrolls from a record to an end of its own, so nothing goes on"
        advice = "leave out --state-in and --state-out"
        raise CheckpointError.of("STATE_UNROLLS", f"{message} ({advice})", model.path)
    if any(question.group is not None for question in records):
        message = "each group is a series with a state of its own, and a state file holds one"
        advice = "leave out --state-in and --state-out, or give a model of one series"
        raise CheckpointError.of("STATE_GROUPS", f"{message} ({advice})", model.path)


def _predictions(
    question: Question, ys: Array, answers: Answers, asked: Questions
) -> Iterator[Prediction]:
    """Yield the record of a question, or one for each of its lines."""
    if question.unscaled:
        own = answers.meaning._replace(unscaled=question.unscaled)
        answers = replace(answers, meaning=own)
    if asked.whole:
        yield {"line": question.line, "text": answers.text(ys, question.ends)}
        return
    if question.stamp:
        yield from _forecasts(question, question.stamp, ys, answers, asked.horizons)
        return
    columns: Columns = answers.columns(ys)
    if question.each and not question.lines:
        yield {"line": question.line, **columns}
        return
    for k, line in enumerate(question.lines or [question.line]):
        yield {"line": line} | {name: values[k] for name, values in columns.items()}


def _forecasts(
    question: Question, stamp: Stamp, ys: Array, answers: Answers, horizons: Sequence[int]
) -> Iterator[Prediction]:
    """Yield a record for each row and horizon, which names the row that it forecasts."""
    heads = [answers.columns(head) for head in np.split(ys, len(horizons), axis=1)]
    for row in np.flatnonzero(question.lines).tolist():  # others are steps that no row tells of
        for steps, columns in zip(horizons, heads, strict=True):
            which = {"horizon": steps} if len(horizons) > 1 else {}
            values = {name: column[row] for name, column in columns.items()}
            yield {**stamp(row, steps), **which, **values}


def _as_stream(
    model: BoundNetwork, records: Sequence[Question], begun: StreamState
) -> tuple[list[Array], StreamState]:
    """Return the outputs of records that go on from one another, and the stream after them."""
    network, params, ctx = model.network, model.store.values, Context()
    states, found = begun.states, []
    for question in records:
        ys: list[Array] = []
        xs = question.inputs[:, None]
        for _, piece, after in windows(network, params, xs, states, ctx):
            states = after
            ys.append(piece[:, 0].copy() if question.each else piece[-1:, 0].copy())
        found.append(np.concatenate(ys) if question.each else ys[-1])
    return found, replace(begun, states=states, last=None)


def _check_finite(
    records: Sequence[Question], found: Sequence[Array], name: str, later: str
) -> None:
    """Raise DataError at the first answer that is not finite; `later` tells of those after it."""
    for question, ys in zip(records, found, strict=True):
        wrong = np.flatnonzero(~np.isfinite(ys).all(axis=1))
        if len(wrong):
            line = question.lines[wrong[0]] if question.lines else question.line
            message = (
                f"the model's answer is no finite number{later} (take the row out, or fill in "
            )
            message += "numbers as those it was trained on; where no row has one, use another "
            message += "checkpoint)"
            raise DataError.of("DATA_NAN", message, f"{name}:{line}")


def _each_alone(model: BoundNetwork, records: Sequence[Question]) -> list[Array]:
    """Return the outputs of each record, read from a zero hidden state beside others."""
    unrolls = bool(records) and records[0].ends is not None
    outputs = partial(_unrolled if unrolls else _side_by_side, model)
    return in_batches(records, [len(q.inputs) for q in records], SEQUENCES, outputs)


def _side_by_side(model: BoundNetwork, group: Sequence[Question]) -> Iterator[Array]:
    batch = _in_one_batch(group)
    window = batch.resets.shape[0] if model.network.reads_later else WINDOW
    ys = np.concatenate(list(_run(model, batch, window, group[0].each)))
    for stream, question in enumerate(group):
        yield ys[-len(question.inputs) if question.each else -1 :, stream]


def _in_one_batch(group: Sequence[Question]) -> Batch:
    """Return sequences as one batch, as the training of ragged sequences reads them."""
    xs, resets, valid = side_by_side([question.inputs for question in group])
    nothing = np.zeros(resets.shape, np.float32)
    return Batch(xs, nothing, nothing, resets, None, None if valid.all() else valid)


def _run(model: BoundNetwork, batch: Batch, window: int, each: bool) -> Iterator[Array]:
    """Yield the outputs (T, B, F) of a batch, a window at a time; of `each` step, or the last."""
    network, ctx = model.network, Context()
    steps, streams = batch.resets.shape
    states = network.initial_states(streams, ctx.dtype)
    params, pieces = model.store.values, cut_window(steps, window)
    for piece, ys, _ in network.run_in_pieces(params, batch, pieces, states, ctx):
        if each or piece.stop == steps:
            yield ys.copy() if each else ys[-1:].copy()


def _unrolled(model: BoundNetwork, group: Sequence[Question]) -> Iterator[Array]:
    """Yield the outputs of inputs that zeros follow until the label that ends each answer."""
    if model.network.reads_later:
        message = "a layer reads later inputs, and an answer that unrolls has no end before it"
        raise CheckpointError.of("CKPT_NO_PREDICT", message, model.path)
    network, ctx = model.network, Context()
    network.token_scores.check(model.path)
    states = network.initial_states(len(group), ctx.dtype)
    xs = np.stack([question.inputs for question in group], axis=1)
    found: list[Array] = []
    ended = np.zeros(len(group), bool)
    while not ended.all() and len(found) < LONGEST:
        ys, after = network.forward(model.store.values, xs, states, None, ctx)
        found += list(ys.copy())
        ended |= network.token_scores.choice(found[-1]) == group[0].ends
        states, xs = copied(after), np.zeros_like(xs[:1])
        ctx.pool.recycle()
    yield from np.stack(found, axis=1)


@dataclass(frozen=True)
class _NextTokens:
    """The likeliest token after each line of a text."""

    model: BoundNetwork
    name: str
    top: int
    skip_bad: bool

    def of(self, data: bytes, begun: StreamState | None) -> Predicted:
        """Return a record for each line, each from a zero hidden state unless a stream goes on."""
        lines = as_read(self.model.text()[0], data, self.name).split("\n")
        endings = [True] * (len(lines) - 1) + [False]
        if not lines[-1]:
            lines.pop()
        encode = self.model.encoder()
        line_end = encode(line_reader(*self.model.text())("\n"))
        records: list[Prediction] = []
        problems = []
        for number, (line, ended) in enumerate(zip(lines, endings, strict=False), 1):
            try:
                ids = encode(line)
            except DataError as error:
                problems.append(placed(error, f"{self.name}:{number}"))
                if self.skip_bad:
                    continue
                raise problems[-1] from None
            logits, read = self._read(ids, begun or self.model.line_start())
            records.append({"line": number, **self._likeliest(logits)})
            if begun is not None:
                begun = self._on(ids, begun, read, line_end if ended else line_end[:0])
        bad = f"{len(problems):,} bad line{'s' * (len(problems) > 1)} skipped"
        notes = [f"{bad}, the first: {problems[0]}"] if problems else []
        notes += [f"{self.name} {AS_TEXT}"] if is_json_list(data) else []
        return Predicted(records, None, len(problems), "; ".join(notes), begun)

    def _read(self, ids: Array, begun: StreamState) -> tuple[Array, StreamState]:
        return following(self.model.network, self.model.store.values, ids, begun)

    def _on(self, ids: Array, begun: StreamState, read: StreamState, ending: Array) -> StreamState:
        """Return the stream after a line; the token that ends it is seen and not yet read."""
        network, params = self.model.network, self.model.store.values
        if len(ending):
            return seen(network, params, ending, read)
        return seen(network, params, ids, begun)

    def _likeliest(self, logits: Array) -> Prediction:
        vocabulary = self.model.text()[1]
        meaning = Meaning(names=vocabulary.tokens)
        answers = Answers(self.model.network.loss, self.model.network.targets, meaning, self.top)
        renamed = {
            name.replace("label", "token"): values
            for name, values in answers.columns(logits).items()
        }
        return {name: values[0] for name, values in renamed.items()}
