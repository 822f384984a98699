"""Rows of embeddings that begin with vectors of a file, by the tokens of the vocabulary."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rnnkit.checkpoint.begun import ReadVectors
from rnnkit.contracts.layer import Layer
from rnnkit.contracts.tokenizer import Vocabulary
from rnnkit.core.initializers import Vectors
from rnnkit.core.params import ParamStore
from rnnkit.errors import DataError, Problem
from rnnkit.network.network import Network
from rnnkit.training.initial.vectors_file import TextVectors, read_vectors
from rnnkit.types import Array


@dataclass(frozen=True)
class GivenRows:
    """Rows of a parameter, by id, and what is to be known of where they come from."""

    ids: Array
    rows: Array
    facts: ReadVectors

    def write(self, store: ParamStore) -> None:
        """Write them over those that were drawn."""
        store.values[self.facts.layer][self.facts.parameter][self.ids] = self.rows


def given_rows(network: Network, vocabulary: Vocabulary | None, root: Path) -> list[GivenRows]:
    """Read the vectors of all parameters that a network begins with some of.

    Raises DataError with all that is wrong with their files.
    """
    found, problems = [], list[Problem]()
    declared = network.declared()
    for layer, parameter, vectors in _asked(network):
        try:
            width = declared[layer][parameter].shape[1]
            found.append(_rows(layer, parameter, vectors, width, vocabulary, root))
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(*dict.fromkeys(problems))
    return found


def vectors_in(layer: Layer, prefix: str = "") -> Iterator[tuple[str, Vectors]]:
    """Yield the parameters of a layer, and of those that it holds, that begin with vectors."""
    for name, init in layer.init.items():
        if isinstance(init, Vectors):
            yield prefix + name, init
    for key, inner in layer.inner().items():
        yield from vectors_in(inner, f"{prefix}{key}.")


def _asked(network: Network) -> Iterator[tuple[str, str, Vectors]]:
    for name, layer in network.named:
        for parameter, vectors in vectors_in(layer):
            yield name, parameter, vectors


def _rows(
    layer: str,
    parameter: str,
    vectors: Vectors,
    width: int,
    vocabulary: Vocabulary | None,
    root: Path,
) -> GivenRows:
    path = root / vectors.path
    if vocabulary is None:
        message = f"the rows of {parameter} of layer {layer} are those of ids without names, so no "
        raise DataError.of("DATA_VECTORS", f"{message}word is theirs (take another start)", path)
    exact = [token.encode() for token in vocabulary.tokens]
    lower = [token.lower().encode() if vectors.lower else None for token in vocabulary.tokens]
    read = read_vectors(path, {*exact, *filter(None, lower)}, width)
    chosen = [_chosen(read, *forms) for forms in zip(exact, lower, strict=True)]
    ids = [at for at, word in enumerate(chosen) if word is not None]
    if not ids:
        hint = (
            "" if vectors.lower else ', or "lower": true for words that stand there in lower case'
        )
        message = f"has a vector for none of the {len(exact):,} tokens"
        raise DataError.of("DATA_VECTORS", f"{message} (take other vectors{hint})", path)
    facts = ReadVectors(
        layer=layer,
        parameter=parameter,
        path=vectors.path,
        sha256=read.sha256,
        words=read.words,
        repeated=read.repeated,
        found=len(ids),
        lowered=sum(chosen[at] != exact[at] for at in ids),
        missing=len(exact) - len(ids),
    )
    return GivenRows(np.array(ids), np.stack([read.found[chosen[at] or b""] for at in ids]), facts)


def _chosen(read: TextVectors, exact: bytes, lower: bytes | None) -> bytes | None:
    """Return the word whose vector a token begins with, None where there is none."""
    return next((word for word in (exact, lower) if word in read.found), None)
