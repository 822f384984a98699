"""What the files of Keras say of layers, without Keras."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from rnnkit.exchange.incoming.keras_config import KerasLayer, layers_of, wrong_with
from rnnkit.exchange.incoming.keras_file import read_keras, read_weights
from rnnkit.exchange.incoming.theirs import TheirModel
from rnnkit.types import Shape

CELL = {"activation": "tanh", "recurrent_activation": "sigmoid", "return_sequences": True}


def stored(kind: str, name: str = "a", **config: Any) -> dict[str, Any]:
    """Return a layer as config.json has it."""
    return {"class_name": kind, "config": {"name": name, **config}}


def layer(kind: str, **config: Any) -> KerasLayer:
    (found,) = layers_of({"config": {"layers": [stored(kind, **config)]}})
    return found


def both(backward: dict[str, Any] | None = None, **config: Any) -> KerasLayer:
    way = stored("SimpleRNN", "back", **{"go_backwards": True, **CELL, **(backward or {})})
    inner = stored("SimpleRNN", "forth", **{**CELL, **config.pop("inner", {})})
    given = {"merge_mode": "concat", "layer": inner, "backward_layer": way, **config}
    return layer("Bidirectional", **given)


@pytest.mark.parametrize(
    ("of", "wrong"),
    [
        (layer("InputLayer"), []),
        (layer("Dropout", rate=0.5), []),
        (layer("Conv1D"), ["layer a (Conv1D): rnnkit has no such layer"]),
        (layer("LSTM", **CELL), []),
        (layer("GRU", **CELL, go_backwards=False, stateful=False, recurrent_dropout=0.0), []),
        (layer("SimpleRNN", activation="relu"), []),
        (
            layer("SimpleRNN", activation="sigmoid"),
            ["layer a (SimpleRNN): the activation 'sigmoid', and ours has tanh or relu"],
        ),
        (
            layer("GRU", **{**CELL, "activation": "relu"}),
            ["layer a (GRU): the activation 'relu', and ours has tanh"],
        ),
        (
            layer("LSTM", **{**CELL, "recurrent_activation": "hard_sigmoid"}),
            ["layer a (LSTM): the recurrent_activation 'hard_sigmoid', and ours is sigmoid"],
        ),
        (
            layer("LSTM", **CELL, go_backwards=True, stateful=True, recurrent_dropout=0.5),
            [
                "layer a (LSTM): go_backwards True, which no layer here has",
                "layer a (LSTM): stateful True, which no layer here has",
                "layer a (LSTM): recurrent_dropout 0.5, which no layer here has",
            ],
        ),
        (layer("Embedding", mask_zero=False), []),
        (
            layer("Embedding", mask_zero=True),
            ["layer a (Embedding): mask_zero hides steps, which no layer here does"],
        ),
        (layer("Dense"), []),
        (layer("Dense", activation="linear"), []),
        (layer("Dense", activation="softmax"), []),
        (
            layer("Dense", activation="tanh"),
            ["layer a (Dense): the activation 'tanh', which no layer here has"],
        ),
        (
            layer("TimeDistributed", layer=stored("Dense", "b", activation="tanh")),
            ["layer b (Dense): the activation 'tanh', which no layer here has"],
        ),
        (layer("LayerNormalization", center=True, scale=True, rms_scaling=False), []),
        *(
            (
                layer("LayerNormalization", **{"center": True, "scale": True, **lacking}),
                ["layer a (LayerNormalization): it lacks gain or bias, or scales otherwise"],
            )
            for lacking in ({"center": False}, {"scale": False}, {"rms_scaling": True})
        ),
        (both(), []),
        (
            both(merge_mode="sum"),
            ["layer a (Bidirectional): merge_mode 'sum', and ours is 'concat'"],
        ),
        (
            both(inner={"return_sequences": False}),
            [
                "layer a (Bidirectional): return_sequences is off, so the directions end at "
                "different steps"
            ],
        ),
        (
            both(inner={"go_backwards": True}),
            ["layer forth (SimpleRNN): go_backwards True, which no layer here has"],
        ),
        (
            both({"activation": "elu"}),
            ["layer back (SimpleRNN): the activation 'elu', and ours has tanh or relu"],
        ),
    ],
)
def test_what_rnnkit_has_not(of: KerasLayer, wrong: list[str]) -> None:
    assert list(wrong_with(of)) == wrong


@pytest.mark.parametrize(
    ("of", "last"),
    [
        (layer("Dense", activation="softmax"), "softmax"),
        (layer("Dense", activation="linear"), ""),
        (layer("LSTM", activation="sigmoid"), ""),
        (layer("TimeDistributed", layer=stored("Dense", activation="sigmoid")), "sigmoid"),
        (layer("Bidirectional", layer=stored("Dense", activation="sigmoid")), ""),
    ],
)
def test_the_activation_of_a_product(of: KerasLayer, last: str) -> None:
    assert of.last == last


def weights(shapes: dict[str, Shape]) -> bytes:
    """Return a file of weights, each full of its place in it."""
    file = io.BytesIO()
    with h5py.File(file, "w") as written:
        for at, (name, shape) in enumerate(shapes.items()):
            written[name] = np.full(shape, float(at), "f4")
    return file.getvalue()


def keras(shapes: dict[str, Shape], *layers: dict[str, Any]) -> TheirModel:
    """Read a model of these layers, and arrays by their names."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as written:
        written.writestr("config.json", json.dumps({"config": {"layers": layers}}))
        written.writestr("model.weights.h5", weights(shapes))
    return read_keras(file.getvalue(), Path())


