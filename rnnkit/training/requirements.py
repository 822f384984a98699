"""What a spec asks of its data and its network, checked before anything is trained."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from rnnkit.contracts import checked_tokenizer
from rnnkit.contracts.checked_dataset import windows_in, windows_of
from rnnkit.contracts.dataset import Batch, Layout, Source, Split
from rnnkit.contracts.layer import couples_streams
from rnnkit.contracts.loss import Loss
from rnnkit.core.params import ParamSpec, Shared
from rnnkit.errors import DataError, Path, SpecError, placed
from rnnkit.inference.evaluate import metric_names
from rnnkit.network.network import Network
from rnnkit.spec.hints import near_hint
from rnnkit.spec.model import Spec
from rnnkit.spec.start import Start
from rnnkit.training.samples import writes_text


class Unmet(NamedTuple):
    """A value of the spec that asks for what there is not."""

    path: Path
    code: str
    message: str


def check_demands(spec: Spec, network: Network, source: Source) -> None:
    """Raise DataError for a split too short and for wrong targets, SpecError for what is absent."""
    layouts: dict[Split, Layout] = {"train": spec.train.layout()}
    for split in source.splits():
        if split != "train":
            layouts[split] = spec.evaluation_layout(source, split)
    windows = {split: windows_in(source, split, layout) for split, layout in layouts.items()}
    if found := [SpecError.at(*unmet) for unmet in _unmet(spec, network, source)]:
        raise SpecError(*(error.problems[0] for error in found))
    if not source.targets.ids and type(network.loss).check_values is not Loss.check_values:
        for split, layout in layouts.items():
            batches = islice(windows_of(source, split, layout, None), windows[split])
            _check_values(network.loss, batches, split, layout)


def _check_values(loss: Loss, batches: Iterable[Batch], split: Split, layout: Layout) -> None:
    """Raise DataError for a target of a split that the loss has no meaning for."""
    for batch in batches:
        batch.check(layout.streams)
        try:
            loss.check_values(batch.targets[batch.weights != 0])
        except DataError as error:
            raise placed(error, f"the {split} split") from error


def _unmet(spec: Spec, network: Network, source: Source) -> Iterator[Unmet]:
    if spec.train.feed.type != "teacher" and (reason := network.token_scores.no_distribution):
        message = f'{reason} (take another loss, or leave "feed" out)'
        yield Unmet(("train", "feed", "type"), "SPEC_INCONSISTENT", message)
    if spec.train.start:
        yield from _learning(spec.train.start, network)
    if spec.train.shards > 1:
        yield from _sharded(spec, network)
    if spec.train.every.sample is not None:
        yield from _sampled(spec, network, source)
    if "valid" in source.splits():
        yield from _best(spec, metric_names(network, source, spec.evaluate.metrics))
    else:
        yield from _evaluated(spec, source.splits())


def _learning(start: Start, network: Network) -> Iterator[Unmet]:
    """Yield what has nothing to freeze or to learn, and a model that learns nothing."""
    declared, path = network.declared(), ("train", "start")
    places: dict[str, Path] = {name: (*path, "freeze", at) for at, name in enumerate(start.freeze)}
    places |= {name: (*path, "rates", name) for name in start.rates}
    for name, place in places.items():
        specs = declared.get(name, {}).values()
        if any(isinstance(spec, ParamSpec) for spec in specs):
            continue
        shared = [spec.layer for spec in specs if isinstance(spec, Shared)]
        what = f"has those of {shared[0]} (name that)" if shared else "has none (leave it out)"
        message = f"layer {name} has no parameters of its own: it {what}"
        yield Unmet(place, "SPEC_INCONSISTENT", message)
    if not network.learning:
        message = "every layer with parameters is frozen, so nothing is learned (leave one out)"
        yield Unmet((*path, "freeze"), "SPEC_INCONSISTENT", message)


def _sharded(spec: Spec, network: Network) -> Iterator[Unmet]:
    """Yield what needs all streams of a window at once, and streams that are too few."""
    if spec.train.shards > spec.train.streams:
        message = f"the data gives {spec.train.streams} streams, which are too few to cut "
        yield Unmet(("train", "shards"), "SPEC_INCONSISTENT", f'{message}(fewer "shards")')
    coupled = [f"layer {name}" for name, layer in network.named if couples_streams(layer)]
    coupled += [f"loss {network.loss.type}"] * network.loss.couples_streams
    if coupled:
        message = f"{', '.join(coupled)} reads all streams together, and shards are learned each "
        message += 'on its own (leave "shards" out)'
        yield Unmet(("train", "shards"), "SPEC_INCONSISTENT", message)


def _sampled(spec: Spec, network: Network, source: Source) -> Iterator[Unmet]:
    """Yield what writes no text, and a prompt that the model does not know."""
    tokenizer, vocabulary = spec.data.text_tokenizer(), source.vocabulary
    reason = "the model writes no text" if not writes_text(spec.data, source) else ""
    if reason := reason or network.token_scores.no_choice:
        yield Unmet(("train", "every", "sample"), "SPEC_INCONSISTENT", f"{reason} (leave it out)")
    elif tokenizer and vocabulary and (prompt := spec.train.sample.prompt):
        try:
            checked_tokenizer.encode(tokenizer, prompt.encode(errors="replace"), vocabulary)
        except DataError as error:
            first = error.problems[0]
            yield Unmet(("train", "sample", "prompt"), first.code, first.message)


def _best(spec: Spec, measured: Sequence[str]) -> Iterator[Unmet]:
    names, metric = [f"valid_{name}" for name in measured], spec.train.best.metric
    if metric not in names:
        message = f"there is no {metric} here (there is {', '.join(names)})"
        yield Unmet(("train", "best", "metric"), "SPEC_METRIC", message + near_hint(metric, names))


def _evaluated(spec: Spec, splits: Sequence[str]) -> Iterator[Unmet]:
    """Yield what watches the validation split, where there is none."""
    train = spec.train
    missing = f"needs a validation split, but there is {', '.join(splits)} alone"
    advice = "give the data one, such as by its split, or leave this out"
    if train.stop:
        yield Unmet(("train", "stop"), "SPEC_INCONSISTENT", f"{missing} ({advice})")
    if train.schedule and train.schedule.observes:
        path, kind = ("train", "schedule"), train.schedule.type
        yield Unmet(path, "SPEC_INCONSISTENT", f'"{kind}" {missing} ({advice})')
