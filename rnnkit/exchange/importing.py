"""A model from a file of another program: the network of a spec with those parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np

from rnnkit.checkpoint.begun import Begun, ImportedParameter, ImportedWeights
from rnnkit.checkpoint.meta import DataFacts
from rnnkit.contracts.dataset import Source
from rnnkit.contracts.tokenizer import Vocabulary
from rnnkit.core.params import ParamStore
from rnnkit.errors import CheckpointError, Problem
from rnnkit.exchange.incoming.files import read_their_model
from rnnkit.exchange.incoming.weights import FilledParameter, weights_of
from rnnkit.exchange.vocabulary_file import read_vocabulary
from rnnkit.network.builder import build_network
from rnnkit.network.memory import open_data
from rnnkit.network.network import Network
from rnnkit.spec.model import Spec


@dataclass(frozen=True)
class Imported:
    """A network whose parameters are those of a file; `filled` says of each where it is from."""

    path: Path
    spec: Spec
    network: Network
    store: ParamStore
    vocabulary: Vocabulary | None
    data: DataFacts
    begun: Begun
    filled: tuple[FilledParameter, ...]


def import_model(
    file: Path,
    spec: Spec,
    root: Path,
    asked: Mapping[str, str] | None = None,
    vocabulary: Path | None = None,
) -> Imported:
    """Return the model of a spec with the parameters of a file.

    `asked` names layers, or arrays, of the file by the layers, or parameters, of ours that take
    them. The vocabulary is that of the spec's data, which lies under `root`, or of a file.

    Raises CheckpointError with all that does not fit, DataError for data or a vocabulary that
    cannot be used, PluginError where a package that reads the file is missing.
    """
    theirs, sha256 = read_their_model(file)
    if not theirs.arrays:
        _refuse(file, theirs.wrong or ["it holds no weights"])
    source = _open(spec, root, vocabulary)
    resolved, network = build_network(spec.fitted(source), source.inputs, source.targets)
    store = network.store(np.dtype(np.float32))
    filled, problems = weights_of(theirs, network, store, asked or {})
    if problems:
        _refuse(file, problems)
    stored = store.stored()
    for each in filled:
        stored[each.ours][...] = each.given.values
    taken = tuple(
        ImportedParameter(ours=each.ours, theirs=each.given.theirs, done=each.done)
        for each in filled
    )
    facts = ImportedWeights(file=file.name, format=theirs.format, sha256=sha256, parameters=taken)
    return Imported(
        file,
        resolved,
        network,
        store,
        source.vocabulary,
        DataFacts.of(source),
        Begun(imported=facts),
        tuple(filled),
    )


def _open(spec: Spec, root: Path, vocabulary: Path | None) -> Source:
    """Open the data of a spec, with the tokens of a file where one is given."""
    if vocabulary is None:
        return open_data(spec.data, root)
    given = read_vocabulary(vocabulary, spec.data.text_tokenizer())
    return open_data(spec.data, root, given)


def _refuse(file: Path, problems: Sequence[str]) -> NoReturn:
    raise CheckpointError(*(Problem(str(file), "IMPORT_MISFIT", each) for each in problems))
