"""Panels in a terminal: where the dots fall, how curves are told apart, how wide a line is."""

from __future__ import annotations

import math
import unicodedata
from dataclasses import replace

import pytest

from rnnkit.analysis.plots.panel import Curve, Panel
from rnnkit.analysis.plots.terminal import ROWS, draw_panels


def panel(*curves: Curve, log: bool = False) -> Panel:
    return Panel("loss", "step (updates)", "loss (nats)", curves, log)


def plotted(text: str) -> list[str]:
    """The rows of characters between the axes."""
    return [line[12:] for line in text.splitlines()[1 : 1 + ROWS]]


def curve(ys: list[float], name: str = "a", group: int = 0) -> Curve:
    return Curve(name, tuple(map(float, range(len(ys)))), tuple(ys), group)


def test_a_rising_line_goes_from_the_lower_left_to_the_upper_right() -> None:
    text = draw_panels([panel(curve([0, 1, 2]))], 40)
    rows = plotted(text)
    assert rows[0].rstrip()[-1] != " " and rows[0][:20].strip() == ""
    assert rows[-1][0] != " " and rows[-1][10:].strip() == ""
    first = [len(row) - len(row.lstrip()) for row in rows]
    assert first == sorted(first, reverse=True)
    assert text.splitlines()[0] == "loss (nats)"
    assert "step (updates)" in text.splitlines()[-1]


def dots(rows: list[str]) -> set[tuple[int, int]]:
    """The dots of braille characters (from the left, from the top), by their names in Unicode."""
    columns = {"1": (0, 0), "2": (0, 1), "3": (0, 2), "7": (0, 3)}
    columns |= {"4": (1, 0), "5": (1, 1), "6": (1, 2), "8": (1, 3)}
    found = set()
    for down, row in enumerate(rows):
        for across, character in enumerate(row.replace(" ", "\u2800")):
            numbers = unicodedata.name(character).partition("BRAILLE PATTERN DOTS-")[2]
            found |= {(2 * across + columns[n][0], 4 * down + columns[n][1]) for n in numbers}
    return found


@pytest.mark.parametrize("rising", [True, False])
def test_every_dot_of_a_straight_line_lies_on_it(rising: bool) -> None:
    width = 12 + 2 * ROWS  # as many dots across as down
    ends = [0, 1] if rising else [1, 0]
    last = 4 * ROWS - 1
    line = {(x, last - x if rising else x) for x in range(last + 1)}
    assert dots(plotted(draw_panels([panel(curve(ends))], width))) == line


def test_a_steep_line_has_one_dot_in_each_row() -> None:
    steep = Curve("a", (0.0, 9.0, 11.0, 20.0), (0.0, 4.0, 16.0, 20.0))
    found = dots(plotted(draw_panels([panel(steep)], 12 + 2 * ROWS)))
    inside = [y for x, y in found if 22 <= x <= 25]
    assert len(inside) == len(set(inside)) > 15


def test_the_labels_are_the_values_at_the_axis() -> None:
    lines = draw_panels([panel(curve([1, 3]))], 60).splitlines()
    assert lines[1].startswith("         3 ┤") and lines[ROWS].startswith("         1 ┤")
    assert lines[-1].split()[0] == "0" and lines[-1].split()[-1] == "1"


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([4492556.9, 4492557.1], ["4492557.1", "4492557", "4492556.9"]),
        ([1000.2, 1000.4], ["1,000.4", "1,000.3", "1,000.2"]),
        ([0.50001, 0.50002], ["0.50002", "0.500015", "0.50001"]),
    ],
)
def test_labels_have_as_many_digits_as_tell_them_apart(
    values: list[float], labels: list[str]
) -> None:
    lines = draw_panels([panel(curve(values))], 60).splitlines()
    shown = [line.split("┤")[0].strip() for line in lines if "┤" in line]
    assert len(set(shown)) == 3 and shown[0] == labels[0] and shown[-1] == labels[-1]
    assert max(map(len, lines)) <= 60


@pytest.mark.parametrize(
    ("ends", "log", "labels"),
    [
        ((1e-3, 0), False, ("0.001", "0")),
        ((0, -1e-3), False, ("0", "-0.001")),
        ((9e-4, 0), False, ("0.0009", "1.1e-19")),
        ((1e6, 0), False, ("1e+06", "0")),
        ((999_999, 0), False, ("999,999", "0")),
        ((1000, 0), False, ("1,000", "0")),
        ((1e300, 1e299), True, ("1e300", "1e+299")),
        ((1e-299, 1e-300), True, ("1e-299", "1e-300")),
    ],
)
def test_large_and_small_labels_are_powers_of_ten(
    ends: tuple[float, float], log: bool, labels: tuple[str, str]
) -> None:
    found = replace(panel(curve([ends[1], ends[0]])), log=log)
    lines = draw_panels([found], 60).splitlines()
    shown = [line.split("┤")[0].strip() for line in lines if "┤" in line]
    assert (shown[0], shown[-1]) == labels


