"""What the parameters of a run began with, where that was not drawn: another model, vectors."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from rnnkit.core.block import Record

Count = Annotated[int, Field(ge=0)]


class TakenLayer(Record):
    """A layer that began with the parameters of another model's, and how many names were new.

    `new` counts tokens, or labels, that the other model did not have: their rows were drawn.
    """

    ours: str
    theirs: str
    new: Count = 0


class OtherModel(Record):
    """The checkpoint that a run started from, as the spec names it.

    `fresh` are the layers of ours that took nothing, `left` those of theirs of which nothing was
    taken.
    """

    path: str
    sha256: str
    name: str
    step: Count
    taken: tuple[TakenLayer, ...]
    fresh: tuple[str, ...]
    left: tuple[str, ...]


class ReadVectors(Record):
    """The vectors that rows of a parameter began with: how many tokens were found.

    `lowered` of them were only found in lower case; the `missing` ones were drawn. `words` are
    those of the file, whose plain text has the SHA-256; of the `repeated` ones the first counts.
    """

    layer: str
    parameter: str
    path: str
    sha256: str
    words: Count
    repeated: Count
    found: Count
    lowered: Count
    missing: Count


class ImportedParameter(Record):
    """A parameter of ours, the arrays of another program that it is made of, and how."""

    ours: str
    theirs: tuple[str, ...]
    done: str


class ImportedWeights(Record):
    """The file of another program that the parameters were taken from."""

    file: str
    format: str
    sha256: str
    parameters: tuple[ImportedParameter, ...]


class Begun(Record):
    """All of it; a resume takes it from the checkpoint and reads none of the files again."""

    other: OtherModel | None = None
    vectors: tuple[ReadVectors, ...] = ()
    imported: ImportedWeights | None = None

    @model_serializer(mode="wrap")
    def _dumped(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what was not imported, as files of older releases do."""
        found: dict[str, Any] = dump(self)
        return {key: value for key, value in found.items() if key != "imported" or value}

    def in_words(self) -> list[str]:
        """Return a line for each file, and for each layer of it."""
        lines = []
        for read in self.vectors:
            lower = f", {read.lowered:,} of them in lower case" if read.lowered else ""
            tokens = read.found + read.missing
            lines.append(
                f"{read.layer} {read.parameter}: {read.found:,} of {tokens:,} tokens have a vector "
                f"in {read.path}{lower}; {read.missing:,} are drawn"
            )
            if read.repeated:
                again = f"  lines that repeat a word, of which the first counts: {read.repeated:,}"
                lines.append(again)
        return lines + (_other_in_words(self.other) if self.other else [])


def _other_in_words(other: OtherModel) -> list[str]:
    lines = [f"starts from {other.path}: {other.name}, step {other.step:,}, SHA-256 {other.sha256}"]
    for layer in other.taken:
        new = f", {layer.new:,} rows new" if layer.new else ""
        lines.append(f"  {layer.ours} <- {layer.theirs}{new}")
    lines += [f"  {name} is drawn" for name in other.fresh]
    return lines + [f"  {name} of theirs is left out" for name in other.left]
