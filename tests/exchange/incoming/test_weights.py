"""What each parameter of a model is given by a file, and all that does not fit, at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from importing import language_spec, layers, sequence_spec

import rnnkit
from rnnkit.exchange.incoming.slots import Slot, slots_of
from rnnkit.exchange.incoming.theirs import TheirLayer, TheirModel, TheirParameter
from rnnkit.exchange.incoming.weights import FilledParameter, weights_of
from rnnkit.inference.model import Model
from rnnkit.types import Array

STACK: list[dict[str, Any]] = [
    {"type": "embedding", "units": 5, "name": "table"},
    {"type": "rnn", "units": 3, "name": "cell"},
    {"type": "layer_norm", "name": "norm"},
    {"type": "affine", "name": "out"},
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return rnnkit.build(language_spec(tmp_path_factory.mktemp("plain"), STACK))


@pytest.fixture(scope="module")
def tied(tmp_path_factory: pytest.TempPathFactory) -> Model:
    stack = [dict(each) for each in STACK]
    stack[0]["units"], stack[-1]["tie"] = 3, "table"
    return rnnkit.build(language_spec(tmp_path_factory.mktemp("tied"), stack))


def file_of(model: Model, **fields: Any) -> TheirModel:
    """Return a file of another program that fits a model; its arrays are "layer.name"."""
    found, arrays = [], dict[str, Array]()
    for slot in slots_of(model.network, model.store):
        form = {}
        for at, (key, shape) in enumerate(slot.wanted.items()):
            name = f"{slot.name}.{key}"
            arrays[name] = np.full(shape, float(len(arrays)), "f4")
            form[key] = TheirParameter(arrays[name], (name,), f"done {at}")
        found.append(TheirLayer(slot.name, {slot.type: form}, slot.type))
    return replace(TheirModel("", arrays, tuple(found), ordered=True), **fields)


def given(
    theirs: TheirModel, model: Model, asked: Mapping[str, str] | None = None
) -> tuple[list[FilledParameter], list[str]]:
    return weights_of(theirs, model.network, model.store, asked or {})


def changed(theirs: TheirModel, name: str, array: Array) -> TheirModel:
    """Return a file with another array of a name, in its layers too."""
    laid = tuple(
        replace(
            layer,
            forms={
                kind: {
                    key: replace(one, values=array) if name in one.theirs else one
                    for key, one in form.items()
                }
                for kind, form in layer.forms.items()
            },
        )
        for layer in theirs.layers
    )
    return replace(theirs, arrays={**theirs.arrays, name: array}, layers=laid)


def test_every_parameter_in_the_order_of_ours(model: Model) -> None:
    filled, problems = given(file_of(model), model)
    assert not problems
    paths = [
        f"{slot.name}/{key}" for slot in slots_of(model.network, model.store) for key in slot.own
    ]
    assert [each.ours for each in filled] == paths and set(paths) == set(model.store.stored())
    assert [each.given.theirs for each in filled] == [(path.replace("/", "."),) for path in paths]
    assert [each.given.values.flat[0] for each in filled] == list(range(len(paths)))


@pytest.mark.parametrize(
    ("dtype", "done"),
    [("f4", "done 0"), ("f2", "done 0"), ("f8", "done 0, rounded to float32")],
)
def test_what_is_rounded_is_told(model: Model, dtype: str, done: str) -> None:
    theirs = file_of(model)
    file = changed(theirs, "out.W", theirs.arrays["out.W"].astype(dtype))
    filled, problems = given(file, model)
    assert not problems
    assert {each.ours: each.done for each in filled}["out/W"] == done


LARGE = float(np.finfo(np.float32).max)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (LARGE, ""),
        (-LARGE, ""),
        (LARGE * 1.01, "out.b holds numbers that float32 has not"),
        (-LARGE * 1.01, "out.b holds numbers that float32 has not"),
        (np.inf, "out.b holds NaN or infinity"),
        (-np.inf, "out.b holds NaN or infinity"),
        (np.nan, "out.b holds NaN or infinity"),
    ],
)
@pytest.mark.parametrize("whole", [False, True])
def test_numbers_that_no_parameter_holds(
    model: Model, values: float, problem: str, whole: bool
) -> None:
    theirs = file_of(model)
    array = np.zeros(theirs.arrays["out.b"].shape)
    array[slice(None) if whole else slice(0, 1)] = values
    assert given(changed(theirs, "out.b", array), model)[1] == ([problem] if problem else [])


@pytest.mark.parametrize("dtype", ["i4", "bool", "c8"])
def test_what_holds_no_floats(model: Model, dtype: str) -> None:
    theirs = file_of(model)
    array = np.ones(theirs.arrays["out.b"].shape, dtype)
    told = f"out.b holds {array.dtype} and no floats"
    assert given(changed(theirs, "out.b", array), model)[1] == [told]


def test_our_own_names_need_no_layer(model: Model) -> None:
    own = {path: array + 7 for path, array in model.store.stored().items()}
    filled, problems = given(TheirModel("npz", own, (), left=tuple(own)), model)
    assert not problems and {each.ours for each in filled} == set(own)
    assert all(np.array_equal(each.given.values, own[each.ours]) for each in filled)
    del own["cell/Wh"]
    own["out/b"] = own["out/b"][:-1]
    size = len(own["out/b"])
    left = (*own, "more")
    file = TheirModel("npz", {**own, "more": np.zeros((2, 3))}, (), left=left)
    assert given(file, model)[1] == [
        f"out/b needs {size + 1}, out/b is {size}",
        "cell/Wh is missing (3x3)",
        "left over in the file: more 2x3 (the spec has no layer for it)",
    ]


def test_parameters_and_layers_as_asked(model: Model) -> None:
    arrays = {"a": np.ones((3, 6), "f4"), "b": np.ones(6, "f4")}
    theirs = file_of(model)
    without = replace(theirs, layers=theirs.layers[:-1], arrays={**theirs.arrays, **arrays})
    filled, problems = given(without, model, {"out/W": "a", "out/b": "b"})
    assert not problems
    assert [each.given.theirs for each in filled][-2:] == [("a",), ("b",)]
    assert given(without, model, {"out/W": "a", "out/b": "B"})[1] == [
        "--map out/b=B: the file has no array 'B' (did you mean \"b\"?)",
        "out/b is missing (6)",
    ]
    assert given(theirs, model, {"cel": "cell", "out/w": "a"})[1] == [
        "--map cel=cell: the model has no layer with parameters 'cel', but table, cell, norm, out "
        '(did you mean "cell"?)',
        "--map out/w=a: the model has no layer with parameters 'out/w', but table, cell, norm, out "
        '(did you mean "out/W"?)',
    ]


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ({"activation": "tanh"}, ""),
        (
            {"activation": "relu"},
            "cell has activation 'tanh', theirs of the file 'relu'",
        ),
        ({"odd": None}, ""),
        ({"odd": 1}, "cell has odd None, theirs of the file 1"),
    ],
)
@pytest.mark.parametrize("own", [False, True])
def test_settings_that_the_file_fixes(
    model: Model, setting: dict[str, Any], problem: str, own: bool
) -> None:
    theirs = file_of(model)
    if own:  # arrays under our names are a layer's there too
        names = {f"cell.{key}": f"cell/{key}" for key in ("Wx", "Wh", "b")}
        arrays = {names.get(name, name): array for name, array in theirs.arrays.items()}
        form = {name[5:]: TheirParameter(arrays[name], (name,)) for name in sorted(names.values())}
        cell = TheirLayer("theirs", {"rnn": form}, "rnn", settings=setting)
    else:
        arrays = dict(theirs.arrays)
        cell = replace(theirs.layers[1], name="theirs", settings=setting)
    first, _, *rest = theirs.layers
    found = given(replace(theirs, arrays=arrays, layers=(first, cell, *rest)), model)[1]
    assert found == ([problem] if problem else [])


@pytest.mark.parametrize(
    ("epsilon", "same"), [(1e-5, True), (1e-5 * (1 + 5e-7), True), (1e-5 * (1 + 1e-5), False)]
)
def test_numbers_of_settings_are_compared_as_float32_holds_them(
    model: Model, epsilon: float, same: bool
) -> None:
    theirs = file_of(model)
    laid = list(theirs.layers)
    laid[2] = replace(laid[2], settings={"epsilon": epsilon})
    found = given(replace(theirs, layers=tuple(laid)), model)[1]
    assert found == ([] if same else [f"norm has epsilon 1e-05, norm of the file {epsilon!r}"])


@pytest.mark.parametrize(
    ("last", "told"),
    [("", False), ("softmax", False), ("sigmoid", True)],
)
def test_an_activation_over_the_last_layer_is_part_of_the_loss(
    model: Model, last: str, told: bool
) -> None:
    said = "a sigmoid over the last layer is no part of the loss softmax_cross_entropy of the spec"
    assert given(file_of(model, last=last), model)[1] == ([said] if told else [])


def test_another_order_and_what_is_wrong_there(model: Model) -> None:
    theirs = file_of(model, wrong=("first of all",))
    table, cell, norm, out = theirs.layers
    swapped = replace(theirs, layers=(table, norm, cell, out))
    assert given(swapped, model)[1] == [
        "first of all",
        "there table, norm, cell, out are run in this order, here table, cell, norm, out",
    ]
    assert given(replace(swapped, ordered=False), model)[1] == ["first of all"]


def test_what_is_left_over(model: Model) -> None:
    theirs = file_of(model, left=("loose", "out.W"))
    extra = TheirLayer("extra", {"lstm": {"Wx": TheirParameter(np.zeros((2, 8)), ("x",))}}, "lstm")
    arrays = {**theirs.arrays, "x": np.zeros((2, 8)), "loose": np.zeros(3)}
    found = given(replace(theirs, arrays=arrays, layers=(*theirs.layers, extra)), model)[1]
    assert found == ["left over in the file: x 2x8, loose 3 (the spec has no layer for it)"]


def test_a_tie_holds_there_too(tied: Model) -> None:
    theirs = file_of(tied)
    table = np.arange(18.0, dtype="f4").reshape(6, 3)
    both = changed(changed(theirs, "table.W", table), "out.W", table.T)
    filled, problems = given(both, tied)
    assert not problems and "out/W" not in {each.ours for each in filled}
    apart = changed(both, "out.W", table.T + 1)
    assert given(apart, tied)[1] == [
        'out shares W with table/W, but out.W and table.W of the file differ (leave its "tie" out)'
    ]
    *before, out = both.layers
    bias = {"b": out.forms["affine"]["b"]}
    bare = replace(out, forms={"affine": bias})
    assert not given(replace(both, layers=(*before, bare)), tied)[1]


def slots(folder: Path, stack: list[dict[str, Any]]) -> dict[str, Slot]:
    model = rnnkit.build(language_spec(folder, stack))
    return {slot.name: slot for slot in slots_of(model.network, model.store)}


def test_the_slots_of_a_network(tmp_path: Path) -> None:
    stack = [{"type": "embedding", "units": 3, "name": "table"}, {"type": "dropout", "rate": 0.5}]
    inner = {"type": "rnn", "units": 3}
    held = {"type": "residual", "layer": inner, "name": "around"}
    last = {"type": "affine", "tie": "table", "name": "out"}
    found = slots(tmp_path, [*stack, held, last])
    assert list(found) == ["table", "around.layer", "out"]
    table, cell, out = found.values()
    assert (table.tokens, cell.tokens, out.tokens) == (True, False, False)
    assert [each.type for each in found.values()] == ["embedding", "rnn", "affine"]
    assert cell.own == {"Wx": (3, 3), "Wh": (3, 3), "b": (3,)} and cell.direction == ""
    assert cell.paths == {key: f"around/layer.{key}" for key in ("Wx", "Wh", "b")}
    assert cell.settings["activation"] == "tanh"
    assert table.own == {"W": (6, 3)} and table.paths == {"W": "table/W"}
    assert not table.tied and not table.shared
    assert out.own == {"b": (6,)} and out.paths == {"b": "out/b"}
    assert out.tied == {"W": "table/W"} and out.shared == {"W": (3, 6)}
    assert out.wanted == {"b": (6,), "W": (3, 6)}


def test_both_directions_are_slots_of_their_own(tmp_path: Path) -> None:
    model = rnnkit.build(sequence_spec(tmp_path, layers("gru", both=True)))
    found = {slot.name: slot for slot in slots_of(model.network, model.store)}
    assert {name: slot.direction for name, slot in found.items()} == {
        "0.embedding": "",
        "1.bidirectional.forward": "forward",
        "1.bidirectional.backward": "backward",
        "2.affine": "",
    }
    ways = [found[f"1.bidirectional.{way}"].paths["bn"] for way in ("forward", "backward")]
    assert ways == ["1.bidirectional/forward.bn", "1.bidirectional/backward.bn"]


def test_a_layer_that_does_not_fit_is_told(model: Model) -> None:
    theirs = file_of(model)
    *before, out = theirs.layers
    bare = replace(out, forms={"affine": {"W": out.forms["affine"]["W"]}})
    found = given(replace(theirs, layers=(*before, bare)), model)[1]
    assert found == ['out <- out: it has no b (give ours "bias": false)']


@pytest.mark.parametrize(
    ("at", "setting", "told"),
    [
        (2, {"epsilon": "x"}, "norm has epsilon 1e-05, norm of the file 'x'"),
        (1, {"activation": 0.5}, "cell has activation 'tanh', cell of the file 0.5"),
    ],
)
def test_settings_of_another_kind(
    model: Model, at: int, setting: dict[str, Any], told: str
) -> None:
    theirs = file_of(model)
    laid = list(theirs.layers)
    laid[at] = replace(laid[at], settings=setting)
    assert given(replace(theirs, layers=tuple(laid)), model)[1] == [told]
