"""A model as a checkpoint of its own, which no run wrote: its parameters, and a fresh start."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from rnnkit.checkpoint.begun import Begun
from rnnkit.checkpoint.meta import DataFacts, Meta
from rnnkit.checkpoint.progress import Progress
from rnnkit.checkpoint.snapshot import Snapshot
from rnnkit.compute.numerics import fingerprint
from rnnkit.contracts.registry import Registry
from rnnkit.errors import RefusedError
from rnnkit.exchange.trained import Trained
from rnnkit.files.outputs import write_output
from rnnkit.network.stored_arrays import first_slots, stored_arrays
from rnnkit.network.truncation import History


def save_model(
    model: Trained,
    data: DataFacts | None,
    path: Path,
    begun: Begun | None = None,
    force: bool = False,
) -> None:
    """Write the checkpoint; raises RefusedError where there is a file and no `force`.

    StorageError where it cannot be written, DivergedError where a parameter is not finite.
    """
    if data is None:
        raise ValueError("save: a model of a run that goes on is saved by that run")
    check_new(path, force)
    write_output(path, first_snapshot(model, data, begun).encoded())


def check_new(path: Path, force: bool) -> None:
    """Raise RefusedError where a file would be lost."""
    if os.path.lexists(path) and not force:
        message = "is there already (give another name, or force to replace it)"
        raise RefusedError.of("CKPT_EXISTS", message, path)


def first_snapshot(model: Trained, data: DataFacts, begun: Begun | None) -> Snapshot:
    """Return the state of a run of the model's spec before its first step."""
    spec, network, store = model.spec, model.network, model.store
    train = spec.train
    progress = Progress(schedule=train.schedule.start() if train.schedule else None)
    arrays = stored_arrays(
        store,
        first_slots(spec, store),
        network.initial_states(train.streams, np.dtype(np.float32)),
        History.empty(network.inputs, train.bptt.before, train.streams),
    )
    meta = Meta.of(spec, Registry(), data, fingerprint(), progress, begun)
    return Snapshot(meta, arrays, model.vocabulary)
