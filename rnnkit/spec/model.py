"""The spec as a value: what each key means, its type and its bounds."""

from __future__ import annotations

import json
from functools import partial
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from rnnkit.contracts.checked_dataset import suited_to, windows_in
from rnnkit.contracts.dataset import Dataset, Layout, Source, Split
from rnnkit.contracts.layer import LayerBlock
from rnnkit.contracts.loss import Loss
from rnnkit.contracts.metric import MetricName
from rnnkit.contracts.optimizer import Optimizer
from rnnkit.contracts.returned import of_kind
from rnnkit.contracts.schedule import Schedule
from rnnkit.contracts.target_info import meaning_of
from rnnkit.core.block import Name, Record, Size, nested
from rnnkit.spec.layout_defaults import fitted_layout
from rnnkit.spec.regime import Feed, Truncation
from rnnkit.spec.start import Start

Positive = Annotated[float, Field(gt=0, le=1e12)]
MAX_LAYERS = 64
SHORTEST_STREAM = 512
"""Steps of an evaluated stream beside which those after its zero hidden state are few."""
Cadence = Annotated[int, Field(ge=1, le=10**12)] | Literal["epoch"]
"""Every so many steps, or at each epoch's end; never a time, so that a resumed run is the same."""


class ModelSpec(Record):
    """A stack of layers, the first reading the data, and the loss over what the last one gives."""

    layers: Annotated[tuple[LayerBlock, ...], Field(min_length=1, max_length=MAX_LAYERS)]
    loss: Annotated[Loss, nested("rnnkit.losses")]


class StackSpec(Record):
    """The layers of an encoder or a decoder, the first reading ids."""

    layers: Annotated[tuple[LayerBlock, ...], Field(min_length=1, max_length=MAX_LAYERS)]


class PairSpec(Record):
    """An encoder that reads a source, and a decoder that starts from its states.

    `bridge` says what passes from each recurrent layer to the decoder's of equal rank: `all` of its
    state, or only its `output`. With `peek` the encoder's last output joins the inputs of the
    decoder's first recurrent layer and of its last layer, at every step.
    """

    encoder: StackSpec
    decoder: StackSpec
    bridge: Literal["all", "output"] = "all"
    peek: bool = False
    loss: Annotated[Loss, nested("rnnkit.losses")]


def _kind_of_model(value: object) -> str:
    """Return the tag of a model, before it is known to be valid."""
    if isinstance(value, dict):
        return "pair" if {"encoder", "decoder"} & set(value) else "stack"
    return "pair" if isinstance(value, PairSpec) else "stack"


AnyModel = Annotated[
    Annotated[ModelSpec, Tag("stack")] | Annotated[PairSpec, Tag("pair")],
    Discriminator(_kind_of_model),
]


class Clip(Record):
    """Bounds the gradient before the update: its global norm, or each of its values."""

    norm: Positive | None = None
    value: Positive | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Clip:
        if (self.norm is None) == (self.value is None):
            raise ValueError('give "norm" or "value", not both (or leave "clip" out)')
        return self


class StateReset(Record):
    """When a stream takes its initial state: never, or at each window, epoch or document."""

    reset: Literal["window", "epoch", "never", "document"] = "epoch"
    separator: Annotated[str, Field(min_length=1, max_length=256)] | None = None

    @model_validator(mode="after")
    def _separated(self) -> StateReset:
        if (self.reset == "document") != (self.separator is not None):
            raise ValueError('"reset": "document" and "separator" need each other')
        return self


class Every(Record):
    """How often a metrics line is written, the validation split evaluated, a checkpoint saved.

    At `sample` the model writes some text, to the terminal and to samples.jsonl.
    """

    log: Cadence = 100
    evaluate: Cadence | None = "epoch"
    save: Cadence = 1000
    sample: Cadence | None = None


