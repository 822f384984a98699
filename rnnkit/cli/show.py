"""rnnkit show: what is inside a checkpoint or a run, and where it came from."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnnkit.checkpoint.run_directory import RunDir
from rnnkit.cli.common import emit, number, table, tell
from rnnkit.cli.options import CHECKPOINT, make_command

if TYPE_CHECKING:
    from rnnkit.checkpoint.snapshot import Snapshot


@make_command("show")
@CHECKPOINT
@click.option("--spec", is_flag=True, help="Print the resolved spec, and nothing else.")
def command(checkpoint: Path, spec: bool, as_json: bool) -> None:
    """Show what CHECKPOINT, a file or a run directory, holds; the file is verified first."""
    from rnnkit.inference.model import checkpoint_of, read_checkpoint
    from rnnkit.spec.model import canonical_json

    file = checkpoint_of(checkpoint)
    snapshot = read_checkpoint(file, tell)
    if spec:
        click.echo(canonical_json(snapshot.meta.spec).decode(), nl=False)
        return
    facts = RunDir(checkpoint).facts() if checkpoint.is_dir() else {}
    result = described(snapshot, file, facts)
    emit(as_json, result, _as_text(result))


def described(snapshot: Snapshot, file: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """Return what is shown of a checkpoint."""
    import numpy as np

    meta = snapshot.meta
    return {
        "checkpoint": str(file),
        "run": facts,
        "name": meta.spec.get("name"),
        "rnnkit": meta.rnnkit,
        "progress": meta.progress.model_dump(),
        "data": meta.data.model_dump(),
        "numerics": meta.numerics.model_dump(),
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


def _as_text(result: dict[str, Any]) -> str:
    """Return the same for people."""
    from rnnkit.network.memory import human

    progress, data = result["progress"], result["data"]
    best = progress["best"]
    facts = [
        ("checkpoint", result["checkpoint"]),
        ("model", f"{result['name']}, by rnnkit {result['rnnkit']}"),
        (
            "step",
            f"{progress['step']}, {progress['epoch']} epochs and {progress['window']} windows",
        ),
        ("best", f"{best['metric']} {number(best['value'])} at {best['step']}" if best else "none"),
        ("data", f"SHA-256 {data['sha256']}, {data['inputs']} inputs, {data['targets']} targets"),
        ("arithmetic", "  ".join(f"{k} {v}" for k, v in result["numerics"].items())),
    ]
    facts += [(f"run {k}", str(v)) for k, v in result["run"].items() if k in ("status", "command")]
    types = {(t["type"], f"{t['distribution']} {t['release']}") for t in result["types"]}
    arrays = [
        (name, "x".join(map(str, a["shape"])), human(4 * math.prod(a["shape"])), f"{a['norm']:.4g}")
        for name, a in result["arrays"].items()
    ]
    return "\n\n".join(
        [table(facts), table(sorted(types)), table(arrays, ("array", "shape", "size", "norm"))]
    )
