"""rnnkit.train as people call it: progress, callbacks, history, Ctrl-C, no folder."""

from __future__ import annotations

import gc
import json
import os
import re
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import rnnkit
from rnnkit.inference.asked_records import RecordList
from rnnkit.reporting.notebook import NotebookTable, in_notebook, metrics_as_html

SPEC: dict[str, Any] = {
    "model": {
        "layers": [{"type": "rnn", "units": 4}, {"type": "affine"}],
        "loss": {"type": "mse"},
    },
    "train": {
        "epochs": 4,
        "streams": 2,
        "window": 8,
        "optimizer": {"type": "sgd", "lr": 0.1},
    },
}
WAVE = np.sin(np.arange(100) / 3)


def wave() -> rnnkit.Arrays:
    return rnnkit.Arrays({"x": WAVE}, split=(0.6, 0.4, 0))


def train(out: Path | None, **options: Any) -> rnnkit.Model:
    return rnnkit.train(SPEC, out, data=wave(), progress=False, **options)


def test_history_is_what_the_run_wrote(tmp_path: Path) -> None:
    model = train(tmp_path / "run")
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert [*model.history] == [json.loads(line) for line in lines]
    assert model.history["valid_loss"].tolist() == [line["valid_loss"] for line in model.history]
    assert model.history[-2:]["step"].tolist() == [9, 12]
    assert "<th>valid_loss</th>" in model.history._repr_html_()
    assert rnnkit.load(tmp_path / "run").history == model.history
    assert rnnkit.build(SPEC, data=wave()).history == []
    with pytest.raises(KeyError, match="there is no column 'lss' .there is step, epoch"):
        model.history["lss"]
    (tmp_path / "run" / "metrics.jsonl").unlink()
    history = rnnkit.load(tmp_path / "run").history
    assert history == []
    with pytest.raises(KeyError, match="there is no column 'loss' .there is none."):
        history["loss"]


def test_a_long_history_shows_its_ends(tmp_path: Path) -> None:
    shown = RecordList([{"step": 100 + i} for i in range(50)])._repr_html_()
    wanted = ["step", *range(100, 110), "...", *range(140, 150)]
    assert re.findall(r"<t[hd]>(.*?)</t[hd]>", shown) == [str(each) for each in wanted]
    assert "..." not in RecordList([{"step": i} for i in range(20)])._repr_html_()


