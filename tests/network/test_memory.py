"""The memory that is predicted, against what training takes."""

from __future__ import annotations

import json
import threading
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
from helpers import command, done, plain_spec, small_spec, text, write_spec
from threadpoolctl import threadpool_limits
from training_cases import opened

from rnnkit.builtin.datasets.synthetic.synthetic import Synthetic
from rnnkit.builtin.datasets.synthetic.tasks import TASKS
from rnnkit.builtin.datasets.synthetic.waves import WAVES
from rnnkit.builtin.layers.affine import Affine
from rnnkit.builtin.layers.residual import Residual
from rnnkit.builtin.optimizers.sgd import SGD
from rnnkit.compute import workers
from rnnkit.contracts.dataset import Batch
from rnnkit.contracts.layer import Layer
from rnnkit.contracts.optimizer import Optimizer
from rnnkit.core.context import Pool
from rnnkit.core.initializers import Glorot, Orthogonal, Zeros
from rnnkit.core.params import Declaration, ParamSpec, ParamStore
from rnnkit.errors import ResourceError
from rnnkit.network import memory as module
from rnnkit.network.builder import build_network
from rnnkit.network.memory import Memory, human, memory
from rnnkit.network.moments import start_bytes, trial_bytes, update_bytes
from rnnkit.network.network import Network
from rnnkit.testing.purity import remembered
from rnnkit.training.step import Training
from rnnkit.types import Array

BUDGET = 10**12


def specs() -> dict[str, dict[str, Any]]:
    """Return specs of small models with long or wide windows."""
    deep = small_spec(window=50, streams=20, epochs=1)
    for layer in deep["model"]["layers"]:
        layer |= {"units": 40} if "units" in layer else {}
    deep["model"]["layers"][3]["layer"]["units"] = 40
    by_document = {"reset": "document", "separator": "\n"}
    sgd = {"type": "sgd", "lr": 0.1}
    changed = {
        "adam": {},
        "sgd": {"optimizer": sgd},
        "momentum": {"optimizer": {**sgd, "momentum": 0.9}},
        "documents": {"state": by_document},
        "true truncation": {"bptt": {"style": "true", "steps": 8}, "window": 40},
        "true truncation, far back": {"bptt": {"style": "true", "steps": 60}, "window": 40},
        "shards": {"shards": 4, "streams": 32},
        "shards of two sizes": {"shards": 5, "streams": 32, "optimizer": sgd},
        "shards averaged": {"shards": 4, "streams": 32, "sync": {"every": 1}},
        "shards with recompute": {"shards": 2, "recompute": True, "window": 300},
        "shards with true truncation": {
            "shards": 2,
            "bptt": {"style": "true", "steps": 8},
            "window": 40,
        },
        "recompute": {"recompute": True, "window": 300, "streams": 4},
        "recompute of documents": {"recompute": True, "window": 300, "state": by_document},
    }
    return {name: {**deep, "train": {**deep["train"], **t}} for name, t in changed.items()}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", [name for name in specs() if name.startswith("shards")])
