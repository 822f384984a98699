"""What a dataset of a plugin gives is looked at at every window, not at the first one alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import command, done, lines, plain_spec, told
from helpers import write_spec as write
from stubs import dataset, install
from training_cases import opened

from rnnkit.contracts.checked_dataset import windows_of
from rnnkit.contracts.dataset import Batch, EncoderInputs, Layout, Source, Split, Units
from rnnkit.core.signal import Signal
from rnnkit.errors import DataError, PluginError
from rnnkit.types import JSON


class Changed:
    """A source whose third window, or what it is given, is another one."""

    def __init__(self, source: Source, change: Callable[[Batch], Any]) -> None:
        self.source, self.change = source, change

    def __getattr__(self, name: str) -> Any:
        return getattr(self.source, name)

    def batches(self, split: Split, layout: Layout, cursor: JSON) -> Iterator[Any]:
        for number, batch in enumerate(self.source.batches(split, layout, cursor)):
            yield self.change(batch) if number == 2 else batch


def changed(folder: Path, change: Callable[[Batch], Any]) -> Iterator[Batch]:
    spec, source = opened(folder, plain_spec())
    found: Any = Changed(source, change)
    return windows_of(found, "train", spec.train.layout(), None)


def without_end(batch: Batch) -> Batch:
    cursor: list[Any] = []
    for _ in range(5000):
        cursor = [cursor]
    return batch._replace(next_cursor=cursor)


BAD: dict[str, tuple[Callable[[Batch], Any], str]] = {
    "no batch": (lambda b: None, "a window: expected a Batch, received None"),
    "a tuple": (tuple, "a window: expected a Batch, received a tuple of 8"),
    "a list": (
        lambda b: b._replace(inputs=b.inputs.tolist()),
        "inputs: expected an array, received list",
    ),
    "masked": (
        lambda b: b._replace(inputs=np.ma.masked_equal(b.inputs, 1)),
        "inputs: expected an array, received a masked array",
    ),
    "ids as truths": (
        lambda b: b._replace(inputs=b.inputs.astype(bool)),
        "inputs: expected ids, integers of shape (T, B), received bool of (4, 3)",
    ),
    "values": (
        lambda b: b._replace(targets=b.targets * 1.0),
        "targets: expected ids, integers of shape (T, B), received float64 of (4, 3)",
    ),
    "ids of no token": (
        lambda b: b._replace(targets=b.targets.astype(np.int64) * 0 - 2),
        "targets: expected ids from -1 to 5, received -2 to -2",
    ),
    "weights below 0": (
        lambda b: b._replace(weights=-b.weights),
        "weights: expected finite numbers not below 0, received -1.0 to -1.0",
    ),
    "weights that are no numbers": (
        lambda b: b._replace(weights=b.weights * np.nan),
        "weights: expected finite numbers not below 0, received nan to nan",
    ),
    "weights beyond float32": (
        lambda b: b._replace(weights=b.weights * np.float64(1e300)),
        "weights: expected finite numbers not below 0, received 1e+300 to 1e+300",
    ),
    "weights as text": (
        lambda b: b._replace(weights=b.weights.astype(str)),
        "weights: expected numbers, received <U32 of (4, 3)",
    ),
    "resets as numbers": (
        lambda b: b._replace(resets=b.weights),
        "resets: expected booleans, received float32 of (4, 3)",
    ),
    "valid as numbers": (
        lambda b: b._replace(valid=b.weights),
        "valid: expected booleans, received float32 of (4, 3)",
    ),
    "units of another class": (
        lambda b: b._replace(units=(b.weights, b.weights)),
        "units: expected Units or None, received a tuple of 2",
    ),
    "a factor of 0": (
        lambda b: b._replace(units=Units(b.weights, b.weights * 0)),
        "units.factor: expected finite numbers above 0, received 0.0 to 0.0",
    ),
    "a source in one window alone": (
        lambda b: b._replace(encoder=EncoderInputs(b.inputs, b.resets, b.resets)),
        "encoder: expected it in each window or in none",
    ),
    "a cursor that is no JSON": (
        lambda b: b._replace(next_cursor={1}),
        "next_cursor: expected what JSON can write and read back as it was, received {1}",
    ),
    "a cursor without an end": (
        without_end,
        "next_cursor: expected what JSON can write and read back as it was, received what is list",
    ),
    "the same cursor": (
        lambda b: b._replace(next_cursor={"window": 2}),
        "next_cursor: expected another one after each window, received {'window': 2} twice",
    ),
}


@pytest.mark.parametrize(("change", "said"), BAD.values(), ids=BAD)
def test_a_later_window_that_breaks_the_contract_is_refused(
    tmp_path: Path, change: Callable[[Batch], Any], said: str
) -> None:
    windows = changed(tmp_path, change)
    assert len([next(windows), next(windows)]) == 2
    with pytest.raises(PluginError, match=re.escape(f": {said}, in the train split (tell its ")):
        next(windows)


def test_a_later_window_of_another_shape_is_refused(tmp_path: Path) -> None:
    windows = changed(tmp_path, lambda b: b._replace(weights=b.weights[:, :2]))
    with pytest.raises(DataError, match="DATA_BATCH"):
        list(windows)


def test_a_window_lies_in_memory_of_its_own_in_the_types_that_are_computed_with(
    tmp_path: Path,
) -> None:
    spec, source = opened(tmp_path, plain_spec())
    buffer = np.zeros((4, 3), ">i8", order="F")

    def change(batch: Batch) -> Batch:
        buffer[...] = batch.inputs
        weights = batch.weights.astype(np.float64)
        return batch._replace(inputs=buffer, weights=weights, resets=batch.resets.astype(np.uint8))

    one = list(changed(tmp_path, change))[2]
    buffer[...] = 77
    wanted = list(source.batches("train", spec.train.layout(), None))[2]
    for mine, other in zip(one[:4], wanted[:4], strict=True):
        assert mine.flags.c_contiguous and mine.dtype.isnative
        np.testing.assert_array_equal(mine, other)
    assert one.weights.dtype == np.float32 and one.resets.dtype == bool


def test_a_window_of_validation_is_looked_at_too(tmp_path: Path, site: Path) -> None:
    body = "yield batch._replace(targets=batch.targets + 50 * (split == 'valid'))"
    install(site, dataset(body), group="rnnkit.datasets")
    spec = plain_spec()
    spec["data"]["type"] = "stub"
    path, run = write(tmp_path, spec), tmp_path / "run"
    said = (
        "[PLUGIN_CONTRACT] dataset, stub of rnnkit-odd 1.0 (rnnkit_odd:Stub): targets: expected "
        "ids from -1 to 5, received 51 to 54, in the valid split (tell its author)"
    )
    told(command("run", path, "--out", run), 4, said)
    done("resume", run, "-s", "train.every.evaluate=null")
    assert lines(run)[-1]["step"] == 15
    assert command("eval", run).err.endswith(f"{said}\n")


FACTS = {
    "def splits(self): return 3": "splits: expected some of train, valid, test in a tuple, rec",
    "def size(self, split): return 'a'": "size of train: expected an integer >= 0, received a",
    "def digest(self): return None": "digest: expected a str of 1 to 128 characters, received None",
    "unit = 3": "unit: expected a str of 1 to 128 characters, received 3",
    "inputs = 3": "inputs: expected a Signal of a known width, received 3",
    "vocabulary = ['a']": "vocabulary: expected a Vocabulary or None, received ['a']",
    "def meaning(self): return None": "meaning: expected a Meaning, received None",
    "def windows(self, split, layout): return 2.5": "windows: expected an integer >= 0, received 2",
}
METHODS = {
    "def fitted(self, source): return None": "fitted: expected a Dataset, received None",
    "def suited(self, loss): return 3": "suited: expected a Dataset, received int",
    "def laid_out(self, source, layout): return 3": "laid_out: expected a Layout, received int",
    "def made(self): return '3'": "made: expected an integer >= 0, received 3",
    "def reads(self, root): return -1": "reads: expected an integer >= 0, received -1",
    "def signals(self): return 1, 2": "signals: expected the Signals of inputs and targets in a tu",
    "def text_tokenizer(self): return 3": "text_tokenizer: expected a Tokenizer or None, re",
}


@pytest.mark.parametrize(
    ("fact", "method", "said"),
    [(fact, "pass", said) for fact, said in FACTS.items()]
    + [("pass", method, said) for method, said in METHODS.items()],
)
def test_what_a_dataset_tells_of_itself_is_looked_at(
    tmp_path: Path, site: Path, fact: str, method: str, said: str
) -> None:
    install(site, dataset(fact=fact, method=method), group="rnnkit.datasets")
    spec = plain_spec()
    spec["data"]["type"] = "stub"
    checked = command("check", write(tmp_path, spec), "--data")
    told(checked, 4, "[PLUGIN_CONTRACT] ", "stub of rnnkit-odd 1.0 (rnnkit_odd:Stub): ", said)


def test_a_dataset_that_names_no_next_command_has_failed(tmp_path: Path, site: Path) -> None:
    method = "def next_command(self, source, root): return ()"
    install(site, dataset(method=method), group="rnnkit.datasets")
    spec = plain_spec(epochs=1)
    spec["data"]["type"] = "stub"
    ran = command("run", write(tmp_path, spec), "--out", tmp_path / "run")
    told(ran, 4, "next_command: expected a tuple of words, received () (tell its author)")
    assert '"status": "failed"' in (tmp_path / "run/run.json").read_text()


def test_an_error_that_python_makes_of_another_one_names_the_plugin(
    tmp_path: Path, site: Path
) -> None:
    install(site, dataset("yield batch; next(iter(()))"), group="rnnkit.datasets")
    spec = plain_spec()
    spec["data"]["type"] = "stub"
    ran = command("run", write(tmp_path, spec), "--out", tmp_path / "run")
    told(ran, 4, "[PLUGIN_FAILED] RuntimeError: generator raised StopIteration, in line 16 of ")


class Read:
    """A source of another package whose only window reads an encoder."""

    inputs = targets = Signal(5, ids=True)

    def __init__(self, encoder: EncoderInputs) -> None:
        self.encoder = encoder

    def batches(self, split: str, layout: Any, cursor: Any) -> Iterator[Batch]:
        ids, weights = np.ones((4, 3), np.int32), np.ones((4, 3), np.float32)
        yield Batch(ids, ids, weights, weights > 2, 1, encoder=self.encoder)


def read(encoder: EncoderInputs) -> EncoderInputs | None:
    source: Any = Read(encoder)
    (window,) = windows_of(source, "train", Layout(streams=3, window=4), None)
    return window.encoder


SOURCE = EncoderInputs(np.ones((2, 3), np.int64), np.zeros((2, 3), bool), np.ones((2, 3), bool))


def test_what_an_encoder_reads_is_copied() -> None:
    found = read(SOURCE)
    assert found is not None
    for mine, given in zip(found, SOURCE, strict=True):
        assert np.array_equal(mine, given) and not np.shares_memory(mine, given)


ODD_SHAPES = [(2, 2), (3, 3), (2, 3, 1), (2,)]
ODD = [(name, shape) for name in EncoderInputs._fields for shape in ODD_SHAPES]
ODD.remove(("inputs", (2, 3, 1)))  # of which its values tell


@pytest.mark.parametrize(("name", "shape"), ODD)
def test_what_an_encoder_reads_has_one_shape(name: str, shape: tuple[int, ...]) -> None:
    array = np.ones(shape, getattr(SOURCE, name).dtype)
    told = r"encoder\.\w+: expected \(S, 3\) of all three, received "
    with pytest.raises(PluginError, match=told):
        read(SOURCE._replace(**{name: array}))
