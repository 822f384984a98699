"""The benchmark compares the same computation on every side; no test asserts a time."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import ONE_THREAD, done

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # the benchmarks are not part of the installed package

from benchmarks import __main__ as program  # noqa: E402
from benchmarks import startup  # noqa: E402
from benchmarks.inference import report as inference_report  # noqa: E402
from benchmarks.inference.rows import (  # noqa: E402
    COMPARED,
    FORWARD,
    SCORED,
    kind_of,
    lengths,
    lines,
    needed,
)
from benchmarks.measure import DisagreementError, Measured, Plan, Spread, agree  # noqa: E402
from benchmarks.memory import Memory  # noqa: E402
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
from benchmarks.side import ABLE, CHECKED, LIBRARIES, Found, Kind, missing, side  # noqa: E402
from benchmarks.workloads import CELLS, ROWS, SAMPLED, SQUARE, Cell, Workload  # noqa: E402


def small(workload: Workload, cell: Cell = "lstm") -> Workload:
    sizes = {"units": 5, "vocabulary": 7, "batch": min(3, workload.batch)}
    return replace(workload, cell=cell, steps=min(4, workload.steps), **sizes)


def checked(library: str, kind: Kind, workload: Workload) -> Found:
    return side(library, kind, workload, workload.draw()).check()


def available(peer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip where a peer is not installed; else give it one thread."""
    if peer == "torch":
        one_thread_of_torch()
    for module in LIBRARIES[peer]:
        pytest.importorskip(module, reason=f"{module} is not installed: make bench installs it")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


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


