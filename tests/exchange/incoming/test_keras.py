"""Models of Keras give what Keras gives, and are told of where rnnkit has not what they have."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import command, done, told
from importing import SEQUENCE_TOKENS, WORDS, ids, language_spec, layers, sequence_spec

import rnnkit
from rnnkit.types import Array

pytest.importorskip("torch", reason="Keras needs PyTorch here (pip install torch)")
os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras", reason="Keras is not installed (pip install keras)")

pytestmark = pytest.mark.filterwarnings("ignore")
CELLS: dict[str, Any] = {
    "lstm": lambda **given: keras.layers.LSTM(7, return_sequences=True, **given),
    "gru": lambda **given: keras.layers.GRU(7, return_sequences=True, **given),
    "gru_reset_before": lambda **given: keras.layers.GRU(
        7, return_sequences=True, reset_after=False, **given
    ),
    "rnn": lambda **given: keras.layers.SimpleRNN(7, return_sequences=True, **given),
}


def network(*stack: Any, tokens: int = WORDS) -> Any:
    """Return a Keras model with distinct random weights."""
    model = keras.Sequential(
        [keras.Input((None,), dtype="int32"), keras.layers.Embedding(tokens, 5), *stack]
    )
    random = np.random.default_rng(3)
    model.set_weights([random.uniform(-0.7, 0.7, w.shape) for w in model.get_weights()])
    return model


def gives(model: Any, xs: Array) -> Array:
    """Return what Keras gives for ids (T, B)."""
    with np.errstate(all="ignore"):
        return np.asarray(keras.ops.convert_to_numpy(model(xs.T))).transpose(1, 0, 2)


@pytest.mark.parametrize("end", ["keras", "weights.h5"])
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("kind", list(CELLS))
def test_every_cell(kind: str, count: int, end: str, tmp_path: Path) -> None:
    cells = [CELLS[kind]() for _ in range(count)]
    theirs = network(*cells, keras.layers.Dropout(0.2), keras.layers.Dense(WORDS))
    file = tmp_path / f"model.{end}"
    (theirs.save if end == "keras" else theirs.save_weights)(file)
    spec = language_spec(tmp_path, layers(kind, count))
    model = rnnkit.import_weights(file, spec)
    xs = ids(model)
    assert np.abs(model.forward(xs)[0] - gives(theirs, xs)).max() < 1e-5


@pytest.mark.parametrize("kind", list(CELLS))
def test_both_directions(kind: str, tmp_path: Path) -> None:
    stack = [keras.layers.Bidirectional(CELLS[kind]()) for _ in range(2)]
    theirs = network(*stack, keras.layers.Dense(3), tokens=SEQUENCE_TOKENS)
    theirs.save(tmp_path / "model.keras")
    spec = sequence_spec(tmp_path, layers(kind, 2, both=True))
    model = rnnkit.import_weights(tmp_path / "model.keras", spec)
    xs = ids(model)
    assert np.abs(model.forward(xs)[0] - gives(theirs, xs)).max() < 1e-5


def test_from_the_shell_with_a_softmax_at_the_end(tmp_path: Path) -> None:
    theirs = network(CELLS["lstm"](), keras.layers.Dense(WORDS, activation="softmax"))
    theirs.save(tmp_path / "model.keras")
    spec, out = language_spec(tmp_path, layers("lstm")), tmp_path / "m.h5"
    done("import", tmp_path / "model.keras", "--spec", spec, "--out", out)
    model = rnnkit.load(out)
    xs = ids(model, 20, 1)
    logits, chances = model.forward(xs)[0].astype(float), gives(theirs, xs)
    found = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    with np.errstate(all="ignore"):
        after = xs[1:, :, None]
        ours, wanted = (
            np.exp(-np.log(np.take_along_axis(p[:-1], after, 2)).mean()) for p in (found, chances)
        )
    assert ours == pytest.approx(wanted, rel=1e-5)
    assert "perplexity" in done("eval", out, "--data-root", tmp_path).out
    assert done("sample", out, "--length", 10).out


def test_all_that_rnnkit_has_not_is_told_by_the_name_of_the_layer(tmp_path: Path) -> None:
    theirs = network(
        CELLS["lstm"](activation="relu", name="first"),
        CELLS["lstm"](recurrent_dropout=0.1, stateful=False, go_backwards=True, name="second"),
        keras.layers.Activation("elu", name="bend"),
        keras.layers.Dense(WORDS, activation="relu", name="last"),
    )
    theirs.save(tmp_path / "model.keras")
    spec, out = language_spec(tmp_path, layers("lstm", 2)), tmp_path / "m.h5"
    ran = command("import", tmp_path / "model.keras", "--spec", spec, "--out", out)
    told(ran, 6, "layer first (LSTM): the activation 'relu', and ours has tanh")
    told(ran, 6, "layer second (LSTM): go_backwards True, which no layer here has")
    told(ran, 6, "layer second (LSTM): recurrent_dropout 0.1, which no layer here has")
    told(ran, 6, "layer bend (Activation): rnnkit has no such layer")
    told(ran, 6, "layer last (Dense): the activation 'relu', which no layer here has")
    assert not out.exists()


def test_layers_in_another_order(tmp_path: Path) -> None:
    norm, product = keras.layers.LayerNormalization(epsilon=1e-5), keras.layers.Dense(7)
    theirs = network(CELLS["lstm"](name="cell"), norm, product, keras.layers.Dense(WORDS))
    theirs.save(tmp_path / "model.keras")
    stack = layers("lstm")
    stack[2:2] = [{"type": "affine", "units": 7}, {"type": "layer_norm"}]
    spec, out = language_spec(tmp_path, stack), tmp_path / "m.h5"
    ran = command("import", tmp_path / "model.keras", "--spec", spec, "--out", out)
    told(ran, 6, f"{norm.name}, {product.name}, ", " are run in this order, here ")


def test_a_softmax_before_the_last_layer(tmp_path: Path) -> None:
    theirs = network(
        CELLS["lstm"](),
        keras.layers.Dense(7, activation="softmax", name="middle"),
        keras.layers.Dense(WORDS, activation="sigmoid"),
    )
    theirs.save(tmp_path / "model.keras")
    stack = layers("lstm")
    stack.insert(2, {"type": "affine", "units": 7})
    spec, out = language_spec(tmp_path, stack), tmp_path / "m.h5"
    ran = command("import", tmp_path / "model.keras", "--spec", spec, "--out", out)
    told(ran, 6, "layer middle (Dense): the activation 'softmax' before the last layer")
    told(ran, 6, "a sigmoid over the last layer is no part of the loss softmax_cross_entropy")


def test_settings_that_differ(tmp_path: Path) -> None:
    theirs = network(
        CELLS["rnn"](activation="relu", name="cell"),
        keras.layers.LayerNormalization(name="norm"),
        keras.layers.Dense(WORDS),
    )
    theirs.save(tmp_path / "model.keras")
    stack = layers("rnn")
    stack.insert(2, {"type": "layer_norm"})
    spec, out = language_spec(tmp_path, stack), tmp_path / "m.h5"
    asked = ("import", tmp_path / "model.keras", "--spec", spec, "--out", out)
    ran = command(*asked)
    told(ran, 6, "1.rnn has activation 'tanh', cell of the file 'relu'")
    told(ran, 6, "2.layer_norm has epsilon 1e-05, norm of the file 0.001")
    same = ("model.layers[1].activation=relu", "model.layers[2].epsilon=0.001")
    done(*asked, "-s", same[0], "-s", same[1])
    model = rnnkit.load(out)
    xs = ids(model)
    assert np.abs(model.forward(xs)[0] - gives(theirs, xs)).max() < 1e-5