def test_what_shards_take_is_within_a_fifth(
    tmp_path: Path, name: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn_side_by_side(monkeypatch)
    with threadpool_limits(threads, user_api="blas"):
        check_what_training_takes(tmp_path, name)


@pytest.mark.parametrize("name", [name for name in specs() if not name.startswith("shards")])
def test_what_training_takes_is_within_a_fifth(tmp_path: Path, name: str) -> None:
    check_what_training_takes(tmp_path, name)


def learn_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let threads wait for each other after each way forward, and once a shard has learned.

    There a window takes the most: on a machine with other work one may have given back what it
    needed before the next begins. A thread that has no more shards lets the others go on alone.
    """
    undivided, together = workers.run_undivided, threading.Barrier(1)

    def run(count: int, work: Any) -> Any:
        nonlocal together
        barrier = together = threading.Barrier(count)

        def part(thread: int) -> Any:
            try:
                return work(thread)
            finally:
                barrier.abort()

        return undivided(count, part)

    def meet() -> None:
        with suppress(threading.BrokenBarrierError):
            together.wait(60)

    def scan(network: Network, *given: Any, once: Any = Network.scan) -> Any:
        found = once(network, *given)
        meet()
        return found

    def recycle(pool: Pool, once: Any = Pool.recycle) -> None:
        meet()
        once(pool)

    monkeypatch.setattr(workers, "run_undivided", run)
    monkeypatch.setattr(Network, "scan", scan)
    monkeypatch.setattr(Pool, "recycle", recycle)


def check_what_training_takes(tmp_path: Path, name: str) -> None:
    """Compare what is predicted with the peak of two steps."""
    spec, source = opened(tmp_path, specs()[name], text(9000))
    spec, network = build_network(spec, source.inputs, source.targets)
    needs = memory(spec, network, source, BUDGET)
    Training.started(spec, network, 9).step(
        next(source.batches("train", spec.train.layout(), None))
    )
    tracemalloc.start()
    try:
        training = Training.started(spec, network, 9)
        held = tracemalloc.get_traced_memory()[0]
        batches = source.batches("train", spec.train.layout(), None)
        tracemalloc.reset_peak()
        for _, batch in zip(range(2), batches, strict=False):
            training.step(batch)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert needs.window is not None
    total = needs.total - max(needs.start, needs.checkpoint)  # neither is in a step
    assert abs(total - peak) < 0.2 * peak, f"{needs}, {peak:,} measured"
    # Models and gradients of shards are made with the first window.
    learned = needs.window + needs.batch + needs.models + needs.gradients - needs.parameters
    assert abs(learned - (peak - held)) < 0.2 * (peak - held)
    assert abs(total - learned - held) < 0.1 * held + 20_000


def test_shards_of_other_ranks_are_not_counted(tmp_path: Path) -> None:
    spec, source = opened(tmp_path, specs()["shards"], text(9000))
    network = build_network(spec, source.inputs, source.targets)[1]
    with threadpool_limits(2, user_api="blas"):
        one, two, four = (memory(spec, network, source, BUDGET, ranks) for ranks in (1, 2, 4))
    assert one.gradients == 4 * one.parameters  # two threads, each of which adds up two shards
    assert two.gradients == 2 * one.parameters
    assert four.gradients == one.parameters
    assert one.window and two.window and four.window
    assert abs(two.window - one.window) < 0.1 * one.window
    assert four.window < 0.6 * one.window


def test_what_is_counted(tmp_path: Path) -> None:
    spec, source = opened(tmp_path, small_spec())
    needs = memory(spec, build_network(spec, source.inputs, source.targets)[1], source, BUDGET)
    assert needs.gradients == needs.parameters and needs.optimizer == 2 * needs.parameters
    assert needs.state == 4 * 3 * (6 + 6 + 6)  # an LSTM of two arrays and a GRU, three streams
    assert needs.batch == 3 * 4 * (4 + 4 + 5)
    assert needs.checkpoint == 3 * needs.parameters + needs.state and needs.update == 0
    held = sum(vars(needs).values()) - needs.start - needs.checkpoint
    assert needs.total == held + max(needs.start, needs.checkpoint)


def test_more_than_the_budget_is_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, source = opened(tmp_path, small_spec())
    network = build_network(spec, source.inputs, source.targets)[1]
    whole = memory(spec, network, source, BUDGET)
    calls = []
    monkeypatch.setattr(module, "window_bytes", lambda *sizes: calls.append(sizes) or 7)
    counted = whole.total - whole.window
    refused = memory(spec, network, source, counted - 1)
    assert refused.window is None and refused.total == counted and not calls
    with pytest.raises(ResourceError, match="MEM_BUDGET"):
        refused.check(counted - 1)
    assert memory(spec, network, source, counted).window == 7
    assert [call[1:] for call in calls] == [(4, 3, False)]


def test_the_window_counts_against_the_budget() -> None:
    needs = Memory(0, 1, 2, 0, 0, 4, 8, 16)
    needs.check(31)
    with pytest.raises(ResourceError) as caught:
        needs.check(30)
    assert str(caught.value).endswith(
        "training needs 31 B (parameters 1 B, gradients 2 B, state 4 B, batch 8 B, window 16 B), "
        'the budget is 30 B (fewer units, streams or steps in a window, "recompute" for a long '
        "one, or --max-memory)"
    )


@pytest.mark.parametrize(
    "spec",
    [
        ParamSpec((500, 500), Orthogonal()),
        ParamSpec((900, 300), Orthogonal()),
        ParamSpec((300, 900), Orthogonal(), gates=3),
        ParamSpec((500, 500), Glorot()),
        ParamSpec((250_000,), Zeros()),
    ],
)
def test_a_start_takes_what_is_told(spec: ParamSpec) -> None:
    declared = {"a": {"W": spec}}
    store = ParamStore(declared, np.dtype(np.float32))
    store.initialize(1)
    tracemalloc.start()
    try:
        begin = tracemalloc.get_traced_memory()[0]
        store.initialize(1)
        peak = tracemalloc.get_traced_memory()[1] - begin
    finally:
        tracemalloc.stop()
    assert abs(start_bytes(declared) - peak) < 0.25 * peak


class Strange(Layer):
    """A layer of nobody's that rnnkit knows."""

    type: Literal["strange"] = "strange"


def test_a_trial_of_a_plugin_takes_what_is_told() -> None:
    declared: dict[str, Declaration] = {"a": {"u": ParamSpec((250_000,), Zeros())}}
    arrays = {"params.u": np.zeros(250_000, np.float32)}
    tracemalloc.start()
    try:
        begin = tracemalloc.get_traced_memory()[0]
        given, further = remembered(arrays), remembered(arrays)
        assert all(each.problem() is None for each in (*given("it"), *further("it")))
        peak = tracemalloc.get_traced_memory()[1] - begin
    finally:
        tracemalloc.stop()
    found = trial_bytes([Strange()], declared)
    assert abs(found - peak) < 0.1 * peak
    assert trial_bytes([Residual(layer=Strange())], declared) == found
    assert trial_bytes([Affine()], declared) == 0


class Odd(Optimizer):
    """Makes three arrays as long as the parameters."""

    type: Literal["odd"] = "odd"
    slots: ClassVar[tuple[str, ...]] = ("m",)
    lr: float = 0.1

    def update(self, step: int, lr: float, params: Array, grads: Array, *rest: Any) -> None:
        one, two, three = grads * 2, grads * 3, grads * 4
        params -= one + two + three  # and one more for the sums


def test_what_an_update_of_a_plugin_takes_is_measured() -> None:
    found = update_bytes(Odd(), 1_000_000)
    assert abs(found - 4 * 4_000_000) < 100_000
    assert update_bytes(SGD(lr=0.1), 1_000_000) == 0


def test_only_the_largest_moment_counts() -> None:
    needs = Memory(0, 1, 2, 0, 0, 4, 8, 16, start=5, update=7, checkpoint=6)
    assert needs.total == 38 and needs.in_words().endswith("window 16 B, update 7 B")


@pytest.mark.parametrize("length", [20, 1000])
@pytest.mark.parametrize("task", [*TASKS, *WAVES])
def test_what_is_made_up_takes_what_is_told(task: str, length: int) -> None:
    data = Synthetic.model_validate({"task": task, "train": 40_000 // length, "length": length})
    tracemalloc.start()
    data.open(Path("."))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0.9 * peak < data.made() < 3 * peak


def test_data_that_is_too_much_is_not_made_up(tmp_path: Path) -> None:
    value = plain_spec()
    value["data"] = {"type": "synthetic", "task": "echo", "length": 65536, "train": 10**7}
    value["model"]["layers"][0] = {"type": "one_hot"}
    path = write_spec(tmp_path, value)
    said = "[MEM_BUDGET] the data that synthetic makes up needs 5.24 TB, the budget is "
    for line in (["run", path, "--out", tmp_path / "run"], ["check", path, "--data"]):
        ran = command(*line)
        assert ran.code == 10 and said in ran.err
        assert "(fewer or shorter sequences, or --max-memory)" in ran.err
    small = ["-s", "data.train=400", "-s", "data.length=100", "--max-memory"]
    ran = command("run", path, "--out", tmp_path / "run", *small, "1MB")
    assert ran.code == 10 and "needs 2.04 MB, the budget is 1 MB (" in ran.err
    ran = command("run", path, "--out", tmp_path / "run", *small, "2.05MB")
    assert ran.code == 10 and "[MEM_BUDGET] training needs " in ran.err and "(data 2.0" in ran.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("in_the_data", [False, True])
def test_restarts_in_the_data_are_rehearsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_the_data: bool
) -> None:
    spec, source = opened(tmp_path, plain_spec())
    original, given = type(source).batches, []

    def batches(*arguments: Any) -> Any:
        for number, batch in enumerate(original(*arguments)):
            resets = np.zeros_like(batch.resets)
            resets[2, 1] = in_the_data and number == 1
            yield Batch(*batch[:3], resets, batch.next_cursor)

    monkeypatch.setattr(type(source), "batches", batches)
    monkeypatch.setattr(module, "window_bytes", lambda *sizes: given.append(sizes[3]) or 7)
    memory(spec, build_network(spec, source.inputs, source.targets)[1], source, BUDGET)
    assert given == [in_the_data]


def test_restarts_by_the_policy_are_rehearsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[bool] = []
    spec, source = opened(tmp_path, plain_spec(state={"reset": "document", "separator": "\n"}))
    monkeypatch.setattr(module, "window_bytes", lambda *sizes: given.append(sizes[3]) or 7)
    memory(spec, build_network(spec, source.inputs, source.targets)[1], source, BUDGET)
    assert given == [True]


def test_a_layer_that_raises_leaves_the_window_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: Any) -> Any:
        raise ValueError("a mistake")

    monkeypatch.setattr("rnnkit.builtin.cells.rnn.RNN.scan", broken)
    path = write_spec(tmp_path, plain_spec())
    assert json.loads(done("explain", path, "--json").out)["memory"]["window"] is None
    out = done("explain", path).out
    assert "(the window was not measured)" in out and "window 0" not in out
    assert "a mistake" in command("run", path, "--out", tmp_path / "run").err


def test_explain_shows_what_a_block_takes(tmp_path: Path) -> None:
    path = write_spec(tmp_path, small_spec(window=400, streams=5), text(9000))
    whole = json.loads(done("explain", path, "--json").out)["memory"]
    blocks = json.loads(done("explain", path, "--json", "-s", "train.recompute=true").out)["memory"]
    assert blocks["window"] < whole["window"] / 6
    assert "(the window was measured)" in done("explain", path).out


def test_numbers_of_bytes_as_people_write_them() -> None:
    assert [human(n) for n in (12, 1500, 2.5e6, 3.21e9, 4e15)] == [
        "12 B",
        "1.5 KB",
        "2.5 MB",
        "3.21 GB",
        "4e+03 TB",
    ]
