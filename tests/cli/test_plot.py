"""rnnkit plot: in the terminal, as a file, as JSON, and what it says of what is not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers import command, copy, done, lines

from rnnkit.analysis.plots import svg

needs_matplotlib = pytest.mark.skipif(
    not svg.has_matplotlib(), reason="matplotlib is not installed (pip install 'rnnkit[plot]')"
)


def test_the_terminal_shows_a_panel_for_each_metric(
    tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    ran = done("plot", tiny_run)
    heads = ("loss (mean over", "perplexity (of", "accuracy (share", "gradient norm (L2")
    assert [part.startswith(h) for part, h in zip(ran.out.split("\n\n"), heads, strict=True)] == [
        True
    ] * 4
    assert max(map(len, ran.out.splitlines())) == 70
    assert "a train_loss" in ran.out and "b valid_loss" in ran.out and ran.err == ""
    assert done("plot", tiny_run, "--terminal").out == ran.out


def test_a_learning_rate_is_a_panel_where_it_changes(tiny_run: Path, tmp_path: Path) -> None:
    def drawn(*options: str) -> list[str]:
        found = json.loads(done("plot", run, "--json", *options).out)
        return [panel["title"] for panel in found["panels"]]

    run = copy(tiny_run, tmp_path / "run")
    assert "learning rate" not in drawn() and drawn("--metric", "lr") == ["learning rate"]
    *before, last = lines(run)
    text = "".join(json.dumps(line) + "\n" for line in [*before, {**last, "lr": 1e-9}])
    (run / "metrics.jsonl").write_text(text)
    assert drawn()[-1] == "learning rate"


def test_json_holds_what_the_run_wrote(tiny_run: Path) -> None:
    shown = json.loads(done("plot", tiny_run, "--metric", "valid_loss", "--json").out)
    (panel,) = shown["panels"]
    found = [(line["step"], line["valid_loss"]) for line in lines(tiny_run) if "valid_loss" in line]
    assert [*zip(panel["curves"][0]["x"], panel["curves"][0]["y"], strict=True)] == found
    assert (panel["title"], panel["x"], shown["out"]) == ("valid loss", "step (updates)", None)


def test_runs_side_by_side(tiny_run: Path, tmp_path: Path) -> None:
    other = copy(tiny_run, tmp_path / "other")
    shown = json.loads(done("plot", tiny_run, other, "--metric", "train_loss", "--json").out)
    names = [curve["name"] for curve in shown["panels"][0]["curves"]]
    assert names == [f"{tiny_run} train_loss", f"{other} train_loss"]


def test_a_run_that_still_writes_its_last_line(tiny_run: Path, tmp_path: Path) -> None:
    run = copy(tiny_run, tmp_path / "run")
    before = done("plot", run).out
    with open(run / "metrics.jsonl", "a") as file:
        file.write('{"step": 99, "ep')
    assert done("plot", run).out == before


@needs_matplotlib
def test_a_file_and_nothing_on_stdout(tiny_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "curves.SVG"
    ran = done("plot", tiny_run, "--out", out)
    assert (ran.out, ran.err) == ("", f"wrote {out}\n")
    assert "gradient norm (L2, before clipping)" in out.read_text()
    first = out.read_bytes()
    both = done("plot", tiny_run, "--out", out, "--terminal")
    assert both.out == done("plot", tiny_run).out and out.read_bytes() == first
    shown = json.loads(done("plot", tiny_run, "--out", out, "--json").out)
    assert shown["out"] == str(out)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["{run}", "--metric", "los"], 2, "there is no metric 'los' (did you mean 'loss'? "),
        (["{run}", "--metric", "zzz"], 2, "there is no metric 'zzz' (there are lr, gradient_norm"),
        (["{run}", "--out", "x.png"], 2, "expected a name that ends in .svg, received 'x.png'"),
        (["{run}", "--smooth", "1"], 2, "1.0 is not in the range 0<=x<1"),
        (["{run}", "--smooth", "nan"], 2, "received nan"),
        (["{run}/none"], 8, "/none [RUN_NOT_FOUND] holds no run (start one with rnnkit run)"),
        ([], 2, "Missing argument 'RUN...'"),
    ],
)
def test_what_is_not_there(tiny_run: Path, arguments: list[str], code: int, said: str) -> None:
    ran = command("plot", *(a.format(run=tiny_run) for a in arguments))
    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err and "Traceback" not in ran.err


def test_a_run_without_metrics(tiny_run: Path, tmp_path: Path) -> None:
    run = copy(tiny_run, tmp_path / "run")
    (run / "metrics.jsonl").unlink()
    ran = command("plot", run)
    assert ran.code == 6 and ran.err.startswith(f"{run} [RUN_NO_METRICS] has no metrics yet")


def test_without_matplotlib_a_file_is_refused(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(svg, "find_spec", lambda name: None)
    ran = command("plot", tiny_run, "--out", tmp_path / "x.svg")
    assert ran.code == 4 and "[PLOT_NO_MATPLOTLIB]" in ran.err and "rnnkit[plot]" in ran.err
    assert not (tmp_path / "x.svg").exists()
    done("plot", tiny_run)
