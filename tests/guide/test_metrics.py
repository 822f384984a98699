"""The runs of docs/guide/metrics.md: the specs learn, and eval prints the tables that are shown."""

from __future__ import annotations

import json
import math
import random
import re
from pathlib import Path

import pytest
from helpers import command, done

PAGE = (Path(__file__).parents[2] / "docs" / "guide" / "metrics.md").read_text()
SPECS = {
    name: text
    for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    if (name := json.loads(text).get("name"))
}


def tagged() -> str:
    """Return sentences such as "Ann meets Bob in Rome", some words left out, some tags wrong."""
    draw = random.Random(1)
    people, places = ["Ann", "Bob", "Eve"], ["Rome", "Oslo", "Bern"]
    rows = []
    for _ in range(400):
        words = [draw.choice(people), "meets", draw.choice(people), "in", draw.choice(places)]
        pairs = zip(words, ["PER", "O", "PER", "O", "LOC"], strict=True)
        kept = [pair for pair in pairs if draw.random() < 0.9] or [("in", "O")]
        tags = [tag if draw.random() < 0.95 else "O" for _, tag in kept]
        rows.append(json.dumps({"tokens": [word for word, _ in kept], "tags": tags}))
    return "\n".join(rows)


def seasonal() -> str:
    """Return two columns with a period of 24 rows, and noise."""
    draw = random.Random(1)
    rows = ["temp,load"]
    for hour in range(1200):
        angle = hour * math.pi / 12
        temp, load = 20 + 5 * math.sin(angle), 300 + 80 * math.cos(angle)
        rows.append(f"{temp + draw.gauss(0, 0.5):.3f},{load + draw.gauss(0, 9):.3f}")
    return "\n".join(rows)


DATA = {"tags": ("tags.jsonl", tagged), "load": ("load.csv", seasonal)}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("metrics")
    for name, (file, content) in DATA.items():
        (folder / file).write_text(content())
        (folder / f"{name}.json").write_text(SPECS[name])
        done("run", folder / f"{name}.json", "--out", folder / f"{name}-1")
    return folder


def shown(name: str) -> list[str]:
    block = re.search(rf"    \$ rnnkit eval runs/{name}-1\n((?:    .*\n|\n)*)", PAGE)
    return [line.strip() for line in block[1].strip().splitlines()]


@pytest.mark.parametrize("name", DATA)
def test_the_page_shows_what_eval_prints(runs: Path, name: str) -> None:
    printed = done("eval", runs / f"{name}-1").out.splitlines()
    assert [line.split()[:1] for line in printed] == [line.split()[:1] for line in shown(name)]
    heads = [line for line in shown(name) if re.match("label|column|forecast", line)]
    assert [line.split() for line in printed if re.match("label|column|forecast", line)] == [
        line.split() for line in heads
    ]


def test_the_model_of_the_page_beats_both_naive_forecasts(runs: Path) -> None:
    found = json.loads(done("eval", runs / "load-1", "--json").out)
    metrics, tables = found["metrics"], found["tables"]
    assert metrics["mase"] < metrics["mase_seasonal"] < metrics["mase_persistence"]
    assert metrics["rmse"] ** 2 == pytest.approx(metrics["mse"])
    by_column = [row["mase"] for row in tables["columns"]]
    assert metrics["mase"] == pytest.approx(sum(by_column) / 2)
    assert [row["forecast"] for row in tables["forecasts"]] == ["model", "persistence", "seasonal"]
    maes = [row["mae"] for row in tables["forecasts"]]
    assert maes[0] == pytest.approx(metrics["mae"])


def test_the_tagger_of_the_page(runs: Path) -> None:
    found = json.loads(done("eval", runs / "tags-1", "--metric", "exact_match", "--json").out)
    metrics, rows = found["metrics"], found["tables"]["labels"]
    assert metrics["f1"] > 0.9
    assert metrics["exact_match"] < metrics["accuracy"]
    assert {row["label"] for row in rows} == {"PER", "O", "LOC"}
    assert sum(row["targets"] for row in rows) == found["protocol"]["read"]


def test_a_metric_that_the_run_cannot_give(runs: Path) -> None:
    ran = command("eval", runs / "load-1", "--metric", "f1")
    assert ran.code == 3
    assert "f1 needs a loss that decides among labels, received huber over values" in ran.err


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            "exact_match",
            '"exact_match" needs a loss that decides among labels, but huber estimates',
        ),
        ("f2", '"f1" or "exact_match"'),
    ],
)
def test_a_spec_that_asks_for_what_there_is_not(runs: Path, asked: str, message: str) -> None:
    text = SPECS["load"].replace('"streams": 1}', f'"streams": 1, "metrics": ["{asked}"]}}')
    (runs / "bad.json").write_text(text)
    line = 1 + text[: text.index(asked)].count("\n")
    for verb in (["check"], ["run", "--out", runs / "bad"]):
        ran = command(*verb[:1], runs / "bad.json", *verb[1:])
        assert ran.code == 3
        assert f"bad.json:{line}:" in ran.err
        assert "evaluate.metrics[0]" in ran.err and message in ran.err
    assert not (runs / "bad").exists()


def test_a_best_metric_that_there_is_not(runs: Path) -> None:
    ran = command(
        "run", runs / "load.json", "--out", runs / "none", "-s", "train.best.metric=valid_f1"
    )
    assert ran.code == 3
    assert "there is no valid_f1 here (there is valid_loss, valid_mse, valid_rmse, " in ran.err
