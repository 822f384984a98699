"""rnnkit run: from a spec to a trained model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from rnnkit.cli.common import PATH, running, tell, verb
from rnnkit.lock import RunLock
from rnnkit.rundir import RunDir


@verb("run")
@click.argument("spec", type=PATH)
@click.option("--out", type=PATH, help="The run directory (default: runs/<name>-<n>).")
@click.option(
    "--resume",
    "mode",
    type=click.Choice(["never", "auto", "must"]),
    default="never",
    show_default=True,
    help="auto: continue --out if it holds this run; must: only continue.",
)
@click.option("--force", is_flag=True, help="Move what --out holds aside first.")
@running
def command(
    spec: Path,
    out: Path | None,
    mode: str,
    force: bool,
    overrides: tuple[str, ...],
    as_json: bool,
    verbose: bool,
    **settings: Any,
) -> None:
    """Train the model of SPEC, evaluate it, and keep everything in a run directory.

    Prints how well it did, where the model lies, and the command that comes next.
    """
    from rnnkit.cli.training import Settings
    from rnnkit.registry import Registry
    from rnnkit.spec.read import read_spec
    from rnnkit.training.start import check_free, resume, start

    _check_options(out, mode, force)
    chosen, registry = Settings(**settings), Registry()
    document = read_spec(spec, registry, overrides)
    run = RunDir(out or next_folder(Path("runs"), document.spec.name))
    if force:
        move_aside(run)
    continues = mode == "must" or (mode == "auto" and run.holds_run())
    if not continues:
        check_free(run)
    with chosen.options() as options:
        tell(f"run directory: {run.path}")
        if continues:
            outcome = resume(run.path, registry, options, asked=document.spec)
        else:
            root = options.data_root or spec.parent
            outcome = start(document.spec, document.source, run.path, root, registry, options)
    chosen.finish(outcome, registry, as_json)


def next_folder(parent: Path, name: str) -> Path:
    """Return parent/<name>-<n> with the first n that comes after all that are there."""
    names = [path.name for path in parent.iterdir()] if parent.is_dir() else []
    taken = [n.removeprefix(f"{name}-") for n in names if n.startswith(f"{name}-")]
    return parent / f"{name}-{1 + max([0, *(int(n) for n in taken if n.isdecimal())])}"


def move_aside(run: RunDir) -> None:
    """Rename a run directory that nobody is writing to; raises RefusedError where somebody is."""
    if run.is_empty():
        return
    with RunLock(run.path):
        whole = run.path.absolute()
        aside = next_folder(whole.parent, whole.name + ".old")
        os.rename(whole, aside)
    tell(f"moved {run.path} to {aside}")


def _check_options(out: Path | None, mode: str, force: bool) -> None:
    if mode != "never" and out is None:
        raise click.UsageError(f"--resume {mode} needs --out, the run directory to continue")
    if mode != "never" and force:
        raise click.UsageError(f"--force starts anew and --resume {mode} goes on: give one of them")
