"""Text to predict token by token."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from rnnkit.builtin.datasets.shared.data_place import DataPlace
from rnnkit.builtin.datasets.shared.file_dataset import Shares, SourcedDataset
from rnnkit.builtin.datasets.shared.split_source import SplitSource
from rnnkit.builtin.datasets.text.cache import Tokens, encoded, forgetting
from rnnkit.builtin.datasets.text.corpus import EMBEDDED, OpenTexts, TextDocument
from rnnkit.builtin.datasets.text.streams import Documents, count_windows, stream_windows
from rnnkit.contracts import checked_tokenizer
from rnnkit.contracts.data_size import ReadingCost
from rnnkit.contracts.dataset import Batch, Layout, Split
from rnnkit.contracts.tokenizer import Tokenizer, Vocabulary
from rnnkit.core.block import nested
from rnnkit.core.signal import Signal
from rnnkit.errors import DataError, printable
from rnnkit.types import JSON, Array


class Text(SourcedDataset):
    """Text whose target is the next token.

    It comes from `path` or from Python's own language reference, all of it (`"source":
    "python-docs"`) or its sentences alone (`"python-prose"`), cut by `split`, or from a file for
    each split. Of several files (a list in `path`, or a pattern such as "texts/*.txt", sorted by
    name) each is a document: it starts from a zero hidden state and foretells nothing of the next.
    `limit` keeps the first tokens. The vocabulary is that of the whole text, or that of `train`
    where each split has a file.
    """

    type: Literal["text"] = "text"
    cost: ClassVar[ReadingCost] = ReadingCost(0, 0)  # a large one is mapped
    predicts_next: ClassVar[bool] = True

    source: Literal["python-docs", "python-prose"] | None = None
    tokenizer: Annotated[Tokenizer, nested("rnnkit.tokenizers")]
    split: Shares = (0.9, 0.05, 0.05)
    limit: Annotated[int, Field(ge=2)] | None = None

    def signals(self) -> tuple[Signal, Signal]:
        """Give ids, their number unknown before the data is read, to predict ids."""
        return Signal(None, ids=True), Signal(None, ids=True)

    def text_tokenizer(self) -> Tokenizer:
        """Return the tokenizer."""
        return self.tokenizer

    def of_file(self, path: Path) -> Self:
        """Return the text of one file, all of it to be tested on."""
        return super().of_file(path).model_copy(update={"limit": None})

    def opened(self, place: DataPlace, vocabulary: Vocabulary | None = None) -> TextSource:
        """Read and encode the text; raises DataError for what is missing, empty or no UTF-8.

        A large text is not held in memory: see `rnnkit.builtin.datasets.text.cache`.
        """
        digest, found = hashlib.sha256(), dict[Split, Tokens]()
        with OpenTexts() as files:
            # All are read before one is encoded, which may take long.
            texts = self._texts(place, files)
            for documents in texts.values():
                for text in documents:
                    for chunk in text.chunks():
                        digest.update(chunk)
                    if len(documents) > 1:
                        digest.update(text.sha256.encode())
            for split, documents in texts.items():
                found[split] = encoded(documents, self.tokenizer, vocabulary, self.limit)
                vocabulary = found[split].vocabulary
                if not vocabulary.size:
                    message = "there is no token in it (give it some text)"
                    raise DataError.of("DATA_TOO_SHORT", message, documents[0].name)
        notes = _notes([text.name for text in texts["train"]], found["train"])
        parts = {split: self._documents(tokens) for split, tokens in found.items()}
        return TextSource(
            block=self,
            parts=parts if self.train else parts["train"].cut(self.split),
            note="; ".join(filter(None, [*notes, self.shared(place)])),
            sha256=digest.hexdigest(),
            tokenizer=self.tokenizer,
            vocabulary=found["train"].vocabulary,
            mapped=tuple(tokens.mapped for tokens in found.values() if tokens.mapped),
        )

    def _texts(self, place: DataPlace, files: OpenTexts) -> dict[Split, list[TextDocument]]:
        if self.source:
            return {"train": [EMBEDDED[self.source]()]}
        return {
            split: [place.document(name, files) for name in found]
            for split, found in self.files(place).items()
        }

    def _documents(self, tokens: Tokens) -> Documents:
        ids, starts = tokens.ids[: self.limit], np.array(tokens.starts, np.int64)
        return Documents(ids, starts[starts < len(ids)])


def _notes(names: Sequence[str], tokens: Tokens) -> Iterator[str]:
    """Yield what is to be told of the training part."""
    if len(names) > 1:
        yield f"{len(names):,} files, {names[0]} to {names[-1]}, each from a zero hidden state"
    first = tokens.ids[:1]
    if tokens.vocabulary.size == 1 and len(first):
        only = printable(repr(tokens.vocabulary.tokens[first[0]]))
        yield f"every token is {only}, so there is nothing to learn and the loss is 0"


@dataclass(frozen=True, kw_only=True)
class TextSource(SplitSource[Documents]):
    """Encoded text, the ids of a split at a time, in memory or `mapped` from token files."""

    tokenizer: Tokenizer
    vocabulary: Vocabulary
    mapped: tuple[mmap.mmap, ...] = ()

    @property
    def inputs(self) -> Signal:
        """Ids below the size of the vocabulary."""
        return Signal(self.vocabulary.size, ids=True)

    @property
    def targets(self) -> Signal:
        """The next id."""
        return self.inputs

    @property
    def unit(self) -> str:
        """What one id stands for."""
        return self.tokenizer.unit

    def in_words(self, layout: Layout) -> str:
        """Return what is to be told beside the streams."""
        return self.note

    def size(self, split: Split) -> int:
        """Return the tokens of a split; raises DataError where there is no such split."""
        return len(self.part(split).ids)

    def windows(self, split: Split, layout: Layout) -> int:
        """Return the windows in an epoch; raises DataError where the split is too short."""
        self._separator(layout.separator)
        return count_windows(self.size(split), layout, f"the {split} split")

    def batches(self, split: Split, layout: Layout, cursor: JSON) -> Iterator[Batch]:
        """Yield the windows from `cursor` to the end of its epoch."""
        self.windows(split, layout)
        found = stream_windows(self.part(split), layout, cursor, self._separator(layout.separator))
        return forgetting(found, self.mapped, layout.streams)

    def _separator(self, text: str | None) -> Array | None:
        if text is None:
            return None
        if text in self.vocabulary.tokens:
            return np.array([self.vocabulary.tokens.index(text)])
        try:
            ids = checked_tokenizer.encode(self.tokenizer, text.encode(), self.vocabulary)
        except DataError:  # it tells of a place in the separator, which is no text of the user's
            ids = np.empty(0, np.int32)
        if len(ids) == 0 or self.vocabulary.unknown in ids:
            message = f"the text has no {text!r} (give a separator that it holds)"
            raise DataError.of("DATA_SEPARATOR", message, "train.state.separator")
        return ids
