"""rnnkit from Python: the same pieces that the command line puts together."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np

from rnnkit.checkpoint.meta import DataFacts
from rnnkit.checkpoint.run_directory import RunDir, data_root
from rnnkit.contracts.data_file import read_data
from rnnkit.contracts.dataset import Dataset
from rnnkit.contracts.forecast_inputs import ForecastRequest
from rnnkit.contracts.registry import Registry
from rnnkit.core.home import given_path
from rnnkit.errors import InterruptedRun, wrong_type
from rnnkit.exchange.importing import import_model
from rnnkit.files.temporary import TemporaryFolder
from rnnkit.inference.asked_records import log_note
from rnnkit.inference.forecast import (
    Intervals,
    expect_forecast,
    forecast_rows,
    outlook_of_file,
)
from rnnkit.inference.inputs import checked_count
from rnnkit.inference.model import Model, load
from rnnkit.inference.predict import predict_rows
from rnnkit.network.builder import build_network
from rnnkit.reporting.suited import suited_reporter
from rnnkit.spec.from_values import SpecGiven, spec_of
from rnnkit.spec.model import Spec
from rnnkit.spec.read import read_spec
from rnnkit.training.callbacks import Callback, CallingBack
from rnnkit.training.initial.donor import open_with_donor
from rnnkit.training.initial.values import initial_values
from rnnkit.training.loop import RunLimits
from rnnkit.training.reporter import Reporter, Silent
from rnnkit.training.resume import resume
from rnnkit.training.signals import catching_interrupt
from rnnkit.training.start import RunOptions, start

_log = logging.getLogger("rnnkit")


def load_spec(path: str | Path, overrides: str | Sequence[str] = ()) -> Spec:
    """Read and validate a spec; raises SpecError with every error in it.

    `overrides` are as on the command line, one or many: `"train.epochs=10"`.
    """
    if not isinstance(path, str | Path):
        advice = "a spec of your own making is written with json.dump first"
        raise wrong_type("load_spec", "the path of a spec", path, advice)
    if isinstance(overrides, str):  # which is a sequence of texts as well
        overrides = [overrides]
    return read_spec(given_path(path), Registry(), overrides).spec


def build(
    spec: SpecGiven,
    root: str | Path | None = None,
    *,
    data: Dataset | None = None,
    accept_plugin: bool = False,
) -> Model:
    """Return the untrained model of a spec, as it starts; the spec is given as `train` takes it.

    Relative paths start at `root`. Raises DataError for what cannot be read, SpecError where two
    widths do not fit, CheckpointError for a model that it cannot start from: without
    `accept_plugin` one with a type of another package, too.
    """
    registry = Registry(accepts_others=accept_plugin)
    folder = _folder_of(spec) if root is None else given_path(root)
    asked = spec_of(spec, data, registry)
    source, donor = open_with_donor(asked, folder, registry)
    resolved, network = build_network(asked.fitted(source), source.inputs, source.targets)
    store = network.store(np.dtype(np.float32))
    store.initialize(asked.train.seed)
    initial = initial_values(asked, network, source, donor, folder)
    for note in initial.notes:
        _log.warning(note)
    initial.write(store)
    facts = DataFacts.of(source).model_copy(update={"sha256": ""})  # it was not trained on it
    return Model(Path(asked.name), resolved, network, store, source.vocabulary, facts)


def import_weights(
    file: str | Path,
    spec: SpecGiven,
    root: str | Path | None = None,
    *,
    data: Dataset | None = None,
    layers: Mapping[str, str] | None = None,
    vocabulary: str | Path | None = None,
) -> Model:
    """Return the model of a spec with weights of another program, as `rnnkit import` takes them.

    `layers` says which of theirs a layer, or a parameter, of ours takes, where that is not certain;
    `vocabulary` is a file of their tokens. `Model.save` makes a checkpoint of it. Raises
    CheckpointError with all that does not fit, and DataError for data that cannot be used.
    """
    asked = spec_of(spec, data, Registry())
    folder = _folder_of(spec) if root is None else given_path(root)
    tokens = None if vocabulary is None else given_path(vocabulary)
    found = import_model(given_path(file), asked, folder, layers, tokens)
    parts = found.path, found.spec, found.network, found.store, found.vocabulary, found.data
    return Model(*parts)


def predict(
    model: Model,
    file: str | Path,
    *,
    top: int = 1,
    skip_bad: bool = False,
    keep: Sequence[str] = (),
) -> list[dict[str, object]]:
    """Return what a model says of each line or row of a file of its own kind of data.

    Targets in the file are not read. A record has the `line`, and labels with their probabilities
    (the `top` likeliest), numbers in the units of the data, or the next token; and the columns of
    the file to `keep`. Raises DataError with file and line for what cannot be used, unless it is to
    be skipped, ResourceError for more than memory has room for, and CheckpointError for a model
    that predicts nothing.
    """
    checked_count("top", top)
    data = read_data(given_path(file))
    found = predict_rows(model, data, str(file), top, skip_bad, keep=keep)
    log_note(found.note)
    return [dict(record) for record in found.records]


def forecast(
    model: Model,
    steps: int,
    file: str | Path | None = None,
    root: str | Path | None = None,
    *,
    past: int | None = None,
    level: float = 0.8,
    paths: int = 200,
    seed: int = 1,
) -> list[dict[str, object]]:
    """Forecast the `steps` rows after a file of series, or after the model's own data.

    Relative data paths start at `root`, or else where those of the run did. With `past` the first
    so many rows of each series are known, and the columns that are read and not forecast are taken
    from the rows after them; else those are rows at the end without a value to forecast. A record
    names its row and has for each column the forecast, and `_low` and `_high` between which `level`
    of the simulated paths lie (`paths` 0: none), all in the units of the data.

    Raises DataError for a file that cannot be used, CheckpointError for a model of no series.
    """
    asked, intervals = ForecastRequest(steps, past), Intervals(level, paths, seed)
    expect_forecast(asked, intervals)
    start = data_root(model.path, None if root is None else given_path(root))
    outlook = outlook_of_file(model, None if file is None else given_path(file), start, asked)
    found = forecast_rows(model, outlook, steps, intervals)
    log_note(found.note)
    return found.records


def train(
    spec: SpecGiven,
    out: str | Path | None = None,
    root: str | Path | None = None,
    *,
    data: Dataset | None = None,
    max_steps: int | None = None,
    callbacks: Callback | Sequence[Callback] = (),
    progress: bool = True,
    reporter: Reporter | None = None,
    accept_plugin: bool = False,
) -> Model:
    """Train a spec in the run directory `out`, or continue the run that it holds.

    The spec is a `Spec`, the path of a file, or a dictionary of the same keys; `data`, such as
    `rnnkit.Arrays(...)`, takes the place of its own. Relative data paths start at `root`: of a new
    run the folder of the spec, or else the working directory, unless it is given, of one that
    continues where they did. Without `out` the run lies in a temporary folder, which goes with the
    model.

    Progress is a table in Jupyter, a bar on a terminal and lines elsewhere, unless `progress` is
    False or a `reporter` is given. After each evaluation the `callbacks` get its metrics, a record;
    one that returns True, or raises, stops the run, and so does Ctrl-C: its state is saved, and the
    same call goes on from there. With `accept_plugin` a run may go on, or start from
    another, with a type of another package than its own.

    Returns the best model so far, the newest where nothing was evaluated; its `history` has the
    metrics. What `rnnkit run` would tell, such as that nothing is left to do, goes to the log
    "rnnkit" as a warning. Raises the errors of `rnnkit run`, and InterruptedRun after Ctrl-C.
    """
    if max_steps is not None:
        checked_count("max_steps", max_steps, 0)
    registry = Registry(accepts_others=accept_plugin)
    asked = spec_of(spec, data, registry)
    folder = TemporaryFolder() if out is None else None
    run = RunDir(folder.path if folder else given_path(out or ""))
    if folder:
        _log.warning("%s: a temporary folder, which goes with the model (give out=)", run.path)
    given = None if root is None else given_path(root)
    several = callbacks if isinstance(callbacks, Sequence) else [callbacks]
    with _reporting(progress, reporter) as report, catching_interrupt() as stop:
        limits = RunLimits(max_steps)
        calling = CallingBack(report, several, limits)
        options = RunOptions(given, limits=limits, reporter=calling, stop=stop, tell=_log.warning)
        try:
            if run.holds_run():
                resume(run.path, registry, options, asked=asked)
            else:
                first = given or _folder_of(spec)
                start(asked, asked.canonical(), run.path, first, registry, options)
        except InterruptedRun as error:
            _keep(folder)
            raise _in_python(error, run.path) from None
    if calling.error:
        _keep(folder)
        _log.warning("saved; go on with rnnkit.train(spec, %r)", str(run.path))
        raise calling.error
    return replace(_with_values(load(run.path, registry), asked.data), folder=folder)


def _reporting(progress: bool, reporter: Reporter | None) -> AbstractContextManager[Reporter]:
    """Return the reporter that is asked for."""
    if reporter is not None:
        return nullcontext(reporter)
    return suited_reporter() if progress else nullcontext(Silent())


def _keep(folder: TemporaryFolder | None) -> None:
    """Let a folder outlive a call that returns no model."""
    if folder:
        folder.keep()


def _in_python(error: InterruptedRun, path: Path) -> InterruptedRun:
    """Return the error of a run that was stopped, which says how to go on from Python."""
    shell, here = f"rnnkit resume {shlex.quote(str(path))}", f"rnnkit.train(spec, {str(path)!r})"
    problems = (replace(p, message=p.message.replace(shell, here)) for p in error.problems)
    return InterruptedRun(error.exit_code - 128, *problems)


def _folder_of(spec: SpecGiven) -> Path:
    """Return where relative paths of a spec start: the folder of its file."""
    return given_path(spec).parent if isinstance(spec, str | Path) else Path(".")


def _with_values(model: Model, data: Dataset) -> Model:
    """Return a model whose spec has the values that came from memory."""
    spec = model.spec.model_copy(update={"data": model.spec.data.with_values(data)})
    return replace(model, spec=spec)
