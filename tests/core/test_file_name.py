"""A path that begins with ~/ is the user's own, in a spec and on a command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers import command, done, small_spec, text, write_spec

from rnnkit.builtin.datasets.series.series import Series
from rnnkit.core.home import at_home
from rnnkit.core.initializers import Vectors
from rnnkit.spec.start import Start


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    return folder


@pytest.mark.parametrize("path", ["~name/d.csv", "./~/d.csv", "d~/x", "/~/x", "a/~"])
def test_other_names_are_as_they_are(path: str) -> None:
    assert at_home(path) == path


def test_wherever_a_spec_names_a_file(home: Path) -> None:
    assert at_home("~") == str(home)
    wanted = str(home / "d.csv")
    assert Start.model_validate_json('{"from": "~/d.csv"}').from_ == wanted
    assert Vectors.model_validate_json('{"type": "vectors", "path": "~/d.csv"}').path == wanted
    given = {"type": "series", "columns": ["x"], "path": ["~/d.csv", "~/e*.csv"]}
    assert Series.model_validate_json(json.dumps(given)).path == (wanted, str(home / "e*.csv"))


def test_a_run_and_its_options(home: Path, tmp_path: Path) -> None:
    spec = small_spec(epochs=1)
    spec["data"]["path"] = "~/text.txt"
    (home / "text.txt").write_text(text(600))
    path = write_spec(tmp_path / "spec", spec)
    done("run", path, "--out=~/run")
    assert done("eval", "~/run", "--data=~/text.txt").out
    assert (home / "run" / "checkpoints").is_dir()
    done("resume", "~/run", "-s", "data.path=~/text.txt")
    ran = command("check", path, "--data", "-s", "data.path=~/other.txt")
    assert f"{home / 'other.txt'} [DATA_NOT_FOUND] no such file" in ran.err
