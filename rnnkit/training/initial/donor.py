"""The model that a run starts from, and the data read with its vocabulary."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from rnnkit.checkpoint.image import read_image
from rnnkit.checkpoint.meta import other_plugins
from rnnkit.checkpoint.run_directory import checkpoint_of
from rnnkit.checkpoint.seal import FILE_LIMIT
from rnnkit.checkpoint.snapshot import snapshot_of
from rnnkit.contracts.dataset import Source
from rnnkit.contracts.registry import Registry
from rnnkit.contracts.tokenizer import Vocabulary
from rnnkit.errors import CheckpointError, DataError
from rnnkit.files.atomic import read_regular
from rnnkit.inference.model import Model, model_of
from rnnkit.network.memory import open_data
from rnnkit.spec.model import Spec


@dataclass(frozen=True)
class Donor:
    """A model whose parameters others start from; `name` is its path as the spec has it.

    `notes` tell of plugins that are not what they were when it was saved.
    """

    name: str
    model: Model
    step: int
    sha256: str
    notes: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """The file that was read."""
        return self.model.path


def read_donor(name: str, root: Path, registry: Registry) -> Donor:
    """Read the checkpoint, or that of the run, at `name` under `root`.

    Raises CheckpointError for a file that cannot be used, PluginError for a plugin that it needs.
    """
    path = checkpoint_of(root / name)
    data = read_regular(path, FILE_LIMIT, CheckpointError, "CKPT")
    snapshot = snapshot_of(read_image(data, path), path)
    model = model_of(snapshot, path, registry)
    sha256 = hashlib.sha256(data).hexdigest()
    notes = tuple(f"{path}: {note}" for note in other_plugins(snapshot.meta, registry))
    return Donor(name, model, snapshot.meta.progress.step, sha256, notes)


def open_with_donor(
    spec: Spec, root: Path, registry: Registry, budget: int | None = None
) -> tuple[Source, Donor | None]:
    """Open the data of a spec, with the vocabulary of the model that it starts from, if of any.

    Raises CheckpointError where that reads tokens of another kind, and DataError where the data has
    a token that it does not know.
    """
    start = spec.train.start
    if start is None or start.from_ is None:
        return open_data(spec.data, root, None, budget), None
    donor = read_donor(start.from_, root, registry)
    theirs = donor.model.vocabulary
    if theirs is None or not spec.data.signals()[0].ids:
        return open_data(spec.data, root, None, budget), donor
    _check_tokenizer(spec, donor)
    if start.vocabulary == "extend":
        own = open_data(spec.data, root, None, budget).vocabulary
        theirs = extended(theirs, own) if own else theirs
    try:
        return open_data(spec.data, root, theirs, budget), donor
    except DataError as error:
        raise _unknown_to(donor, error) from error


def extended(theirs: Vocabulary, own: Vocabulary) -> Vocabulary:
    """Return their tokens, with the ids that they have, and those of ours that they lack."""
    known = set(theirs.tokens)
    tokens = (*theirs.tokens, *(token for token in own.tokens if token not in known))
    unknown = theirs.unknown
    if unknown is None and own.unknown is not None:
        unknown = tokens.index(own.tokens[own.unknown])
    return Vocabulary(tokens=tokens, unknown=unknown)


def _check_tokenizer(spec: Spec, donor: Donor) -> None:
    ours, theirs = spec.data.text_tokenizer(), donor.model.spec.data.text_tokenizer()
    if ours and theirs and ours.type != theirs.type:
        raise CheckpointError.of(
            "START_TOKENIZER",
            f'its tokens are those of the tokenizer "{theirs.type}", but those of the data are of '
            f'"{ours.type}", so no row of one is that of the other (give the data the tokenizer '
            f'"{theirs.type}", or start from another model)',
            donor.path,
        )


def _unknown_to(donor: Donor, error: DataError) -> DataError:
    advice = f'; the vocabulary is that of {donor.name}, and "vocabulary": "extend" adds to it'
    return DataError(
        *(
            replace(p, message=p.message + advice) if p.code == "DATA_UNKNOWN_TOKEN" else p
            for p in error.problems
        )
    )
