"""The benchmark compares the same computation on every side; no test asserts a time."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import ONE_THREAD

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # the benchmarks are not part of the installed package

from benchmarks import __main__ as program  # noqa: E402
from benchmarks.measure import DisagreementError, Measured, Plan, Spread, agree  # noqa: E402
from benchmarks.parent import Worker, environment  # noqa: E402
from benchmarks.report import (  # noqa: E402
    Page,
    sampling_row,
    shards_head,
    shards_row,
    spread,
    sums_table,
    training_row,
)
from benchmarks.shards import shard_costs  # noqa: E402
from benchmarks.side import CHECKED, LIBRARIES, Found, Kind, missing, side  # noqa: E402
from benchmarks.workloads import CELLS, ROWS, SAMPLED, SQUARE, Cell, Workload  # noqa: E402


def small(workload: Workload, cell: Cell = "lstm") -> Workload:
    sizes = {"units": 5, "vocabulary": 7, "batch": min(3, workload.batch)}
    return replace(workload, cell=cell, steps=min(4, workload.steps), **sizes)


def checked(library: str, kind: Kind, workload: Workload) -> Found:
    return side(library, kind, workload, workload.draw()).check()


def one_thread_of_torch() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: make bench installs it")
    torch.set_num_threads(1)


@pytest.mark.parametrize("peer", ["torch", "numpy"])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("name", ROWS)
def test_training_computes_what_others_do(name: str, cell: Cell, peer: str) -> None:
    """Losses and gradient norms of several steps: state carried, clipped, weights moved."""
    if peer == "torch":
        one_thread_of_torch()
    row = small(ROWS[name], cell)
    found = {library: checked(library, "Train", row) for library in ("rnnkit", peer)}
    agree(row, found)
    assert len(set(found["rnnkit"]["loss"])) == CHECKED, "every step moves the weights"


@pytest.mark.parametrize("peer", ["torch", "onnx"])
@pytest.mark.parametrize("network", SAMPLED, ids=lambda w: w.name)
def test_sampling_draws_what_the_peers_do(
    network: Workload, peer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if peer == "torch":
        one_thread_of_torch()
    for module in LIBRARIES[peer]:
        pytest.importorskip(module, reason=f"{module} is not installed: make bench installs it")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    row = replace(small(network), units=16)
    agree(row, {library: checked(library, "Sample", row) for library in ("rnnkit", peer)})


def test_what_is_timed_runs_here() -> None:
    for kind, workload in (("Train", ROWS["tiny"]), ("Sample", SAMPLED[0]), ("Product", SQUARE)):
        row = replace(small(workload), cell=workload.cell)
        side("rnnkit", kind, row, row.draw()).step()


def test_a_side_answers_from_a_process_of_its_own(tmp_path: Path) -> None:
    row = small(ROWS["book"], "gru")
    np.savez(tmp_path / "weights.npz", **row.draw())
    with Worker("rnnkit", "Train", row, tmp_path / "weights.npz", threads=1) as worker:
        agree(row, {"here": checked("rnnkit", "Train", row), "there": worker.ask("check")})
        assert len(worker.ask("run", count=3)) == 3
        assert worker.ask("peak") > 0
        assert "threads 1" in worker.ask("about")["NumPy"]


@pytest.mark.parametrize("value", [1.0001, float("nan")])
def test_sides_that_disagree_are_not_compared(value: float) -> None:
    message = rf"tiny lstm, loss: rnnkit found \[1.0\], PyTorch \[{value}\] from the same weights"
    with pytest.raises(DisagreementError, match=message):
        agree(ROWS["tiny"], {"rnnkit": {"loss": [1.0]}, "PyTorch": {"loss": [value]}})


def test_what_rounding_does_is_no_disagreement() -> None:
    ours, theirs = {"loss": [9.2090463]}, {"loss": [9.2090464]}
    agree(ROWS["tiny"], {"rnnkit": ours, "PyTorch": theirs})


@pytest.mark.parametrize("planted", ["gates", "clip", "rate", "bias", "state"])
def test_a_planted_difference_is_seen(planted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another order of gates, no clipping, another rate, both biases trained, no state carried."""
    one_thread_of_torch()
    from benchmarks import with_torch

    row = small(ROWS["char128"])
    if planted == "gates":
        monkeypatch.setitem(with_torch.ORDER, "lstm", (0, 1, 2, 3))
    elif planted == "clip":
        monkeypatch.setattr(with_torch, "CLIP", 1e9)
    elif planted == "rate":
        monkeypatch.setattr(with_torch, "LEARNING_RATE", 0.9)
    elif planted == "bias":
        monkeypatch.setattr(with_torch.Train, "_one_bias", lambda self: [])
    else:
        run = with_torch.Net.forward
        monkeypatch.setattr(with_torch.Net, "forward", lambda net, ids, state: run(net, ids, None))
    with pytest.raises(DisagreementError):
        agree(row, {library: checked(library, "Train", row) for library in ("rnnkit", "torch")})


