"""rnnkit show: what is inside a checkpoint or a run, where it came from, and how two differ."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnnkit.checkpoint.run_directory import RunDir
from rnnkit.cli.common import emit, number, table, tell
from rnnkit.cli.options import ACCEPT_PLUGIN, make_command, registry
from rnnkit.cli.paths import PATH
from rnnkit.cli.results import print_result, terminal_width
from rnnkit.errors import CheckpointError, PluginError, shape_text

if TYPE_CHECKING:
    from rnnkit.checkpoint.snapshot import Snapshot
    from rnnkit.errors import RnnkitError


@make_command("show")
@click.argument("checkpoints", type=PATH, nargs=-1, required=True, metavar="CHECKPOINT...")
@ACCEPT_PLUGIN
@click.option("--spec", is_flag=True, help="Print the resolved spec, and nothing else.")
@click.option("--equations", is_flag=True, help="Print the equations of the cells alone.")
@click.option("--latex", is_flag=True, help="Print the equations as LaTeX.")
def command(checkpoints: tuple[Path, ...], spec: bool, equations: bool, latex: bool) -> None:
    """Show what CHECKPOINT, a file or a run directory, holds; the file is verified first.

    Of several it shows their scores side by side, and where their specs differ.
    """
    from rnnkit.checkpoint.run_directory import checkpoint_of
    from rnnkit.checkpoint.snapshot import read_checkpoint
    from rnnkit.spec.model import canonical_json

    _check_options(len(checkpoints), spec, equations, latex)
    files = [checkpoint_of(checkpoint) for checkpoint in checkpoints]
    found = [read_checkpoint(file, tell) for file in files]
    if spec:
        print_result(canonical_json(found[0].meta.spec).decode(), nl=False)
        return
    if equations:
        _show_equations(found[0], files[0], latex)
        return
    results = [described(*each) for each in zip(found, files, checkpoints, strict=True)]
    if len(results) == 1:
        _tell_of_resume(found[0], files[0], checkpoints[0])
        emit(results[0], _as_text(results[0]), _misfit(found[0], files[0]))
    else:
        differing = differences([snapshot.meta.spec for snapshot in found])
        compared = {"checkpoints": results, "differences": differing}
        emit(compared, _side_by_side(results, differing))


def _check_options(checkpoints: int, spec: bool, equations: bool, latex: bool) -> None:
    """Raise UsageError for options that do not go together."""
    if spec and equations:
        raise click.UsageError("--spec and --equations each print one thing alone: give one")
    if spec and checkpoints > 1:
        raise click.UsageError("--spec prints one spec: give one CHECKPOINT")
    if equations and checkpoints > 1:
        raise click.UsageError("--equations prints those of one model: give one CHECKPOINT")
    if latex and not equations:
        raise click.UsageError("--latex is a form of the equations: give --equations --latex")


def _show_equations(snapshot: Snapshot, file: Path, latex: bool) -> None:
    """Print the equations of each layer of a checkpoint; as one object in both forms."""
    from rnnkit.inference.equations_text import equations_latex, equations_of, equations_text
    from rnnkit.inference.model import network_of

    found = equations_of(network_of(snapshot, file, registry())[1])
    both = {name: notation and notation._asdict() for name, notation in found.items()}
    emit({"equations": both}, equations_latex(found) if latex else equations_text(found))


def described(snapshot: Snapshot, file: Path, given: Path) -> dict[str, Any]:
    """Return what is shown of a checkpoint, and of the run where one was given."""
    import numpy as np

    meta = snapshot.meta
    run = RunDir(given)
    facts = run.facts() if given.is_dir() else {}
    if "status" in facts:
        facts["status"] = run.status()
    return {
        "checkpoint": str(file),
        "run": facts,
        "newest": max([step for step, _ in run.step_files()], default=0),
        "next": run.next_command() if facts else None,
        "name": meta.spec.get("name"),
        "rnnkit": meta.rnnkit,
        "progress": meta.progress.model_dump(),
        "data": meta.data.model_dump(),
        "numerics": meta.numerics.model_dump(),
        "begun": meta.begun and meta.begun.model_dump(mode="json"),
        "types": [origin.model_dump() for origin in meta.origins],
        "vocabulary": snapshot.vocabulary.size if snapshot.vocabulary else None,
        "arrays": {
            name: {
                "shape": list(array.shape),
                "norm": float(np.linalg.norm(array.astype(np.float64))),
            }
            for name, array in sorted(snapshot.arrays.items())
        },
    }


def _misfit(snapshot: Snapshot, file: Path) -> RnnkitError | None:
    """Return why no command could load the checkpoint, if it is so; tell of a missing plugin."""
    from rnnkit.checkpoint.snapshot import match
    from rnnkit.inference.model import network_of
    from rnnkit.network.stored_arrays import stored_shapes

    try:
        match(snapshot, stored_shapes(*network_of(snapshot, file, registry())), file)
    except CheckpointError as error:
        return error
    except PluginError as error:
        tell(f"the arrays are not compared with the spec: {error}")
    return None


def _tell_of_resume(snapshot: Snapshot, file: Path, given: Path) -> None:
    """Say why a resume would not go on from the file, or from the newest one of a run."""
    from rnnkit.training.own_checkpoint import progress_fault, resume_fault

    run, types = RunDir(given), registry()
    of_run = run.holds_run()
    fault = resume_fault(run, types) if of_run else progress_fault(snapshot, file, types)
    if fault:
        newest = "the newest checkpoint of the run" if of_run else "it"
        tell(f"a resume would not go on from {newest}: {'; '.join(map(str, fault.problems))}")


def differences(specs: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """Return the values of the specs at each place where they are not all the same."""
    flat = [dict(_leaves(spec, "")) for spec in specs]
    paths = dict.fromkeys(path for values in flat for path in values)
    found = {path: [values.get(path) for values in flat] for path in paths}
    return {path: values for path, values in found.items() if any(v != values[0] for v in values)}


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield each value that holds no other, under its path as an override names it."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and any(isinstance(inner, dict) for inner in value):
        for index, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{index}]")
    else:
        yield path, value


def _reached(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what a person asks first: how it stands, how well it did, how far it came."""
    progress, best = result["progress"], result["progress"]["best"]
    score = f"{best['metric']} {number(best['value'])} at step {best['step']}" if best else "none"
    done = f"{progress['step']:,}, {progress['epoch']} epochs and {progress['window']} windows"
    state = result["run"].get("status", "finished" if progress["finished"] else "unfinished")
    return [("state", state), ("best", score), ("step", done)]