def cell(group: str, gates: int, bias: Shape | None = None, way: str = "") -> dict[str, Shape]:
    start = f"layers/{group}/{way}cell/vars"
    found: dict[str, Shape] = {f"{start}/0": (5, 2 * gates), f"{start}/1": (2, 2 * gates)}
    return found if bias is None else {**found, f"{start}/2": bias}


def types(found: TheirModel) -> list[tuple[str, list[str], str, str, dict[str, Any]]]:
    return [(e.name, [*e.forms], e.usual, e.direction, dict(e.settings)) for e in found.layers]


def test_layers_by_the_names_of_their_groups() -> None:
    shapes = {
        **cell("lstm", 4, (8,)),
        **cell("lstm_1", 4),
        **cell("gru", 3, (2, 6)),
        **cell("gru_1", 3, (6,)),
        **cell("simple_rnn", 1, (2,)),
        "layers/embedding/vars/0": (6, 5),
        "layers/dense/vars/0": (2, 6),
        "layers/dense/vars/1": (6,),
        "layers/time_distributed/layer/vars/0": (2, 6),
        "layers/layer_normalization/vars/0": (6,),
        "layers/layer_normalization/vars/1": (6,),
        "layers/dropout/seed_generator/vars/0": (2,),
        "optimizer/vars/0": (1,),
        "_layer_checkpoint_dependencies/x": (1,),
        "layers/conv1_d/vars/0": (1, 2, 3),
    }
    found = keras(
        shapes,
        stored("InputLayer", "in"),
        stored("Embedding", "table"),
        stored("LSTM", "one", **CELL),
        stored("LSTM", "two", **CELL),
        stored("Dropout", "drop"),
        stored("GRU", "three", **CELL, reset_after=True),
        stored("GRU", "four", **CELL, reset_after=False),
        stored("SimpleRNN", "five", activation="relu"),
        stored("TimeDistributed", "six", layer=stored("Dense", "inner")),
        stored("LayerNormalization", "seven", center=True, scale=True, epsilon=1e-3),
        stored("Dense", "eight", activation="softmax"),
    )
    either = ["affine", "embedding"]
    assert types(found) == [
        ("table", either, "embedding", "", {}),
        ("one", ["lstm"], "lstm", "", {}),
        ("two", ["lstm"], "lstm", "", {}),
        ("three", ["gru"], "gru", "", {}),
        ("four", ["gru_reset_before"], "gru_reset_before", "", {}),
        ("five", ["rnn"], "rnn", "", {"activation": "relu"}),
        ("six", either, "affine", "", {}),
        ("seven", ["layer_norm"], "layer_norm", "", {"epsilon": 1e-3}),
        ("eight", ["affine"], "affine", "", {}),
    ]
    assert found.ordered and found.last == "softmax" and not found.wrong
    assert found.left == ("layers/conv1_d/vars/0",)
    one, norm = found.layers[1].forms["lstm"], found.layers[7].forms["layer_norm"]
    start = "layers/lstm/cell/vars"
    assert [one[key].theirs for key in ("Wx", "Wh", "b")] == [(f"{start}/{n}",) for n in range(3)]
    assert [one[key].values.flat[0] for key in ("Wx", "Wh", "b")] == [0, 1, 2]
    gru = found.layers[3].forms["gru"]
    both = gru["b"].theirs[0]
    assert both == gru["bn"].theirs[0] == "layers/gru/cell/vars/2"
    assert gru["b"].values.tolist() == [14] * 4 + [7] * 2 and gru["bn"].values.tolist() == [7] * 2
    gains = [norm[key].theirs for key in ("gain", "bias")]
    assert gains == [(f"layers/layer_normalization/vars/{n}",) for n in range(2)]