def test_pins_of_kernels_and_threads_are_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "MKL_CBWR", "KMP_BLOCKTIME"):
        monkeypatch.setenv(name, "Haswell")
    for name in ONE_THREAD:
        monkeypatch.setenv(name, "1")
    found = environment(threads=2)
    assert not {"OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "MKL_CBWR", "KMP_BLOCKTIME"} & set(found)
    assert {found[name] for name in ONE_THREAD} == {"2"}


def test_operations_are_those_counted_by_hand() -> None:
    # h Wh and its two gradients; x Wx and dWx of a one-hot vector; the affine layer's three.
    one = Workload("one", "gru", vocabulary=7, layers=1, units=5, batch=2, steps=3, reads="one_hot")
    assert one.operations() == 2 * (2 * 3) * (3 * 5 * 15 + 2 * 7 * 15 + 3 * 5 * 7)
    two = replace(one, layers=2, reads="embedding")
    assert two.operations() == 2 * (2 * 3) * (4 * 3 * 5 * 15 + 3 * 5 * 7)


def test_ratios_are_taken_round_by_round() -> None:
    rounds = {"rnnkit": [1e-3, 3e-3, 2e-3], "torch": [2e-3, 4e-3, 8e-3], "numpy": [1e-3] * 3}
    peaks = {"rnnkit": 10**8, "torch": 3 * 10**8, "numpy": 10**8}
    measured = Measured(rounds, peaks, {})
    assert measured.ratio("torch") == Spread(0.5, 0.25, 0.75)
    page = Page(lambda line: None)
    training_row(page, ROWS["tiny"], measured, peak=ROWS["tiny"].operations() / 1e-3)
    assert page.lines[-1] == (
        "| tiny (one-hot, V 27, 1 x 20, B 1, T 40) | lstm | 2.00 (1.00–3.00) | 4.00 (2.00–8.00) "
        "| 1.00 (1.00–1.00) | 0.500 (0.250–0.750) | 0.25 | 2.00 (1.00–3.00) | 1.00 | 2.00 "
        "| 100 | 300 | 100 |"
    )
    assert measured.best_peer() == "torch", "NumPy by hand is no peer"
    del rounds["numpy"]
    sampling_row(page, SAMPLED[0], measured, tokens=100)
    assert page.lines[-1] == (
        "| 2 x 128 | 50,000 (33,333–100,000) | 25,000 (12,500–50,000) | 2.00 |"
    )
    assert spread(Spread(1234.5, 0.01234, 12.0)) == "1234 (0.0123–12.0)"


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name not in ("torch", "onnx"))
    assert missing() == ["onnx", "torch"]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: True)
    assert missing() == []


def test_an_unknown_row_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        program.main(["--rows", "huge"])
    assert "zaremba_m" in capsys.readouterr().err


def test_shards_are_timed_in_processes_of_their_own() -> None:
    row = replace(small(ROWS["char128"]), batch=8)
    found = shard_costs(row, Plan(rounds=1, seconds=0.01, threads=1), "busy")
    assert list(found) == [1, 2, 4, 8]
    assert found[1][1] == Spread(1.0, 1.0, 1.0)
    page = Page(lambda line: None)
    shards_head(page, list(found))
    shards_row(page, row, 1, found)
    assert page.lines[-1].startswith(f"| char128 ({row.title}) | 1 | ")
    assert page.lines[-1].count("|") == page.lines[-2].count("|")


def test_sums_are_a_table_of_milliseconds() -> None:
    page = Page(lambda line: None)
    each = {"Allreduce": Spread(0.004, 0.003, 0.005), "5 shards": Spread(0.002, 0.001, 0.003)}
    sums_table(page, {250_000: each})
    assert page.lines[-1] == "| 250,000 | 4.00 (3.00–5.00) | 2.00 (1.00–3.00) |"