class TrainingSample(Record):
    """What a model of text writes while it is trained, where `every.sample` says when.

    A language model goes on from `prompt`, by `length` tokens (else 200, or as many as the training
    part has); nothing that training draws depends on it. A decoder writes what is likeliest for the
    first source of the validation split, or else of training; an input that unrolls, its whole
    text.
    """

    prompt: Annotated[str, Field(max_length=65536)] = ""
    length: Size | None = None
    temperature: Annotated[float, Field(ge=1e-6, le=1e6)] = 1.0


class Best(Record):
    """Which evaluation is the best so far."""

    metric: Annotated[
        str,
        Field(
            pattern=r"^valid_[a-z0-9_]{1,64}\z",
            description='a metric of the validation split, such as "valid_loss"',
        ),
    ] = "valid_loss"
    mode: Literal["min", "max"] = "min"


class Stop(Record):
    """Ends training after `patience` evaluations without a new best."""

    patience: Annotated[int, Field(ge=1, le=10**6)]


class Sync(Record):
    """Local SGD: shards train a model of their own each, and every so many steps it is their mean.

    Also at the end of an epoch. Stich 2019; McMahan et al. 2017.
    """

    every: Annotated[int, Field(ge=1, le=10**6)]


class Train(Record):
    """How the model is trained: truncated backpropagation through time over parallel streams.

    Where data is too short for `streams` and `window` as they are by default, and they are not
    given, there are fewer streams of shorter windows. `shards` equal parts of the streams are
    learned each on its own, and their gradients added in one order: who computes them, any number
    of ranks and threads, changes no bit of the model. With `sync` they are averaged not at each
    step but now and then, for slow links.
    """

    epochs: Annotated[int, Field(ge=1, le=10**6)]
    streams: Size = 32
    shards: Annotated[int, Field(ge=1, le=4096)] = 1
    sync: Sync | None = None
    window: Size = 64
    optimizer: Annotated[Optimizer, nested("rnnkit.optimizers")]
    schedule: Annotated[Schedule, nested("rnnkit.schedules")] | None = None
    clip: Clip | None = None
    bptt: Truncation = Truncation()
    feed: Feed = Feed()
    recompute: bool = False
    state: StateReset = StateReset()
    every: Every = Every()
    sample: TrainingSample = TrainingSample()
    keep: Annotated[int, Field(ge=2, le=1000)] = 2
    best: Best = Best()
    stop: Stop | None = None
    start: Start | None = None
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 1

    @model_validator(mode="after")
    def _sharded(self) -> Train:
        if self.shards > self.streams:
            message = f'"shards" are parts of the {self.streams} streams, not {self.shards} of them'
            raise ValueError(f'{message} (fewer "shards", or more "streams")')
        return self

    @model_validator(mode="after")
    def _synchronized(self) -> Train:
        if self.sync is None:
            return self
        if self.shards == 1:
            raise ValueError(
                '"sync" averages the models of several shards, but "shards" is 1 '
                '(give more of them, or leave "sync" out)'
            )
        steps = self.sync.every
        for name, cadence in self.every:
            if isinstance(cadence, int) and cadence % steps:
                nearest = max(1, round(cadence / steps)) * steps
                message = f'"{name}" of "every" is {cadence}, but with "sync" there is one model '
                message += f"only every {steps} steps and at the end of an epoch "
                raise ValueError(f'{message}(give a multiple, such as {nearest}, or "epoch")')
        return self

    @model_validator(mode="after")
    def _evaluated(self) -> Train:
        if self.stop and self.every.evaluate is None:
            raise ValueError('"stop" needs evaluations, but "evaluate" is null in "every"')
        if self.schedule and self.schedule.observes and self.every.evaluate is None:
            kind = self.schedule.type
            raise ValueError(
                f'the schedule "{kind}" needs evaluations, but "evaluate" is null in "every"'
            )
        return self

    @model_validator(mode="after")
    def _sampled(self) -> Train:
        # A null that is written, as a run writes it, says that there is no sample.
        if "sample" in self.model_fields_set and "sample" not in self.every.model_fields_set:
            raise ValueError(
                '"sample" says what is written, and nothing says when '
                '(give "every": {"sample": 100}, or leave "sample" out)'
            )
        return self

    def ended(self, epoch: int, stale: int) -> bool:
        """Tell whether no step is left after so many epochs, `stale` evaluations without a best."""
        patient = self.stop is None or stale < self.stop.patience
        return epoch >= self.epochs or not patient

    def rates(self) -> dict[str, float]:
        """Return the factors of the learning rate that are not 1, by layer; 0 where frozen."""
        return self.start.factors() if self.start else {}

    def layout(self) -> Layout:
        """Return how the training split is laid out."""
        return Layout(self.streams, self.window, self.state.reset, self.state.separator)


