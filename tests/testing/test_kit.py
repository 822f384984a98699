"""The test of the tests: one bug at a time is planted in a correct layer; the kit must name it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import correct_layers
import numpy as np
import pytest
from correct_layers import Delay, PlainDropout, PlainLSTM, Square, Sum
from planted_bugs import EIGHT, MORE, ONE_CASE, Bug

from rnnkit.contracts.cell import Cell
from rnnkit.contracts.layer import Layer
from rnnkit.core.context import Context
from rnnkit.core.signal import Signal
from rnnkit.errors import ShapeError
from rnnkit.testing import CHECKS, ConformanceError, check_layer, kit
from rnnkit.testing.compare import Close, Equal, Slope
from rnnkit.testing.gradients import slope
from rnnkit.testing.purity import own_memory
from rnnkit.testing.sequences import in_pieces, in_two
from rnnkit.testing.window import Window, forward_backward, numbered
from rnnkit.types import Array, Backward, Params, State

SOURCE = Path(correct_layers.__file__).read_text()


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Callable[[Bug], Layer]:
    """Return a function that gives the layer with a bug."""

    def planted(bug: Bug) -> Layer:
        before, layer, text = SOURCE.partition(f"class {bug.layer}(")
        assert text.count(bug.old) >= 1, f"{bug.old!r} is gone from correct_layers.py"
        module = ModuleType("planted")
        monkeypatch.setitem(sys.modules, "planted", module)
        exec(before + layer + text.replace(bug.old, bug.new, 1), module.__dict__)
        found = getattr(module, bug.layer)
        layer_with_bug: Layer = found(units=4) if bug.layer == "PlainLSTM" else found()
        return layer_with_bug

    return planted


@pytest.mark.parametrize(
    "layer", [PlainLSTM(units=4), PlainDropout(), Delay(), Square(), Sum(units=4)]
)
def test_correct_layers_are_accepted(layer: Layer) -> None:
    report = check_layer(layer)
    assert len(report.ran) + len(report.skipped) == len(CHECKS)
    assert report.comparisons > len(report.ran) > 15


@pytest.mark.parametrize("bug", EIGHT + MORE + ONE_CASE, ids=lambda bug: bug.what.replace(" ", "-"))
def test_a_planted_bug_is_rejected_by_name(bug: Bug, plant: Callable[[Bug], Layer]) -> None:
    with pytest.raises(ConformanceError) as caught:
        check_layer(plant(bug))
    assert caught.value.check == bug.check, str(caught.value)


def test_every_check_rejects_something() -> None:
    assert {bug.check for bug in EIGHT + MORE + ONE_CASE} == {check.name for check in CHECKS}


def test_any_seed_accepts_the_correct_lstm() -> None:
    for seed in range(5):
        check_layer(PlainLSTM(units=3), seed=seed)


def test_a_failure_has_the_check_both_numbers_and_a_hint(plant: Callable[[Bug], Layer]) -> None:
    with pytest.raises(AssertionError) as caught:
        check_layer(plant(EIGHT[3]))
    first, second = str(caught.value).splitlines()
    assert first.startswith(
        "plain_lstm fails the check 'input_gradient': xs (training): analytic 0,"
    )
    assert "numeric " in first
    assert second.startswith("  usually: a term missing in backward")


def test_what_was_raised_is_told_with_its_place_and_no_guess() -> None:
    class Raises(PlainDropout):
        def forward(
            self, params: Params, xs: Array, state: State, ctx: Context
        ) -> tuple[Array, State, Backward]:
            raise RuntimeError("no libfoo")

    with pytest.raises(ConformanceError) as caught:
        check_layer(Raises())
    said = str(caught.value)
    assert "raised RuntimeError: no libfoo" in said and "usually" not in said
    assert f"({__file__}, line " in said


def test_a_cell_without_forward_and_scan_says_so() -> None:
    class Nothing(Cell):
        type: str = "nothing"

    with pytest.raises(NotImplementedError, match="Nothing.scan"):
        Nothing(units=2).forward({}, np.zeros((1, 1, 1)), (np.zeros((1, 2)),), Context())


def test_a_skip_needs_a_reason_and_a_known_name() -> None:
    report = check_layer(Square(), skip={"nan": "measured elsewhere"})
    assert report.skipped["nan"] == "measured elsewhere"
    assert "nan" not in report.ran
    with pytest.raises(ConformanceError, match="skipped without a reason"):
        check_layer(Square(), skip={"nan": " "})
    with pytest.raises(ValueError, match="skip names 'nam'; the checks are accumulates, alias"):
        check_layer(Square(), skip={"nam": "a slip"})


def test_the_report_counts_and_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    report = check_layer(Square(), show=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"square: {len(report.ran)} checks, {report.comparisons} comparisons"
    assert "  skipped state_gradient: it has no state" in lines


def test_a_check_that_compares_nothing_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kit, "CHECKS", (kit.Check("empty", lambda subject: iter(()), ""),))
    with pytest.raises(ConformanceError, match="'empty': compared nothing and gave no reason"):
        check_layer(Square())


def test_inputs_that_cannot_be_found_are_asked_for() -> None:
    class Picky(Square):
        def output(self, inputs: Signal) -> Signal:
            if inputs.width not in (None, 7):
                raise ShapeError("reads 7 values")
            return inputs

    with pytest.raises(ShapeError, match="say what it reads"):
        check_layer(Picky())
    check_layer(Picky(), Signal(7))


def test_comparisons_by_hand() -> None:
    two = np.array([1.0, 2.0])
    assert Close("a", two, two).problem() is None
    assert Close("a", two, two[:1]).problem() == "a: received the shape (2,), expected (1,)"
    assert Close("a", two, np.array([1.0, 4.0])).problem() == "a[1]: received 2, expected 4"
    assert Close("a", two * np.nan, two).problem() is not None
    assert Close("a", two, two * np.nan).problem() is not None
    assert Close("a", two, np.array([1.0, 2.0 + 1e-10]), tolerance=0).problem() is not None
    assert Equal("a", 1, 2).problem() == "a: received 1, expected 2"
    assert Slope("x", 2.0, 2.0 + 1e-7).problem() is None
    assert Slope("x", 2.0, 2.1).problem() == "x: analytic 2, numeric 2.1"
    assert Slope("x", np.nan, 2.0).problem() is not None


def _window(layer: Layer, xs: list[float], state: float | None = None) -> Window:
    column = np.array(xs).reshape(-1, 1, 1)
    arrays = {"xs": column, "resets": np.zeros((len(xs), 1), bool), "dys": column * 0 + 1}
    if state is not None:
        arrays |= {"state.0": np.full((1, 1), state), "dstate.0": np.full((1, 1), 10.0)}
    return Window(arrays, Context(dtype=np.dtype(np.float64)))


def test_the_slope_of_a_square_by_hand() -> None:
    window = _window(Square(), [1.0, 3.0])
    along = {"xs": np.array([1.0, -2.0]).reshape(2, 1, 1)}
    assert slope(Square(), window, along) == pytest.approx(2 * 1 * 1 + 2 * 3 * -2, abs=1e-8)
    assert forward_backward(Square(), window)["dxs"].ravel().tolist() == [2.0, 6.0]


def test_halves_and_pieces_by_hand() -> None:
    window = _window(Delay(), [1.0, 2.0, 3.0], state=7.0)
    whole = forward_backward(Delay(), window)
    assert whole["ys"].ravel().tolist() == [7.0, 1.0, 2.0]
    assert whole["dxs"].ravel().tolist() == [1.0, 1.0, 10.0]
    assert in_two(Delay(), window, 1)["dxs"].ravel().tolist() == [1.0, 1.0, 10.0]
    resets = np.array([[False], [False], [True]])
    pieces = in_pieces(Delay(), Signal(1), window.having({"resets": resets}))
    assert pieces["ys"].ravel().tolist() == [7.0, 1.0, 0.0]
    assert pieces["dxs"].ravel().tolist() == [1.0, 0.0, 10.0]
    assert pieces["dstate.0"].tolist() == [[1.0]]


def test_one_step_of_the_lstm_by_hand() -> None:
    layer = PlainLSTM(units=1)
    params = {"Wx": np.zeros((1, 4)), "Wh": np.zeros((1, 4)), "b": np.zeros(4)}
    xs, state = np.ones((1, 1, 1)), (np.zeros((1, 1)), np.ones((1, 1)))
    ys, (h, c), _ = layer.scan(params, xs, state, None, Context(dtype=np.dtype(np.float64)))
    assert c.item() == 0.5
    assert h.item() == ys.item() == pytest.approx(0.231058578630, abs=1e-12)  # tanh(0.5) / 2


def test_of_many_arrays_only_those_are_compared_whose_bytes_may_meet() -> None:
    state = [np.zeros((2, 3), np.float32) for _ in range(2000)]
    xs = np.zeros((4, 2, 3), np.float32)
    window = Window({"xs": xs, **numbered("state", state)}, Context())
    after = [array.copy() for array in state]
    assert len(list(own_memory(xs, tuple(after), window))) == 1
    after[7], after[1999], after[20] = state[3], after[5][:1], xs[-1]
    said = {each.problem() for each in own_memory(xs[1:], tuple(after), window)}
    assert sorted(said - {None}, key=str) == [
        "the state[20] shares its memory with its inputs (copy it)",
        "the state[5] shares its memory with the state[1999] (copy it)",
        "the state[7] shares its memory with its state: 3 (copy it)",
    ]
