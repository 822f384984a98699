"""The page with a unit picker: what it holds, and what a browser makes of it."""

from __future__ import annotations

import base64
import html
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from browser import Browser

from rnnkit.analysis.neurons import page as page_module
from rnnkit.analysis.neurons.follow import search
from rnnkit.analysis.neurons.page import companded, page
from rnnkit.analysis.neurons.properties import Property
from rnnkit.analysis.neurons.record import Activations
from rnnkit.analysis.neurons.saturation import saturations
from rnnkit.analysis.neurons.text import visible
from rnnkit.types import Array

HOSTILE = (
    "</script><script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "\u202eright to left\u2066",
    "\x00\x1b[31m",
    "'\"`&amp;<!--\\",
    "\u2028\ud800\n",
    "{{data}}{{title}}",
)


def parts(tokens: int, units: int = 3) -> list[Activations]:
    random = np.random.default_rng(0)
    h = random.uniform(-1, 1, (tokens, units)).astype(np.float32)
    c = random.normal(0, 8, (tokens, units)).astype(np.float32)
    f = random.uniform(0, 1, (tokens, units)).astype(np.float32)
    h[:, 0], h[:, 1] = 1, -1
    return [
        Activations("1.lstm", "h", h),
        Activations("1.lstm", "c", c),
        Activations("1.lstm", "f", f, gate=True),
    ]


def written(
    folder: Path, tokens: tuple[str, ...], found: list[Activations], title: str = "a"
) -> Path:
    prop = Property("regex:</script>", np.arange(len(tokens)) % 2.0, True)
    searches = search(found, [prop], 2)
    path = folder / "page.html"
    path.write_text(page(title, tokens, found, searches, saturations(found), "1.lstm/h/0"))
    return path


def data_of(text: str) -> dict[str, Any]:
    (found,) = re.findall(r'<script id="data" type="application/json">(.*?)</script>', text)
    return json.loads(found)


def test_the_page_holds_what_was_found(tmp_path: Path) -> None:
    found = parts(5)
    data = data_of(written(tmp_path, tuple("ab\nde"), found).read_text())
    assert data["tokens"] == ["a", "b", "\n", "d", "e"]
    assert [(p["label"], p["units"], p["formula"]) for p in data["parts"]] == [
        ("1.lstm/h", 3, "h"),
        ("1.lstm/c", 3, "tanh(c)"),
        ("1.lstm/f", 3, "2 f - 1"),
    ]
    for part, entry in zip(found, data["parts"], strict=True):
        levels = np.frombuffer(base64.b64decode(entry["bytes"]), np.int8).reshape(3, 5) / 127
        if entry["scales"] is not None:
            size = np.expm1(np.abs(levels) * np.array(entry["scales"])[:, None])
            levels = np.sign(levels) * size
        np.testing.assert_allclose(levels, part.values.T, rtol=0.02, atol=0.02)
    assert [gate["gate"] for gate in data["gates"]] == ["1.lstm/f"]
    assert [len(each["units"]) for each in data["searches"]] == [2]


def test_a_large_value_takes_little_from_a_small_one() -> None:
    values = np.array([[0.1, 0.0], [-90.0, 0.0], [2.0, 0.0]])
    levels, scales = companded(values)
    back = np.expm1(np.abs(np.rint(levels * 127) / 127) * scales)
    np.testing.assert_allclose(back, np.abs(values), rtol=0.02, atol=0.02)
    assert np.sign(levels[:, 0]).tolist() == [1, -1, 1]


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    title = "</title><script>document.title='owned'</script>"
    text = written(tmp_path, HOSTILE, parts(len(HOSTILE)), title).read_text()
    assert text.count("<script") == text.count("</script>") == 2
    assert data_of(text)["tokens"] == [visible(token) for token in HOSTILE]
    assert text.isascii() or not set(text) & set("\u202e\u2066\u2028\x00\x1b")
    assert f"<title>{html.escape(title)}</title>" in text


def test_a_page_of_many_units_is_small(tmp_path: Path) -> None:
    found = parts(5000, 256)
    size = written(tmp_path, ("a",) * 5000, found).stat().st_size
    assert size < 1.4 * sum(part.values.size for part in found) + 200_000


def test_nothing_in_the_page_names_another_place(tmp_path: Path) -> None:
    text = written(tmp_path, ("a", "b"), parts(2)).read_text()
    assert re.findall(r"https?:[^\s\"']*", text) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"\b(src|href)=|@import|url\(", text)
    assert "default-src 'none'" in text


# What a browser shows -------------------------------------------------------------------------


def colours(dom: str) -> list[str]:
    return re.findall(r'<span style="background: (rgb\([\d, ]+\))', dom.replace("-color", ""))


def test_it_renders(browser: Browser, tmp_path: Path) -> None:
    dom = browser.dom(written(tmp_path, tuple("abc\nd"), parts(5)))
    assert colours(dom) == ["rgb(220, 50, 40)"] * 5
    assert "1.lstm/h/0: h</output>" in dom
    assert dom.count("<circle ") == 3
    assert "by chance up to" in dom


