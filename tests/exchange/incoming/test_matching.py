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
        *(
            (
                ours("a", {"W": (4, 2)}, tokens=tokens),
                theirs("x", {"W": found}),
                f"W needs 4x2, x.W gives {said}",
            )
            for tokens, found, said in ((True, (6, 2, 2), "6x2x2"), (False, (6, 2), "6x2"))
        ),
        (
            ours("a", {"b": (8,)}, tokens=True),
            theirs("x", {"b": (9,)}),
            "b needs 8, x.b gives 9",
        ),
        (
            ours("a", {"W": (8, 3)}),
            theirs("x", {}),
            "it has no W (is it tied there? give ours a tie)",
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


def test_an_equal_name_comes_before_what_it_tells_of() -> None:
    form = {"W": TheirParameter(np.zeros((3, 8)), ("x.W",))}
    layer = TheirLayer("encoder", {"affine": form, "embedding": form}, usual="embedding")
    for name, taken in (("encoder", {"encoder": "encoder"}), ("other", {})):
        assert matched([ours(name, {"W": (3, 8)}, "affine")], [layer], {})[0] == taken
    usual = theirs("x", usual="lstm")
    assert matched([ours("a")], [usual], {}) == ({"a": "x"}, [])
    other = theirs("a", WIDE)  # an equal name that does not fit is none
    assert matched([ours("a")], [other, theirs("b")], {})[0] == {"a": "b"}


def test_what_is_asked_for_and_not_there_or_does_not_fit() -> None:
    slots, layers = [ours("a"), ours("b", WIDE)], [theirs("x"), theirs("y", WIDE)]
    pairs, problems = matched(slots, layers, {"a": "z", "c": "x"})
    assert pairs == {"b": "y"}
    assert problems == ["--map a=z: the file has no layer 'z', but x, y"]
    pairs, problems = matched(slots, layers, {"a": "y"})
    assert problems == [
        "a <- y: Wx needs 3x8, y.Wx gives 5x8",
        "b <- x: Wx needs 5x8, x.Wx gives 3x8",
    ]
    many = [theirs(f"x{n}", {"Wx": (3, n)}) for n in range(13)]
    _, (first, *_) = matched([ours("a")], many, {"a": "no"})
    assert (
        first
        == f"--map a=no: the file has no layer 'no', but {', '.join(f'x{n}' for n in range(12))}"
    )


@pytest.mark.parametrize("ordered", [False, True])
def test_as_many_of_a_type_are_compared_each_in_its_place(ordered: bool) -> None:
    names = ("up", "down") if ordered else ("l0", "l1")
    slots = [ours("a"), ours("b", WIDE), ours("c", type="gru"), ours("d", direction="forward")]
    layers = [
        *(theirs(name, {"Wx": (4, 8), "b": (8,)}) for name in names),
        theirs("g", {"Wx": (4, 8), "b": (8,)}, "gru", usual="gru"),
        theirs("f", {"Wx": (4, 8), "b": (8,)}, direction="forward"),
    ]
    pairs, problems = matched(slots, layers, {}, ordered)
    assert pairs == dict(zip("abcd", (*names, "g", "f"), strict=True))
    assert problems == [
        f"a <- {names[0]}: Wx needs 3x8, {names[0]}.Wx gives 4x8",
        f"b <- {names[1]}: Wx needs 5x8, {names[1]}.Wx gives 4x8",
        "c <- g: Wx needs 3x8, g.Wx gives 4x8",
        "d <- f: Wx needs 3x8, f.Wx gives 4x8",
    ]


def test_one_in_its_place_that_fits_is_taken_beside_one_that_does_not() -> None:
    layers = [theirs("l0"), theirs("l1")]
    pairs, problems = matched([ours("a"), ours("b", WIDE)], layers, {}, ordered=True)
    assert pairs == {"a": "l0", "b": "l1"}
    assert problems == ["b <- l1: Wx needs 5x8, l1.Wx gives 3x8"]


def test_layers_without_an_order_are_asked_for_by_name() -> None:
    pairs, problems = matched([ours("a"), ours("b")], [theirs("up"), theirs("down")], {})
    assert not pairs and problems == [
        "a and b may be up or down: their types and shapes are the same (say which: --map a=up)"
    ]


def test_what_has_no_layer_there_is_told_with_what_is_left_over() -> None:
    slot = ours("a", direction="backward")
    form = {"W": TheirParameter(np.zeros((3, 8)), ("x.W",))}
    either = TheirLayer("x", {"affine": form, "embedding": form})
    start = "a needs a layer of type backward lstm with Wx 3x8, b 8, and the file has none for it"
    assert matched([slot], [either], {}) == (
        {},
        [f"{start}; left over there: x (affine or embedding)"],
    )
    assert matched([slot], [], {}) == ({}, [start])
    many = [theirs(f"x{n}", type="gru") for n in range(13)]
    left = ", ".join(f"x{n} (gru)" for n in range(12))
    assert matched([slot], many, {}) == ({}, [f"{start}; left over there: {left}"])
    other = theirs("y")  # the first of its type is what it is compared with
    assert matched([slot], [either, other, theirs("z")], {})[1] == [
        "a <- y: it runs in one direction, ours backward"
    ]
