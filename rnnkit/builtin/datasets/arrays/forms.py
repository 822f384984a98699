"""What data from memory is: the values of each split, and the dataset of files that reads such.

Each form is a function from values to a `HeldForm`; what is wrong with them is kept as faults.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from rnnkit.builtin.datasets.arrays.columns import kinds_of, listed_values
from rnnkit.builtin.datasets.arrays.faults import Faults
from rnnkit.builtin.datasets.arrays.frames import framed
from rnnkit.contracts.dataset import SPLITS, Split
from rnnkit.contracts.table import FileData, MemoryTable
from rnnkit.contracts.tokenizer import Vocabulary
from rnnkit.errors import is_written, printable, spelled

JSONObject: TypeAlias = dict[str, Any]

WHOLE = "the data"
PARTS: Mapping[Split, str] = {
    "train": "the training data",
    "valid": "the validation data",
    "test": "the test data",
}
"""What the values are called in errors: all of them, or those of a split."""


@dataclass
class HeldForm:
    """Values by name, and the block of the dataset that reads them.

    `numbers` is the block where a loss estimates values and targets may be taken for numbers.
    """

    held: dict[str, FileData]
    block: JSONObject
    numbers: JSONObject | None = None
    vocabulary: Vocabulary | None = None


@dataclass
class Splits:
    """The values of the splits, by the name that they have in errors."""

    values: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, whole: Any, valid: Any, test: Any) -> Splits:
        """Name the values: all of them to be cut, or those of each split."""
        if valid is None and test is None:
            return cls({WHOLE: whole})
        given = zip(SPLITS, (whole, valid, test), strict=True)
        return cls({PARTS[split]: values for split, values in given if values is not None})

    def origin(self) -> JSONObject:
        """Return the keys of a dataset of files that name them."""
        if WHOLE in self.values:
            return {"path": WHOLE}
        return {split: name for split, name in PARTS.items() if name in self.values}

    def tables(
        self, make: Callable[[Any, Faults], MemoryTable], faults: Faults
    ) -> dict[str, FileData]:
        """Return the table of each split."""
        found: dict[str, FileData] = {}
        for name, values in self.values.items():
            own = Faults(name if len(self.values) > 1 else faults.where)
            table = make(values, own)
            if not len(table) and not own.problems:
                own.add("DATA_TOO_SHORT", "there is no row in it (give it some)")
            faults.problems += own.problems
            found[name] = table
        return found


def series_form(
    splits: Splits,
    time: str | None,
    group: str | None,
    columns: Sequence[str] | None,
    targets: Sequence[str] | None,
    options: JSONObject,
    faults: Faults,
) -> HeldForm:
    """Return columns in the order of time, all that are no time and no group unless named."""
    times: list[str | None] = []

    def table(values: Any, own: Faults) -> MemoryTable:
        found = framed(values, own)
        times.append(found.time)
        return found.table

    held = splits.tables(table, faults)
    time = time or next(filter(None, times), None)
    tables = {name: data for name, data in held.items() if isinstance(data, MemoryTable)}
    first = next(iter(tables.values()))
    names = columns or [n for n in first.columns if n not in (time, group)]
    wanted = [name for name in (*names, *(targets or ())) if name]
    for name, each in tables.items():
        own = Faults(name)
        _check_series(each, wanted, (time, group), own)
        faults.problems += own.problems
    block = {"type": "series", **splits.origin(), "columns": list(names), **options}
    given = {"targets": targets and list(targets), "time": time, "group": group}
    return HeldForm(held, block | {key: value for key, value in given.items() if value})


def _check_series(
    table: MemoryTable, columns: Sequence[str], marks: tuple[str | None, str | None], own: Faults
) -> None:
    """Keep a fault for each column that there is not or that holds no numbers, and for times."""
    if not table.columns:
        return
    there = ", ".join(table.columns)
    for name in dict.fromkeys([*columns, *filter(None, marks)]):
        if name not in table.columns:
            own.add("DATA_FIELD", f"there is no column {printable(repr(name))} (there is {there})")
        elif name not in marks and "text" in kinds_of(table.columns[name]):
            row = next(i for i, v in enumerate(table.columns[name]) if isinstance(v, str))
            shown = printable(spelled(table.columns[name][row]), 40)
            message = f"{name}: holds {shown} in row {table.label(row + 1)}, which is no number "
            message += '(make the column one of numbers, name it as "time" or "group", or leave it '
            own.add("DATA_FIELD", f'{message}out of "columns")')
    time, group = marks
    if time in table.columns and group is None:
        counts = Counter(table.columns[time or ""])
        twice = [when for when, count in counts.items() if count > 1 and when is not None]
        if twice:
            more = f", as do {len(twice) - 1:,} more" if len(twice) > 1 else ""
            message = f"{time}: {twice[0]} stands there twice{more} (keep one row, or name the "
            own.add("DATA_TIME", f'{message}column that tells series apart as "group")')


def pairs_form(splits: Splits, options: JSONObject, faults: Faults) -> HeldForm:
    """Return pairs of texts, source and target."""

    def table(values: Any, own: Faults) -> MemoryTable:
        if hasattr(values, "columns") or isinstance(values, Mapping):
            found = framed(values, own).table.columns
            if len(found) != 2:
                own.add("DATA_FIELD", f"expected two columns of texts, received {len(found)}")
                return MemoryTable({"source": [], "target": []})
            source, target = found.values()
            return MemoryTable({"source": source, "target": target})
        each = [tuple(pair) if not isinstance(pair, str) else (pair,) for pair in values]
        odd = [i for i, pair in enumerate(each) if len(pair) != 2]
        if odd:
            message = f"pairs: row {odd[0]} holds {len(each[odd[0]])} texts, expected a source "
            own.add("DATA_FIELD", f'{message}and a target, as in ("2+3", "5")')
            return MemoryTable({"source": [], "target": []})
        source, target = zip(*each, strict=True) if each else ((), ())
        return MemoryTable(
            {
                "source": listed_values(source, "source", own),
                "target": listed_values(target, "target", own),
            }
        )

    held = splits.tables(table, faults)
    return HeldForm(held, {"type": "pairs", **splits.origin(), **options})


def text_form(splits: Splits, options: JSONObject, faults: Faults) -> HeldForm:
    """Return a text, or several of them, each of which is a document."""
    held: dict[str, FileData] = {}
    origin: JSONObject = splits.origin()
    for name, values in splits.values.items():
        documents = [values] if isinstance(values, str) else list(values)
        if not all(isinstance(each, str) for each in documents) or not documents:
            faults.add("DATA_FIELD", f"text: expected a text or a list of texts, of {name}")
            continue
        if len(documents) > 1 and name != WHOLE:
            message = f"text: expected one text for {name}, received {len(documents)} (join them, "
            faults.add("DATA_FIELD", f"{message}or give shares of all texts by split=)")
        names = [name] if len(documents) == 1 else [f"text {i}" for i in range(len(documents))]
        try:
            held |= {n: each.encode() for n, each in zip(names, documents, strict=True)}
        except UnicodeEncodeError as error:
            message = f"text: character {error.start} of {name} is half a surrogate pair"
            faults.add("DATA_ENCODING", f"{message} (take it out)")
        if len(documents) > 1:
            origin = {"path": names}
    return HeldForm(held, {"type": "text", **origin, **options})


def tokens_form(
    splits: Splits, vocabulary: Sequence[str] | None, options: JSONObject, faults: Faults
) -> HeldForm:
    """Return streams of tokens, by id or by name, as a text of words."""
    every = {name: _documents(values) for name, values in splits.values.items()}
    ids = [d for documents in every.values() for d in documents if d.dtype.kind in "iu"]
    odd = [d for documents in every.values() for d in documents if d.dtype.kind not in "iuUO"]
    if any(not is_written(t) for ds in every.values() for d in ds if d.dtype == object for t in d):
        faults.add("DATA_ID", "tokens: received an integer of more than 4,300 digits")
        return HeldForm({}, {"type": "text"})
    if any(len(each) for each in odd):
        message = f"tokens: expected ids or texts, received {odd[0].dtype} (ids are integers)"
        faults.add("DATA_ID", message)
        return HeldForm({}, {"type": "text"})
    if len(ids) < sum(map(len, every.values())):
        texts = {
            name: [" ".join(map(str, document.tolist())) for document in documents]
            for name, documents in every.items()
        }
        _check_words({str(t) for ds in every.values() for d in ds for t in d.tolist()}, faults)
        return text_form(Splits(_plain(texts)), _words(options), faults)
    largest = max((int(each.max()) for each in ids if len(each)), default=0)
    least = min((int(each.min()) for each in ids if len(each)), default=0)
    names = tuple(map(str, range(largest + 1) if vocabulary is None else vocabulary))
    if least < 0 or largest >= len(names):
        wrong = least if least < 0 else largest
        message = f"tokens: expected ids from 0 to {len(names) - 1}, received {wrong}"
        faults.add("DATA_ID", f"{message} (repair it, or give a larger vocabulary)")
        names = names or ("0",)
        every = {}
    if len(set(names)) < len(names):
        faults.add("DATA_ID", "vocabulary: a token stands in it twice (give each id its own)")
    _check_words(set(names), faults)
    table = np.array(names, object)
    texts = {n: [" ".join(table[d].tolist()) for d in documents] for n, documents in every.items()}
    form = text_form(Splits(_plain(texts)), _words(options), faults)
    form.vocabulary = Vocabulary(tokens=names)
    return form


def _plain(texts: Mapping[str, list[str]]) -> dict[str, Any]:
    return {name: found[0] if len(found) == 1 else found for name, found in texts.items()}


def _documents(values: Any) -> list[Any]:
    """Return one array, or a list of arrays or lists, as arrays (N,)."""
    plain = values.to_numpy() if hasattr(values, "to_numpy") else values
    nested = isinstance(plain, list | tuple) and len(plain) and not isinstance(plain[0], str | int)
    nested = nested and hasattr(plain[0], "__len__")
    each = plain if nested else [plain]
    if isinstance(plain, np.ndarray) and plain.ndim == 2:
        each = plain
    return [np.asarray(document) for document in each]


def _words(options: JSONObject) -> JSONObject:
    return {"tokenizer": {"type": "word", "unknown": None}, **options}


def _check_words(names: set[str], faults: Faults) -> None:
    odd = sorted(name for name in names if not name or name.split() != [name])
    if odd:
        message = f"tokens: {printable(repr(odd[0]))} is empty or holds a space, so a text of "
        faults.add("DATA_FIELD", f"{message}tokens could not be read again (write _ for it, say)")
