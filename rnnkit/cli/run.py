"""rnnkit run: from a spec to a trained model."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import click

from rnnkit.checkpoint.run_directory import RunDir
from rnnkit.cli.common import tell
from rnnkit.cli.options import ACCEPT_PLUGIN, SPEC, make_command, registry, run_options
from rnnkit.cli.paths import PATH
from rnnkit.errors import RefusedError
from rnnkit.files.atomic import storage_error
from rnnkit.files.lock import RunLock


@make_command("run")
@SPEC
@ACCEPT_PLUGIN
@click.option("--out", type=PATH, help="The run directory (default: runs/<name>-<n>).")
@click.option(
    "--resume",
    "mode",
    type=click.Choice(["never", "auto", "must"]),
    default="never",
    help="auto: continue --out if it holds this run; must: only continue.",
)
@click.option(
    "--force", is_flag=True, help="Rename the run that --out holds to <name>.old-<n> first."
)
@run_options("the spec's folder")
def command(
    spec: Path,
    out: Path | None,
    mode: str,
    force: bool,
    overrides: tuple[str, ...],
    mpi: bool,
    **settings: Any,
) -> None:
    """Train the model of SPEC, evaluate it, and keep everything in a run directory.

    Prints how well it did, where the model lies, and the command that comes next.
    """
    from rnnkit.cli.ranks import started_ranks
    from rnnkit.cli.training import Settings
    from rnnkit.spec.read import read_spec
    from rnnkit.training.resume import resume
    from rnnkit.training.start import start

    _check_options(out, mode, force)
    chosen, types = Settings(**settings), registry()
    with started_ranks(mpi) as ranks, ExitStack() as held:
        document = ranks.together(lambda: read_spec(spec, types, overrides))
        root = chosen.root or spec.parent
        claim = claimed(Path("runs"), document.spec.name)
        folder = ranks.share(lambda: out or held.enter_context(claim))
        run = RunDir(folder)
        used = {"the spec": spec, "the data": root}
        continues = ranks.share(lambda: _continues(run, mode, force, used))
        with chosen.options(ranks) as options, document.placing():
            if continues:
                options.tell(f"run directory: {folder}")
                outcome = resume(folder, types, options, asked=document.spec)
            else:
                ready = partial(_take, run, force, options.tell)
                given = document.spec, document.source, folder, root
                outcome = start(*given, types, options, ready)
        chosen.finish(outcome, types, ranks)


def _continues(run: RunDir, mode: str, force: bool, used: Mapping[str, Path]) -> bool:
    """Tell whether the folder holds what is to be continued; else it must be free to take."""
    from rnnkit.training.start import check_free

    continues = mode == "must" or (mode == "auto" and run.holds_run())
    if force:
        check_movable(run, used)
    elif not continues:
        check_free(run)
    return continues


@contextmanager
def claimed(parent: Path, name: str) -> Iterator[Path]:
    """Make parent/<name>-<n> for this process alone; it goes again where nothing was put in it.

    Raises StorageError.
    """
    while True:
        folder = next_folder(parent, name)
        try:
            folder.mkdir(mode=0o700, parents=True)
            break
        except FileExistsError:
            continue  # another process was faster: the next number is free
        except OSError as error:
            raise storage_error(folder, "cannot make the folder", error) from error
    try:
        yield folder
    finally:
        with suppress(OSError):  # it holds a run
            folder.rmdir()


def next_folder(parent: Path, name: str) -> Path:
    """Return parent/<name>-<n> with the first n that comes after all that are there."""
    names = [path.name for path in parent.iterdir()] if parent.is_dir() else []
    taken = [n.removeprefix(f"{name}-") for n in names if n.startswith(f"{name}-")]
    return parent / f"{name}-{1 + max([0, *(int(n) for n in taken if n.isdecimal())])}"


def check_movable(run: RunDir, used: Mapping[str, Path]) -> None:
    """Raise RefusedError where --force would move what is no run, or what is used from there."""
    if run.is_empty():
        return
    if not run.holds_run():
        message = (
            "is not empty and holds no run, so --force does not move it (choose another --out)"
        )
        raise RefusedError.of("RUN_EXISTS", message, run.path)
    whole = run.path.resolve()
    for what, path in {"the working directory": Path("."), **used}.items():
        if path.resolve().is_relative_to(whole):
            message = f"holds {what}, so --force does not move it (choose another --out)"
            raise RefusedError.of("RUN_EXISTS", message, run.path)


def _take(run: RunDir, force: bool, tell: Callable[[str], None]) -> None:
    """Take the folder of a run that can start: what --force moves goes first."""
    if force:
        rename_run(run)
    tell(f"run directory: {run.path}")


def rename_run(run: RunDir) -> None:
    """Rename a run directory that nobody is writing to; raises RefusedError where somebody is."""
    if run.is_empty():
        return
    with RunLock(run.path):
        whole = run.path.absolute()
        kept = next_folder(whole.parent, whole.name + ".old")
        os.rename(whole, kept)
    tell(f"moved {run.path} to {kept}")


def _check_options(out: Path | None, mode: str, force: bool) -> None:
    if mode != "never" and out is None:
        raise click.UsageError(f"--resume {mode} needs --out, the run directory to continue")
    if mode != "never" and force:
        raise click.UsageError(f"--force starts anew and --resume {mode} goes on: give one of them")
