"""Shards decide what is computed, and no number of threads changes a bit of it."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import command, done, lines, newest, results, told, write_stub
from rank_cases import CASES, LSTM, sharded, written
from threadpoolctl import threadpool_limits

import rnnkit
from rnnkit.builtin.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from rnnkit.compute.shard_tree import add_subtrees, even_ranges, split, subtrees
from rnnkit.inference.evaluate import Measured, evaluate


def run_of(folder: Path, name: str, *options: object) -> Path:
    """Train a case in this process."""
    path = written(folder, CASES[name])
    done("run", path, "--out", folder / "run", *options)
    return folder / "run"


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the cell `slow`."""
    write_stub(tmp_path / "site")
    monkeypatch.syspath_prepend(tmp_path / "site")


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize("name", CASES)
def test_threads_give_equal_bytes(name: str, tmp_path: Path) -> None:
    one = run_of(tmp_path / "one", name, "--threads", 1)
    two = run_of(tmp_path / "two", name, "--threads", 2)
    assert results(one) == results(two)
    stopped = run_of(tmp_path / "stopped", name, "--threads", 2, "--max-steps", 4)
    done("resume", stopped, "--threads", 1)
    assert results(stopped) == results(one)


@pytest.mark.parametrize("shards", [2, 5, 8, 12])
@pytest.mark.parametrize("name", ["two_layers", "documents", "ragged", "pairs", "true_truncation"])
def test_shards_learn_what_the_whole_window_does(name: str, shards: int, tmp_path: Path) -> None:
    whole = newest(run_of(tmp_path / "whole", name, "-s", "train.shards=1", "--max-steps", 4))
    parts = run_of(tmp_path / "parts", name, "-s", f"train.shards={shards}", "--max-steps", 4)
    for key, array in newest(parts).arrays.items():
        np.testing.assert_allclose(array, whole.arrays[key], rtol=1e-5, atol=1e-6, err_msg=key)


def measured(model: rnnkit.Model, root: Path, shards: int) -> Measured:
    """Evaluate a model on 7 streams."""
    source = model.open_data(root)
    layout = model.layout(source, "train", 7)
    given = model.network, model.store.values, source, "train", layout
    in_blocks = model.spec.train.recompute
    return evaluate(*given, in_blocks=in_blocks, asked=["f1"], shards=shards)


@pytest.mark.parametrize("name", ["documents", "ragged", "pairs", "recompute"])
def test_an_evaluation_in_shards_measures_the_whole(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = rnnkit.load(run_of(tmp_path, name, "--max-steps", 4))
    forward, seen = SoftmaxCrossEntropy.forward, set()

    def watched(self: SoftmaxCrossEntropy, ys: Any, *rest: Any) -> Any:
        seen.add((threading.get_ident(), ys.shape[1]))
        return forward(self, ys, *rest)

    monkeypatch.setattr(SoftmaxCrossEntropy, "forward", watched)
    whole = measured(model, tmp_path, 1)
    assert {streams for _, streams in seen} == {7}
    for shards in (2, 5, 8):
        with threadpool_limits(1, user_api="blas"):
            one = measured(model, tmp_path, shards)
        seen.clear()
        with threadpool_limits(2, user_api="blas"):
            two = measured(model, tmp_path, shards)
        assert len({thread for thread, _ in seen}) == 2
        assert {streams for _, streams in seen} == {7 // shards or 1, -(-7 // shards)}
        assert one == two
        assert one.metrics == pytest.approx(whole.metrics, rel=1e-6)
        assert one.tables == whole.tables


def test_eval_measures_what_training_did(tmp_path: Path) -> None:
    run = run_of(tmp_path, "dropout")
    found = json.loads(done("eval", run, "--split", "valid", "--json", "--threads", 2).out)
    best = min(line["valid_loss"] for line in lines(run) if "valid_loss" in line)
    assert found["metrics"]["loss"] == best


def test_each_shard_draws_numbers_of_its_own(tmp_path: Path) -> None:
    spec = sharded([{"type": "dropout", "rate": 0.5}, LSTM], 2, epochs=1)
    path = written(tmp_path, spec)
    # Both shards read the same: equal masks would leave them in equal states.
    (tmp_path / "text.txt").write_text("abc" * 400)
    done("run", path, "--out", tmp_path / "run", "--max-steps", 2)
    (state,) = [a for key, a in newest(tmp_path / "run").arrays.items() if key.endswith("lstm/0")]
    assert np.abs(state[:6] - state[6:]).max() > 0


def test_the_tree_is_that_of_the_shards_alone() -> None:
    assert split((0, 8)) == ((0, 4), (4, 8))
    assert split((0, 5)) == ((0, 4), (4, 5))
    assert split((4, 7)) == ((4, 6), (6, 7))
    assert subtrees((1, 5), (0, 5)) == [(1, 2), (2, 4), (4, 5)]
    values = np.random.default_rng(1).standard_normal((7, 40), dtype=np.float32)
    v = values
    wanted = ((v[0] + v[1]) + (v[2] + v[3])) + ((v[4] + v[5]) + v[6])
    assert not np.array_equal(wanted, v.sum(axis=0))
    for ranks in range(1, 8):
        sums = {}
        for own in even_ranges(7, ranks):
            for node in subtrees(own, (0, 7)):
                leaves = {(i, i + 1): values[i].copy() for i in range(*node)}
                sums[node] = add_subtrees(node, leaves)
        assert np.array_equal(add_subtrees((0, 7), sums), wanted)


def test_more_shards_than_streams_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, sharded([LSTM], 13))
    said = '"shards" are parts of the 12 streams, not 13 of them (fewer "shards", or more'
    told(command("check", path), 3, "[SPEC_INCONSISTENT]", said)


def test_shards_of_streams_that_the_data_gives_are_no_more_than_those(tmp_path: Path) -> None:
    spec = sharded([LSTM], 9)
    spec["train"].pop("streams")
    spec["train"].pop("window")
    path = written(tmp_path, spec)
    (tmp_path / "text.txt").write_text("abcab" * 60)
    ran = command("check", path, "--data")
    told(ran, 3, "[SPEC_INCONSISTENT] train.shards: the data gives ")
    assert ' streams, which are too few to cut (fewer "shards")' in ran.err


def test_a_layer_that_reads_all_streams_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rnnkit.builtin.cells.lstm import LSTM as Cell

    monkeypatch.setattr(Cell, "couples_streams", True)
    path = written(tmp_path, CASES["dropout"])
    said = "layer 1.lstm reads all streams together, and shards are learned each on its own"
    told(command("run", path, "--out", tmp_path / "run"), 3, "train.shards", said)


def test_a_window_that_overflows_names_the_streams(tmp_path: Path) -> None:
    cell = {"type": "rnn", "units": 4, "activation": "relu"}
    path = written(tmp_path, sharded([cell], 5))
    changes = ("-s", "train.optimizer.lr=10000", "-s", "train.clip=null")
    ran = command("run", path, "--out", tmp_path / "sum", *changes)
    told(ran, 7, "[NUM_NONFINITE_GRAD] step 2: the gradient norm is not finite")
    huge = {**cell, "init": {"Wh": {"type": "normal", "std": 1e6}}}
    path = written(tmp_path, sharded([huge], 5))
    ran = command("run", path, "--out", tmp_path / "layer", "-s", "train.window=12")
    told(ran, 7, "[NUM_NONFINITE_", "step 1: the output of layer 1.rnn (streams 0 to 1) is not")
