"""What a model writes while it is trained, so that a person sees it learn.

A language model goes on from a prompt, a decoder writes for a fixed source, and an input that
unrolls becomes its whole text. Random numbers follow from the seed alone, as those of `rnnkit
sample`: training draws none of them, and equal parameters write equal text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rnnkit.contracts.checked_dataset import windows_of
from rnnkit.contracts.dataset import Batch, Dataset, Source, Split
from rnnkit.contracts.pair_text import TextPairs
from rnnkit.contracts.target_info import meaning_of
from rnnkit.core.context import Context
from rnnkit.inference.model import Model
from rnnkit.inference.predictions import Answers
from rnnkit.inference.translate import likeliest
from rnnkit.network.seq2seq import Seq2Seq

LENGTH = 200
"""Tokens of a sample at most, where nothing else is said."""


def writes_text(data: Dataset, source: Source) -> bool:
    """Tell whether a model of such data writes text."""
    return _goes_on(data) or isinstance(data.underlying, TextPairs) or meaning_of(source).whole


def sample_of(model: Model, source: Source) -> Mapping[str, str]:
    """Return the text that the model writes, with what it was asked for."""
    if _goes_on(model.spec.data):
        return _continued(model, source)
    split: Split = "valid" if "valid" in source.splits() else "train"
    layout = replace(model.spec.train.layout(), streams=1)
    batch = next(windows_of(source, split, layout, None))
    pairs = isinstance(model.network, Seq2Seq)
    return _decoded(model, batch) if pairs else _unrolled(model, source, batch)


def _goes_on(data: Dataset) -> bool:
    return data.predicts_next and data.text_tokenizer() is not None


def _continued(model: Model, source: Source) -> Mapping[str, str]:
    asked = model.spec.train.sample
    text = model.sample(
        asked.prompt,
        asked.length or min(LENGTH, source.size("train")),
        temperature=asked.temperature,
        greedy=bool(model.network.token_scores.no_distribution),
        seed=model.spec.train.seed,
    )
    return {"prompt": asked.prompt, "text": text}


def _decoded(model: Model, batch: Batch) -> Mapping[str, str]:
    data, encoder = model.spec.data.underlying, batch.encoder
    assert isinstance(data, TextPairs) and encoder is not None
    coder = data.coder(model.text()[1])
    ids = encoder.inputs[encoder.valid[:, 0], 0]
    steps = LENGTH if coder.end is not None else coder.pad[1]
    (text,) = likeliest(model, [ids], coder, steps)
    wanted = batch.targets[batch.weights[:, 0] > 0, 0].tolist()
    read = ids[::-1] if coder.reverse else ids
    return {"source": coder.text(read.tolist()), "target": coder.text(wanted), "text": text}


def _unrolled(model: Model, source: Source, batch: Batch) -> Mapping[str, str]:
    network, answers = (
        model.network,
        Answers(model.network.loss, source.targets, meaning_of(source)),
    )
    ctx = Context(valid=batch.valid)
    states = network.initial_states(1, ctx.dtype)
    ys, _ = network.run(model.store.values, batch, states, ctx)
    live = batch.weights[:, 0] > 0
    names = [answers.name(label) for label in batch.targets[live, 0].tolist()]
    end = (meaning_of(source).names or ()).index(names[-1]) if names[-1] == "\n" else None
    return {"target": "".join(names).removesuffix("\n"), "text": answers.text(ys[live, 0], end)}
