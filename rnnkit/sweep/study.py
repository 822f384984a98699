"""The trials of a sweep, kept by Optuna, of which every worker takes one at a time.

Whoever works on a trial holds the lock of its number. One that is running while nobody holds its
lock was left by a worker that died: it is taken up first, and goes on from its checkpoint.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnnkit.errors import PluginError, RefusedError
from rnnkit.files.atomic import has_other_names, write_atomic
from rnnkit.sweep.folder import SweepFolder
from rnnkit.sweep.model import Dimension, Pruner, Sampler, Sweep

NAME = "rnnkit"
ERROR = "error"


@dataclass(frozen=True)
class Taken:
    """A trial in the hands of this worker, and the values that it tries, as overrides."""

    trial: Any
    overrides: list[str]

    @property
    def number(self) -> int:
        """Its place among the trials of the sweep."""
        return int(self.trial.number)


@dataclass(frozen=True)
class Study:
    """The trials of a sweep; `optuna` is the package, `study` its study."""

    folder: SweepFolder
    sweep: Sweep
    optuna: Any
    study: Any

    @classmethod
    def opened(cls, folder: SweepFolder, sweep: Sweep, url: str | None = None) -> Study:
        """Open the study of a sweep, in its folder or at the URL of a database.

        Raises PluginError without Optuna.
        """
        optuna = _optuna()
        if url is None:
            storage = _journal(optuna, folder.journal)
        else:
            storage = optuna.storages.RDBStorage(url)
        study = optuna.create_study(
            study_name=NAME if url is None else folder.path.resolve().name,
            storage=storage,
            load_if_exists=True,
            direction="minimize" if sweep.mode == "min" else "maximize",
            pruner=_pruner(optuna, sweep.pruner),
        )
        return cls(folder, sweep, optuna, study)

    @contextmanager
    def next_trial(self) -> Iterator[Taken | None]:
        """Give a trial that nobody works on, first one that was left; None where all are done."""
        with self.folder.alone():
            taken, lock = self._left() or self._new() or (None, None)
        try:
            yield taken
        finally:
            if lock:
                lock.__exit__()

    def trials(self) -> list[Any]:
        """Return all trials, in order, as Optuna keeps them."""
        return list(self.study.get_trials(deepcopy=False))

    def finish(self, taken: Taken, value: float | None, pruned: bool, error: str = "") -> None:
        """Write down how a trial ended."""
        states = self.optuna.trial.TrialState
        if error:
            taken.trial.set_user_attr(ERROR, error)
        if pruned:
            self.study.tell(taken.number, state=states.PRUNED)
        elif value is None:
            self.study.tell(taken.number, state=states.FAIL)
        else:
            self.study.tell(taken.number, value)

    def told(self, taken: Taken) -> str:
        """Return how a trial ended, in a line."""
        trial = self.trials()[taken.number]
        if error := trial.user_attrs.get(ERROR):
            return f"trial {taken.number} failed: {error}"
        if trial.state == self.optuna.trial.TrialState.PRUNED:
            return f"trial {taken.number} ended early: half of the trials before it were better"
        ended = f"trial {taken.number}: {self.sweep.metric} {trial.value:.4g}"
        best = self.best()
        return f"{ended} (best so far {best.value:.4g} in trial {best.number})"

    def best(self) -> Any:
        """Return the best trial; raises RefusedError where none has ended."""
        try:
            return self.study.best_trial
        except ValueError as error:
            message = "no trial has ended yet (rnnkit sweep show lists them)"
            raise RefusedError.of("SWEEP_NO_TRIAL", message, self.folder.path) from error

    def _left(self) -> tuple[Taken, Any] | None:
        running = self.optuna.trial.TrialState.RUNNING
        for each in self.study.get_trials(deepcopy=False, states=(running,)):
            lock = self.folder.lock(each.number)
            try:
                lock.__enter__()
            except RefusedError:
                continue
            trial = self.optuna.trial.Trial(self.study, each._trial_id)
            return self._drawn(trial), lock
        return None

    def _new(self) -> tuple[Taken, Any] | None:
        if len(self.trials()) >= self.sweep.trials:
            return None
        trial = self.study.ask()
        lock = self.folder.lock(trial.number)
        lock.__enter__()
        return self._drawn(trial), lock

    def _drawn(self, trial: Any) -> Taken:
        # Each trial draws from numbers of its own: no worker, and no later start, repeats them.
        self.study.sampler = _sampler(self.optuna, self.sweep, trial.number)
        values = [f"{path}={_draw(trial, path, d)}" for path, d in self.sweep.space.items()]
        return Taken(trial, values)


def values_of(trial: Any, sweep: Sweep) -> dict[str, Any]:
    """Return what a trial tries, by path."""
    return {
        path: json.loads(trial.params[path]) if dimension.choices else trial.params[path]
        for path, dimension in sweep.space.items()
        if path in trial.params
    }


def _draw(trial: Any, path: str, dimension: Dimension) -> str:
    """Return a value as JSON; one that the trial has already stays what it is."""
    if dimension.choices:
        return str(trial.suggest_categorical(path, dimension.texts()))
    options = {"log": dimension.log, "step": dimension.step}
    if dimension.whole:
        options["step"] = int(dimension.step or 1)
        return json.dumps(trial.suggest_int(path, dimension.low, dimension.high, **options))
    return json.dumps(trial.suggest_float(path, dimension.low, dimension.high, **options))


def _sampler(optuna: Any, sweep: Sweep, number: int) -> Any:
    options: Sampler = sweep.sampler
    # A prime keeps the seeds of neighbouring sweeps apart.
    seed = (sweep.seed * 1_000_003 + number) % 2**32
    if options.type == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        # Trials that others work on count as bad ones, so that workers try different values.
        return optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=options.startup, constant_liar=True
        )


def _pruner(optuna: Any, options: Pruner) -> Any:
    if options.type == "none":
        return optuna.pruners.NopPruner()
    return optuna.pruners.MedianPruner(options.startup, options.warmup)


def _journal(optuna: Any, path: Path) -> Any:
    """Return the storage of a study in a file, which is its own: a copy (cp -al) may share it."""
    journal = optuna.storages.journal
    lock = journal.JournalFileSymlinkLock(str(path))
    if has_other_names(path):
        lock.acquire()
        try:
            write_atomic(path, path.read_bytes())
        finally:
            lock.release()
    return optuna.storages.JournalStorage(journal.JournalFileBackend(str(path), lock_obj=lock))


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        message = "a sweep needs Optuna (pip install 'rnnkit[sweep]')"
        raise PluginError.of("SWEEP_NO_OPTUNA", message) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna
