"""A training state as one value: to the bytes of a checkpoint and back, exactly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydantic

from rnnkit.checkpoint.image import Image, build_image, load_image
from rnnkit.checkpoint.layout import nonfinite
from rnnkit.checkpoint.meta import Meta
from rnnkit.checkpoint.seal import SCHEMA
from rnnkit.contracts.tokenizer import Vocabulary
from rnnkit.errors import CheckpointError, DivergedError, printable, shape_text
from rnnkit.types import Array

Expected = Mapping[str, tuple[int, ...]]
"""Shapes by array name."""


@dataclass(frozen=True)
class Snapshot:
    """Everything a run is.

    The arrays are `params/<layer>/<name>`, `optimizer/<slot>/<layer>/<name>`, `state/<layer>/<i>`,
    and with true truncation `history/inputs` and `history/resets`.
    """

    meta: Meta
    arrays: Mapping[str, Array]
    vocabulary: Vocabulary | None = None
    schema: int = SCHEMA

    def encoded(self) -> memoryview:
        """Return the bytes of the file; raises DivergedError where an array is not finite."""
        if name := nonfinite(self.arrays):
            message = f"{name} is not finite at step {self.meta.progress.step}; nothing was saved"
            raise DivergedError.of("NUM_NONFINITE_STATE", message)
        blobs = {"meta": self.meta.encoded()}
        if self.vocabulary is not None:
            blobs["vocabulary"] = self.vocabulary.model_dump_json().encode()
        return build_image(self.arrays, blobs)

    def note(self) -> str | None:
        """Return what to tell of a file in an older schema."""
        if self.schema == SCHEMA:
            return None
        return (
            f"written by rnnkit {printable(self.meta.rnnkit)} in schema {self.schema}; "
            f"saved in schema {SCHEMA} from now on"
        )

    def part(self, prefix: str) -> dict[str, Array]:
        """Return the arrays under a prefix such as `params`, without it."""
        start = prefix + "/"
        return {n[len(start) :]: a for n, a in self.arrays.items() if n.startswith(start)}


def load_snapshot(path: Path) -> Snapshot:
    """Read and verify a checkpoint; raises CheckpointError."""
    return snapshot_of(load_image(path), path)


def read_checkpoint(file: Path, tell: Callable[[str], None]) -> Snapshot:
    """Read and verify a checkpoint; `tell` hears of an older schema."""
    snapshot = load_snapshot(file)
    if note := snapshot.note():
        tell(f"{file}: {note}")
    return snapshot


def snapshot_of(image: Image, where: object) -> Snapshot:
    """Give the parts of a verified image their meaning; raises CheckpointError."""
    if "states" in image.blobs:
        message = "a file of states, not a checkpoint; give it as --state-in"
        raise CheckpointError.of("CKPT_META", message, where)
    unknown = set(image.blobs) - {"meta", "vocabulary"}
    if "meta" not in image.blobs or unknown:
        raise CheckpointError.of(
            "CKPT_META", "expected /meta, and /vocabulary or nothing else, at the root", where
        )
    meta = Meta.decoded(image.blobs["meta"], where)
    if name := nonfinite(image.arrays):
        raise CheckpointError.of("CKPT_NONFINITE", f"{name} holds NaN or infinity", where)
    if "vocabulary" not in image.blobs:
        return Snapshot(meta, image.arrays, schema=image.schema)
    vocabulary = _vocabulary(image.blobs["vocabulary"], where)
    return Snapshot(meta, image.arrays, vocabulary, image.schema)


def _vocabulary(data: bytes, where: object) -> Vocabulary:
    try:
        vocabulary = Vocabulary.model_validate_json(data)
    except pydantic.ValidationError as error:
        raise CheckpointError.of("CKPT_META", "/vocabulary is no list of tokens", where) from error
    if vocabulary.unknown is not None and not 0 <= vocabulary.unknown < vocabulary.size:
        message = f"/vocabulary: unknown is none of its {vocabulary.size} tokens"
        raise CheckpointError.of("CKPT_META", message, where)
    return vocabulary


def match(snapshot: Snapshot, expected: Expected, where: object) -> None:
    """Compare names, shapes and types with what the spec declares: nothing is cast or skipped.

    Raises CheckpointError naming what is missing, unexpected and mismatched together.
    """
    if problems := mismatches(snapshot.arrays, expected):
        raise CheckpointError.of(
            "CKPT_ARRAY_MISMATCH",
            "the arrays are not those of its spec: "
            + "; ".join(problems.values())
            + " (install what it was saved with, or use another checkpoint)",
            where,
        )


def mismatches(arrays: Mapping[str, Array], expected: Expected) -> dict[str, str]:
    """Return what is missing, unexpected and of another shape or type, in words, by name."""
    problems = {}
    for name in sorted(expected.keys() - arrays.keys()):
        problems[name] = f"missing {name} {shape_text(expected[name])}"
    for name in sorted(arrays.keys() - expected.keys()):
        problems[name] = f"unexpected {name} {shape_text(arrays[name].shape)}"
    for name in sorted(expected.keys() & arrays.keys()):
        array = arrays[name]
        if array.shape != expected[name] or array.dtype != np.dtype("<f4"):
            problems[name] = (
                f"{name}: expected {shape_text(expected[name])} of float32, "
                f"received {shape_text(array.shape)} of {array.dtype}"
            )
    return problems