def _as_text(result: dict[str, Any]) -> str:
    """Return the same for people."""
    from rnnkit.checkpoint.begun import Begun
    from rnnkit.network.memory import human

    data, run = result["data"], result["run"]
    facts = _reached(result)
    if run:
        facts.append(("newest", f"step {result['newest']:,}"))
        facts.append(("next", result["next"]))
        facts.append(("command", shlex.join(["rnnkit", *map(str, run.get("command", [])[1:])])))
    facts += [
        ("model", f"{result['name']}, by rnnkit {result['rnnkit']}"),
        ("checkpoint", result["checkpoint"]),
    ]
    types = {(t["type"], f"{t['distribution']} {t['release']}") for t in result["types"]}
    arrays = [
        (name, shape_text(a["shape"]), human(4 * math.prod(a["shape"])), f"{a['norm']:.4g}")
        for name, a in result["arrays"].items()
    ]
    digests = [
        ("data", f"SHA-256 {data['sha256']}, {data['inputs']} inputs, {data['targets']} targets"),
        ("arithmetic", "  ".join(f"{k} {v}" for k, v in result["numerics"].items())),
    ]
    head = ("array", "shape", "size", "norm")
    shown = table(arrays, head, terminal_width())
    parts = [table(facts), shown, table(sorted(types)), table(digests)]
    if begun := result["begun"]:
        parts.insert(1, "\n".join(Begun.model_validate_json(json.dumps(begun)).in_words()))
    return "\n\n".join(parts)


def _side_by_side(results: Sequence[dict[str, Any]], differing: dict[str, list[Any]]) -> str:
    """Return a column for each checkpoint: what it reached, then where the specs differ."""
    reached = [_reached(result) for result in results]
    rows = [(pairs[0][0], *(value for _, value in pairs)) for pairs in zip(*reached, strict=True)]
    rows += [(path, *map(json.dumps, values)) for path, values in differing.items()]
    text = table(rows, ("", *(result["checkpoint"] for result in results)), terminal_width())
    return text if differing else f"{text}\nthe specs are equal"
