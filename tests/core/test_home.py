"""A path that begins with ~/ is the user's own folder, from Python as from a shell."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import plain_spec, text, write_spec

import rnnkit
from rnnkit.core.home import given_path
from rnnkit.inference.states import load_states, save_states

CASES: dict[str, Callable[[rnnkit.Model], object]] = {
    "load_spec path": lambda model: rnnkit.load_spec("~/spec.json"),
    "build root": lambda model: rnnkit.build("~/spec.json", "~"),
    "train out": lambda model: rnnkit.train("~/spec.json", "~/new", max_steps=1, progress=False),
    "train root": lambda model: rnnkit.train(
        "~/spec.json", "~/newer", "~", max_steps=1, progress=False
    ),
    "load path": lambda model: rnnkit.load("~/run"),
    "predict file": lambda model: rnnkit.predict(model, "~/text.txt"),
    "evaluate root": lambda model: model.evaluate("train", root="~"),
    "open_data root": lambda model: model.open_data("~"),
    "save path": lambda model: model.save("~/saved.h5"),
    "export out": lambda model: model.export("safetensors", "~/exported", verify=False),
    "save_states path": lambda model: save_states("~/s.h5", model, model.line_start()),
    "load_states path": lambda model: load_states("~/states.h5", model),
}
ELSEWHERE = {"import_weights file", "import_weights root", "import_weights vocabulary"}
ELSEWHERE |= {"forecast file", "forecast root"}
"""Paths of what this run has not: where they are looked for is seen in an error."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a run; the working directory is another folder."""
    here, home = tmp_path / "here", tmp_path / "home"
    here.mkdir()
    write_spec(home, plain_spec(epochs=1), text(90))
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(home))
    return home


@pytest.fixture
def model(home: Path) -> rnnkit.Model:
    """The model of the run in the home."""
    trained = rnnkit.train(home / "spec.json", home / "run", max_steps=1, progress=False)
    save_states(home / "states.h5", trained, trained.line_start())
    return trained


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_path_from_python_is_found_at_home(
    case: Callable[[rnnkit.Model], object], home: Path, model: rnnkit.Model
) -> None:
    case(model)
    assert list(Path().iterdir()) == []


def test_what_is_not_there_is_looked_for_at_home(home: Path, model: rnnkit.Model) -> None:
    spec = json.loads((home / "spec.json").read_text())
    with pytest.raises(rnnkit.RnnkitError, match=f"^{home}/weights.npz .* no such file"):
        rnnkit.import_weights("~/weights.npz", spec, "~", vocabulary="~/tokens.txt")
    with pytest.raises(rnnkit.RnnkitError):
        rnnkit.forecast(model, 1, "~/rows.csv", "~")
    assert list(Path().iterdir()) == []


def test_every_path_of_a_public_function_is_among_the_cases() -> None:
    methods = [m for _, m in inspect.getmembers(rnnkit.Model, inspect.isfunction)]
    functions = [f for name in dir(rnnkit) if inspect.isfunction(f := getattr(rnnkit, name))]
    found = {
        f"{f.__name__} {name}"
        for f in [*functions, *methods, save_states, load_states]
        for name, parameter in inspect.signature(f).parameters.items()
        if "Path" in str(parameter.annotation) and not f.__name__.startswith("_")
    }
    assert found <= {*CASES, *ELSEWHERE}


def test_only_a_leading_folder_is_the_home(home: Path) -> None:
    assert given_path("~/x") == home / "x" == given_path(Path("~/x"))
    assert given_path("~") == home
    for path in ("a/~/x", "~other/x", "~x"):
        assert given_path(path) == Path(path)
