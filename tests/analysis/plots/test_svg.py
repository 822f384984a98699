"""An SVG of panels: standalone, the same bytes each time, and what a browser makes of it."""

from __future__ import annotations

import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from rnnkit.analysis.plots import svg as module
from rnnkit.analysis.plots.panel import Curve, Panel
from rnnkit.errors import PluginError

PANELS = [
    Panel("loss", "step (updates)", "loss (nats)", (Curve("run $a$", (1, 2), (3.0, 1.0)),)),
    Panel(
        "norm",
        "step (updates)",
        "norm (L2)",
        (
            Curve("one", (1, 2, 3), (1.0, float("nan"), 3.0)),
            Curve("two", (1,), (2.0,), group=1, style="points"),
        ),
        log=True,
    ),
]
needs_matplotlib = pytest.mark.skipif(
    not module.has_matplotlib(), reason="matplotlib is not installed (pip install 'rnnkit[plot]')"
)
CHROMIUM = shutil.which("chromium")


@pytest.fixture
def drawn(strict_numerics: None) -> bytes:
    return module.svg(PANELS)


@needs_matplotlib
def test_the_largest_numbers_are_drawn() -> None:
    largest = Curve("c", (0.0, 1.0), (-1.7e308, 1.7e308))
    assert b"<path" in module.svg([Panel("a", "x", "y", (largest,))])


@needs_matplotlib
def test_it_is_an_svg_with_the_labels_as_text(drawn: bytes) -> None:
    root = ET.fromstring(drawn)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    words = {"".join(node.itertext()).strip() for node in root.iter(f"{root.tag[:-3]}text")}
    assert {"step (updates)", "loss (nats)", "norm (L2)", "loss", "one", "two"} <= words


@needs_matplotlib
@pytest.mark.parametrize("ys", [(1e-9, 1e3), (1.2, 1.4), (0.5, 90.0)])
def test_numbers_on_a_log_scale_are_plain_text(ys: tuple[float, float]) -> None:
    panel = Panel("norm", "x", "y", (Curve("one", (1, 2), ys),), log=True)
    drawn = ET.fromstring(module.svg([panel]))
    axis = next(node for node in drawn.iter() if node.get("id") == "matplotlib.axis_2")
    words = ["".join(node.itertext()).strip() for node in axis.iter() if node.tag[-4:] == "text"]
    values = [float(word.replace("−", "-")) for word in words if word not in ("", "y")]
    assert len(values) >= 2 and all(ys[0] / 100 < value < ys[1] * 100 for value in values)


@needs_matplotlib
def test_other_numbers_are_on_a_scale_of_equal_steps() -> None:
    drawn = ET.fromstring(module.svg([Panel("t", "x", "y", (Curve("a", (1, 2), (0, 100)),))]))
    axis = next(node for node in drawn.iter() if node.get("id") == "matplotlib.axis_2")
    words = ["".join(node.itertext()).strip() for node in axis.iter() if node.tag[-4:] == "text"]
    assert words == ["0", "20", "40", "60", "80", "100", "y"]


@needs_matplotlib
def test_a_single_curve_has_no_legend(drawn: bytes) -> None:
    assert b"legend" not in module.svg(PANELS[:1]) and b'id="legend_1"' in drawn


@needs_matplotlib
def test_a_long_name_stays_inside_its_panel() -> None:
    names = [f"runs/{'long-' * 30}{number}/r valid_loss" for number in (1, 2)]
    curves = tuple(Curve(name, (1, 2), (3.0, 1.0)) for name in names)
    text = module.svg([Panel("loss", "x", "y", curves)]).decode()
    shown = re.findall(r">(runs/[^<]*)</text>", text)
    assert [name[-16:] for name in shown] == [name[-16:] for name in names]
    assert [len(name) for name in shown] == [60, 60]


@needs_matplotlib
def test_it_names_no_address(drawn: bytes) -> None:
    text = re.sub(r'xmlns(:\w+)?="[^"]*"', "", drawn.decode())
    assert "http" not in text and "<!DOCTYPE" not in text and "@import" not in text
    assert set(re.findall(r'href="(.)', text)) <= {"#"}


@needs_matplotlib
def test_steps_are_whole_numbers() -> None:
    drawn = ET.fromstring(module.svg([Panel("t", "x", "y", (Curve("a", (1, 2), (0.5, 0.7)),))]))
    axis = next(node for node in drawn.iter() if node.get("id") == "matplotlib.axis_1")
    words = ["".join(node.itertext()).strip() for node in axis.iter() if node.tag[-4:] == "text"]
    assert {"1", "2"} <= set(words) and not any("." in word for word in words)


@needs_matplotlib
def test_a_dark_page_is_followed(drawn: bytes) -> None:
    """Every colour of paper and ink that stands in an element has a rule for a dark page."""
    sheet, page = drawn.decode().split("</style>", 1)
    assert "@media (prefers-color-scheme: dark)" in sheet
    ruled = set(re.findall(r'\[style\*="([^"]*)"\]', sheet))
    assert {"fill: #ffffff", "stroke: #000000"} <= ruled and all(rule in page for rule in ruled)


@needs_matplotlib
def test_equal_panels_give_equal_bytes(drawn: bytes) -> None:
    import matplotlib

    with matplotlib.rc_context({"lines.linewidth": 9, "svg.hashsalt": "mine"}):
        assert module.svg(PANELS) == drawn
        assert matplotlib.rcParams["lines.linewidth"] == 9
    assert module.svg(PANELS[:1]) != drawn


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(PluginError) as caught:
        module.svg(PANELS)
    assert str(caught.value) == (
        "[PLOT_NO_MATPLOTLIB] an SVG needs matplotlib, which is not installed "
        "(pip install 'rnnkit[plot]', or leave out --out: then the curves are drawn in the "
        "terminal)"
    )


@needs_matplotlib
@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium to open it (apt: chromium)")
def test_a_browser_renders_it_and_fetches_nothing(drawn: bytes, tmp_path: Path) -> None:
    file, log = tmp_path / "plot.svg", tmp_path / "net.json"
    file.write_bytes(drawn)
    page = tmp_path / "page.html"  # tells in the DOM what the browser has laid out and loaded
    page.write_text(
        f"<body>{drawn.decode().split('?>', 1)[1]}<script>"
        "const box = document.querySelector('#axes_1').getBoundingClientRect();"
        "const loaded = performance.getEntriesByType('resource').length;"
        "document.title = `${box.width > 300 && box.height > 100} ${loaded}`</script></body>"
    )
    options = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu",
        f"--user-data-dir={tmp_path}/profile", "--no-first-run", "--disable-background-networking",
    ]  # fmt: skip
    tell = {"capture_output": True, "timeout": 120, "check": True}
    dom = subprocess.run([*options, "--dump-dom", page.as_uri()], **tell)
    assert b"<title>true 0</title>" in dom.stdout
    picture = tmp_path / "plot.png"
    shot = [f"--screenshot={picture}", f"--log-net-log={log}", file.as_uri()]
    subprocess.run([*options, *shot], **tell)
    assert picture.stat().st_size > 5000  # a blank page takes less
    # The browser's own requests carry a random cup2key, in which "w3" may stand.
    fetched = r'"url":"https?://(?![^"]*cup2key=)[^"]*(w3|matplotlib)[^"]*"'
    assert not re.search(fetched, log.read_text())
