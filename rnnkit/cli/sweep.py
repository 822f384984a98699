"""rnnkit sweep: many models of one spec, by one worker or many, and what came out."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnnkit.cli.common import emit, number, table, tell
from rnnkit.cli.options import ACCEPT_PLUGIN, THREADS, data_root_option, make_command, registry
from rnnkit.cli.paths import PATH
from rnnkit.cli.picture import DRAWING, picture
from rnnkit.cli.results import json_asked
from rnnkit.errors import InterruptedRun, Problem

if TYPE_CHECKING:
    from rnnkit.contracts.registry import Registry

STORAGE = click.option(
    "--storage", metavar="URL", help="Keep the trials in a database that Optuna knows, not in OUT."
)
FOLDER = click.argument("folder", type=PATH, metavar="SWEEP")


class SweepGroup(click.Group):
    """Takes what is no command of its own for the file of a sweep."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Run the sweep of a file where no command is named."""
        known = args[0] in self.commands or args[0].startswith("-")
        return super().resolve_command(ctx, args if known else ["run", *args])


@make_command("run")
@click.argument("file", type=PATH)
@click.option("--out", type=PATH, help="The folder of the sweep (default: sweeps/<file>).")
@click.option(
    "--workers",
    type=click.IntRange(1, 1024),
    default=1,
    help="Processes that work at once; they divide the processors.",
)
@STORAGE
@data_root_option("the spec's folder")
@THREADS
@ACCEPT_PLUGIN
def train_command(
    file: Path,
    out: Path | None,
    workers: int,
    storage: str | None,
    root: Path | None,
    threads: int | None,
) -> None:
    """Train the trials of the sweep in FILE, each a run directory of its own, and name the best.

    The same command again goes on where it was stopped, also on other machines that share the
    folder: a trial that was cut short is resumed from its checkpoint.
    """
    from rnnkit.sweep.folder import SweepFolder
    from rnnkit.sweep.read import check_measured, read_sweep
    from rnnkit.sweep.study import Study

    types = registry()
    sweep = read_sweep(file, types)
    folder = SweepFolder(out or Path("sweeps") / file.stem)
    if not folder.stored.exists():
        check_measured(sweep, file, root, types)
    folder.begin(sweep)
    study = Study.opened(folder, sweep, storage)
    if workers > 1:
        _start_workers(workers, file, folder.path, storage, root, threads)
    else:
        _work(study, file, root, threads, types)
    _print_end(study)


def _work(study: Any, file: Path, root: Path | None, threads: int | None, types: Registry) -> None:
    """Train trials until none is left; raises InterruptedRun where a signal stops it."""
    from rnnkit.compute.numerics import limited_threads
    from rnnkit.sweep.trial import run_trial
    from rnnkit.training.signals import catching_signals
    from rnnkit.training.start import RunOptions

    with limited_threads(threads), catching_signals() as stop:
        options = RunOptions(data_root=root, stop=stop, tell=tell)
        while not stop.number:
            with study.next_trial() as taken:
                if taken is None:
                    return
                tell(f"trial {taken.number}: {'  '.join(taken.overrides)}")
                try:
                    run_trial(study, taken, file, options, types)
                except InterruptedRun as error:
                    raise _interrupted(error.exit_code - 128, study.folder.path) from error
                tell(study.told(taken))
        raise _interrupted(stop.number, study.folder.path)


def _interrupted(number: int, folder: Path) -> InterruptedRun:
    message = "the trial at hand is saved; the same command goes on with it"
    return InterruptedRun(number, Problem(str(folder), "INTERRUPTED", message))


def _start_workers(
    workers: int,
    file: Path,
    folder: Path,
    storage: str | None,
    root: Path | None,
    threads: int | None,
) -> None:
    """Work in processes of their own; a signal stops them, and the first code is that of all."""
    from rnnkit.core.machine import processors

    each = threads or max(1, processors() // workers)
    line = [sys.executable, "-m", "rnnkit.cli", "sweep", "run", str(file)]
    line += ["--out", str(folder), "--threads", str(each)]
    line += ["--storage", storage] if storage else []
    line += ["--data-root", str(root)] if root else []
    line += ["--accept-plugin"] if registry().accepts_others else []
    started = [
        subprocess.Popen(
            line, stdout=subprocess.DEVNULL, env={**os.environ, "RNNKIT_WORKER": str(number)}
        )
        for number in range(workers)
    ]
    try:
        codes = [worker.wait() for worker in started]
    except BaseException:
        for worker in started:
            with suppress(OSError):
                worker.send_signal(signal.SIGINT)
        for worker in started:
            worker.wait()
        raise
    if failed := next(filter(None, codes), 0):
        raise click.exceptions.Exit(failed)


@make_command("show")
@FOLDER
@STORAGE
def show_command(folder: Path, storage: str | None) -> None:
    """List the trials of SWEEP: how each ended, its score, and what it tried."""
    from rnnkit.sweep.report import records, rows

    study = _opened(folder, storage)
    found = records(study)
    head, cells = rows(found, study.sweep)
    emit({"trials": found}, table(cells, head) if cells else "no trial yet")


@make_command("best")
@FOLDER
@STORAGE
def best_command(folder: Path, storage: str | None) -> None:
    """Print the spec of the best trial of SWEEP, to go on with.

    Running it again gives the same bytes: rnnkit run best.json --data-root FOLDER.
    """
    study = _opened(folder, storage)
    best = study.best()
    run = study.folder.run(best.number)
    text = (run / "spec.json").read_text()
    found = {"trial": best.number, "score": best.value, "run": str(run)}
    emit({**found, "spec": text}, text.removesuffix("\n"))


@make_command("plot")
@FOLDER
@STORAGE
@DRAWING
def plot_command(folder: Path, storage: str | None, out: Path | None, terminal: bool) -> None:
    """Draw the scores of SWEEP trial by trial, and over the values of each key."""
    from rnnkit.cli.plot import as_objects
    from rnnkit.sweep.report import pictures, records

    study = _opened(folder, storage)
    drawn = pictures(records(study), study.sweep)
    text = picture(drawn, out, terminal)
    if json_asked() or text:
        emit({"out": out and str(out), "panels": as_objects(drawn)}, text)


def _opened(folder: Path, storage: str | None) -> Any:
    from rnnkit.sweep.folder import SweepFolder
    from rnnkit.sweep.study import Study

    home = SweepFolder(folder)
    return Study.opened(home, home.sweep(), storage)


def _print_end(study: Any) -> None:
    from rnnkit.sweep.study import values_of

    best = study.best()
    run, values = study.folder.run(best.number), values_of(best, study.sweep)
    then = f"rnnkit sweep best {shlex.quote(str(study.folder.path))}"
    lines = [
        f"best {study.sweep.metric} {number(best.value)} in trial {best.number} of "
        f"{len(study.trials())}",
        *(f"  {path} {json.dumps(value)}" for path, value in values.items()),
        f"model  {run / 'best.h5'}",
        f"next   {then}",
    ]
    result = {
        "sweep": str(study.folder.path),
        "trial": best.number,
        "score": best.value,
        "values": values,
        "run": str(run),
        "next": then,
    }
    emit(result, "\n".join(lines))


command = SweepGroup(
    "sweep",
    commands={
        each.name: each
        for each in (train_command, show_command, best_command, plot_command)
        if each.name
    },
    help="""Train many models of one spec: rnnkit sweep FILE [OPTIONS].

    FILE is JSON: the spec, which values of it are tried, and how many trials.
    """,
    context_settings={"help_option_names": ["-h", "--help"]},
)
