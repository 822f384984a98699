"""A window learned in blocks is the window learned whole, in the memory of a block."""

from __future__ import annotations

import json
import math
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import command, copy, done, lines, plain_spec, results, small_spec, trained
from training_cases import fresh, opened
from window_cases import DROPOUT, STACKS, STEPS, Block, Case

import rnnkit
from rnnkit.builtin.cells.lstm import LSTM
from rnnkit.builtin.datasets.text.text import Text
from rnnkit.builtin.losses.mse import MSE
from rnnkit.builtin.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from rnnkit.contracts.registry import Registry
from rnnkit.core.context import Context, Pool
from rnnkit.errors import DivergedError, SpecError
from rnnkit.inference.evaluate import evaluate
from rnnkit.network.gradient_checkpointing import learn_in_blocks, window_blocks
from rnnkit.network.network import Learned, Network
from rnnkit.network.states import States
from rnnkit.spec.read import parse_spec


def test_blocks_cover_the_window_and_are_about_its_root() -> None:
    for steps in range(1, 400):
        cuts = window_blocks(steps)
        assert [t for cut in cuts for t in range(cut.start, cut.stop)] == list(range(steps))
        lengths = [cut.stop - cut.start for cut in cuts]
        assert set(lengths[:-1]) <= {math.ceil(math.sqrt(steps))}
        assert lengths[-1] <= lengths[0]
    assert len(window_blocks(2000)) == 45


@pytest.mark.parametrize("stack", STACKS.values(), ids=STACKS)
@pytest.mark.parametrize("loss", [SoftmaxCrossEntropy(), MSE()], ids=lambda loss: loss.type)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-12)])
@pytest.mark.parametrize("steps", [STEPS, 13, 16])
def test_equal_to_the_whole_window(
    stack: list[Block], loss: Any, dtype: Any, tolerance: float, steps: int
) -> None:
    case = Case(stack, dtype, loss, steps)
    wanted, found = case.learned(Network.learn), case.learned(learn_in_blocks)
    assert sorted(found) == sorted(wanted)
    for name, array in wanted.items():
        assert found[name].dtype == array.dtype
        size = max(1.0, float(np.abs(array).max()))
        np.testing.assert_allclose(found[name], array, 0, tolerance * size, err_msg=name)


def test_equal_without_compiled_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(STACKS["lstm"], np.float64)
    wanted = case.learned(learn_in_blocks)
    monkeypatch.setattr(LSTM, "scan", LSTM.scan_by_numpy)
    monkeypatch.setattr(SoftmaxCrossEntropy, "fused", lambda *arguments: None)
    for name, array in case.learned(learn_in_blocks).items():
        np.testing.assert_allclose(array, wanted[name], 1e-10, 1e-10, err_msg=name)


def test_dropout_is_the_same_in_both_runs_of_a_block() -> None:
    """The gradient is that of the loss, which the masks of the first run decide as well."""
    case = Case(DROPOUT, np.float64)
    gradient = case.learned(learn_in_blocks)["gradient"] - 1
    start, along = case.store.flat.copy(), case.random.normal(size=case.store.flat.size)
    totals = []
    for step in (1e-6, -1e-6):
        case.store.flat[:] = start + step * along
        totals.append(float(case.learned(learn_in_blocks)["total"]))
    numeric = (totals[0] - totals[1]) / 2e-6
    assert math.isclose(numeric, float(gradient @ along), rel_tol=1e-6)


def test_dropout_differs_from_block_to_block(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[str, int, bytes]] = []
    original = Context.random

    def random(self: Context, *, locked: bool = False, past: int = 0) -> np.random.Generator:
        state = original(self, locked=locked).random(8).tobytes()
        drawn.append((self.path, self.time, state))
        return original(self, locked=locked, past=past)

    monkeypatch.setattr(Context, "random", random)
    Case(DROPOUT, np.float32).learned(learn_in_blocks)
    # Two layers, five blocks: all but the last run twice, with the same numbers.
    assert len(drawn) == 2 * (5 + 4) and len(set(drawn)) == len({d[2] for d in drawn}) == 2 * 5
    assert {time for _, time, _ in drawn} == {0, 5, 10, 15, 20}


def test_the_window_between_blocks_is_not_scratch_memory() -> None:
    """A recycled pool that is filled again must not change what was returned."""
    case = Case(STACKS["lstm"], np.float32)
    given = {name: [a.copy() for a in state] for name, state in case.states.items()}
    ctx = Context(train=True, pool=Pool(fill=math.nan))
    _, _, after = learn_in_blocks(
        case.network, case.store.values, case.store.grads, case.batch, case.states, ctx
    )
    wanted = {name: [a.copy() for a in state] for name, state in after.items()}
    ctx.pool.recycle()
    case.learned(learn_in_blocks)
    for name, state in after.items():
        for array, before in zip(state, wanted[name], strict=True):
            assert np.isfinite(array).all() and np.array_equal(array, before)
        for array, before in zip(case.states[name], given[name], strict=True):
            assert np.array_equal(array, before)


