"""rnnkit from Python: NumPy in, NumPy out, the same results as from the shell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import done, plain_spec, small_spec, steps_kept, text
from helpers import write_spec as write

import rnnkit
from rnnkit.errors import (
    CheckpointError,
    DataError,
    RefusedError,
    ResourceError,
    RnnkitError,
    SpecError,
)
from rnnkit.inference.generate import Sampling
from rnnkit.inference.stream_state import StreamState
from rnnkit.types import Array


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path, small_spec())


def test_load_spec(path: Path) -> None:
    spec = rnnkit.load_spec(path)
    assert (spec.name, spec.train.epochs, spec.model.layers[1].type) == ("small", 3, "lstm")
    assert rnnkit.load_spec(path, "train.epochs=7").train.epochs == 7
    changed = rnnkit.load_spec(str(path), ["train.epochs=10", "model.layers[0].units=7"])
    assert (changed.train.epochs, changed.model.layers[0].units) == (10, 7)
    with pytest.raises(SpecError, match="train.epochs: expected an integer") as caught:
        rnnkit.load_spec(path, ["train.epochs=0", "train.window=0"])
    assert len(caught.value.problems) == 2
    with pytest.raises(SpecError, match="SPEC_NOT_FOUND"):
        rnnkit.load_spec(path.with_name("none.json"))


def test_a_spec_that_was_changed_in_python_is_checked_again(path: Path) -> None:
    spec = rnnkit.load_spec(path, 'train.start={"freeze": ["0.embedding"]}')
    start = spec.train.start.model_copy(update={"freeze": ("0.embeding",)})
    changed = spec.model_copy(update={"train": spec.train.model_copy(update={"start": start})})
    with pytest.raises(SpecError, match='"0.embeding" is no layer of the model') as caught:
        rnnkit.build(changed)
    assert "did you mean" in str(caught.value)


def test_build_gives_the_start_of_a_run(path: Path, tmp_path: Path) -> None:
    model = rnnkit.build(rnnkit.load_spec(path), tmp_path)
    done("run", path, "--out", tmp_path / "run", "--max-steps", 0)
    started = rnnkit.load(tmp_path / "run")
    assert np.array_equal(model.store.flat, started.store.flat)
    assert model.vocabulary == started.vocabulary
    assert (model.trained_on, len(str(started.trained_on))) == (None, 64)
    assert len(model.sample(length=20)) == 20
    with pytest.raises(DataError, match="DATA_NOT_FOUND"):
        rnnkit.build(rnnkit.load_spec(path), tmp_path / "elsewhere")


def test_train_says_that_a_finished_run_has_nothing_left(
    path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spec = rnnkit.load_spec(path)
    rnnkit.train(spec, tmp_path / "run", tmp_path)
    assert not caplog.records
    rnnkit.train(spec, tmp_path / "run")
    assert "nothing is left to do after step " in caplog.text
    rnnkit.train(rnnkit.load_spec(path, "train.keep=3"), tmp_path / "run")
    assert "train.keep: 2 -> 3: another number of checkpoints is kept" in caplog.text


def test_a_model_is_one_line(path: Path, tmp_path: Path) -> None:
    model = rnnkit.build(rnnkit.load_spec(path), tmp_path)
    count = f"{model.store.flat.size:,}"
    assert (
        repr(model) == f"Model('small': {', '.join(model.network.entering())}; {count} parameters)"
    )


def test_train_gives_the_bytes_of_the_command(path: Path, tmp_path: Path) -> None:
    spec = rnnkit.load_spec(path)
    model = rnnkit.train(spec, tmp_path / "api", tmp_path)
    done("run", path, "--out", tmp_path / "shell")
    for name in ("best.h5", "metrics.jsonl"):
        assert (tmp_path / "api" / name).read_bytes() == (tmp_path / "shell" / name).read_bytes()
    assert model.path == tmp_path / "api" / "best.h5"


def test_train_goes_on(path: Path, tmp_path: Path) -> None:
    spec, out = rnnkit.load_spec(path), tmp_path / "run"
    assert rnnkit.train(spec, out, tmp_path, max_steps=4).path.name == "step-000000000004.h5"
    rnnkit.train(spec, out, tmp_path)
    assert steps_kept(out)[-1] == 15
    rnnkit.train(spec, tmp_path / "whole", tmp_path)
    for name in ("best.h5", "metrics.jsonl"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    with pytest.raises(RefusedError, match="train.seed"):
        rnnkit.train(rnnkit.load_spec(path, ["train.seed=5"]), out, tmp_path)


def test_train_reports(path: Path, tmp_path: Path) -> None:
    class Reporter:
        def __init__(self) -> None:
            self.calls: list[str] = []

        def __getattr__(self, name: str):  # noqa: ANN204
            return lambda *_, **__: self.calls.append(name)

    reporter = Reporter()
    rnnkit.train(rnnkit.load_spec(path), tmp_path / "run", tmp_path, max_steps=4, reporter=reporter)
    assert reporter.calls[0] == "begins"
    assert {name: reporter.calls.count(name) for name in ("stepped", "line", "saved")} == {
        "stepped": 4,
        "line": 2,
        "saved": 1,
    }


def test_train_refuses_a_folder_with_files(path: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").write_text("mine")
    with pytest.raises(RefusedError, match="RUN_EXISTS"):
        rnnkit.train(rnnkit.load_spec(path), tmp_path / "run", tmp_path)


def some_ids(steps: int, streams: int) -> Array:
    return np.random.default_rng(5).integers(0, 6, (steps, streams))


@pytest.mark.parametrize("dtype", [np.int64, np.uint8])
def test_forward(tiny_run: Path, dtype: type) -> None:
    model = rnnkit.load(tiny_run)
    ids = some_ids(12, 4).astype(dtype)
    before = ids.copy()
    ys, state = model.forward(ids)
    assert (ys.dtype, ys.shape) == (np.float32, (12, 4, 6))
    shapes = {name: [a.shape for a in arrays] for name, arrays in state.items()}
    assert shapes == {"1.lstm": [(4, 6), (4, 6)], "3.residual": [(4, 6)]}
    assert np.array_equal(ids, before)
    alone = model.forward(ids[:, 2:3])[0]
    assert ys[:, 2:3] == pytest.approx(alone, abs=1e-6)


@pytest.mark.parametrize("cut", [1, 5, 11])
def test_a_carried_state_is_one_long_forward(tiny_run: Path, cut: int) -> None:
    model = rnnkit.load(tiny_run)
    ids = some_ids(12, 3)
    whole, last = model.forward(ids)
    first, middle = model.forward(ids[:cut])
    kept = {name: tuple(a.copy() for a in arrays) for name, arrays in middle.items()}
    second, end = model.forward(ids[cut:], middle)
    assert np.concatenate([first, second]) == pytest.approx(whole, abs=1e-6)
    for name, arrays in last.items():
        for a, b, now, then in zip(arrays, end[name], middle[name], kept[name], strict=True):
            assert a == pytest.approx(b, abs=1e-6)
            assert np.array_equal(now, then)  # a state is a value: going on changes nothing


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        (
            np.zeros(3, int),
            r"integer ids of shape \(T, B\), received int64 of shape \(3,\)",
        ),
        (np.zeros((3, 2)), "received float64"),
        (np.zeros((0, 2), int), r"of shape \(0, 2\)"),
        (np.array([[0, 6]]), "expected ids from 0 to 5, received 6"),
        (np.array([[-1, 2]]), "expected ids from 0 to 5, received -1"),
    ],
)
def test_forward_refuses(tiny_run: Path, ids: Array, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        rnnkit.load(tiny_run).forward(ids)


def test_forward_refuses_the_state_of_another_batch(tiny_run: Path) -> None:
    model = rnnkit.load(tiny_run)
    _, state = model.forward(some_ids(2, 3))
    for other in (state, {}, {"1.lstm": state["1.lstm"]}):
        with pytest.raises(ValueError, match="expected a state of the shapes"):
            model.forward(some_ids(2, 4), other)


def test_sample(tiny_run: Path) -> None:
    model = rnnkit.load(tiny_run)
    assert model.sample("ab", 30) == model.sample("ab", 30, seed=1)
    assert model.sample("ab", 30, seed=2) != model.sample("ab", 30)
    assert model.sample("ab", 0) == ""
    shell = done("sample", tiny_run, "--prompt", "ab", "--length", 30, "-t", 0.5, "--top-k", 3).out
    assert "ab" + model.sample("ab", 30, temperature=0.5, top_k=3) + "\n" == shell
    with pytest.raises(ValueError, match="^sample: temperature: expected a number gr"):
        model.sample(temperature=0)
    with pytest.raises(DataError, match="DATA_UNKNOWN_TOKEN"):
        model.sample("é")


def test_evaluate(tiny_run: Path) -> None:
    model = rnnkit.load(tiny_run)
    found = model.evaluate("test", root=tiny_run.parent)
    assert found.keys() == {"loss", "perplexity", "bits_per_character", "accuracy"}
    source = model.open_data(tiny_run.parent)
    assert model.evaluate("test", source) == found
    assert model.evaluate("test") == model.evaluate("test", root=str(tiny_run.parent)) == found
    assert model.evaluate("test", source, streams=1, window=9) != found
    with pytest.raises(DataError, match="DATA_TOO_SHORT"):
        model.evaluate("test", source, streams=100)


def test_evaluate_refuses_sizes_below_one(tiny_run: Path) -> None:
    for name in ("streams", "window"):
        for size in (0, -3):
            with pytest.raises(ValueError, match=f"{name}: expected at least 1, received {size}"):
                rnnkit.load(tiny_run).evaluate("valid", **{name: size})


def test_streams_that_begin_somewhere_go_on_as_many(tiny_run: Path) -> None:
    model = rnnkit.load(tiny_run)
    three = StreamState.zero(model.network, streams=3)
    for count in (2, 6):
        with pytest.raises(ValueError, match=f"3 streams cannot go on as {count} "):
            next(model.stream("ab", count, Sampling(), three))


def test_counts_below_nothing_are_refused(tiny_run: Path, path: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="length: expected at least 0, received -1"):
        rnnkit.load(tiny_run).sample(length=-1)
    with pytest.raises(ValueError, match="max_steps: expected at least 0, received -1"):
        rnnkit.train(rnnkit.load_spec(path), tmp_path / "run", max_steps=-1)
    with pytest.raises(ValueError, match="streams: expected at least 1, received 0"):
        rnnkit.load(tiny_run).start(0)


@pytest.mark.parametrize("wrong", [None, 2.0, True, "3"])
def test_counts_that_are_no_whole_numbers_are_refused(tiny_run: Path, wrong: Any) -> None:
    model = rnnkit.load(tiny_run)
    asked: dict[str, Callable[[], object]] = {
        "length": lambda: model.sample(length=wrong),
        "top": lambda: model.predict("ab", top=wrong),
        "beams": lambda: model.decode("ab", beams=wrong),
        "steps": lambda: model.forecast(wrong),
        "streams": lambda: model.start(wrong),
    }
    for name, ask in asked.items():
        kind = type(wrong).__name__
        said = rf"{name}: expected a whole number, received a {kind} \(give one from \d on\)"
        with pytest.raises(TypeError, match=said):
            ask()


def test_a_whole_number_of_numpy_is_one(tiny_run: Path) -> None:
    model = rnnkit.load(tiny_run)
    assert model.sample(length=np.int64(5)) == model.sample(length=5)


def test_score(tiny_run: Path) -> None:
    model = rnnkit.load(tiny_run)
    ids, logs = model.score("abc")
    assert (ids.tolist(), logs.shape) == (model.encode("abc").tolist(), (3,))
    assert (logs < 0).all()
    assert model.score("")[1].shape == (0,)


@pytest.mark.parametrize("size", [255, 256, 257, 600])
def test_a_long_text_is_scored_as_one(tiny_run: Path, size: int) -> None:
    model = rnnkit.load(tiny_run)
    said = text(size)
    ys = model.forward(np.concatenate([model.prompt_ids(""), model.encode(said)])[:-1, None])[0]
    logits = ys[:, 0].astype(np.float64)
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    wanted = logs[np.arange(size), model.encode(said)]
    assert model.score(said)[1] == pytest.approx(wanted, abs=1e-5)
    greedy = model.sample(said, 1, greedy=True)
    last = model.forward(model.encode(said)[:, None])[0][-1, 0]
    assert greedy == model.vocabulary.tokens[int(last.argmax())]


def test_load_takes_text_or_a_path(tiny_run: Path) -> None:
    assert rnnkit.load(str(tiny_run)).path == tiny_run / "best.h5"
    assert rnnkit.load(tiny_run / "best.h5").path == tiny_run / "best.h5"
    with pytest.raises(CheckpointError, match="CKPT_NOT_FOUND"):
        rnnkit.load(tiny_run / "none.h5")


def test_errors_have_the_exit_code_of_the_command(path: Path, tmp_path: Path) -> None:
    huge = rnnkit.load_spec(path, ["model.layers[0].units=65536"])
    raised = []
    for call in (
        lambda: rnnkit.load_spec(path, ["train.epochs=0"]),
        lambda: rnnkit.load(tmp_path),
        lambda: rnnkit.build(huge, tmp_path / "none"),
    ):
        with pytest.raises(RnnkitError) as caught:
            call()
        raised.append(caught.value.exit_code)
    assert raised == [3, 6, 5]
    assert issubclass(ResourceError, RnnkitError)


def test_a_model_of_another_loss_is_trained_by_the_same_call(tmp_path: Path) -> None:
    spec = rnnkit.load_spec(write(tmp_path, plain_spec(epochs=1)))
    before = rnnkit.build(spec, tmp_path)
    after = rnnkit.train(spec, tmp_path / "run", tmp_path)
    found = [m.evaluate("valid", root=tmp_path)["loss"] for m in (before, after)]
    assert found[1] < found[0]
