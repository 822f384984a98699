"""A trained model from its file: sample, evaluate, score, or run it on ids."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnkit.checkpoint.meta import other_plugins, stored_spec
from rnnkit.checkpoint.run_directory import checkpoint_of, data_root, looked_for
from rnnkit.checkpoint.snapshot import Snapshot, match, read_checkpoint
from rnnkit.contracts import checked_tokenizer
from rnnkit.contracts.dataset import Dataset, Layout, Source, Split
from rnnkit.contracts.forecast_inputs import ForecastRequest
from rnnkit.contracts.metric import MetricName
from rnnkit.contracts.registry import Registry
from rnnkit.core.home import given_path
from rnnkit.core.signal import Signal
from rnnkit.errors import CheckpointError, SpecError, wrong_type
from rnnkit.inference.bound_network import BoundNetwork
from rnnkit.inference.generate import Sampling, generate, sampling_of, seen
from rnnkit.inference.inputs import checked_count
from rnnkit.inference.stream_state import StreamState, joined_streams
from rnnkit.network.builder import build_network
from rnnkit.network.network import Network
from rnnkit.network.states import States
from rnnkit.network.stored_arrays import stored_shapes
from rnnkit.spec.model import Spec
from rnnkit.types import Array

if TYPE_CHECKING:
    from rnnkit.inference.asked_records import RecordList
    from rnnkit.inference.evaluate import Measured

_log = logging.getLogger("rnnkit")
DRAWN = "none can be drawn by chance", "take the likeliest: --greedy, in Python greedy=True"


@dataclass(frozen=True, repr=False)
class Model(BoundNetwork):
    """A network with its parameters, and what it may be asked.

    What a question alone needs is imported when it is asked: a run loads this class too.
    """

    @property
    def history(self) -> RecordList:
        """The lines of metrics of its run, a record each; none where it has no run."""
        from rnnkit.inference.asked_records import history_of

        return history_of(self.path)

    @property
    def params(self) -> dict[str, Array]:
        """The parameters by layer and name, such as "0.lstm/Wx": views that cannot be written."""
        found = {name: array.view() for name, array in self.store.stored().items()}
        for view in found.values():
            view.flags.writeable = False
        return found

    def summary(self) -> str:
        """Return the layers as a table: what each reads and gives, its parameters, their number."""
        from rnnkit.inference.summary import summary_text

        return summary_text(self)

    def _repr_html_(self) -> str:
        """Return the summary as notebooks show it."""
        from rnnkit.inference.summary import summary_html

        return summary_html(self)

    def predict(self, values: Any, *, top: int = 1, keep: Sequence[str] = ()) -> RecordList:
        """Return what the model says of values of its own kind of data, a record for each row.

        Values are what `rnnkit.Arrays` takes as a frame, inputs, sequences, texts or sources of
        pairs, in the units of the data; targets are not read. Of a text the next token is foretold
        after each line. A record has the `row`, its label or its number from 0, and labels with
        their probabilities (the `top` likeliest), numbers in the units of the data, or a text; and
        the columns to `keep`. Raises DataError with column and row for what cannot be used.
        """
        from rnnkit.inference.ask_values import predict_values

        return predict_values(self, values, top, keep)

    def forecast(
        self,
        steps: int,
        values: Any = None,
        *,
        past: int | None = None,
        level: float = 0.8,
        paths: int = 200,
        seed: int = 1,
    ) -> RecordList:
        """Forecast the `steps` rows after a frame, or after the model's own data from memory.

        With `past` the first so many rows of each series are known, and columns that are read and
        not forecast are taken from the rows after them. A record has time and group, the `step`,
        and each column with `_low` and `_high` between which `level` of the simulated paths lie
        (`paths` 0: none), in the units of the data.
        """
        from rnnkit.inference.ask_values import forecast_values
        from rnnkit.inference.forecast import Intervals

        asked = ForecastRequest(steps, past)
        return forecast_values(self, values, asked, Intervals(level, paths, seed))

    def decode(
        self, sources: str | Sequence[str], *, beams: int = 1, length: int = 200
    ) -> str | list[str]:
        """Return what the decoder writes for each source, or for one text alone.

        The likeliest token each time, or the best of so many `beams`; at most `length` tokens.
        """
        from rnnkit.inference.ask_values import decode_texts

        return decode_texts(self, sources, beams, length)

    def hidden_states(self, xs: Array, state: States | None = None) -> States:
        """Return the states after each step of ids (T, B), or values (T, B, F), by layer.

        Values are in the units of the data, as `forward` takes them; each array is (T, B, N).
        """
        from rnnkit.inference.hidden_states import hidden_states_of

        return hidden_states_of(self, xs, state)

    def sample(self, prompt: str = "", length: int = 200, **options: object) -> str:
        """Return `length` more tokens as text; the options are those of `Sampling`.

        Raises DataError for a prompt with a token that the model does not know, and ValueError for
        a length below 0 and for options that are wrong.
        """
        length, sampling = checked_count("length", length, 0), sampling_of(options)
        steps = islice(self.stream(prompt, 1, sampling), length)
        return self.continuation(prompt, [int(ids[0]) for ids in steps])

    def continuation(self, prompt: str, ids: Sequence[int]) -> str:
        """Return what ids add to a prompt, so that the two can stand side by side.

        Words are joined by a space, unless the prompt ends in one.
        """
        return self.continuations(prompt, [ids])[0]

    def continuations(self, prompt: str, samples: Sequence[Sequence[int]]) -> list[str]:
        """Return the same for many samples of one prompt, which is encoded once."""
        tokenizer, vocabulary = self.text()
        before = self.encode(prompt).tolist()
        start = checked_tokenizer.decode(tokenizer, before, vocabulary)

        def added(ids: Sequence[int]) -> str:
            whole = checked_tokenizer.decode(tokenizer, [*before, *ids], vocabulary)
            if not whole.startswith(start):  # a character of several bytes that the prompt began
                return checked_tokenizer.decode(tokenizer, ids, vocabulary)
            rest = whole[len(start) :]
            joined = (
                rest[:1] == " " and checked_tokenizer.decode(tokenizer, ids, vocabulary)[:1] != " "
            )
            return rest[1:] if joined and prompt[-1:].isspace() else rest

        return [added(ids) for ids in samples]

    def stream(
        self, prompt: str, count: int, sampling: Sampling, begun: StreamState | None = None
    ) -> Iterator[Array]:
        """Yield the next ids (count,) of so many samples, for ever.

        They continue the stream `begun`, the prompt read after it (None: a zero hidden state).
        """
        ids = self._prompt_of(prompt, begun)
        self.network.token_scores.check(self.path, *(() if sampling.greedy else DRAWN))
        return generate(self.network, self.store.values, ids, count, sampling, begun, self.int8)

    def after(
        self, prompt: str, samples: Sequence[Sequence[int]], begun: StreamState | None = None
    ) -> StreamState:
        """Return the hidden states after samples that `stream` gave, each cut where its ids end."""
        before, first = self._prompt_of(prompt, begun), begun or StreamState.zero(self.network)
        first = first.spread(len(samples))
        parts: list[StreamState] = []
        for k, sample in enumerate(samples):
            ids = np.concatenate([before, np.array(sample, np.int64)])
            part = seen(self.network, self.store.values, ids, first.rows(np.array([k])))
            parts.append(replace(part, drawn=part.drawn + len(sample)))
        return joined_streams(parts)

    def _prompt_of(self, prompt: str, begun: StreamState | None) -> Array:
        """Return the ids of a prompt; an empty one adds nothing to what `begun` has seen."""
        self._check_next()
        ids = self.encode(prompt)
        return self.prompt_ids(prompt) if begun is None or begun.last is None else ids

    def score(self, text: str) -> tuple[Array, Array]:
        """Return (ids, log p): each token of a text with its log-probability in nats.

        The text is read as if it began a line. Raises DataError for what the model does not know.
        """
        return self.score_on(text, self.line_start())[:2]

    def scores(self, lines: Iterable[str]) -> Iterator[tuple[Array, Array]]:
        """Yield what `score` returns of each line, in the order given; many are read at once.

        Where layers are not compiled log p differs by some 1e-6. 2**16 tokens are read ahead.
        """
        from rnnkit.inference.score import score_lines

        return score_lines(self, lines)

    def score_on(self, text: str, begun: StreamState) -> tuple[Array, Array, StreamState]:
        """Return the same for a text that continues one stream, and the stream after it."""
        from rnnkit.inference.score import score_text

        return score_text(self, text, begun)

    def evaluate(
        self,
        split: Split = "valid",
        source: Source | None = None,
        root: str | Path | None = None,
        streams: int | None = None,
        window: int | None = None,
        *,
        data: Dataset | None = None,
    ) -> dict[str, float]:
        """Return the metrics of a split of the model's own data, of a source, or of other data.

        `data`, such as `rnnkit.Arrays(...)`, is read with the model's own classes and scales, all
        of it. Relative paths start at `root`, or else where those of the run did.
        """
        given = None if root is None else given_path(root)
        if data is not None:
            split, source = "test", self._opened(data)
        opened = source or self.open_data(data_root(self.path, given))
        layout = self.layout(opened, split, streams, window)
        return self.measure(split, opened, layout, self.spec.evaluate.metrics).metrics

    def measure(
        self, split: Split, source: Source, layout: Layout, asked: Sequence[MetricName] = ()
    ) -> Measured:
        """Return the metrics of a split, those in `asked` too, and the tables that go with them."""
        from rnnkit.inference.evaluate import evaluate

        return evaluate(
            self.network,
            self.store.values,
            source,
            split,
            layout,
            in_blocks=self.spec.train.recompute,
            asked=asked,
            shards=self.spec.train.shards,
        )

    def layout(
        self,
        source: Source,
        split: Split,
        streams: int | None = None,
        window: int | None = None,
    ) -> Layout:
        """Return how a split is evaluated, with other streams or windows where they are given."""
        spec = self.spec.evaluation_layout(source, split)
        for name, value in (("streams", streams), ("window", window)):
            if value is not None:
                checked_count(name, value)
        return replace(spec, streams=streams or spec.streams, window=window or spec.window)

    def _opened(self, data: Dataset) -> Source:
        """Open data of the caller as the model reads it."""
        if not isinstance(data, Dataset):
            raise wrong_type("data", "rnnkit.Arrays", data, "rnnkit.Arrays(...) holds values")
        return data.read_by(self.spec.data).open(Path("."), self.vocabulary)

    def open_data(self, root: str | Path) -> Source:
        """Open the data that the spec names, encoded with the model's vocabulary."""
        from rnnkit.network.memory import open_data

        folder = given_path(root)
        with looked_for(folder):
            return open_data(self.spec.data, folder, self.vocabulary)


