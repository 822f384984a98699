"""Text to predict token by token."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from rnnkit.builtin.datasets.shared.origin import check_source
from rnnkit.builtin.datasets.text.cache import encoded
from rnnkit.builtin.datasets.text.corpus import LargeText, SmallText, open_text, python_docs
from rnnkit.builtin.datasets.text.streams import count_windows, stream_windows
from rnnkit.builtin.datasets.text.tokenfile import Tokens, forgetting
from rnnkit.contracts import checked_tokenizer
from rnnkit.contracts.dataset import Batch, Dataset, Layout, Split
from rnnkit.contracts.tokenizer import Tokenizer, Vocabulary
from rnnkit.core.block import nested
from rnnkit.core.signal import Signal
from rnnkit.errors import DataError
from rnnkit.types import JSON, Array

SPLITS: tuple[Split, ...] = ("train", "valid", "test")
FileName = Annotated[str, Field(min_length=1, max_length=4096)]
Share = Annotated[float, Field(ge=0, le=1)]


class Text(Dataset):
    """Text whose target is the next token.

    It comes from the embedded corpus (`"source": "python-docs"`) or one file (`path`), both cut by
    `split`, or from a file for each split. `limit` keeps the first tokens. The vocabulary is that
    of the whole text, or that of `train` where each split has a file.
    """

    type: Literal["text"] = "text"
    predicts_next: ClassVar[bool] = True

    source: Literal["python-docs"] | None = None
    path: FileName | None = None
    train: FileName | None = None
    valid: FileName | None = None
    test: FileName | None = None
    tokenizer: Annotated[Tokenizer, nested("rnnkit.tokenizers")]
    split: tuple[Share, Share, Share] = (0.9, 0.05, 0.05)
    limit: Annotated[int, Field(ge=2)] | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> Text:
        check_source(self)
        return self

    def signals(self) -> tuple[Signal, Signal]:
        """Give ids, their number unknown before the data is read, to predict ids."""
        return Signal(None, ids=True), Signal(None, ids=True)

    def text_tokenizer(self) -> Tokenizer:
        """Return the tokenizer."""
        return self.tokenizer

    def of_file(self, path: Path) -> Text:
        """Return the text of one file, all of it to be tested on."""
        return Text(path=str(path), tokenizer=self.tokenizer, split=(0.0, 0.0, 1.0))

    def open(self, root: Path, vocabulary: Vocabulary | None = None) -> TextSource:
        """Read and encode the text; raises DataError for what is missing, empty or no UTF-8.

        A large text is not held in memory: see `rnnkit.builtin.datasets.text.cache`.
        """
        names = {split: name for split in SPLITS if (name := getattr(self, split))}
        if self.train is None:
            names = {"train": self.path or "python-docs"}
        digest, found = hashlib.sha256(), {}
        with ExitStack() as files:
            # All are opened before one is encoded, which may take long.
            texts = {split: self._text(root / name, files) for split, name in names.items()}
            for split, text in texts.items():
                text.feed(digest)
                found[split] = self._encode(text, names[split], vocabulary)
                vocabulary = found[split].vocabulary
        ids = {split: tokens.ids for split, tokens in found.items()}
        return TextSource(
            self.tokenizer,
            found["train"].vocabulary,
            self._cut(ids["train"]) if self.train is None else ids,
            digest.hexdigest(),
            tuple(tokens.mapped for tokens in found.values() if tokens.mapped),
        )

    def _text(self, path: Path, files: ExitStack) -> SmallText | LargeText:
        return open_text(path, files) if self.source is None else python_docs()

    def _encode(
        self, text: SmallText | LargeText, name: str, vocabulary: Vocabulary | None
    ) -> Tokens:
        try:
            tokens = encoded(text, self.tokenizer, vocabulary, self.limit)
        except DataError as error:
            raise DataError(*(replace(p, where=name) for p in error.problems)) from None
        return tokens._replace(ids=tokens.ids[: self.limit])

    def _cut(self, ids: Array) -> dict[Split, Array]:
        shares = np.cumsum(self.split)
        ends = [round(len(ids) * share) for share in shares[:2].tolist()] + [len(ids)]
        parts = np.split(ids, ends[:2])
        return {split: part for split, part in zip(SPLITS, parts, strict=True) if len(part)}


@dataclass(frozen=True)
class TextSource:
    """Encoded text, a split at a time; ids in memory, or `mapped` from token files."""

    tokenizer: Tokenizer
    vocabulary: Vocabulary
    ids: Mapping[Split, Array]
    sha256: str
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

    def digest(self) -> str:
        """Return the SHA-256 of the bytes that were read."""
        return self.sha256

    def splits(self) -> tuple[Split, ...]:
        """Return the splits that have tokens."""
        return tuple(split for split in SPLITS if split in self.ids)

    def size(self, split: Split) -> int:
        """Return the tokens of a split; raises DataError where there is no such split."""
        if split not in self.ids:
            there = ", ".join(self.splits())
            raise DataError.of("DATA_NO_SPLIT", f"there is no {split} split (there is {there})")
        return len(self.ids[split])

    def windows(self, split: Split, layout: Layout) -> int:
        """Return the windows in an epoch; raises DataError where the split is too short."""
        self._separator(layout.separator)
        return count_windows(self.size(split), layout, f"the {split} split")

    def batches(self, split: Split, layout: Layout, cursor: JSON) -> Iterator[Batch]:
        """Yield the windows from `cursor` to the end of its epoch."""
        self.windows(split, layout)
        found = stream_windows(self.ids[split], layout, cursor, self._separator(layout.separator))
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