@pytest.mark.parametrize("after", [False, True])
def test_a_gru_without_a_bias_resets_as_the_configuration_says(after: bool) -> None:
    shapes, kind = cell("gru", 3), "gru" if after else "gru_reset_before"
    told = keras(shapes, stored("GRU", **CELL, reset_after=after))
    assert types(told) == [("a", [kind], kind, "", {})]
    untold = read_weights(weights(shapes), Path())
    assert types(untold) == [("gru", ["gru", "gru_reset_before"], "", "", {})]
    (biased,) = read_weights(weights(cell("gru", 3, (2, 6) if after else (6,))), Path()).layers
    assert (list(biased.forms), biased.usual) == ([kind], kind)
    ours = {"Wx", "Wh", "b"}
    assert set(untold.layers[0].forms["gru"]) == ours | {"bn"}
    assert set(untold.layers[0].forms["gru_reset_before"]) == ours


def test_each_direction_has_settings_of_its_own() -> None:
    ways = ("forward_layer/", "backward_layer/")
    shapes = {
        key: shape for way in ways for key, shape in cell("bidirectional", 1, (2,), way).items()
    }
    rows = [stored("SimpleRNN", name, **CELL) for name in ("forth", "back")]
    rows[1]["config"] |= {"activation": "relu", "go_backwards": True}
    given = {"merge_mode": "concat", "layer": rows[0], "backward_layer": rows[1]}
    found = keras(shapes, stored("Bidirectional", "both", **given))
    assert not found.wrong
    assert types(found) == [
        ("both.forward", ["rnn"], "rnn", "forward", {"activation": "tanh"}),
        ("both.backward", ["rnn"], "rnn", "backward", {"activation": "relu"}),
    ]
    assert [e.forms["rnn"]["Wx"].values.flat[0] for e in found.layers] == [0, 3]
    untold = read_weights(weights(shapes), Path())
    assert [(e.name, e.direction, e.settings) for e in untold.layers] == [
        ("bidirectional.forward", "forward", {}),
        ("bidirectional.backward", "backward", {}),
    ]


def test_weights_alone_stand_as_people_count_and_have_no_order() -> None:
    groups = ["dense", "dense_1", "dense_2", "dense_10"]
    shapes = {f"layers/{group}/vars/0": (2, 3) for group in reversed(groups)} | {
        "vars/0": (2,),
        "top": (2,),
    }
    found = read_weights(weights(shapes), Path())
    assert [each.name for each in found.layers] == groups
    assert not found.ordered and found.last == "" and found.left == ("top", "vars/0")
    assert (found.format, keras(shapes, stored("Dense")).format) == ("Keras weights", "Keras")


@pytest.mark.parametrize("shape", [(2, 10), (2, 5), (2,)])
def test_what_is_no_cell_is_left_over(shape: Shape) -> None:
    start = "layers/lstm/cell/vars"
    found = read_weights(weights({f"{start}/0": (5, 8), f"{start}/1": shape}), Path())
    assert not found.layers and found.left == (f"{start}/0", f"{start}/1")


@pytest.mark.parametrize("shapes", [[(3,)], [(3,), (3,), (3,)], [()], [(2, 2, 2), (3,)]])
def test_what_is_no_plain_layer_is_left_over(shapes: list[Shape]) -> None:
    named = {f"layers/other/vars/{at}": shape for at, shape in enumerate(shapes)}
    found = read_weights(weights(named), Path())
    assert not found.layers and found.left == tuple(named)


def test_an_activation_is_told_before_the_last_layer_alone() -> None:
    found = keras(
        {},
        stored("Dense", "one", activation="sigmoid"),
        stored("Dense", "two", activation="linear"),
        stored("TimeDistributed", "three", layer=stored("Dense", "in", activation="softmax")),
        stored("Dense", "four"),
        stored("Dropout", "drop"),
    )
    assert found.wrong == (
        "layer one (Dense): the activation 'sigmoid' before the last layer",
        "layer three (TimeDistributed): the activation 'softmax' before the last layer",
    )
    assert found.last == ""
    end = stored("Dense", "two", activation="sigmoid")
    ended = keras({}, stored("Dense", "one"), end, stored("Dropout", "drop"))
    assert (ended.wrong, ended.last) == ((), "sigmoid")