@pytest.mark.parametrize("peer", ["rnnkit_int8", "torch", "onnx"])
@pytest.mark.parametrize("network", SAMPLED, ids=lambda w: w.name)
def test_sampling_draws_what_the_peers_do(
    network: Workload, peer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    available(peer, monkeypatch)
    row = replace(small(network), units=16)
    agree(row, {library: checked(library, "Sample", row) for library in ("rnnkit", peer)})


@pytest.mark.parametrize("peer", ["torch", "onnx"])
@pytest.mark.parametrize("name", FORWARD)
def test_forward_computes_what_the_peers_do(
    name: str, peer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Log-probabilities after several windows, the state carried."""
    available(peer, monkeypatch)
    row = small(FORWARD[name])
    kind = kind_of(row)
    assert kind == ("Step" if name == "step" else "Forward")
    found = {library: checked(library, kind, row) for library in ("rnnkit", peer)}
    agree(row, found)
    assert len(set(found["rnnkit"]["log p"])) == CHECKED * row.batch, "the state is carried"


def test_lines_have_the_score_that_pytorch_gives() -> None:
    one_thread_of_torch()
    row = replace(small(SCORED), batch=70, steps=9)
    assert {len(line) for line in lines(row, row.draw()["ids"])} == set(range(3, 10))
    found = {library: checked(library, "Score", row) for library in ("rnnkit", "torch")}
    agree(row, found)
    assert len(found["torch"]["log p"]) == COMPARED


def test_a_state_that_is_not_carried_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    one_thread_of_torch()
    from benchmarks import with_torch

    run = with_torch.Net.forward
    monkeypatch.setattr(with_torch.Net, "forward", lambda net, ids, state: run(net, ids, None))
    row = small(FORWARD["stream"])
    with pytest.raises(DisagreementError, match="stream lstm, log p"):
        agree(row, {library: checked(library, "Forward", row) for library in ("rnnkit", "torch")})


def test_what_is_timed_runs_here() -> None:
    kinds: dict[Kind, Workload] = {"Train": ROWS["tiny"], "Sample": SAMPLED[0], "Product": SQUARE}
    kinds |= {"Step": FORWARD["step"], "Forward": FORWARD["wide"], "Score": SCORED}
    for kind, workload in kinds.items():
        row = replace(small(workload), cell=workload.cell)
        side("rnnkit", kind, row, row.draw()).step()
        if kind == "Sample":
            side("rnnkit_int8", kind, row, row.draw()).step()


def test_a_side_answers_from_a_process_of_its_own(tmp_path: Path) -> None:
    row = small(ROWS["book"], "gru")
    np.savez(tmp_path / "weights.npz", **row.draw())
    with Worker("rnnkit", "Train", row, tmp_path / "weights.npz", threads=1) as worker:
        agree(row, {"here": checked("rnnkit", "Train", row), "there": worker.ask("check")})
        assert len(worker.ask("run", count=3)) == 3
        assert worker.ask("peak") > worker.ask("grown") >= 0
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
    grown = {"rnnkit": 1_200_000, "torch": 20_000_000}
    measured = Measured(rounds, peaks, grown, {})
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
        "| 2 x 128 | 50,000 (33,333–100,000) | 25,000 (12,500–50,000) | 2.00 | 1.2 | 20.0 |"
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


def test_inference_is_measured_and_written(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("Step", "Forward", "Score"):
        monkeypatch.setitem(ABLE, kind, ("rnnkit",))
    monkeypatch.setitem(FORWARD, "wide", small(FORWARD["wide"]))
    monkeypatch.setattr(inference_report, "SCORED", small(SCORED))
    page = Page(lambda line: None)
    inference_report.inference(page, ["wide", "lines"], Plan(rounds=1, seconds=0.01, threads=1))
    tables = [line for line in page.lines if line.startswith("|")]
    forward, _, wide, score, _, scored = tables
    assert wide.startswith(f"| wide ({FORWARD['wide'].title}) | ")
    assert scored.startswith("| 3 of ")
    assert wide.count("|") == forward.count("|") and scored.count("|") == score.count("|")


def test_rows_of_inference_are_times_ratios_and_memory() -> None:
    row = replace(FORWARD["words"], vocabulary=1000, units=100, batch=10, steps=250)
    parameters, outputs = needed(row)
    assert parameters == 4 * (2 * 1000 * 100 + 1000 + 400 * 201)
    assert outputs == 4 * 250 * 10 * 1000
    grown = {"rnnkit": parameters + 2 * outputs, "torch": outputs}
    measured = Measured({"rnnkit": [1e-3, 3e-3], "torch": [2e-3, 4e-3]}, {}, grown, {})
    page = Page(lambda line: None)
    inference_report.forward_row(page, row, measured)
    assert page.lines[-1] == (
        "| words (embedding, V 1,000, 1 x 100, B 10, T 250) | 2.00 (1.00–3.00) | 3.00 (2.00–4.00) "
        "| 0.625 (0.500–0.750) | 21.1 (2.00) | 10.0 (1.00) |"
    )
    inference_report.score_row(page, SCORED, measured)
    tokens = int(lengths(SCORED).sum())
    assert page.lines[-1].startswith("| 2,000 of 20 to 60 characters, 2 x 128, V 65 | ")
    assert f"({tokens / 3e-3:,.0f}–{tokens / 1e-3:,.0f})" in page.lines[-1]
    assert page.lines[-1].endswith("| 1.60 | 21.1 | 10.0 |")


def test_rows_choose_their_tables() -> None:
    def parts(*arguments: str) -> list[str]:
        return program._parts(program._parser().parse_args(arguments))

    assert parts() == list(program.PARTS)
    assert parts("--cells", "gru") == parts("--rows", "char128") == ["training"]
    assert parts("--rows", "step", "lines") == ["inference"]
    assert parts("--rows", "book", "lines") == ["training", "inference"]


def test_memory_is_counted_from_where_it_begins() -> None:
    size = 64 * 2**20
    np.ones(size, np.uint8)
    memory = Memory()
    before = memory.grown()
    np.ones(size // 2, np.uint8)
    assert before + size // 4 < memory.grown() < size
    assert memory.peak() > size


def test_questions_of_the_start_up_are_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(startup, "_finished", lambda arguments, threads: done(*arguments))
    asked = startup.questions(tmp_path, threads=1)
    assert [line[0] for line in asked] == ["sample", "score", "predict", "eval"]
    assert all(done(*line).out for line in asked)


def test_a_process_is_timed_to_its_first_output() -> None:
    assert startup.first_output([sys.executable, "-c", "print(1)"], threads=1) > 0
    with pytest.raises(RuntimeError, match=r"-c raise SystemExit\('no'\) failed: no"):
        startup.first_output([sys.executable, "-c", "raise SystemExit('no')"], threads=1)
