"""What training takes in memory: counted where the shapes tell, measured for the window."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from rnnkit.compute.parallel import threads
from rnnkit.compute.shard_tree import Range, even_ranges, subtrees, sums_at_once
from rnnkit.contracts.checked_dataset import open_source, windows_in, windows_of
from rnnkit.contracts.dataset import Dataset, Layout, Source
from rnnkit.contracts.optimizer import slot_names
from rnnkit.contracts.returned import of_kind, size_of
from rnnkit.contracts.tokenizer import Vocabulary
from rnnkit.core.machine import spare_memory
from rnnkit.core.params import count, count_learned
from rnnkit.core.signal import Signal
from rnnkit.errors import ResourceError
from rnnkit.network.gradient_checkpointing import window_blocks
from rnnkit.network.moments import start_bytes, trial_bytes, update_bytes
from rnnkit.network.network import Network
from rnnkit.network.truncation import sequences_at_once
from rnnkit.network.window_memory import window_bytes
from rnnkit.spec.model import Spec

LOOKED = 32
"""Windows that are looked at for restarts."""

FLOAT = np.dtype(np.float32)

MOMENTS = "start", "trial", "update", "checkpoint"


@dataclass(frozen=True)
class Memory:
    """Bytes that training takes at its peak, by what for.

    `data` is what was made up, `models` those that shards train apart, `batch` one window of data,
    or all up to their averaging, `window` all that learning from one takes. `window` is None where
    it was not measured, because the rest is more than the budget or a layer raised. `start`,
    `trial` (of plugins), `update` and `checkpoint` are moments, of which the largest counts.
    """

    data: int
    parameters: int
    gradients: int
    optimizer: int
    models: int
    state: int
    batch: int
    window: int | None
    start: int = 0
    trial: int = 0
    update: int = 0
    checkpoint: int = 0

    @property
    def total(self) -> int:
        """All of it, as far as it is known."""
        return sum(self._parts().values())

    def in_words(self) -> str:
        """Return the parts that take something, with their sizes."""
        return ", ".join(f"{name} {human(size)}" for name, size in self._parts().items() if size)

    def _parts(self) -> dict[str, int]:
        """Return what counts, by name."""
        largest = max(MOMENTS, key=lambda name: getattr(self, name))
        return {
            name: size or 0
            for name, size in vars(self).items()
            if name == largest or name not in MOMENTS
        }

    def check(self, budget: int, where: object = "") -> None:
        """Raise ResourceError where it is more than the budget in bytes."""
        if self.total > budget:
            raise ResourceError.of(
                "MEM_BUDGET",
                f"training needs {human(self.total)} ({self.in_words()}), the budget is "
                f"{human(budget)} (fewer units, streams or steps in a window, "
                '"recompute" for a long one, or --max-memory)',
                where,
            )


def open_data(
    dataset: Dataset,
    root: Path,
    vocabulary: Vocabulary | None = None,
    budget: int | None = None,
) -> Source:
    """Open a dataset; raises ResourceError where it needs more than the budget for that."""
    made = size_of(dataset, "made", dataset.made())
    read = size_of(dataset, "reads", dataset.reads(root))
    most = default_budget() if budget is None else budget
    if read > most:
        raise ResourceError.of(
            "MEM_BUDGET",
            f"to read the files of {dataset.type} data takes up to {human(read)}, the budget is "
            f"{human(most)} (give less data, or --max-memory where a command has it)",
        )
    if made > most:
        raise ResourceError.of(
            "MEM_BUDGET",
            f"the data that {dataset.type} makes up needs {human(made)}, the budget is "
            f"{human(most)} (fewer or shorter sequences, or --max-memory)",
        )
    return open_source(dataset, root, vocabulary)


def memory(spec: Spec, network: Network, source: Source, budget: int, ranks: int = 1) -> Memory:
    """Return what training takes: counted from the shapes, and measured for the window.

    With several ranks it is what the one with the most shards takes. Nothing is allocated where
    what is counted alone is more than the budget in bytes.
    """
    train = spec.train
    declared, parts = network.declared(), len(_threads(train.shards, ranks))
    learned = count_learned(declared) * FLOAT.itemsize
    optimizer = learned * len(slot_names(train.optimizer))
    sums, models, windows = _sums(train.shards, ranks), 0, 1
    if train.sync:
        models = sums * (learned + optimizer)  # those are added up
        sums = 1 + parts
        windows = min(train.sync.every, windows_in(source, "train", train.layout()))
    # Weights and resets take five bytes for each target.
    row = _bytes(network.inputs) + _bytes(network.targets) + 5
    state = _state_bytes(network, train.streams)
    dropped = sum(math.prod(shape) for _, _, shape in network.dropped) * FLOAT.itemsize
    counted = Memory(
        data=spec.data.made(),
        parameters=count(declared) * FLOAT.itemsize,
        gradients=learned * sums + dropped * parts,
        optimizer=optimizer,
        models=models,
        state=state,
        batch=row * train.streams * _steps(spec, source) * windows,
        window=None,
        start=start_bytes(declared),
        trial=trial_bytes(network.layers, declared),
        update=update_bytes(train.optimizer, count_learned(declared)),
        checkpoint=count(declared) * FLOAT.itemsize + optimizer + state,
    )
    if counted.total > budget:
        return counted
    return Memory(**{**vars(counted), "window": _window(spec, network, source, ranks)})


def _window(spec: Spec, network: Network, source: Source, ranks: int) -> int | None:
    """Return the bytes that a window takes; None where a layer raises, as its trial will tell.

    Each thread learns one shard at a time, and keeps scratch memory for each size of its own; what
    all of them leave is a second state.
    """
    train = spec.train
    sizes = [last - first for first, last in even_ranges(train.streams, train.shards)]
    kinds = sum(len(set(sizes[slice(*part)])) for part in _threads(train.shards, ranks))
    rows = max(sizes)
    restarts = _restarts(spec, source)
    steps = _steps(spec, source)
    learned, streams, kept = steps, rows, 0
    if train.recompute:
        # Of each block the state that enters it is kept, of one also the gradient of its state.
        cuts = window_blocks(steps)
        learned, kept = cuts[0].stop, len(cuts) if len(cuts) > 1 else 0
    elif train.bptt.steps:
        # The state that enters each step is kept, and no outputs but those of the last step.
        learned, kept = train.bptt.steps, steps + 1
        streams = sequences_at_once(steps, rows, learned)
    try:
        found = window_bytes(network, learned, streams, restarts)
    except MemoryError:
        raise
    except (Exception, SystemExit):
        return None
    found = kinds * (found + kept * _state_bytes(network, rows))
    return found + (_state_bytes(network, train.streams) if train.shards > 1 else 0)


def _threads(shards: int, ranks: int) -> list[Range]:
    """Return the shards of each thread of a rank; the last one has the most."""
    first, last = even_ranges(shards, ranks)[-1]
    parts = even_ranges(last - first, min(threads(), last - first))
    return [(first + start, first + stop) for start, stop in parts]


def _sums(shards: int, ranks: int) -> int:
    """Return how many sums over shards are held at once: of gradients, or of models."""
    return sum(sums_at_once(subtrees(part, (0, shards))) for part in _threads(shards, ranks))


def _steps(spec: Spec, source: Source) -> int:
    """Return the steps of the longest window."""
    layout = spec.data.laid_out(source, spec.train.layout())
    return of_kind(spec.data, "laid_out", layout, Layout).window


def _restarts(spec: Spec, source: Source) -> bool:
    """Tell whether streams start anew in the middle of a window, by the policy or by the data."""
    layout = spec.train.layout()
    if layout.reset == "document":
        return True
    if not windows_in(source, "train", layout):
        return False
    # Sequences of one length may share the first batch, and not the next.
    first = islice(windows_of(source, "train", layout, None), LOOKED)
    return any(batch.resets[1:].any() for batch in first)


def _bytes(signal: Signal) -> int:
    """Return the bytes of one step of one stream."""
    return FLOAT.itemsize * (1 if signal.ids else signal.known())


def _state_bytes(network: Network, streams: int) -> int:
    shapes = network.state_shapes(streams).values()
    return FLOAT.itemsize * sum(rows * width for layer in shapes for rows, width in layer)


def default_budget(held: int = 0) -> int:
    """Return 80 % of the memory that is free now, in bytes, and those that data holds already."""
    return spare_memory() + held


def human(size: float) -> str:
    """Return a number of bytes as people write it."""
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