def test_one_block_at_a_time_knows_the_gradient_of_the_state_after_it() -> None:
    case = Case(STACKS["rnn"], np.float64)
    ctx = Context(train=True, dtype=case.dtype)
    some = {n: tuple(np.ones_like(a) for a in s) for n, s in case.states.items()}

    def slopes(dstates: States | None) -> Learned:
        return case.network.learn_piece(
            case.store.values, case.store.grads, case.batch, case.states, dstates, ctx
        )

    without, given = slopes(None).dstates["1.rnn"][0], slopes(some).dstates["1.rnn"][0]
    # Stream 2 restarts in step 5, stream 1 in the first and the last: nothing reaches their start.
    assert np.array_equal(without[1], np.zeros(5)) and np.array_equal(without[1:], given[1:])
    assert np.array_equal(without[0], given[0])


def peak(learn: Any, steps: int, stack: list[Block]) -> int:
    """Return the most memory that a window takes."""
    case = Case(stack, np.float32, steps=steps)
    case.learned(learn)
    tracemalloc.start()
    try:
        case.learned(learn)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("stack", [STACKS["lstm"], DROPOUT, STACKS["norm"]], ids=str)
def test_memory_grows_with_the_root_of_the_window(stack: list[Block]) -> None:
    wide = [{**b, "units": 64} if "units" in b else b for b in stack]
    whole, short, long = (
        peak(learn, steps, wide)
        for learn, steps in ((Network.learn, 1600), (learn_in_blocks, 400), (learn_in_blocks, 1600))
    )
    assert long < whole / 8
    assert long < 2.2 * short


def recomputed(**train: Any) -> dict[str, Any]:
    return small_spec(window=9, recompute=True, **train)


def test_a_stopped_run_goes_on_bit_for_bit(tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole", recomputed(epochs=9))
    assert len(lines(whole)) > 4
    for step in (1, 8, 13):
        run = trained(tmp_path / str(step), recomputed(epochs=9), "--max-steps", step)
        done("resume", run)
        assert results(run) == results(whole)


def test_a_run_learns_the_same_in_blocks(tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole", plain_spec(window=9, epochs=6))
    cut = trained(tmp_path / "cut", plain_spec(window=9, epochs=6, recompute=True))
    assert results(cut)["metrics.jsonl"] != b""
    for one, other in zip(lines(whole), lines(cut), strict=True):
        for name, value in one.items():
            assert math.isclose(value, other[name], rel_tol=1e-4), name


def test_a_resume_that_changes_it_says_so(tmp_path: Path) -> None:
    run = trained(tmp_path, recomputed(), "--max-steps", 3)
    told = done("resume", copy(run, tmp_path / "b"), "-s", "train.recompute=false").err
    assert (
        "train.recompute: true -> false: later sums are formed in another order, and dropout draws "
        "other numbers; from here on it is another run"
    ) in " ".join(told.split())


def test_a_checkpoint_from_before_has_the_default() -> None:
    path = Path(__file__).parents[1] / "golden" / "checkpoints" / "schema-1.h5"
    assert rnnkit.load(path).spec.train.recompute is False


def test_evaluation_takes_blocks_too(tmp_path: Path) -> None:
    spec, source = opened(tmp_path, plain_spec(window=9, state={"reset": "window"}))
    training = fresh(spec, source, np.float32)
    found = [
        evaluate(
            training.network,
            training.store.values,
            source,
            "valid",
            spec.evaluation_layout(source, "valid"),
            in_blocks=in_blocks,
        ).metrics
        for in_blocks in (False, True)
    ]
    assert found[0].keys() == found[1].keys()
    for name, value in found[0].items():
        assert math.isclose(value, found[1][name], rel_tol=1e-6), name


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("0.embedding", "NUM_NONFINITE_LOSS] step 1: parameter W of layer 0.embedding"),
        ("1.lstm", "NUM_NONFINITE_LOSS] step 1: parameter Wx of layer 1.lstm"),
    ],
)
def test_what_overflowed_is_named(
    tmp_path: Path, recompute: bool, layer: str, message: str
) -> None:
    spec, source = opened(tmp_path, small_spec(window=9, recompute=recompute))
    training = fresh(spec, source, np.float32)
    next(iter(training.store.values[layer].values()))[...] = math.inf
    batch = next(iter(source.batches("train", spec.train.layout(), None)))
    with np.errstate(all="ignore"), pytest.raises(DivergedError) as caught:
        training.step(batch)
    assert message in str(caught.value)


def test_a_layer_that_reads_later_inputs_cannot_be_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Text, "predicts_next", False)
    spec = plain_spec(recompute=True)
    inner = {"type": "bidirectional", "layer": {"type": "rnn", "units": 3}}
    spec["model"]["layers"].insert(1, {"type": "residual", "layer": {**inner}})
    spec["model"]["layers"][0]["units"] = 6
    data = json.dumps(spec).encode()
    column = data.index(b'"recompute": true') + len(b'"recompute": ') + 1
    with pytest.raises(SpecError) as caught:
        parse_spec(data, "spec.json", Registry())
    assert str(caught.value) == (
        f"spec.json:1:{column} [SPEC_INCONSISTENT] train.recompute: model.layers[1] reads later "
        'inputs, so no window can be cut into blocks (leave "recompute" out, or remove the layer)'
    )
    parse_spec(data.replace(b'"recompute": true', b'"recompute": false'), "spec.json", Registry())


def test_its_own_mistake_is_placed(tmp_path: Path) -> None:
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(plain_spec(recompute="true")))
    assert "train.recompute: expected true or false" in command("check", path).err
