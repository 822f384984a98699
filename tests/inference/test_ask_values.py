"""A model is told values in memory what it is told of a file, in the units of the data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnkit

TRAIN = {"epochs": 2, "streams": 2, "window": 8, "optimizer": {"type": "adam", "lr": 0.01}}
NUMBERS = {"layers": [{"type": "gru", "units": 5}, {"type": "affine"}], "loss": {"type": "mse"}}
LABELS = {
    "layers": [{"type": "lstm", "units": 4}, {"type": "affine"}],
    "loss": {"type": "softmax_cross_entropy"},
}
WORDS = {**LABELS, "layers": [{"type": "embedding", "units": 3}, *LABELS["layers"]]}
RANDOM = np.random.default_rng(7)


def trained(model: dict[str, Any], data: rnnkit.Arrays, out: Path) -> rnnkit.Model:
    return rnnkit.train({"model": model, "train": TRAIN}, out, data=data, progress=False)


def without_lines(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    names = ("line", "from_line", "row", "from_row")
    return [{k: v for k, v in record.items() if k not in names} for record in records]


DAYS = np.datetime_as_string(np.datetime64("2024-01-01") + np.arange(80)).tolist()
SALES = np.round(40 + 9 * np.sin(np.arange(80) / 3) + RANDOM.normal(size=80), 3).tolist()


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> rnnkit.Model:
    data = rnnkit.Arrays({"day": DAYS, "sales": SALES}, time="day", split=(0.6, 0.2, 0.2))
    return trained(NUMBERS, data, tmp_path_factory.mktemp("series") / "run")


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "a.csv"
    rows = zip(DAYS, SALES, strict=True)
    path.write_text("day,sales\n" + "".join(f"{day},{sales}\n" for day, sales in rows))
    return path


def test_a_forecast_is_that_of_a_file(series: rnnkit.Model, csv: Path) -> None:
    columns = {"day": DAYS, "sales": SALES}
    of_file = rnnkit.forecast(series, 4, csv, seed=3)
    own = series.forecast(4, seed=3)
    assert own[0]["day"] == "2024-03-21"
    assert 20 < own[0]["sales"] < 60  # in the units of the data
    assert own["step"].tolist() == [1, 2, 3, 4]
    # Rows that were trained on tell less of its errors: intervals know them by the digest.
    assert series.forecast(4, columns, seed=3) == own
    assert [r["sales"] for r in of_file] == own["sales"].tolist()
    assert without_lines(rnnkit.forecast(series, 2, csv, past=70, paths=0)) == without_lines(
        series.forecast(2, columns, past=70, paths=0)
    )
    loaded = rnnkit.load(series.path)
    assert loaded.forecast(4, columns, seed=3) == own
    with pytest.raises(rnnkit.DataError, match="DATA_MEMORY"):
        loaded.forecast(4)


def test_predictions_are_those_of_a_file(series: rnnkit.Model, csv: Path) -> None:
    found = series.predict({"day": DAYS, "sales": SALES})
    assert without_lines(found) == without_lines(rnnkit.predict(series, csv))
    assert found[0]["from_row"] == 0 and found[0]["day"] == "2024-01-02"
    with pytest.raises(rnnkit.DataError, match=r'there is no column "sales" \(there is "day", "s'):
        series.predict({"day": DAYS, "salse": SALES, "other": SALES})
    renamed = series.predict({"day": DAYS, "salse": SALES})
    assert renamed["sales"].tolist() == found["sales"].tolist()
    with pytest.raises(TypeError, match="values: expected values in memory, received a PosixPath"):
        series.predict(csv)


def test_a_frame_in_and_out(series: rnnkit.Model) -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pandas.DataFrame({"sales": SALES}, index=pandas.DatetimeIndex(DAYS))
    found = series.predict(frame)
    assert found[0]["from_row"] == "2024-01-01"
    assert (
        found["sales"].tolist() == series.predict({"day": DAYS, "sales": SALES})["sales"].tolist()
    )
    ahead = series.forecast(3, frame, paths=0).frame("day")
    assert ahead.index[0] == pandas.Timestamp("2024-03-21")
    assert ahead.index.freq is None or ahead.index.freqstr == "D"
    frame.iloc[4, 0] = np.nan
    with pytest.raises(rnnkit.DataError, match="^row 2024-01-05 of the values .DATA_EMPTY. sales"):
        series.predict(frame)


def test_sequences_of_numbers(tmp_path: Path) -> None:
    X, y = RANDOM.normal(5, 2, (12, 6, 2)), RANDOM.normal(100, 10, 12)
    model = trained(NUMBERS, rnnkit.Arrays(inputs=X, targets=y, split=(1, 0, 0)), tmp_path / "run")
    found = model.predict(X)
    assert found["row"].tolist() == list(range(12))
    direct = model.forward(X.swapaxes(0, 1))[0][-1, :, 0]
    assert found["value"] == pytest.approx(direct, rel=1e-6)
    ragged = model.predict([X[0], X[1][:3]])
    assert ragged["value"][0] == pytest.approx(found["value"][0], rel=1e-6)
    rows = [{"inputs": x.tolist()} for x in X]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    of_file = rnnkit.predict(model, tmp_path / "a.jsonl")
    assert without_lines(of_file) == without_lines(found)
    wrong = X.copy()
    wrong[3, 1, 0] = np.inf
    with pytest.raises(rnnkit.DataError, match="^row 3 of the values .DATA_NAN. inputs: inf is no"):
        model.predict(wrong)
    whole = model.evaluate(data=rnnkit.Arrays(inputs=X, targets=y))
    assert whole["mae"] == pytest.approx(np.abs(found["value"] - y).mean(), rel=1e-5)
    assert whole == model.evaluate("train")
    with pytest.raises(rnnkit.DataError, match="trained on data of the type 'sequences', not on"):
        model.evaluate(data=rnnkit.Arrays(y))
    with pytest.raises(rnnkit.DataError, match="expected the values of one split, received 2"):
        model.evaluate(data=rnnkit.Arrays(inputs=X, targets=y, valid=(X, y)))


def test_texts_and_tags(tmp_path: Path) -> None:
    texts, labels = ["a good film", "a bad film", "good", "so bad"] * 4, ["+", "-"] * 8
    texts_model = trained(WORDS, rnnkit.Arrays(texts=texts, labels=labels), tmp_path / "texts")
    found = texts_model.predict(["good film", "bad"], top=2)
    assert set(found["label"]) | set(found["label_2"]) == {"+", "-"}
    assert found["probability"] + found["probability_2"] == pytest.approx(1)
    data = rnnkit.Arrays(texts=texts[:4], labels=labels[:4])
    answers = texts_model.predict(texts[:4])["label"].tolist()
    right = np.mean([a == b for a, b in zip(answers, labels, strict=False)])
    assert texts_model.evaluate(data=data)["accuracy"] == right
    tokens = [text.split() for text in texts]
    tags = [[word[0] for word in words] for words in tokens]
    data = rnnkit.Arrays(sequences=tokens, tags=tags)
    tagger = trained(WORDS, data, tmp_path / "tags")
    assert [len(record["label"]) for record in tagger.predict([["a", "bad"], ["good"]])] == [2, 1]


def test_a_text_and_pairs(tmp_path: Path) -> None:
    one_hot = {**LABELS, "layers": [{"type": "one_hot"}, *LABELS["layers"]]}
    text = trained(one_hot, rnnkit.Arrays(text="abcab\n" * 60), tmp_path / "text")
    lines = text.predict(["ab", "abca"])
    assert lines["row"].tolist() == [0, 1] and set(lines["token"]) <= set("abc\n")
    with pytest.raises(TypeError, match="predict: expected a text or a list of texts, received a"):
        text.predict([3])
    sides = {"layers": [{"type": "one_hot"}, {"type": "gru", "units": 4}]}
    decoder = {"layers": [*sides["layers"], {"type": "affine"}]}
    pair = {"encoder": sides, "decoder": decoder, "loss": {"type": "softmax_cross_entropy"}}
    sums = [(f"{a}+{b}", str(a + b)) for a in range(5) for b in range(5)]
    pairs = rnnkit.Arrays(pairs=sums, split=(1, 0, 0))
    model = trained(pair, pairs, tmp_path / "pairs")
    written = model.decode(["1+1", "2+2"])
    assert written == model.predict(["1+1", "2+2"])["text"].tolist()
    assert model.decode("1+1") == written[0]
    assert isinstance(model.decode("1+1", beams=3, length=5), str)
    with pytest.raises(rnnkit.CheckpointError, match="CKPT_NO_ENCODER"):
        text.decode("ab")
    with pytest.raises(rnnkit.CheckpointError, match="CKPT_NO_FORECAST"):
        text.forecast(3)


def test_hidden_states_are_those_of_forward(series: rnnkit.Model) -> None:
    xs = RANDOM.normal(40, 5, (7, 3, 1))
    states = series.hidden_states(xs)
    assert {name: [a.shape for a in arrays] for name, arrays in states.items()} == {
        "0.gru": [(7, 3, 5)]
    }
    for steps in (1, 4, 7):
        _, after = series.forward(xs[:steps])
        assert states["0.gru"][0][steps - 1] == pytest.approx(after["0.gru"][0], abs=1e-6)
    _, middle = series.forward(xs[:3])
    later = series.hidden_states(xs[3:], middle)
    assert later["0.gru"][0] == pytest.approx(states["0.gru"][0][3:], abs=1e-6)
    with pytest.raises(ValueError, match=r"expected sequences \(T, B\) or \(T, B, F\), received"):
        series.hidden_states(np.ones(4))


def test_parameters_are_views_that_nobody_writes(series: rnnkit.Model) -> None:
    params = series.params
    assert list(params) == list(series.store.stored())
    assert sum(array.size for array in params.values()) == series.store.size
    name = next(iter(params))
    assert np.shares_memory(params[name], series.store.stored()[name])
    with pytest.raises(ValueError, match="read-only"):
        params[name][...] = 0
    assert series.store.stored()[name].flags.writeable


def test_a_summary_has_a_line_for_each_layer(series: rnnkit.Model) -> None:
    lines = series.summary().splitlines()
    assert lines[0].split() == ["layer", "reads", "gives", "parameters", "count"]
    assert lines[1].startswith("0.gru     1 values  5 values  ")
    assert "Wx 1x15" in lines[1] and lines[2].startswith("1.affine  5 values  1 values  ")
    counts = [int(line.split()[-1].replace(",", "")) for line in lines[1:-1]]
    assert lines[-1] == f"{sum(counts):,} parameters; the loss is mse"
    html = series._repr_html_()
    assert "<td>0.gru</td>" in html and "<script" not in html
