"""The picture of where a decoder looks: what stands in it, and what a browser makes of it."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from browser import Browser

from rnnkit.analysis.attention.grid import Grid
from rnnkit.analysis.attention.svg import attention_page, attention_svg, shade
from rnnkit.analysis.attention.terminal import draw_map

SVG = "{http://www.w3.org/2000/svg}"


def grid(written: str = "ab", read: str = "x y", layer: str = "decoder.2.attention") -> Grid:
    weights = np.zeros((len(written), len(read)))
    weights[:, 0], weights[0, -1] = 0.25, 0.75
    return Grid(layer, tuple(written), tuple(read), weights)


def test_labels_must_fit() -> None:
    with pytest.raises(ValueError, match=r"expected weights \(2, 3\), received \(3, 2\)"):
        Grid("a", ("a", "b"), ("x", " ", "y"), np.zeros((3, 2)))


def test_a_cell_for_each_pair_of_tokens() -> None:
    root = ElementTree.fromstring(attention_svg([grid(), grid("c", "z")]))
    cells = root.findall(f"{SVG}rect")
    assert [cell.find(f"{SVG}title").text for cell in cells] == [
        "a looks at x: 0.250",
        "a looks at ␣: 0.000",
        "a looks at y: 0.750",
        "b looks at x: 0.250",
        "b looks at ␣: 0.000",
        "b looks at y: 0.000",
        "c looks at z: 0.750",
    ]
    assert [cell.get("fill") for cell in cells[:3]] == ["#c3cadd", "#ffffff", "#4c619a"]
    places = [(int(cell.get("x")), int(cell.get("y"))) for cell in cells]
    assert len(set(places)) == 7 and places[0][1] == places[2][1] < places[3][1] < places[6][1]
    right, bottom = int(root.get("width")), int(root.get("height"))
    assert all(0 < x < right - 20 and 0 < y < bottom - 20 for x, y in places)
    labels = [element.text for element in root.findall(f"{SVG}text")]
    title = "decoder.2.attention, across: the source, down: what is written"
    assert labels == [title, *"x␣yab", title, *"zc", "0", "1 (weight)"]


def test_shades_go_from_white_to_blue() -> None:
    assert [shade(w) for w in (-1, 0, 1, 2)] == ["#ffffff", "#ffffff", "#102c78", "#102c78"]


def test_hostile_tokens_stay_text() -> None:
    tokens = ("<script>alert(1)</script>", "\x00&\u202e", "\ufffe\ud800", '"\n')
    text = attention_svg([Grid("<b>", tokens, tokens, np.eye(4))])
    root = ElementTree.fromstring(text)
    labels = [element.text for element in root.findall(f"{SVG}text")]
    assert labels[1:5] == ["<script>alert(1)</script>", "␀&\\u202e", "\\ufffe\\ud800", '"↵']
    assert "<script" not in attention_page("<script>", [grid()])


def test_the_picture_of_a_terminal() -> None:
    assert draw_map(grid(), colour=False) == ("decoder.2.attention\n  x ␣ y\na ··  ▓▓\nb ··")
    words = Grid("d", ("chat", "a"), ("cat", "b"), np.eye(2))
    assert draw_map(words, colour=False) == ("d\n     c\n     a\n     t b\nchat ██\n   a   ██")
    assert draw_map(grid(), colour=False, room=8) == draw_map(grid(), colour=False)
    narrow = "decoder.2.attention\n  x ␣\na ··\nb ··\n\n  y\na ▓▓\nb"
    assert draw_map(grid(), colour=False, room=7) == narrow
    assert draw_map(grid(), colour=False, room=1).count("\n\n") == 2
    coloured = draw_map(words, colour=True).splitlines()
    assert coloured[4] == "chat \x1b[48;5;18m  \x1b[48;5;231m  \x1b[0m"


def test_a_browser_shows_the_page_and_asks_for_nothing(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "map.html"
    path.write_text(attention_page("dates: <b>", [grid()]))
    dom = browser.dom(path)
    assert "<h1>dates: &lt;b&gt;</h1>" in dom
    assert len(re.findall("<rect ", dom)) == 6
    assert browser.requests(path) == set()


def test_only_long_names_are_turned() -> None:
    assert "rotate" not in attention_svg([grid()])
    words = Grid("d", ("chat", "a"), ("cat", "b"), np.eye(2))
    assert attention_svg([words]).count("rotate(-90)") == 2


def test_the_picture_names_its_axes_and_colours_and_cuts_no_title() -> None:
    layer = "decoder.2.a_layer_with_a_long_name"
    picture = attention_svg([Grid(layer, ("a",), ("x",), np.ones((1, 1)))])
    title = f"{layer}, across: the source, down: what is written"
    assert f">{title}</text>" in picture and ">1 (weight)</text>" in picture
    (width,) = re.findall(r'^<svg [^>]*width="(\d+)"', picture)
    assert int(width) >= 9 * len(title)
    assert picture.count("<path d=") == 11 and "@media(prefers-color-scheme:dark)" in picture
    # Light text on the white page of a browser could not be read.
    size = re.findall(r'^<svg [^>]*viewBox="0 0 (\d+) (\d+)"', picture)[0]
    assert '<path class="page" d="M0 0h{0}v{1}h-{0}z"/>'.format(*size) in picture
    assert "{text{fill:#e0e0e0}rect{stroke:#555}.page{fill:#16191d}}" in picture


def test_wide_characters_have_room() -> None:
    wide = Grid("a", ("日本語学", "b"), ("日", "x"), np.ones((2, 2)))
    cells = ElementTree.fromstring(attention_svg([wide])).findall(f"{SVG}rect")
    assert int(cells[0].get("x")) >= 4 * 14 + 8
    assert draw_map(wide, colour=False).splitlines()[1:] == [
        "         日x",
        "日本語学 ████",
        "       b ████",
    ]
