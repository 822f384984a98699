"""What stays the same while a run trains, and how its state becomes a checkpoint and back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from rnnkit.checkpoint.begun import Begun
from rnnkit.checkpoint.meta import DataFacts, Meta, nested_blocks, stored_spec
from rnnkit.checkpoint.progress import Progress
from rnnkit.checkpoint.run_directory import RunDir
from rnnkit.checkpoint.snapshot import Snapshot, match, mismatches
from rnnkit.compute.numerics import Numerics
from rnnkit.compute.ranks import Ranks
from rnnkit.compute.workers import Workers
from rnnkit.contracts.checked_dataset import windows_in, windows_of
from rnnkit.contracts.dataset import Source
from rnnkit.contracts.registry import Registry
from rnnkit.core.json_values import kept_by_json
from rnnkit.core.params import ParamStore
from rnnkit.errors import CheckpointError, DataError, PluginError, raised
from rnnkit.network.network import Network
from rnnkit.network.stored_arrays import stored_arrays, stored_shapes
from rnnkit.spec.model import Spec
from rnnkit.training.plugin_checks import try_plugins
from rnnkit.training.requirements import check_demands
from rnnkit.training.step import Training
from rnnkit.types import Array
from rnnkit.version import VERSION


@dataclass(frozen=True)
class Session:
    """A run, its data and its network; `spec` is the resolved one."""

    run: RunDir
    registry: Registry
    source: Source
    spec: Spec
    network: Network
    numerics: Numerics
    ranks: Ranks = field(default_factory=Ranks)
    begun: Begun | None = None

    def facts(self, training: Training) -> dict[str, object]:
        """Return what has to be the same on all ranks."""
        return {
            "rnnkit": VERSION,
            "spec": hashlib.sha256(self.spec.canonical()).hexdigest(),
            "data": self.source.digest(),
            "windows in an epoch": training.windows,
            "arithmetic": self.numerics,
            "initial values": self.begun,
        }

    def meta(self, training: Training) -> Meta:
        """Return what a checkpoint says of the state."""
        facts, progress = DataFacts.of(self.source), training.progress
        return Meta.of(self.spec, self.registry, facts, self.numerics, progress, self.begun)

    def encode(self, training: Training) -> memoryview:
        """Return the bytes of a checkpoint of the state.

        Raises PluginError for what nobody could load again as it is: arrays that are not those of
        the network, and states of a schedule that JSON does not hold.
        """
        schedule = self.spec.train.schedule
        plugin = self.registry.foreign(schedule) if schedule else None
        if plugin and not kept_by_json(training.progress.schedule, tuples=True):
            raise PluginError.of(
                "PLUGIN_CONTRACT",
                f"after step {training.progress.step} the schedule of {plugin} is not what JSON "
                "can write and read back as it was; nothing was saved (tell its author)",
                self.run.path,
            )
        found = arrays(training)
        if problems := mismatches(found, stored_shapes(self.spec, self.network)):
            raise self._odd_arrays(problems, training.progress.step)
        return Snapshot(self.meta(training), found, self.source.vocabulary).encoded()

    def _odd_arrays(self, problems: Mapping[str, str], step: int) -> PluginError:
        """Name the plugin that the first of the arrays comes from."""
        _, layer, *_ = next(iter(problems)).split("/")
        block = dict(self.network.named).get(layer, self.spec.train.optimizer)
        plugin = self.registry.foreign(block) or "rnnkit"
        message = f"after step {step} the arrays of {plugin} are not those that it declared"
        return PluginError.of(
            "PLUGIN_CONTRACT",
            f"{message}: {'; '.join(problems.values())}; nothing was saved (tell its author)",
            self.run.path,
        )

    def started(self, write: Callable[[ParamStore], None] = lambda store: None) -> Training:
        """Return the state before the first step.

        `write` may write over the parameters that were drawn.

        Raises DataError where a split is too short, SpecError for what the data or the network
        cannot give, PluginError for a layer that breaks its contract on the first window.
        """
        check_demands(self.spec, self.network, self.source)
        layout = self.spec.train.layout()
        windows = windows_in(self.source, "train", layout)
        training = Training.started(self.spec, self.network, windows)
        training.workers = Workers(self.ranks)
        write(training.store)
        first = next(windows_of(self.source, "train", layout, None), None)
        if first is None or not windows:
            message = f"the data gave none of the {windows} windows that it promised"
            raise DataError.of("DATA_WINDOWS", f"{message} (tell the author of the dataset)")
        first.check(layout.streams)
        params = training.store.values
        try_plugins(self.spec, self.network, self.registry, params, windows, first)
        self._check_loads_again(training)
        return training

    def _check_loads_again(self, training: Training) -> None:
        """Raise PluginError where what plugins made of the spec is none that could be read back."""
        blocks = (block for _, block in nested_blocks(self.spec, ()))
        plugins = dict.fromkeys(filter(None, map(self.registry.foreign, blocks)))
        if not plugins:
            return
        try:
            stored_spec(self.meta(training), self.registry, "")
        except CheckpointError as error:
            message = f"no checkpoint could be read again: {error.problems[0].message}"
            message = f"{', '.join(map(str, plugins))}: {message} (tell the author)"
            raise PluginError.of("PLUGIN_CONTRACT", message) from error

    def restored(self, snapshot: Snapshot, where: object, new_schedule: bool = False) -> Training:
        """Return the state of a checkpoint; raises CheckpointError where it does not fit.

        A schedule that is not that of the checkpoint begins here.
        """
        training = self.started()
        state = arrays(training)
        match(snapshot, {name: array.shape for name, array in state.items()}, where)
        for name, array in state.items():
            array[...] = snapshot.arrays[name]
        progress = snapshot.meta.progress
        if new_schedule:
            schedule = self.spec.train.schedule
            begun = schedule.start() if schedule else None
            progress = progress.changed(schedule=begun, scheduled=progress.step)
        training.progress = progress
        self._check_progress(training, where)
        return training

    def _check_progress(self, training: Training, where: object) -> None:
        """Raise CheckpointError where schedule or data cannot go on from what is stored of them."""
        check_schedule(self.spec, training.progress, training.windows, where)
        training.learning_rate()
        with _read_from("cursor", where):
            cursor = training.progress.cursor
            next(windows_of(self.source, "train", self.spec.train.layout(), cursor), None)


def check_schedule(spec: Spec, progress: Progress, windows: int, where: object) -> None:
    """Raise CheckpointError where the schedule cannot go on from what is stored of it."""
    schedule = spec.train.schedule
    if schedule is None:
        return
    with _read_from("schedule", where):
        schedule.factor(progress.moment(windows, spec.train.epochs), progress.schedule)
        if schedule.observes:
            schedule.observe(0.0, progress.schedule)


@contextmanager
def _read_from(name: str, where: object) -> Iterator[None]:
    """Take what a stored value makes its reader raise for the fault of the file."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        message = f"meta.progress.{name}: no run of this spec stored it ({raised(error, 200)})"
        raise CheckpointError.of("CKPT_META", message, where) from error


def arrays(training: Training) -> dict[str, Array]:
    """Return every array of the state by the name it is stored under; views, no copies."""
    return stored_arrays(training.store, training.slots, training.states, training.history)
