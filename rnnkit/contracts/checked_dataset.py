"""The data of a dataset; what one of a plugin gives is looked at before it is used.

Numbers of another type would be cast, ids of no token read past the end of a table, and a mistake
of the author be told as one of rnnkit, or of nobody.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rnnkit.contracts.dataset import (
    SPLITS,
    Batch,
    Dataset,
    EncoderInputs,
    Layout,
    Source,
    Split,
    Units,
)
from rnnkit.contracts.loss import Loss
from rnnkit.contracts.returned import broken, is_whole, of_kind, shown
from rnnkit.contracts.target_info import Knowing, Meaning
from rnnkit.contracts.tokenizer import Tokenizer, Vocabulary
from rnnkit.core.installed import owner
from rnnkit.core.json_values import kept_by_json
from rnnkit.core.signal import Signal
from rnnkit.errors import PluginError, printable
from rnnkit.types import JSON, Array

FLOAT = np.dtype(np.float32)
LONGEST = 128
"""Characters of a digest, or of the name of a target."""


def open_source(dataset: Dataset, root: Path, vocabulary: Vocabulary | None = None) -> Source:
    """Return `dataset.open`; raises PluginError for a source that does not tell what it holds."""
    source = dataset.open(root, vocabulary)
    if not _is_own(source):
        for name, wanted, found, fits in _facts(source, dataset.text_tokenizer()):
            if not fits:
                raise broken(dataset, "", _other(name, wanted, printable(found, 200)))
    return source


def signals_of(dataset: Dataset) -> tuple[Signal, Signal]:
    """Return `dataset.signals`; raises PluginError for what are no two signals."""
    found: object = dataset.signals()
    if isinstance(found, tuple) and len(found) == 2:
        if all(isinstance(signal, Signal) for signal in found):
            return found
    wanted = "the Signals of inputs and targets in a tuple"
    raise broken(dataset, "", _other("signals", wanted, printable(found)))


def suited_to(dataset: Dataset, loss: Loss) -> Dataset:
    """Return `dataset.suited`; raises PluginError for what is no dataset."""
    return of_kind(dataset, "suited", dataset.suited(loss), Dataset)


def windows_in(source: Source, split: Split, layout: Layout) -> int:
    """Return `source.windows`; raises PluginError for what counts nothing."""
    found: object = source.windows(split, layout)
    if is_whole(found, 0):
        return int(found)  # type: ignore[call-overload, no-any-return]
    raise _odd(source, split, _other("windows", "an integer >= 0", printable(found)))


def windows_of(source: Source, split: Split, layout: Layout, cursor: JSON) -> Iterator[Batch]:
    """Return `source.batches`, each in memory of its own where a plugin gives them.

    Raises PluginError for a window of other types or values than the contract says, and DataError
    for one of other shapes.
    """
    batches: object = source.batches(split, layout, cursor)
    if _is_own(source):
        return batches  # type: ignore[return-value]
    if not hasattr(batches, "__iter__"):
        raise _odd(source, split, _other("batches", "an iterator", shown(batches)))
    return _looked_at(source, split, layout, iter(batches))


def _looked_at(
    source: Source, split: Split, layout: Layout, batches: Iterator[object]
) -> Iterator[Batch]:
    encoded, before = None, list[JSON]()
    for batch in batches:
        try:
            if not isinstance(batch, Batch):
                raise Unfit(_other("a window", "a Batch", shown(batch)))
            if encoded not in (None, batch.encoder is not None):
                raise Unfit("encoder: expected it in each window or in none")
            encoded = batch.encoder is not None
            found = _own_copy(source, batch, layout.streams)
            _check_cursor(found.next_cursor, before)
            before = [found.next_cursor]
            yield found
        except Unfit as problem:
            raise _odd(source, split, str(problem)) from None


class Unfit(Exception):
    """What of a window is not as the contract says."""


def _own_copy(source: Source, batch: Batch, streams: int) -> Batch:
    """Return the window in arrays of its own; raises Unfit, and DataError for other shapes."""
    for name in ("inputs", "targets", "weights", "resets"):
        _check_plain(name, getattr(batch, name))
    if batch.valid is not None:
        _check_plain("valid", batch.valid)
    for name, kind in (("encoder", EncoderInputs), ("units", Units)):
        if (parts := getattr(batch, name)) is not None:
            if not isinstance(parts, kind):
                raise Unfit(_other(name, f"{kind.__name__} or None", shown(parts)))
            for part, array in parts._asdict().items():
                _check_plain(f"{name}.{part}", array)
    batch.check(streams)
    return batch._replace(
        inputs=_carried("inputs", batch.inputs, source.inputs, least=0),
        targets=_carried("targets", batch.targets, source.targets, least=-1),
        weights=_numbers("weights", batch.weights, least=0.0),
        resets=_marks("resets", batch.resets),
        valid=None if batch.valid is None else _marks("valid", batch.valid),
        encoder=batch.encoder and _source_read(batch.encoder, source.inputs, streams),
        units=batch.units and _units(batch.units),
    )


def _check_cursor(cursor: JSON, before: list[JSON]) -> None:
    """Raise Unfit for what no checkpoint can hold, and where two windows go on from one place."""
    if not kept_by_json(cursor, tuples=True):
        wanted = "what JSON can write and read back as it was"
        raise Unfit(_other("next_cursor", wanted, printable(cursor)))
    if before == [cursor]:
        wanted = "another one after each window"
        raise Unfit(_other("next_cursor", wanted, f"{printable(cursor)} twice"))


def _source_read(encoder: EncoderInputs, signal: Signal, streams: int) -> EncoderInputs:
    steps = len(encoder.inputs)
    for name, array in encoder._asdict().items():
        if array.shape[:2] != (steps, streams) or (name != "inputs" and array.ndim != 2):
            raise Unfit(_other(f"encoder.{name}", f"(S, {streams}) of all three", shown(array)))
    return EncoderInputs(
        _carried("encoder.inputs", encoder.inputs, signal, least=0),
        _marks("encoder.resets", encoder.resets),
        _marks("encoder.valid", encoder.valid),
    )


def _units(units: Units) -> Units:
    for name, array in units._asdict().items():
        low = array > 0 if name == "factor" else True
        if array.dtype.kind != "f" or not np.all(np.isfinite(array) & low):
            wanted = f"finite numbers{' above 0' if name == 'factor' else ''}"
            raise Unfit(_other(f"units.{name}", wanted, _range(array)))
    return Units(*map(np.array, units))


def _carried(what: str, array: Array, signal: Signal, least: int) -> Array:
    """Return an array of what a signal says, ids from `least` on; raises Unfit."""
    width = signal.known()
    if not signal.ids:
        if array.ndim != 3 or array.shape[2] != width or array.dtype.kind != "f":
            wanted = f"floating-point numbers of shape (T, B, {width})"
            raise Unfit(_other(what, wanted, shown(array)))
        return _numbers(what, array)
    if array.ndim != 2 or array.dtype.kind not in "iu":
        raise Unfit(_other(what, "ids, integers of shape (T, B)", shown(array)))
    if array.size and not least <= int(array.min()) <= int(array.max()) < width:
        raise Unfit(_other(what, f"ids from {least} to {width - 1}", _range(array)))
    return np.array(array, np.int32 if width <= np.iinfo(np.int32).max else np.int64, order="C")


def _numbers(what: str, array: Array, least: float | None = None) -> Array:
    if array.dtype.kind not in "fiub":
        raise Unfit(_other(what, "numbers", shown(array)))
    with np.errstate(over="ignore"):
        found = np.array(array, FLOAT, order="C")
    if not np.isfinite(found).all() or (least is not None and (found < least).any()):
        bound = "" if least is None else f" not below {least:g}"
        raise Unfit(_other(what, f"finite numbers{bound}", _range(array)))
    return found


def _marks(what: str, array: Array) -> Array:
    if array.dtype.kind not in "biu":
        raise Unfit(_other(what, "booleans", shown(array)))
    return np.array(array, bool, order="C")


def _check_plain(what: str, found: object) -> None:
    """Raise Unfit for what is no array, or one that hides some of its values."""
    if not isinstance(found, np.ndarray) or isinstance(found, np.ma.MaskedArray):
        hidden = "a masked array" if isinstance(found, np.ndarray) else shown(found)
        raise Unfit(_other(what, "an array", hidden))


def _range(array: Array) -> str:
    return f"{array.min()} to {array.max()}"


def _other(what: str, wanted: str, received: str) -> str:
    return f"{what}: expected {wanted}, received {received}"


def _facts(source: Any, text_tokenizer: object) -> Iterator[tuple[str, str, object, bool]]:
    """Yield what a source tells of itself: its name, what it should be, what it is, does it fit."""
    yield "open", "a Source", source, callable(getattr(source, "batches", None))
    for name in ("inputs", "targets"):
        found = getattr(source, name, None)
        known = isinstance(found, Signal) and is_whole(found.width, 1)
        yield name, "a Signal of a known width", found, known
    for name, kind, found in (
        ("text_tokenizer", Tokenizer, text_tokenizer),
        ("tokenizer", Tokenizer, getattr(source, "tokenizer", None)),
        ("vocabulary", Vocabulary, getattr(source, "vocabulary", None)),
    ):
        yield name, f"a {kind.__name__} or None", found, found is None or isinstance(found, kind)
    digest = source.digest() if hasattr(source, "digest") else None
    for name, found in (("unit", getattr(source, "unit", None)), ("digest", digest)):
        fits = isinstance(found, str) and 0 < len(found) <= LONGEST
        yield name, f"a str of 1 to {LONGEST} characters", found, fits
    splits = source.splits() if hasattr(source, "splits") else None
    named = isinstance(splits, tuple | list) and splits and all(each in SPLITS for each in splits)
    yield "splits", f"some of {', '.join(SPLITS)} in a tuple", splits, bool(named)
    for split in splits or ():
        found = source.size(split)
        yield f"size of {split}", "an integer >= 0", found, is_whole(found, 0)
    if isinstance(source, Knowing):
        found = source.meaning()
        yield "meaning", "a Meaning", found, isinstance(found, Meaning)


def _is_own(source: Source) -> bool:
    """Tell whether the code that gives windows is rnnkit's own."""
    modules = type(source).__module__, getattr(getattr(source, "batches", None), "__module__", "")
    return all(str(module).startswith("rnnkit.") for module in modules)


def _odd(source: Source, split: Split, message: str) -> PluginError:
    module = type(source).__module__
    plugin = owner(module) or f"{module}.{type(source).__qualname__}"
    message = f"dataset, {plugin}: {message}, in the {split} split (tell its author)"
    return PluginError.of("PLUGIN_CONTRACT", message)
