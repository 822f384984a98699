"""What the README and the guide say is what happens: their code runs, their specs are valid."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import inspect
import json
import pkgutil
import re
import shlex
from pathlib import Path
from typing import Any, Literal, get_args

import pytest

import rnnkit
from rnnkit.cli import run_command
from rnnkit.compute.equations import tanh
from rnnkit.contracts.equation_cell import EquationCell
from rnnkit.contracts.registry import Registry
from rnnkit.core.block import Block, Record
from rnnkit.spec.model import Spec
from rnnkit.spec.read import parse_spec

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "guide").glob("*.md"))]
README = ROOT / "README.md"
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that holds the README's model.json."""
    (tmp_path / "model.json").write_text(blocks(README, "json")[0])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pages_with(language: str) -> list[Path]:
    """Return the pages that have a block of a language: a test of the others could not fail."""
    return [page for page in PAGES if blocks(page, language)]


@pytest.mark.parametrize("page", pages_with("json"), ids=lambda p: p.name)
def test_specs_are_valid(page: Path) -> None:
    for text in blocks(page, "json"):
        if "spec_version" in text or '"model"' in text:
            parse_spec(text.encode(), page.name, Registry())
        else:
            json.loads(text)


@pytest.mark.parametrize("page", pages_with("python"), ids=lambda p: p.name)
def test_python_runs(page: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A block of text below one of Python is what it prints."""
    if "import pandas" in page.read_text():
        pytest.importorskip("pandas", reason="pandas is not installed")
    names: dict[str, object] = {"__name__": "readme"}
    found = re.findall(
        r"```python\n(.*?)```\n(?:\n```text\n(.*?)```)?", page.read_text(), re.DOTALL
    )
    assert len(found) == len(blocks(page, "python"))
    for text, printed in found:
        capsys.readouterr()
        exec(compile(text, page.name, "exec"), names)
        assert printed in ("", capsys.readouterr().out)


@pytest.mark.filterwarnings("ignore")  # those of the packages that run a notebook
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.name)
def test_a_notebook_runs(path: Path, tmp_path: Path) -> None:
    needed = "nbclient", "ipykernel", "pandas", "matplotlib", "onnxruntime"
    nbclient, *_ = (pytest.importorskip(n, reason=f"{n} is not installed") for n in needed)
    import nbformat

    book = nbformat.read(path, as_version=4)
    where = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(book, timeout=120, kernel_name="python3", resources=where).execute()
    shown = [output for cell in book.cells for output in cell.get("outputs", [])]
    kinds = {kind for output in shown for kind in output.get("data", {})}
    assert {"text/html", "image/png"} <= kinds
    assert {"model.onnx", "forecast.py"} <= {
        file.name for file in (tmp_path / "sales-onnx").iterdir()
    }
    # One table that grew in its place, not one for each line.
    tables = [o for o in shown if "valid loss" in o.get("data", {}).get("text/html", "")]
    assert len(tables) == 1 and "</progress>" in tables[0]["data"]["text/html"]


def test_commands_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for text in blocks(README, "sh"):
        for line in text.splitlines():
            program, *arguments = shlex.split(line)
            assert program == "rnnkit"
            short = ["-s", "data.limit=20000", "--max-steps", "9"] if arguments[0] == "run" else []
            assert run_command([*arguments, *short]) == 0, capsys.readouterr().err


def test_the_plugin_is_shown_as_it_is() -> None:
    module = (ROOT / "plugins" / "rnnkit-mgu" / "rnnkit_mgu.py").read_text()
    shown = blocks(README, "python")[0]
    assert shown.strip() == module.split('"""', 2)[2].strip()


def test_the_error_is_shown_as_it_is(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (folder / "model.json").read_text()
    (folder / "model.json").write_text(text.replace('"units": 128', '"units": "128"'))
    assert run_command(["check", "model.json"]) == 3
    said = capsys.readouterr().err.splitlines()[0]
    assert f"    {said}\n" in README.read_text()


def modules() -> list[str]:
    found = pkgutil.walk_packages(rnnkit.__path__, "rnnkit.")
    return [info.name for info in found if not info.name.endswith("__main__")]


@pytest.mark.parametrize("name", modules())
def test_docstring_examples(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


def make_types() -> Any:
    script = ROOT / "docs" / "make_types.py"
    spec = importlib.util.spec_from_file_location("make_types", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def records(annotation: Any) -> set[type]:
    """Return the classes of the objects of a spec that are no blocks, inner ones too."""
    found = set().union(*map(records, get_args(annotation)))
    if inspect.isclass(annotation) and issubclass(annotation, Record):
        if not issubclass(annotation, Block):
            fields = annotation.model_fields.values()
            found |= {annotation}.union(*(records(field.annotation) for field in fields))
    return found


def test_the_reference_of_types_has_every_object_of_a_spec() -> None:
    assert {cls for _, cls in make_types().SECTIONS} == records(Spec)


def test_the_reference_of_types_has_the_equations_of_a_cell() -> None:
    class Cell(EquationCell):
        """A cell of one line."""

        type: Literal["cell"] = "cell"
        gates = ("n",)

        def equations(self, x, r, s, p):
            return tanh(x.n + r.n)

    section = make_types().section("### cell", Cell)
    assert "\nA cell of one line.\n\n```text\nh' = tanh(x Wx + b + h Wh)\n```\n\n|" in section


def test_the_reference_of_types_is_what_the_classes_are() -> None:
    module = make_types()
    page = ROOT / "docs" / "guide" / "types.md"
    assert page.read_text() == module.page(), "run: python docs/make_types.py"