class Evaluate(Record):
    """How a split is evaluated; what is left out is as in training.

    A split too short to give each of training's streams 512 steps has fewer, unless `streams` says
    how many: each starts from a zero hidden state, which counts against the model.
    `metrics` names more metrics than are reported automatically for the loss and the data.
    """

    streams: Size | None = None
    window: Size | None = None
    metrics: tuple[MetricName, ...] = ()


class Spec(Record):
    """A whole spec, validated. `canonical` gives the bytes that a run and a checkpoint store."""

    spec_version: Literal[1] = 1
    name: Name = "model"
    data: Annotated[Dataset, nested("rnnkit.datasets")]
    model: AnyModel
    train: Train
    evaluate: Evaluate = Evaluate()

    @model_validator(mode="after")
    def _suited(self) -> Spec:
        data = suited_to(self.data, self.model.loss)
        return self if data is self.data else self.model_copy(update={"data": data})

    def evaluation_layout(self, source: Source, split: Split) -> Layout:
        """Return how a split is laid out for evaluation: to its last token, state carried.

        Raises DataError where there is no such split.
        """
        train = self.train
        return Layout(
            self.evaluate.streams or self._streams_of(source.size(split)),
            self.evaluate.window or train.window,
            "epoch" if train.state.reset == "never" else train.state.reset,
            train.state.separator,
            tail=True,
        )

    def _streams_of(self, size: int) -> int:
        """Return the streams of training, or fewer where they would be short ones."""
        streams = self.train.streams
        if self.data.whole or self.train.state.reset == "window":
            return streams  # the state is not carried over what they cut
        return max(1, min(streams, (size - 1) // SHORTEST_STREAM))

    def fitted(self, source: Source) -> Spec:
        """Return the spec with what its data decides, such as classes, scalers, streams."""
        loss = self.model.loss
        loss = of_kind(loss, "fitted", loss.fitted(meaning_of(source)), Loss)
        data = of_kind(self.data, "fitted", self.data.fitted(source), Dataset)
        model = self.model.model_copy(update={"loss": loss})
        found = self.model_copy(update={"data": data, "model": model})
        if self.data.whole or "train" not in source.splits():
            return found
        given = self.train.model_fields_set
        layout = fitted_layout(self.train.layout(), given, partial(windows_in, source, "train"))
        chosen = {"streams": layout.streams, "window": layout.window}
        train = self.train.model_copy(update=chosen)
        return found.model_copy(update={"train": train})

    def left_open(self, other: Spec) -> Spec:
        """Return the spec with streams and window of another one, where they are not given."""
        given = self.train.model_fields_set
        left = {"streams", "window"} - given
        train = self.train.model_copy(update={name: getattr(other.train, name) for name in left})
        return self.model_copy(update={"train": train})

    def chosen_in_words(self, fitted: Spec) -> str:
        """Return which streams and window the data decided; "" where it did not."""
        train = fitted.train
        if train.layout() == self.train.layout():
            return ""
        return (
            f"the data is too short for {self.train.streams} streams of windows of "
            f"{self.train.window}: {train.streams} of {train.window} are taken (give "
            '"streams" and "window" to choose others)'
        )

    def canonical(self) -> bytes:
        """Return the resolved spec as bytes: equal specs give equal bytes."""
        return canonical_json(self.model_dump(mode="json"))


def canonical_json(value: object) -> bytes:
    """Return JSON with sorted keys and no NaN."""
    return (
        json.dumps(value, sort_keys=True, allow_nan=False, ensure_ascii=False, indent=1) + "\n"
    ).encode()
