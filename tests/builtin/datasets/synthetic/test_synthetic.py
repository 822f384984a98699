"""Data that is made up: what it says of itself is so, and the seed decides it."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import command, done, small_spec, write_spec

from rnnkit.builtin.datasets.synthetic.synthetic import Synthetic
from rnnkit.builtin.datasets.synthetic.tasks import ADDITION, TASKS
from rnnkit.builtin.datasets.synthetic.waves import mackey_glass, sine
from rnnkit.contracts.dataset import Layout

ALL = Layout(400, 5, tail=True)
HERE = Path(".")


def made(task: str, **fields: Any) -> Synthetic:
    counts = {"train": 400, "valid": 30, "test": 20}
    return Synthetic.model_validate_json(
        json.dumps({"type": "synthetic", "task": task, **counts, **fields})
    )


def batch(block: Synthetic, split: Any = "train") -> Any:
    (found,) = block.open(HERE).batches(split, ALL, None)
    return found


@pytest.mark.parametrize("task", sorted(TASKS))
def test_seeds_and_splits_are_data_of_their_own(task: str) -> None:
    first, same, other = made(task), made(task), made(task, seed=1)
    assert np.array_equal(batch(first).inputs, batch(same).inputs)
    assert not np.array_equal(batch(first).inputs, batch(other).inputs)
    assert first.open(HERE).digest() != other.open(HERE).digest()
    xs, ys = batch(first, "valid").inputs[:, :20], batch(first, "test").inputs[:, :20]
    assert xs.shape != ys.shape or not np.array_equal(xs, ys)
    assert [first.open(HERE).windows(s, Layout(10, 1)) for s in ("train", "valid")] == [40, 3]


@pytest.mark.parametrize("task", sorted(TASKS))
def test_the_signals_are_those_of_the_data(task: str) -> None:
    block = made(task)
    found = batch(block)
    for signal, array in zip(block.signals(), (found.inputs, found.targets), strict=True):
        assert array.dtype == (np.int32 if signal.ids else np.float32)
        if signal.ids:
            assert 0 <= array.min() and array.max() < signal.known()
        else:
            assert array.shape[2] == signal.known()


def test_copy_repeats_its_symbols_after_the_signal() -> None:
    found = batch(made("copy", length=30))
    xs, ys = found.inputs, found.targets
    assert xs.shape == (50, 400)
    assert np.array_equal(ys[-10:], xs[:10])
    assert (ys[:-10] == 8).all() and (xs[39] == 9).all()
    assert (np.delete(xs, 39, 0)[10:] == 8).all()
    assert TASKS["copy"].baseline(made("copy", length=30)._options())[0] == 10 * math.log(8) / 50


def test_adding_sums_the_two_marked_numbers() -> None:
    found = batch(made("adding", length=11))
    xs = found.inputs
    assert (xs[:5, :, 1].sum(0) == 1).all() and (xs[5:, :, 1].sum(0) == 1).all()
    sums = (xs[:, :, 0] * xs[:, :, 1]).sum(0)
    assert np.allclose(found.targets[-1, :, 0], sums)
    assert found.weights[:-1].sum() == 0 and found.weights[-1].all()


def test_the_mean_for_every_sum_scores_a_sixth() -> None:
    source = made("adding", train=50_000, length=2).open(HERE)
    assert source.part("train").targets.values.var() == pytest.approx(1 / 6, rel=0.02)


def test_echo_labels_each_step_by_an_earlier_one() -> None:
    found = batch(made("echo", length=9, delay=2))
    assert np.array_equal(found.targets[2:], found.inputs[:-2])
    assert found.weights[:2].sum() == 0 and found.weights[2:].all()


def test_addition_is_the_sum_of_what_is_written() -> None:
    found = batch(made("addition"))
    for stream in range(20):
        text = "".join(ADDITION[i] for i in found.inputs[found.valid[:, stream], stream])
        assert eval(text.replace("+", " + ")) == found.targets[-1, stream]


def test_the_entropy_of_the_sums_is_that_of_many() -> None:
    source = made("addition", digits=1, train=100_000).open(HERE)
    share = np.bincount(source.part("train").targets.values) / 100_000
    wanted = TASKS["addition"].baseline(made("addition", digits=1)._options())[0]
    assert -(share * np.log(share)).sum() == pytest.approx(wanted, rel=1e-3)


def test_flowers_are_those_that_fisher_measured() -> None:
    found = batch(made("iris"))
    means = [found.inputs[0, found.targets[0] == kind].mean(0) for kind in range(3)]
    assert np.allclose(means[2], [6.59, 2.97, 5.55, 2.03], atol=0.3)
    assert np.abs(means[0] - means[2]).max() > 3


def test_a_sine_has_its_period() -> None:
    values = sine(np.random.default_rng(0), 100, 20)
    assert np.allclose(values[:80], values[20:])
    assert np.abs(values).max() > 0.98
    phase = np.random.default_rng(0).uniform(0, 2 * math.pi)
    wanted = [math.sin(2 * math.pi * t / 20 + phase) for t in range(100)]
    assert values[:, 0].tolist() == pytest.approx(wanted, abs=1e-12)


def test_mackey_glass_stays_where_it_is_known_to() -> None:
    values = mackey_glass(np.random.default_rng(0), 3000, 17)
    assert values.shape == (3000, 1)
    assert 0.2 < values.min() < 0.5 and 1.2 < values.max() < 1.45
    assert values.std() == pytest.approx(0.23, abs=0.02)


def test_a_series_is_no_batch_of_sequences() -> None:
    block = made("sine")
    source = block.open(HERE)
    assert not block.whole and made("echo").whole
    (found,) = source.batches("train", Layout(2, 300, tail=True), None)
    assert np.allclose(found.inputs[1:], found.targets[:-1])
    assert "mean absolute error of the naive forecast: persistence" in block.in_words(
        source, Layout(2, 10)
    )


def test_a_model_is_asked_in_the_form_of_its_task() -> None:
    def asked(task: str, data: bytes) -> Any:
        (found,) = made(task).questions(data, "q", None).records
        return found

    sums = asked("addition", b'{"inputs": "12+30"}\n')
    assert "".join(ADDITION[i] for i in sums.inputs) == "12+30" and sums.line == 1
    pairs = asked("adding", b'{"inputs": [[0.25, 1], [0.5, 0]]}\n')
    assert pairs.inputs.tolist() == [[0.25, 1], [0.5, 0]]
    echoed = asked("echo", b'{"inputs": [0, 1, 1]}\n')
    assert echoed.inputs.tolist() == [0, 1, 1] and echoed.each and not pairs.each
    wave = asked("sine", b"sine\n0.25\n-0.5\n")
    scaler = made("sine").open(HERE).scales.inputs
    assert np.allclose(wave.inputs, scaler.scaled(np.array([[0.25], [-0.5]])))
    assert wave.lines == [2, 3] and wave.each


def test_the_scale_of_a_wave_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    block = made("mackey_glass")
    source = block.open(HERE)
    fitted = block.fitted(source)
    assert isinstance(fitted, Synthetic) and fitted.scaler == source.scales.inputs
    assert fitted.open(HERE).digest() == source.digest()
    units = block.to_units(np.ones((2, 1)))
    monkeypatch.setattr(Synthetic, "_series", lambda self: pytest.fail("made up anew"))
    assert np.array_equal(fitted.to_units(np.ones((2, 1))), units)
    assert fitted.to_scale(units) == pytest.approx(1)


@pytest.mark.parametrize(("task", "offset"), [("sine", [1, 2]), ("copy", [1])])
def test_a_scaler_that_is_not_that_of_a_wave(task: str, offset: list[int]) -> None:
    with pytest.raises(ValueError, match='"scaler" is that of a series, of one offset and one'):
        made(task, scaler={"offset": offset, "factor": offset})


def test_a_run_whose_scale_was_not_stored_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = small_spec()
    spec["data"] = {"type": "synthetic", "task": "sine", "train": 400, "valid": 90, "test": 90}
    spec["model"] = {"layers": [{"type": "rnn", "units": 4}, {"type": "affine"}]}
    spec["model"]["loss"] = {"type": "mse"}
    path = write_spec(tmp_path, spec)
    with monkeypatch.context() as older:
        older.setattr(Synthetic, "fitted", lambda self, source: self)
        done("run", path, "--out", tmp_path / "run", "--max-steps", 3)
        shutil.copytree(tmp_path / "run", tmp_path / "older")
        done("resume", tmp_path / "older")
    done("resume", tmp_path / "run")
    lines = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("run", "older")]
    assert lines[0] == lines[1]
    refused = command("resume", tmp_path / "run", "-s", "data.length=30")
    assert refused.code == 8 and "data.length: 20 -> 30 cannot change on a resume" in refused.err


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("copy", "ten guesses among blanks have loss 0.5199"),
        ("adding", "the mean for every answer has mse 0.1667"),
        ("echo", "guessing has loss 2.079"),
    ],
)
def test_the_baseline_is_reported(task: str, said: str) -> None:
    block = made(task)
    words = block.in_words(block.open(HERE), Layout(2, 1))
    assert f"baseline: {said}" in words


def test_an_echo_needs_an_earlier_step() -> None:
    with pytest.raises(ValueError, match='"delay" must be below "length", received 5 and 5'):
        made("echo", length=5, delay=5)


@pytest.mark.parametrize("task", ["sine", "copy"])
def test_every_split_counts_in_the_bytes_that_are_made(task: str) -> None:
    few = made(task, train=100, valid=1, test=1).made()
    for more in ({"train": 150}, {"valid": 51}, {"test": 51}):
        sizes = {"train": 100, "valid": 1, "test": 1, **more}
        assert made(task, **sizes).made() * 102 == pytest.approx(few * 152, rel=0.01)
