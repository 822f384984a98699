"""Layers by the names that PyTorch gives to arrays, without PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rnnkit.exchange.incoming.theirs import TheirModel
from rnnkit.exchange.incoming.torch_names import by_numbers, torch_model
from rnnkit.types import Shape


def read(**shapes: Shape | int) -> TheirModel:
    """Read arrays, named with "__" for the dots."""
    arrays = {name.replace("__", "."): np.full(shape, 2.0) for name, shape in shapes.items()}
    return torch_model("", arrays)


def told(found: TheirModel) -> list[tuple[Any, ...]]:
    return [
        (
            each.name,
            each.usual,
            each.direction,
            {kind: [*form] for kind, form in each.forms.items()},
        )
        for each in found.layers
    ]


def cell(start: str, end: str, gates: int, inputs: int = 3, units: int = 2) -> dict[str, Any]:
    width = gates * units
    return {
        f"{start}weight_ih{end}": (width, inputs),
        f"{start}weight_hh{end}": (width, units),
        f"{start}bias_ih{end}": width,
        f"{start}bias_hh{end}": width,
    }


FORMS = {
    "lstm": {"lstm": ["Wx", "Wh", "b"]},
    "gru": {"gru": ["Wx", "Wh", "b", "bn"]},
    "rnn": {"rnn": ["Wx", "Wh", "b"]},
}


@pytest.mark.parametrize(("kind", "gates"), [("lstm", 4), ("gru", 3), ("rnn", 1)])
def test_cells_of_layers_and_cells_alone(kind: str, gates: int) -> None:
    form = FORMS[kind]
    found = read(**cell("a__", "_l0", gates))
    given = found.layers[0].forms[kind]
    assert given["Wx"].theirs == ("a.weight_ih_l0",) and given["Wh"].theirs == ("a.weight_hh_l0",)
    assert given["b"].theirs == ("a.bias_ih_l0", "a.bias_hh_l0")
    assert given["Wx"].done.startswith("transposed") and given["Wh"].done == given["Wx"].done
    assert told(found) == [("a.l0", kind, "", form)] and not found.left and not found.wrong
    assert told(read(**cell("", "_l0", gates))) == [("l0", kind, "", form)]
    assert told(read(**cell("a__", "", gates))) == [("a", kind, "", form)]
    assert told(read(**cell("a__", "_l0", gates), **cell("a__", "_l0_reverse", gates, 4))) == [
        ("a.l0", kind, "forward", form),
        ("a.l0_reverse", kind, "backward", form),
    ]


def test_layers_stand_as_people_count() -> None:
    names = [f"a__1{n}__" for n in range(2)] + ["a__9__", "a__2__", "b__", "a__"]
    found = read(**{f"{name}weight": (2, 3) for name in names})
    assert [each.name for each in found.layers] == ["a", "a.2", "a.9", "a.10", "a.11", "b"]
    assert by_numbers("l10.b2") == [("l", 10), (".b", 2), ("", 0)]


@pytest.mark.parametrize(
    ("module", "usual"),
    [
        ("encoder", "embedding"),
        ("word_Embeddings", "embedding"),
        ("decoder.wte", "embedding"),
        ("decoder", "affine"),
        ("encoder.fc1", "affine"),
        ("lm_head", "affine"),
        ("x", ""),
    ],
)
def test_a_matrix_alone_is_what_its_name_tells_or_either(module: str, usual: str) -> None:
    W = np.arange(6.0).reshape(2, 3)
    (layer,) = torch_model("", {f"{module}.weight": W}).layers
    assert (layer.name, layer.usual, layer.direction) == (module, usual, "")
    assert np.array_equal(layer.forms["affine"]["W"].values, W.T)
    assert layer.forms["affine"]["W"].done == "transposed"
    assert np.array_equal(layer.forms["embedding"]["W"].values, W)
    assert layer.forms["embedding"]["W"].done == "as it is"
    assert layer.arrays() == [f"{module}.weight"]


def test_a_matrix_and_a_vector_are_a_product_and_two_vectors_a_normalization() -> None:
    found = read(emb__weight=(2, 3), emb__bias=2, norm__weight=3, norm__bias=3)
    assert told(found) == [
        ("emb", "affine", "", {"affine": ["W", "b"]}),
        ("norm", "layer_norm", "", {"layer_norm": ["gain", "bias"]}),
    ]
    affine, norm = found.layers
    assert affine.shapes("affine") == {"W": (3, 2), "b": (2,)}
    assert norm.forms["layer_norm"]["gain"].theirs == ("norm.weight",)
    assert norm.forms["layer_norm"]["bias"].theirs == ("norm.bias",)
    assert not found.left and not found.wrong and not found.ordered and found.last == ""


def test_a_module_without_a_name() -> None:
    assert told(read(weight=(2, 3), bias=2)) == [("weight", "affine", "", {"affine": ["W", "b"]})]
    assert told(read(weight=3, bias=3))[0][:2] == ("weight", "layer_norm")
    assert told(read(bias=2)) == [("bias", "affine", "", {"affine": ["b"]})]


def test_a_bias_alone_belongs_to_a_matrix_that_is_tied() -> None:
    found = read(out__bias=2)
    assert told(found) == [("out", "affine", "", {"affine": ["b"]})] and not found.left
    assert read(out__bias=(2, 2)).left == ("out.bias",)


@pytest.mark.parametrize(
    ("shapes", "why"),
    [
        (
            {"a__weight": (2, 3), "a__bias": 3},
            "a.weight 2x3 and a.bias 3 do not fit together as those of one layer",
        ),
        (
            {"a__weight": 3, "a__bias": 2},
            "a.weight 3 and a.bias 2 do not fit together as those of one layer",
        ),
        (
            {"a__weight": (2, 3, 1), "a__bias": 2},
            "a.weight 2x3x1 and a.bias 2 do not fit together as those of one layer",
        ),
        (
            {"a__weight": (2, 3), "a__bias": (2, 3)},
            "a.weight 2x3 and a.bias 2x3 do not fit together as those of one layer",
        ),
        (
            {"a__weight_ih_l0": (8, 3), "a__bias_ih_l0": 8},
            "a.weight_hh_l0 and a.bias_hh_l0 are missing beside a.weight_ih_l0",
        ),
        (
            {"a__weight_hh_l0": (8, 2)},
            "a.weight_ih_l0 is missing beside a.weight_hh_l0",
        ),
        (
            {**cell("a__", "_l0", 4), "a__bias_hh_l0": 7},
            "a.weight_ih_l0 8x3, a.weight_hh_l0 8x2, a.bias_ih_l0 8, a.bias_hh_l0 7 do not fit "
            "together as those of one cell",
        ),
        (
            {**cell("a__", "_l0", 4), "a__bias_ih_l0": 7},
            "a.weight_ih_l0 8x3, a.weight_hh_l0 8x2, a.bias_ih_l0 7, a.bias_hh_l0 8 do not fit "
            "together as those of one cell",
        ),
        (
            {"a__weight_ih": (8, 3), "a__weight_hh": (6, 2)},
            "a.weight_ih 8x3, a.weight_hh 6x2 do not fit together as those of one cell",
        ),
        (
            {"a__weight_ih": (4, 3), "a__weight_hh": (4, 2)},
            "a.weight_ih 4x3, a.weight_hh 4x2 do not fit together as those of one cell",
        ),
        (
            {"a__weight_ih": (4, 3, 1), "a__weight_hh": (4, 1, 1)},
            "a.weight_ih 4x3x1, a.weight_hh 4x1x1 do not fit together as those of one cell",
        ),
    ],
)
def test_what_makes_no_layer_is_told_and_not_left_over(shapes: dict[str, Any], why: str) -> None:
    found = read(**shapes)
    assert found.wrong == (why,) and not found.left and not found.layers


def test_what_is_no_layer_is_left_over() -> None:
    found = read(steps=(), a__weight=(2, 3, 4), b__weight=3, c__running_mean=3)
    assert found.left == ("steps", "a.weight", "b.weight", "c.running_mean")
    assert not found.layers and not found.wrong
