"""Which layer of a file is which of ours, and why one is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rnnkit.exchange.incoming.matching import Matching, misfit
from rnnkit.exchange.incoming.slots import Slot
from rnnkit.exchange.incoming.theirs import TheirLayer, TheirModel, TheirParameter
from rnnkit.types import Shape

CELL: dict[str, Shape] = {"Wx": (3, 8), "b": (8,)}
WIDE: dict[str, Shape] = {"Wx": (5, 8), "b": (8,)}


def ours(name: str, shapes: dict[str, Shape] = CELL, type: str = "lstm", **fields: Any) -> Slot:
    given: dict[str, Any] = {"direction": "", "shared": {}, "tied": {}, "tokens": False, **fields}
    paths = {key: f"{name}/{key}" for key in shapes}
    return Slot(name, type, {}, own=shapes, paths=paths, **given)


def theirs(
    name: str, shapes: dict[str, Shape] = CELL, type: str = "lstm", **fields: Any
) -> TheirLayer:
    form = {key: TheirParameter(np.zeros(s), (f"{name}.{key}",)) for key, s in shapes.items()}
    return TheirLayer(name, {type: form}, **fields)


def matched(
    slots: list[Slot], layers: list[TheirLayer], asked: dict[str, str], ordered: bool = False
) -> tuple[dict[str, str], list[str]]:
    found = Matching(slots, TheirModel("", {}, tuple(layers), ordered))
    found.run(asked)
    return {name: layer.name for name, layer in found.pairs.items()}, found.problems


@pytest.mark.parametrize(
    ("slot", "layer", "why"),
    [
        (ours("a"), theirs("x"), ""),
        (ours("a"), theirs("x", type="gru"), "it is of type gru, not lstm"),
        (
            ours("a", direction="backward"),
            theirs("x"),
            "it runs in one direction, ours backward",
        ),
        (
            ours("a"),
            theirs("x", direction="forward"),
            "it runs forward, ours in one direction",
        ),
        (ours("a"), theirs("x", {"Wx": (3, 8)}), 'it has no b (give ours "bias": false)'),
        (ours("a"), theirs("x", {"b": (8,)}), "it has no Wx"),
        (ours("a", {"b": (8,)}, shared={"W": (3, 8)}), theirs("x", {"b": (8,)}), ""),
        (ours("a", {"b": (8,)}), theirs("x"), "x.Wx is its Wx, and ours has none"),
        (
            ours("a"),
            theirs("x", {"Wx": (5, 8), "b": (9,)}),
            "Wx needs 3x8, x.Wx gives 5x8; b needs 8, x.b gives 9",
        ),
        (
            ours("a", {"W": (4, 2)}, tokens=True),
            theirs("x", {"W": (6, 2)}),
            "W needs 4x2, x.W gives 6x2 (a row for each token: give their --vocabulary)",
        ),
        (
            ours("a", {"W": (4, 2)}, tokens=True),
            theirs("x", {"W": (4, 3)}),
            "W needs 4x2, x.W gives 4x3",
        ),
    ],
)
def test_why_a_layer_does_not_fit(slot: Slot, layer: TheirLayer, why: str) -> None:
    assert misfit(slot, layer) == why


def test_layers_are_found_by_shape_in_whatever_order_they_stand() -> None:
    slots = [ours("a"), ours("b"), ours("c", WIDE), ours("d", WIDE)]
    layers = [theirs("l0", WIDE), theirs("l1", WIDE), theirs("l2"), theirs("l3")]
    pairs, problems = matched(slots, layers, {})
    assert pairs == {"a": "l2", "b": "l3", "c": "l0", "d": "l1"} and not problems


@pytest.mark.parametrize(
    ("names", "ordered", "taken"),
    [(("l0", "l1"), False, True), (("up", "down"), True, True), (("up", "down"), False, False)],
)
def test_layers_that_are_alike_have_an_order_or_are_asked_for(
    names: tuple[str, str], ordered: bool, taken: bool
) -> None:
    layers = [theirs(name) for name in names]
    pairs, problems = matched([ours("a"), ours("b")], layers, {}, ordered)
    assert pairs == (dict(zip("ab", names, strict=True)) if taken else {})
    assert bool(problems) is not taken


def test_one_of_several_that_fit_is_not_guessed() -> None:
    pairs, (problem,) = matched([ours("a")], [theirs("l0"), theirs("l1")], {}, ordered=True)
    assert not pairs
    assert problem == (
        "a: 1 of this type and shape here, but 2 in the file: l0, l1 (the spec needs as many)"
    )


def test_an_equal_name_comes_before_the_order() -> None:
    layers = [theirs("b"), theirs("a")]
    pairs, problems = matched([ours("a"), ours("b")], layers, {}, ordered=True)
    assert pairs == {"a": "a", "b": "b"} and not problems
    asked, problems = matched([ours("a"), ours("b")], layers, {"a": "b"}, ordered=True)
    assert asked == {"a": "b", "b": "a"} and not problems


def test_what_a_name_tells_of_is_no_other_layer() -> None:
    form = {"W": TheirParameter(np.zeros((3, 8)), ("x.W",))}
    layer = TheirLayer("x", {"affine": form, "embedding": form}, usual="embedding")
    slot = ours("a", {"W": (3, 8)}, "affine")
    assert matched([slot], [layer], {})[0] == {}
    assert matched([slot], [layer], {"a": "x"}) == ({"a": "x"}, [])