def test_the_address_names_a_unit(browser: Browser, tmp_path: Path) -> None:
    path = written(tmp_path, tuple("abc\nd"), parts(5))
    assert colours(browser.dom(path, "1.lstm/h/1")) == ["rgb(40, 80, 220)"] * 5
    assert colours(browser.dom(path, "nonsense")) == ["rgb(220, 50, 40)"] * 5
    assert len(set(colours(browser.dom(path, "1.lstm%2Fc%2F2")))) > 1


PICK = """
const seen = [];
const look = () => seen.push([document.getElementById("value").textContent,
  spans.map(span => getComputedStyle(span).backgroundColor)]);
const set = (id, value, event) => {
  document.getElementById(id).value = value;
  document.getElementById(id).dispatchEvent(new Event(event));
  look();
};
look();
set("unit", 1, "input");
document.getElementById("before").click(); look();
document.getElementById("after").click(); look();
set("part", "1.lstm/c", "change");
set("slide", 2, "input");
document.querySelector("circle").dispatchEvent(new Event("click")); look();
document.querySelector("td button").click(); look();
document.getElementById("stretch").click(); look();
document.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowLeft"})); look();
spans[1].dispatchEvent(new MouseEvent("mouseover", {bubbles: true})); look();
document.body.textContent = JSON.stringify({seen, hash: location.hash});
"""


def test_the_picker_changes_the_colours(browser: Browser, tmp_path: Path) -> None:
    found = parts(5)
    path = written(tmp_path, tuple("abc\nd"), found)
    path.write_text(path.read_text().replace("</body>", f"<script>{PICK}</script></body>"))
    body = re.search(r"<body>(.*)</body>", browser.dom(path), re.DOTALL)[1]
    result = json.loads(html.unescape(body))
    (said, shades) = zip(*result["seen"], strict=True)
    best = search(found, [Property("a", np.arange(5) % 2.0, True)], 1)[0].units[0]
    before = f"{best.part.label}/{max(best.unit - 1, 0)}"
    assert list(said[:9]) == [
        "1.lstm/h/0: h",
        "1.lstm/h/1: h",
        "1.lstm/h/0: h",
        "1.lstm/h/1: h",
        "1.lstm/c/1: tanh(c)",
        "1.lstm/c/2: tanh(c)",
        "1.lstm/f/0: 2 f - 1",
        f"{best.label}: {best.part.formula()}",
        f"{best.label}: lowest to highest",
    ]
    assert said[9] == f"{before}: lowest to highest"
    assert re.fullmatch(rf"{before}: {before[7]} = -?[\d.e-]+", said[10])
    assert shades[0] == ["rgb(220, 50, 40)"] * 5 == shades[2]
    assert shades[1] == ["rgb(40, 80, 220)"] * 5 == shades[3]
    np.testing.assert_allclose(rgb(shades[5]), mixed(np.tanh(found[1].values[:, 2])), atol=6)
    np.testing.assert_allclose(rgb(shades[6]), mixed(2 * found[2].values[:, 0] - 1), atol=6)
    assert {"rgb(220, 50, 40)", "rgb(40, 80, 220)"} <= set(shades[8])
    assert result["hash"] == "#" + before.replace("/", "%2F")


def mixed(shown: Array) -> Array:
    """Return the colours (T, 3) of activations."""
    ends = np.where(shown[:, None] > 0, [220, 50, 40], [40, 80, 220])
    return 255 + (ends - 255) * np.abs(shown[:, None])


def rgb(colours: list[str]) -> Array:
    return np.array([[int(n) for n in re.findall(r"\d+", each)] for each in colours])


def test_hostile_text_does_nothing(browser: Browser, tmp_path: Path) -> None:
    dom = browser.dom(written(tmp_path, HOSTILE, parts(len(HOSTILE)), "<b>t</b>"))
    assert "<title>&lt;b&gt;t&lt;/b&gt;</title>" in dom
    assert "<img" not in dom
    assert "&lt;/script&gt;&lt;script&gt;document.title='owned'" in dom
    assert len(colours(dom)) == len(HOSTILE)


FETCH = '<img src="http://127.0.0.1:9/x"><script>fetch("http://127.0.0.1:9/y")</script>'


def test_nothing_is_fetched(browser: Browser, tmp_path: Path) -> None:
    path = written(tmp_path, tuple("abc"), parts(3))
    assert browser.requests(path) == set()
    path.write_text(path.read_text() + FETCH)  # nor could it be: the page's policy
    assert browser.requests(path) == set()
    path.write_text(FETCH)
    assert browser.requests(path) == {"http://127.0.0.1:9/x", "http://127.0.0.1:9/y"}


def test_the_page_names_the_axes_of_its_gates_and_follows_a_dark_preference() -> None:
    source = (Path(page_module.__file__).parent / "page.html").read_text()
    assert "→ share of steps left-saturated" in source and "↑ share of steps right-" in source
    assert "@media (prefers-color-scheme: dark)" in source
