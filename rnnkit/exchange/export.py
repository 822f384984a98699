"""A model written for another program: a folder of its own, whole and proved, or nothing."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from rnnkit.errors import CheckpointError, Problem, RefusedError
from rnnkit.exchange.proof import Proof
from rnnkit.exchange.targets import target_of
from rnnkit.exchange.trained import Trained, describe
from rnnkit.files.atomic import storage_error

PROOF = "proof.json"


def export(
    model: Trained, to: str, out: Path, *, verify: bool = True, force: bool = False
) -> Proof | None:
    """Write a model into the folder `out` for one of `EXPORTS`; return the proof.

    The folder also holds model.json, what a program needs to know beside the weights, and
    proof.json, with the SHA-256 of every file. With `force` an export that is there is replaced.

    Raises CheckpointError, with all of them at once, for what cannot be expressed, ThresholdError
    where the proof fails, RefusedError where `out` holds something else: nothing is then written.
    """
    target = target_of(to)
    if wrong := target.refusals(model):
        raise CheckpointError(*(Problem(str(model.path), "EXPORT_UNKNOWN", w) for w in wrong))
    if wrong := _not_finite(model):
        raise CheckpointError(*(Problem(str(model.path), "EXPORT_NOT_FINITE", w) for w in wrong))
    if out.is_symlink():  # which stays: what it leads to is written
        out = Path(os.path.realpath(out))
    check_folder(out, force)
    with _new_folder(out) as folder:
        (folder / "model.json").write_text(json.dumps(describe(model), indent=1) + "\n")
        target.write(model, folder, verify)
        proof = target.prove(model, folder) if verify else None
        record = {"to": to, "verified": verify, "files": _digests(folder)}
        record |= proof.as_json() if proof else {}
        (folder / PROOF).write_text(json.dumps(record, indent=1) + "\n")
    return proof


def _not_finite(model: Trained) -> list[str]:
    return [
        f"{name}: holds a value that is not finite (export another checkpoint)"
        for name, array in model.store.stored().items()
        if not np.isfinite(array).all()
    ]


def check_folder(out: Path, force: bool) -> None:
    """Raise RefusedError where `out` is neither new nor empty, nor an export to be replaced."""
    if not os.path.lexists(out) or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / PROOF).is_file():
        message = "is there and holds no export, so nothing is written (give another --out)"
        raise RefusedError.of("EXPORT_EXISTS", message, out)
    if not force:
        message = "holds an export (give --force to replace it, or another --out)"
        raise RefusedError.of("EXPORT_EXISTS", message, out)


@contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    """Yield a folder that becomes `out` once all is written; after an error nothing is left."""
    parent = out.absolute().parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".tmp", dir=parent))
    except OSError as error:
        raise storage_error(out, "cannot be written", error) from error
    try:
        folder.chmod(0o755)
        yield folder
        for path in files_in(folder):
            path.chmod(0o644)  # one library writes files that their owner alone may read
            with path.open("rb") as file:
                os.fsync(file.fileno())
        _put(folder, out)
    except OSError as error:
        raise storage_error(out, "cannot be written", error) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _put(folder: Path, out: Path) -> None:
    """Give a folder its name; what has the name is removed once the new one has it."""
    if not out.exists():
        folder.replace(out)
        return
    old = folder.with_suffix(".old")
    out.replace(old)
    try:
        folder.replace(out)
    except OSError:
        old.replace(out)
        raise
    shutil.rmtree(old)


def files_in(folder: Path) -> list[Path]:
    """Return all files of a folder, in the order of their names."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files_in(folder)
    }