def load(
    path: str | Path,
    registry: Registry | None = None,
    tell: Callable[[str], None] = _log.warning,
    *,
    accept_plugin: bool = False,
) -> Model:
    """Load a checkpoint, or the best one of a run directory (else its newest).

    Raises CheckpointError for a file that is damaged or does not fit its spec, and PluginError
    with the `pip install` line for one that needs a plugin; one of another distribution is refused
    without `accept_plugin`. `tell` hears of an older schema, and of a plugin that is not as it was;
    by default the log "rnnkit" does.
    """
    if not isinstance(path, str | Path):
        raise wrong_type("load", "the path of a checkpoint or a run", path, "see rnnkit.build")
    file, found = checkpoint_of(given_path(path)), registry or Registry(None, accept_plugin)
    snapshot = read_checkpoint(file, tell)
    model = model_of(snapshot, file, found)
    for note in other_plugins(snapshot.meta, found):
        tell(f"{file}: {note}")
    return model


def model_of(snapshot: Snapshot, path: Path, registry: Registry) -> Model:
    """Give the parameters of a checkpoint to the network of its spec."""
    spec, network = network_of(snapshot, path, registry)
    vocabulary, facts = snapshot.vocabulary, snapshot.meta.data
    if vocabulary is not None and vocabulary.size != facts.inputs:
        message = f"expected a vocabulary of {facts.inputs} tokens, received {vocabulary.size}"
        raise CheckpointError.of("CKPT_META", message, path)
    # Compared first: what a spec declares may be larger than any memory.
    match(snapshot, stored_shapes(spec, network), path)
    store = network.store(np.dtype(np.float32))
    stored = store.stored()
    for name, value in snapshot.part("params").items():
        stored[name][...] = value
    return Model(path, spec, network, store, vocabulary, facts)


def network_of(snapshot: Snapshot, path: Path, registry: Registry) -> tuple[Spec, Network]:
    """Return the spec of a checkpoint with its network; raises CheckpointError and PluginError."""
    facts = snapshot.meta.data
    inputs = Signal(facts.inputs, facts.inputs_are_ids)
    targets = Signal(facts.targets, facts.targets_are_ids)
    try:
        return build_network(stored_spec(snapshot.meta, registry, path), inputs, targets)
    except SpecError as error:
        message = f"meta.spec: {error.problems[0].message}"
        raise CheckpointError.of("CKPT_META", message, path) from error
