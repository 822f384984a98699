"""The file of `--state-out`: hidden states with a checksum, laid out as a checkpoint.

    /states             canonical JSON: rnnkit, streams, SHA-256 of the parameters and of the spec
    /state/<layer>/<i>  (streams, n) of float32
    /stream/last        (streams,) the token that each has seen and not read; absent without tokens
    /stream/drawn       (streams,) random numbers that sampling has used

The blob has another name than that of a checkpoint, so that neither passes for the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pydantic
from pydantic import Field

from rnnkit.checkpoint.image import build_image, load_image
from rnnkit.checkpoint.layout import first_fault, nonfinite
from rnnkit.core.block import Record
from rnnkit.errors import CheckpointError
from rnnkit.files.outputs import write_output
from rnnkit.spec.model import canonical_json
from rnnkit.types import Array

BLOB = "states"
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}\z")]


class StateMeta(Record):
    """The `/states` entry. No clock, host or path: equal states give equal bytes."""

    states_version: Literal[1] = 1
    rnnkit: Annotated[str, Field(max_length=64)]
    streams: Annotated[int, Field(ge=1, le=2**31)]
    parameters: Digest
    spec: Digest


@dataclass(frozen=True)
class StateFile:
    """The hidden states of streams, as names and arrays, and of which model."""

    meta: StateMeta
    arrays: Mapping[str, Array]


def save_state_file(path: Path, file: StateFile) -> None:
    """Write the file whole or not at all, a new one readable by its owner alone.

    Raises StorageError, and CheckpointError (STATE_NONFINITE) for states that hold NaN or infinity.
    """
    _check_finite(file.arrays, "nothing was saved", path)
    blobs = {BLOB: canonical_json(file.meta.model_dump(mode="json"))}
    write_output(path, build_image(file.arrays, blobs))


def load_state_file(path: Path) -> StateFile:
    """Read and verify a file of states.

    Raises CheckpointError: the codes of `load_image`, STATE_KIND for another file of rnnkit,
    STATE_META and STATE_NONFINITE.
    """
    image = load_image(path)
    if set(image.blobs) != {BLOB}:
        what = "a checkpoint of a model" if "meta" in image.blobs else "another file of rnnkit"
        message = f"{what}, not a file of states; give one that --state-out wrote"
        raise CheckpointError.of("STATE_KIND", message, path)
    try:
        meta = StateMeta.model_validate_json(image.blobs[BLOB])
    except pydantic.ValidationError as error:
        problem = ": ".join(first_fault(error, BLOB))
        message = f"{problem} (this rnnkit did not write the file)"
        raise CheckpointError.of("STATE_META", message, path) from error
    _check_finite(image.arrays, "write it again with --state-out", path)
    return StateFile(meta, image.arrays)


def digest_of(arrays: Mapping[str, Array]) -> str:
    """Return the SHA-256 of named arrays: names, types, shapes and bytes, in sorted order."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.data)
    return digest.hexdigest()


def _check_finite(arrays: Mapping[str, Array], advice: str, path: Path) -> None:
    if name := nonfinite(arrays):
        message = f"{name} holds NaN or infinity; {advice}"
        raise CheckpointError.of("STATE_NONFINITE", message, path)