def test_a_history_as_a_frame(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = train(tmp_path / "run").history.frame("step")
    assert frame.index.tolist() == [3, 6, 9, 12]
    assert isinstance(frame, pandas.DataFrame)


def test_a_callback_stops_a_run_that_goes_on(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole")
    seen: list[dict[str, Any]] = []

    def stop_at_six(record: dict[str, Any]) -> bool:
        seen.append(record)
        return record["step"] == 6

    train(tmp_path / "run", callbacks=stop_at_six)
    assert [record["step"] for record in seen] == [3, 6]
    assert seen == whole.history[:2]
    train(tmp_path / "run", callbacks=[seen.append])
    assert [record["step"] for record in seen] == [3, 6, 9, 12]
    for name in ("best.h5", "metrics.jsonl"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_what_a_callback_raises_comes_out_once_all_is_saved(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(record: dict[str, Any]) -> None:
        raise RuntimeError(f"no more after {record['step']}")

    with pytest.raises(RuntimeError, match="no more after 3"):
        train(tmp_path / "run", callbacks=fail)
    assert f"saved; go on with rnnkit.train(spec, '{tmp_path / 'run'}')" in caplog.text
    assert len(train(tmp_path / "run").history) == 4


def test_callbacks_without_an_evaluation_hear_of_lines(tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []
    data = rnnkit.Arrays({"x": WAVE}, split=(1, 0, 0))
    rnnkit.train(SPEC, tmp_path / "run", data=data, progress=False, callbacks=seen.append)
    assert seen and "valid_loss" not in seen[-1]


def test_a_run_without_a_folder_goes_with_its_model(caplog: pytest.LogCaptureFixture) -> None:
    model = train(None)
    folder = model.path.parent
    assert folder.is_dir()
    assert "a temporary folder, which goes with the model (give out=)" in caplog.text
    assert model.evaluate("valid")["loss"] == min(model.history["valid_loss"])
    del model
    gc.collect()
    assert not folder.exists()


def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole")
    handler = signal.getsignal(signal.SIGINT)
    interrupt = lambda record: os.kill(os.getpid(), signal.SIGINT)  # noqa: E731
    with pytest.raises(rnnkit.InterruptedRun) as caught:
        train(tmp_path / "run", callbacks=interrupt)
    assert caught.value.exit_code == 130
    run = str(tmp_path / "run")
    assert f"saved at step 3; continue with: rnnkit.train(spec, {run!r})" in str(caught.value)
    assert signal.getsignal(signal.SIGINT) == handler
    assert [*train(tmp_path / "run").history] == [*whole.history]
    with pytest.raises(rnnkit.InterruptedRun) as caught:
        train(None, callbacks=interrupt)
    kept = Path(caught.value.problems[0].where)
    assert kept.is_dir()
    train(kept)


def test_progress_is_lines_where_nothing_draws(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rnnkit.train(SPEC, tmp_path / "loud", data=wave())
    said = capsys.readouterr()
    assert said.out == ""
    assert "2 streams x " in said.err and "step     12  epoch 4.00" in said.err
    rnnkit.train(SPEC, tmp_path / "quiet", data=wave(), progress=False)
    assert capsys.readouterr() == ("", "")


def test_a_notebook_shows_one_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not in_notebook()
    shown: list[str] = []
    made: list[bool] = []
    handle = SimpleNamespace(update=lambda html: shown.append(html))

    def show(html: str, display_id: bool) -> SimpleNamespace | None:
        shown.append(html)
        made.append(display_id)
        return handle if display_id else None

    display = SimpleNamespace(HTML=lambda text: text, display=show)
    shell = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=1))
    monkeypatch.setitem(sys.modules, "IPython", shell)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    assert in_notebook()
    rnnkit.train(SPEC, tmp_path / "run", data=wave())
    assert "<td>12</td>" in shown[-1] and "step 12 of 12" in shown[-1]
    assert "<th>valid loss</th>" in shown[-1] and "gradient" not in shown[-1]
    assert "2 streams x " in shown[0] and made == [True]
    table = NotebookTable()
    assert "step 0 of 0" in table.html()
    assert metrics_as_html([{"a": 1.5, "b": None}]).endswith(
        "<td>1.5</td><td></td></tr></tbody></table>"
    )


def test_options_are_told_in_sentences(tiny_run: Path) -> None:
    with pytest.raises(ValueError) as caught:
        rnnkit.load(tiny_run).sample(temperature=0, topk=3)
    assert str(caught.value).splitlines() == [
        "sample: temperature: expected a number greater than or equal to 0.000001, received 0",
        'sample: topk: there is no such option; did you mean "top_k"? (there is greedy, seed, '
        "temperature, top_k, top_p)",
    ]


def test_a_spec_of_classes_is_that_of_a_dictionary(tmp_path: Path) -> None:
    built = rnnkit.Spec(
        data=wave(),
        model=rnnkit.ModelSpec(layers=[rnnkit.RNN(units=4), rnnkit.Affine()], loss=rnnkit.MSE()),
        train=rnnkit.Train(epochs=4, streams=2, window=8, optimizer=rnnkit.SGD(lr=0.1)),
    )
    one = rnnkit.train(built, tmp_path / "built", progress=False)
    two = train(tmp_path / "dictionary")
    assert (tmp_path / "built" / "best.h5").read_bytes() == two.path.read_bytes()
    layers = [rnnkit.RNN(units=4), {"type": "affine"}]
    mixed = {"model": {"layers": layers, "loss": rnnkit.MSE()}, "train": built.train}
    three = rnnkit.train(mixed, tmp_path / "mixed", data=wave(), progress=False)
    assert three.history == one.history
    assert one.spec.canonical() == two.spec.canonical() == three.spec.canonical()


@pytest.mark.parametrize(
    ("make", "lines"),
    [
        (lambda: rnnkit.LSTM(units="8"), ["LSTM: units: expected a valid integer, received '8'"]),
        (
            lambda: rnnkit.Train(epoch=3, optimizer={"type": "adam"}),
            [
                "Train: epochs: is missing",
                "Train: optimizer: expected an object such as rnnkit.Adam(...), not the dictionary "
                "of \"adam\", received {'type': 'adam'}",
                'Train: epoch: there is no such option; did you mean "epochs"? (there is best, ',
            ],
        ),
        (
            lambda: rnnkit.ModelSpec(layers=[], loss=rnnkit.MSE()),
            ["ModelSpec: layers: expected at least 1 item, received ()"],
        ),
        (
            lambda: rnnkit.Bidirectional(units=3),
            [
                "Bidirectional: layer: is missing",
                "Bidirectional: units: there is no such option (there is init, layer, name)",
            ],
        ),
        (
            lambda: rnnkit.SoftmaxCrossEntropy(class_weights=(1e7,)),
            [
                "SoftmaxCrossEntropy: class_weights.0: expected a number less than or equal to "
                "1000000, received 10000000.0"
            ],
        ),
        (
            lambda: rnnkit.SoftmaxCrossEntropy(class_weights={"float": 1e7}, id_weights=(1e7, 1)),
            [
                "SoftmaxCrossEntropy: class_weights.float: expected a number less than or equal to "
                "1000000, received 10000000.0",
                "SoftmaxCrossEntropy: id_weights.0: expected a number less than or equal to "
                "1000000, received 10000000.0",
            ],
        ),
        (
            lambda: rnnkit.SoftmaxCrossEntropy(class_weights="balance"),
            [
                "SoftmaxCrossEntropy: class_weights: expected a valid tuple, a valid dictionary or "
                "'balanced', received 'balance'"
            ],
        ),
        (
            lambda: rnnkit.LSTM(units=10**5000),
            [
                "LSTM: units: expected a number less than or equal to 65536, received a value with "
                "an integer of more than 4,300 digits"
            ],
        ),
        (lambda: rnnkit.Clip(), ['Clip: give "norm" or "value", not both (or leave "clip" out)']),
    ],
)
def test_what_is_wrong_with_a_class_is_said_at_once(make: Any, lines: list[str]) -> None:
    with pytest.raises(ValueError) as caught:
        make()
    found = str(caught.value).splitlines()
    assert len(found) == len(lines)
    for line, wanted in zip(found, lines, strict=True):
        assert line.startswith(wanted)


def test_a_spec_of_classes_that_do_not_go_together_is_refused(tmp_path: Path) -> None:
    model = rnnkit.ModelSpec(layers=[rnnkit.Embedding(units=3)], loss=rnnkit.MSE())
    optimizer = rnnkit.SGD(lr=0.1)
    spec = rnnkit.Spec(data=wave(), model=model, train=rnnkit.Train(epochs=1, optimizer=optimizer))
    with pytest.raises(rnnkit.SpecError) as caught:
        rnnkit.train(spec, tmp_path / "run")
    assert [str(p).split(":")[0] for p in caught.value.problems] == [
        "spec [SPEC_SHAPE] model.layers[0]",
        "spec [SPEC_SHAPE] model.loss",
    ]
