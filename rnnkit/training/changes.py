"""What a resume may change in the spec, what it may not, and what each change means."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rnnkit.compute.shard_tree import even_ranges
from rnnkit.errors import Problem, RefusedError, printable
from rnnkit.spec.locations import Draft
from rnnkit.spec.model import Spec, Sync, Train
from rnnkit.spec.overrides import path_of

NEW_SCHEDULE = "train.schedule.type"
"""The change after which nothing that the stored state knows of a schedule counts."""

SHARDS, SYNC = "train.shards", "train.sync"

STAYS = "streams, hidden states, the place in the data, parameters and moments stay"

ALLOWED = {
    "train.epochs": "the run ends at another epoch",
    "train.optimizer.lr": "later updates use the new rate",
    "train.optimizer.weight_decay": "later updates use the new decay",
    "train.schedule": "later updates use the new options, from the stored state",
    NEW_SCHEDULE: "it starts from its own beginning, at the next step",
    "train.clip": "later gradients are bounded otherwise",
    "train.every": "later lines, evaluations and checkpoints come at other steps",
    "train.sample": "later samples are drawn otherwise",
    "train.feed": "later windows read other inputs",
    "train.recompute": "later sums are formed in another order, and dropout draws other numbers",
    SHARDS: "later sums are formed in another order, and dropout draws other numbers",
    SYNC: "later models are averaged at other steps",
    "train.keep": "another number of checkpoints is kept",
    "train.stop": "the run ends after another number of evaluations without a new best",
    "train.start.rates": "later updates of these layers use the new rates",
    "evaluate": "later evaluations are measured otherwise and do not compare with earlier ones",
}

REFUSED = {
    "": "it belongs to the run that was started",
    "model": "the stored parameters and hidden state have the shapes of the old value",
    "data": "the stored position and vocabulary belong to the old data",
    "train.optimizer": "the stored moments belong to the optimizer of the run",
    "train.streams": "the hidden state has one row for each stream",
    "train.window": "the position in the data is counted in windows",
    "train.state": "the hidden state was carried under the old policy",
    "train.bptt": "the hidden state was saved so many steps before the window",
    "train.seed": "every random number follows from the seed",
    "train.start": "the run began with it, and its optimizer keeps nothing of frozen layers",
    "train.best": "the best so far was chosen by the old metric",
}


@dataclass(frozen=True)
class Change:
    """One value that differs between the stored spec and the one asked for."""

    path: str
    old: Any
    new: Any

    @property
    def rule(self) -> str:
        """The longest entry of the two tables that the path falls under."""
        return max(filter(self._under, [*ALLOWED, *REFUSED]), key=len)

    @property
    def allowed(self) -> bool:
        """Tell whether a resume may make the change."""
        return self.rule in ALLOWED

    @property
    def meaning(self) -> str:
        """What the change does, or why it cannot be made."""
        return {**ALLOWED, **REFUSED}[self.rule]

    def __str__(self) -> str:
        """Return the change as a phrase."""
        return f"{self.path}: {in_json(self.old)} -> {in_json(self.new)}"

    def _under(self, rule: str) -> bool:
        return not rule or self.path == rule or self.path.startswith((rule + ".", rule + "["))


def in_json(value: Any) -> str:
    """Return a value as it is written in a spec, on one line."""
    return printable(json.dumps(value, ensure_ascii=False))


def changes(stored: Spec, asked: Spec) -> list[Change]:
    """Return what differs, value by value."""
    old = dict(_leaves(stored.model_dump(mode="json"), ""))
    new = dict(_leaves(asked.model_dump(mode="json"), ""))
    found = [
        Change(path, old.get(path), new.get(path))
        for path in sorted(old.keys() | new.keys())
        if old.get(path) != new.get(path)
    ]
    # Where a block is of another type, its options are all new.
    renewed = [c.path.removesuffix("type") for c in found if c.path.endswith(".type")]
    return [
        change
        for change in found
        if not any(change.path.startswith(b) and change.path != f"{b}type" for b in renewed)
    ]


def sharing_in_words(change: Change, old: Train, new: Train) -> str:
    """Return what a change of shards or sync does to who learns from which streams; else ""."""
    if change.rule == SHARDS:
        models = ", each with a model of its own between two averagings" if new.sync else ""
        return f"{_groups(new)}, before {_groups(old)}{models}; {STAYS}"
    if change.rule != SYNC:
        return ""
    if new.sync is None:
        return f"{_groups(new)} learn one model again, with an update in common; {STAYS}"
    how = f"{_groups(new)} train models of their own, averaged every {_steps(new.sync)}"
    before = f"every {_steps(old.sync)}" if old.sync else "one model with an update in common"
    return f"{how} and at the end of an epoch, before {before}; {STAYS}"


def _groups(train: Train) -> str:
    """Return how the streams are cut, such as `2 groups of 3 streams`."""
    sizes = sorted({last - first for first, last in even_ranges(train.streams, train.shards)})
    streams = " or ".join(map(str, sizes))
    groups = f"{train.shards} group{'s' * (train.shards > 1)}"
    return f"{groups} of {streams} stream{'s' * (sizes != [1])}"


def _steps(sync: Sync) -> str:
    return f"{sync.every} steps" if sync.every > 1 else "step"


def asked_for(stored: Spec, overrides: Sequence[str]) -> list[Change]:
    """Return what overrides change of what the stored spec has, though the result is no spec."""
    draft, found = Draft(stored.model_dump(mode="json"), {}), []
    for override in overrides:
        target, _, written = override.partition("=")
        old, new = draft.get(path_of(target)), _value(written)
        if old is not None and old != new:
            found.append(Change(target, old, new))
    return found


def _value(written: str) -> Any:
    try:
        return json.loads(written)
    except (ValueError, RecursionError):
        return written


def check_changes(found: list[Change], where: object) -> None:
    """Raise RefusedError naming every change that a resume may not make, and why."""
    problems = [
        Problem(
            str(where),
            "CKPT_SPEC_MISMATCH",
            f"{change} cannot change on a resume: {change.meaning} (start a new run)",
        )
        for change in found
        if not change.allowed
    ]
    if problems:
        raise RefusedError(*problems)


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}[{index}]")
    else:
        yield path, value
