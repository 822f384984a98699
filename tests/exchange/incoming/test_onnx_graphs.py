"""What is read of the operators of ONNX without a state, and what is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnkit.exchange.incoming.theirs import TheirModel

pytest.importorskip("onnx", reason="ONNX is not installed (pip install rnnkit[onnx])")
from onnx import TensorProto, helper, numpy_helper, save_model  # noqa: E402
from onnx_graphs import cell, drawn, node, read  # noqa: E402

from rnnkit.exchange.incoming.onnx_file import read_onnx  # noqa: E402

FLOAT = TensorProto.FLOAT


def forms(found: TheirModel) -> list[tuple[str, str, dict[str, list[str]]]]:
    return [
        (e.name, e.usual, {kind: [*form] for kind, form in e.forms.items()}) for e in found.layers
    ]


EITHER = {"affine": ["W"], "embedding": ["W"]}
AFFINE = {"affine": ["W", "b"]}
NORM = {"layer_norm": ["gain", "bias"]}


@pytest.mark.parametrize(
    ("one", "shapes", "layer"),
    [
        (node("Gather", "a x"), {"a": (4, 3)}, ("gather", "embedding", EITHER)),
        (node("Gather", "a x", axis=0), {"a": (4, 3)}, ("gather", "embedding", EITHER)),
        (node("Gather", "a x", axis=1), {"a": (4, 3)}, None),
        (node("Gather", "a x"), {"a": (4, 3, 2)}, None),
        (node("Gather", "x x"), {}, None),
        (node("MatMul", "x a"), {"a": (3, 2)}, ("matmul", "affine", EITHER)),
        (node("MatMul", "x a"), {"a": (1, 3, 2)}, None),
        (node("MatMul", "a x"), {"a": (3, 3)}, None),
        (node("Gemm", "x a"), {"a": (3, 2)}, ("gemm", "affine", EITHER)),
        (node("Gemm", "x a b"), {"a": (3, 2), "b": (2,)}, ("gemm", "affine", AFFINE)),
        (node("Gemm", "x a b", alpha=2.0), {"a": (3, 2), "b": (2,)}, None),
        (node("Gemm", "x a b", beta=2.0), {"a": (3, 2), "b": (2,)}, None),
        (node("Gemm", "x a b", transA=1), {"a": (3, 2), "b": (2,)}, None),
        (node("Gemm", "x a x"), {"a": (3, 2)}, None),
        (node("Gemm", "x x"), {}, None),
        (
            node("LayerNormalization", "x a b"),
            {"a": (3,), "b": (3,)},
            ("layernormalization", "layer_norm", NORM),
        ),
        (
            node("LayerNormalization", "x a b", axis=-1),
            {"a": (3,), "b": (3,)},
            ("layernormalization", "layer_norm", NORM),
        ),
        (node("LayerNormalization", "x a b", axis=1), {"a": (3,), "b": (3,)}, None),
        (node("LayerNormalization", "x a"), {"a": (3,)}, None),
        (node("LayerNormalization", "x a x"), {"a": (3,)}, None),
        (node("LayerNormalization", "x x a"), {"a": (3,)}, None),
        (node("Add", "x a"), {"a": (3,)}, None),
        (node("Add", "a x"), {"a": (3,)}, None),
        (node("Relu", "x"), {}, None),
    ],
)
def test_layers_without_a_state(
    one: Any, shapes: dict[str, tuple[int, ...]], layer: tuple[str, str, Any] | None
) -> None:
    found = read(one, **{name: drawn(*shape) for name, shape in shapes.items()})
    assert forms(found) == ([layer] if layer else []) and not found.left
    name = one.op_type
    assert found.wrong == (
        () if layer else (f"operator {name} ({name.lower()}): rnnkit has no such layer",)
    )


def test_what_products_tables_and_normalizations_hold() -> None:
    a, b = drawn(3, 2), drawn(2)
    plain, turned = (
        read(node("Gemm", "x a b", transB=turn), a=w, b=b).layers[0].forms["affine"]
        for turn, w in ((0, a), (1, a.T.copy()))
    )
    for given in (plain, turned):
        assert np.array_equal(given["W"].values, a) and np.array_equal(given["b"].values, b)
    assert (plain["W"].done, turned["W"].done) == ("as it is", "transposed")
    normal = node("LayerNormalization", "x a b", epsilon=0.25)
    (norm,) = read(normal, a=b, b=b + 1).layers
    assert norm.settings == {"epsilon": 0.25}
    assert np.array_equal(norm.forms["layer_norm"]["bias"].values, b + 1)
    assert read(node("LayerNormalization", "x a b"), a=b, b=b).layers[0].settings == {
        "epsilon": 1e-5
    }


@pytest.mark.parametrize("order", ["p b", "b p"])
def test_a_product_takes_the_bias_that_is_added_to_it_once(order: str) -> None:
    a, b = drawn(3, 2), drawn(2)
    add = node("Add", order, "q")
    found = read(node("MatMul", "x a", "p"), add, a=a, b=b)
    assert forms(found) == [("matmul", "affine", AFFINE)] and not found.wrong
    given = found.layers[0].forms["affine"]
    assert np.array_equal(given["W"].values, a) and np.array_equal(given["b"].values, b)
    assert (given["W"].theirs, given["b"].theirs) == (("a",), ("b",))
    again = read(node("MatMul", "x a", "p"), add, node("Add", "p b", "r"), a=a, b=b)
    assert again.wrong == ("operator Add (add): rnnkit has no such layer",)
    wide = read(node("MatMul", "x a", "p"), add, a=a, b=drawn(1, 2))
    assert wide.wrong == ("operator Add (add): rnnkit has no such layer",)
    inputs = read(node("MatMul", "x a", "p"), node("Add", "p x", "q"), a=a)
    assert inputs.wrong == ("operator Add (add): rnnkit has no such layer",)


def test_what_is_left_over() -> None:
    assert read(node("Identity", "x"), a=drawn(2)).left == ("a",)
    assert not read(node("Cast", "x", to=FLOAT)).left


@pytest.mark.parametrize("op", ["Cast", "Dropout", "Identity", "Squeeze", "Transpose"])
def test_what_changes_no_value_is_passed(op: str) -> None:
    settings = {"to": FLOAT} if op == "Cast" else {}
    found = read(node(op, "x", "p", **settings), node("MatMul", "p a", "q"), a=drawn(3, 2))
    assert [each.name for each in found.layers] == ["matmul"] and not found.wrong
    after = read(node("MatMul", "x a", "p"), node(op, "p", "q", **settings), a=drawn(3, 2))
    assert [each.name for each in after.layers] == ["matmul"] and not after.wrong


def test_weights_may_be_laid_out_otherwise_before_they_are_used() -> None:
    a = drawn(2, 3)
    turn, use = node("Transpose", "a", "t", perm=[1, 0]), node("MatMul", "x t", "y")
    found = read(turn, use, a=a)
    given = found.layers[0].forms["affine"]["W"]
    assert np.array_equal(given.values, a.T) and given.theirs == ("t",)
    assert not found.left and not found.wrong
    constant = node("Constant", "", "t", value=numpy_helper.from_array(a.T.copy()))
    assert np.array_equal(read(constant, use).layers[0].forms["affine"]["W"].values, a.T)


def test_weights_of_which_others_are_computed_are_told() -> None:
    a = drawn(3, 2)
    found = read(node("Mul", "a a", "t"), node("MatMul", "x t"), a=a)
    assert found.wrong == ("operator MatMul (matmul): rnnkit has no such layer",)


def test_weights_in_a_file_beside_the_graph(tmp_path: Path) -> None:
    a = drawn(3, 2)
    tensor = numpy_helper.from_array(a, "a")
    given = [helper.make_tensor_value_info("x", FLOAT, ["T", "B", 3])]
    graph = helper.make_graph([node("MatMul", "x a")], "g", given, [], [tensor])
    file, beside = tmp_path / "m.onnx", {"location": "w.bin", "size_threshold": 0}
    save_model(helper.make_model(graph), file, save_as_external_data=True, **beside)
    assert (tmp_path / "w.bin").stat().st_size == a.nbytes
    (layer,) = read_onnx(file.read_bytes(), file).layers
    assert np.array_equal(layer.forms["affine"]["W"].values, a)


ENDS = np.array([0]), np.array([9]), np.array([0])


@pytest.mark.parametrize(("step", "passed"), [(None, True), (1, True), (-1, False)])
def test_a_slice_of_the_inputs_runs_forward(step: int | None, passed: bool) -> None:
    weights = dict(zip(("s", "e", "ax"), ENDS, strict=True))
    weights |= {} if step is None else {"st": np.array([step])}
    found = read(node("Slice", " ".join(["x", *weights]), "p"), **weights)
    assert not found.left
    assert found.wrong == (() if passed else ("operator Slice (slice): rnnkit has no such layer",))


def test_a_slice_of_what_a_layer_gives_is_told() -> None:
    weights = dict(zip(("s", "e", "ax"), ENDS, strict=True))
    turned = node("Transpose", "x", "i"), node("Transpose", "p", "q")
    first, product = turned[0], node("MatMul", "i a", "p")
    one, many = (node("Shape", "x", "n"), node("Slice", "i s n ax", "j")), drawn(3, 2)
    assert not read(first, *one, product, a=many, **weights).wrong
    for name in ("p", "q"):
        cut = node("Slice", f"{name} s e ax")
        found = read(first, product, turned[1], cut, a=many, **weights)
        assert found.wrong == ("operator Slice (slice): rnnkit has no such layer",)


@pytest.mark.parametrize(
    ("op", "last"), [("Softmax", "softmax"), ("LogSoftmax", "softmax"), ("Sigmoid", "sigmoid")]
)
def test_an_activation_over_the_last_layer_alone(op: str, last: str) -> None:
    a = drawn(3, 3)
    product, end = node("MatMul", "x a", "p"), node(op, "p", "q")
    found = read(product, end, node("Identity", "q", "r"), a=a)
    assert found.last == last and not found.wrong
    for after in (node("MatMul", "q a", "r"), node("Sigmoid", "q", "r")):
        told = f"operator {after.op_type} ({after.name}): reads what a {last} gives"
        assert read(product, end, after, a=a).wrong == (told,)
    cells = read(product, end, node("LSTM", "q W R B"), a=a, **cell(4))
    assert cells.wrong == (f"operator LSTM (lstm): reads what a {last} gives",)


def test_what_is_done_with_shapes_and_states_is_not_looked_at() -> None:
    found = read(
        node("Shape", "x", "s"),
        node("Gather", "s one", "n"),
        node("Mul", "n one", "m"),
        node("ConstantOfShape", "m", "zeros"),
        node("LSTM", "x W R B - zeros zeros", "y h c"),
        node("Concat", "h c", "hc", axis=0),
        node("Mul", "hc two", "out"),
        node("Reshape", "out m", "end"),
        node("MatMul", "y a", "p"),
        one=np.array([1]),
        two=np.array([2.0], "f4"),
        a=drawn(2, 2),
        **cell(4),
    )
    assert [each.name for each in found.layers] == ["lstm", "matmul"]
    assert not found.wrong and not found.left


@pytest.mark.parametrize("op", ["MatMul", "Gemm", "LSTM"])
def test_a_layer_that_reads_the_last_state_is_told(op: str) -> None:
    reader = node("LSTM", "h W R B", "q") if op == "LSTM" else node(op, "h a", "q")
    found = read(node("LSTM", "x W R B", "y h c"), reader, a=drawn(2, 2), **cell(4))
    told = f"operator {op} ({op.lower()}): reads the last state of a layer"
    assert found.wrong == (told,) and len(found.layers) == 1


@pytest.mark.parametrize("fill", [0.0, 1.0])
def test_a_state_that_the_graph_fills(fill: float) -> None:
    value = numpy_helper.from_array(np.array([fill], "f4"))
    found = read(
        node("Shape", "x", "s"),
        node("ConstantOfShape", "s", "h", value=value),
        node("GRU", "x W R B - h"),
        **cell(3),
    )
    told = "operator ConstantOfShape (constantofshape): a state that is not zero"
    assert found.wrong == ((told,) if fill else ())
    bare = read(node("Shape", "x", "s"), node("ConstantOfShape", "s", "h"))
    other = read(node("Shape", "x", "s"), node("Cast", "s", "h", to=FLOAT))
    assert not bare.wrong and not other.wrong


def test_each_is_told_once_and_a_node_without_a_name_by_what_it_gives() -> None:
    relu = [helper.make_node("Relu", ["x"], [out]) for out in ("p", "q")]
    found = read(*relu, node("Erf", "x", "r"), node("Erf", "x", "t"))
    assert found.wrong == tuple(
        f"operator {op}: rnnkit has no such layer" for op in ("Relu (p)", "Relu (q)", "Erf (erf)")
    )
