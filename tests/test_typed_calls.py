"""Calls as a user writes them, checked by `mypy --strict` beside rnnkit itself."""

from __future__ import annotations

from pathlib import Path

import rnnkit

WAVE = [0.0, 1.0, 0.5, -1.0] * 20


def spec(data: rnnkit.Dataset) -> rnnkit.Spec:
    """Return a spec of these data, a list where a tuple is meant among its fields."""
    layers = [rnnkit.Residual(layer=rnnkit.LSTM(units=1)), rnnkit.GRU(units=2), rnnkit.Affine()]
    return rnnkit.Spec(
        data=data,
        model=rnnkit.ModelSpec(layers=layers, loss=rnnkit.MSE()),
        train=rnnkit.Train(epochs=1, streams=2, window=4, optimizer=rnnkit.Adam(lr=0.01)),
    )


def test_data_from_memory_is_a_call_of_any_of_its_forms(tmp_path: Path) -> None:
    frame = rnnkit.Arrays({"v": WAVE}, columns=["v"], split=(0.8, 0.2, 0))
    model = rnnkit.train(spec(frame), tmp_path / "run", progress=False)
    assert model.evaluate(data=rnnkit.Arrays({"v": WAVE}))["loss"] > 0
    for data in (
        rnnkit.Arrays(inputs=[[1.0], [2.0]], targets=[1.0, 2.0]),
        rnnkit.Arrays(texts=["a", "b"], labels=[1, 0]),
        rnnkit.Arrays(text="ab" * 20, tokenizer=rnnkit.Char()),
    ):
        assert data.holds_values


def test_blocks_take_lists_and_say_what_is_wrong() -> None:
    series = rnnkit.Series(path=["a.csv", "b.csv"], columns=["v"], horizon=[1, 2])
    assert series.horizons == (1, 2)
    reads = rnnkit.Reads(kind="text", key="t", tokenizer=rnnkit.Char())
    targets = rnnkit.Predicts(kind="class", key="l")
    assert rnnkit.Sequences(path="a.jsonl", inputs=reads, targets=targets).seed == 0
