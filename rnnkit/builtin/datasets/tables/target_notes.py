"""What is to be told of the targets of whole sequences: those ignored, and those all alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np

from rnnkit.builtin.datasets.shared.sequence_source import Examples, ignored
from rnnkit.builtin.datasets.tables.examples import Parsed
from rnnkit.builtin.datasets.tables.rows import as_json
from rnnkit.builtin.datasets.tables.target_fields import NO_LABEL, Predicts
from rnnkit.contracts.dataset import Split


def target_notes(
    targets: Predicts, rows: Mapping[Split, Sequence[Parsed]], found: Mapping[Split, Examples]
) -> list[str]:
    """Return what is to be told, each as a phrase; `targets` knows what training taught."""
    notes = []
    left_out = sum(int(ignored(part.targets.values).sum()) for part in found.values())
    marked = 0
    if targets.kind == "class" and NO_LABEL not in (targets.labels or ()):
        marked = sum((row.targets or []).count(NO_LABEL) for row in chain(*rows.values()))
    if left_out:
        how = f'{marked:,} as -1 (name "-1" in "labels" to make it a class)' if marked else ""
        missing = f"{left_out - marked:,} as missing" if left_out > marked else ""
        parts = " and ".join(filter(None, [missing, how]))
        notes.append(f"{left_out:,} target{'s are' if left_out > 1 else ' is'} ignored: {parts}")
    if "train" in found and (only := _only_target(targets, found["train"])):
        notes.append(f"every target of training is {only}: nothing else can be learned")
    weights = found["train"].weights if "train" in found else None
    if weights is not None and not weights.any():
        notes.append("every weight of training is 0: nothing can be learned")
    return notes


def label_counts(targets: Predicts, found: Mapping[Split, Examples]) -> tuple[int, ...] | None:
    """Return how many targets of training there are of each label; None for numbers."""
    if targets.kind == "numbers" or "train" not in found:
        return None
    values = found["train"].targets.values
    counts = np.bincount(values[~ignored(values)], minlength=len(targets.labels or ()))
    return tuple(counts.tolist())


def _only_target(targets: Predicts, train: Examples) -> str:
    """Return the target that all are; "" where two differ."""
    values = train.targets.values
    known = values[~ignored(values)]
    if not len(known) or (known != known[0]).any():
        return ""
    if targets.kind != "numbers":
        return as_json((targets.labels or ())[int(known[0])])
    units = targets.scaler.unscaled(known[0]) if targets.scaler else known[0]
    numbers = [float(f"{value:.7g}") for value in np.asarray(units).tolist()]
    return as_json(numbers if len(numbers) > 1 else numbers[0])