@pytest.mark.parametrize(("xs", "ends"), [((1.0,), ("0", "2")), ((5.0, 2e6), ("5", "2,000,000"))])
def test_steps_are_whole_numbers(xs: tuple[float, ...], ends: tuple[str, str]) -> None:
    axis = draw_panels([panel(Curve("a", xs, xs))], 60).splitlines()[-1].split()
    assert (axis[0], axis[-1]) == ends


def test_training_and_validation_of_a_run_have_two_colours() -> None:
    both = [panel(curve([0, 1], "train"), curve([1, 0], "valid"))]
    painted = draw_panels(both, 60, colour=True)
    assert "\x1b[36ma\x1b[0m train" in painted and "\x1b[33mb\x1b[0m valid" in painted


def test_on_a_log_scale_equal_factors_are_equal_steps() -> None:
    text = draw_panels([panel(curve([1e-4, 1e-2, 1.0]), log=True)], 60)
    assert text.splitlines()[0] == "loss (nats) (log scale)"
    linear = draw_panels([panel(curve([-4, -2, 0]))], 60)
    assert plotted(text) == plotted(linear)
    assert text.splitlines()[1].startswith("         1 ┤")
    assert "0.0001 ┤" in text.splitlines()[ROWS]


@pytest.mark.parametrize("gap", [math.nan, math.inf])
def test_what_is_not_finite_leaves_a_gap(gap: float) -> None:
    (row,) = {r for r in plotted(draw_panels([panel(curve([1, 1, gap, 1, 1]))], 60)) if r.strip()}
    assert 8 < len(row.strip()) - len(row.replace(" ", "")) < 30


@pytest.mark.parametrize("values", [[-1e308, 1e308], [1.7e308], [-1.7e308, 0.0]])
def test_the_largest_numbers_are_drawn(values: list[float]) -> None:
    assert "".join(plotted(draw_panels([panel(curve(values))], 60))).strip()


def test_a_curve_without_a_point_is_named_beside_the_others() -> None:
    both = [panel(curve([0, 1], "first"), curve([math.nan], "second", 1))]
    text = draw_panels(both, 60)
    assert text.splitlines()[-2:] == ["            a first", "            b second"]
    assert "b" not in "".join(plotted(text))


def test_nothing_to_draw_is_said() -> None:
    assert draw_panels([panel(curve([-1, 0]), log=True)], 60).splitlines() == [
        "loss (nats) (log scale)",
        "  no point to draw",
    ]


@pytest.mark.parametrize("width", [1, 32, 80, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    long = "a/very/long/path/to/a/run/" * 3
    text = draw_panels([panel(curve([1, 2, 9], long + "x"), curve([5, 1, 2], long + "y"))], width)
    assert max(map(len, text.splitlines())) <= max(width, 32)
    assert text.splitlines()[-2].endswith("x") and text.splitlines()[-1].endswith("y")


def test_the_name_of_an_axis_is_cut_where_numbers_need_the_room() -> None:
    long = replace(panel(curve([1, 2, 9])), x_label="a key of the spec " * 9)
    lines = draw_panels([long], 60).splitlines()
    assert max(map(len, lines)) == 60 and "  0 a key of the spec a key " in lines[-1]


def test_curves_carry_their_letter_and_a_colour_only_where_asked() -> None:
    both = [panel(curve([0, 1], "first"), curve([1, 0], "second", 1))]
    text = draw_panels(both, 60)
    rows = "".join(plotted(text))
    assert "a" in rows and "b" in rows and "\x1b" not in text
    assert text.splitlines()[-2:] == ["            a first", "            b second"]
    painted = draw_panels(both, 60, colour=True)
    assert "\x1b[36ma\x1b[0m first" in painted and "\x1b[33mb\x1b[0m second" in painted


def test_without_braille_every_character_is_ascii() -> None:
    text = draw_panels([panel(curve([0, 1, 2]))], 60, braille=False)
    assert text.isascii() and "*" in text


def test_a_name_of_a_curve_is_whole_where_it_fits_and_else_keeps_its_end() -> None:
    fits, longer = "x" * 45 + "y", "z" * 46 + "y"
    curves = [replace(curve([1, 2]), name=name) for name in (fits, longer)]
    lines = draw_panels([panel(*curves)], 60).splitlines()
    assert [line.split()[1] for line in lines[-2:]] == [fits, "..." + "z" * 42 + "y"]
