"""One public surface: what is listed is what loads, is typed, and is documented."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import rlcompleter
import subprocess
import sys
from pathlib import Path

import pytest

import rnnkit
from rnnkit.contracts.dataset import Source
from rnnkit.contracts.registry import GROUPS

TREE = ast.parse(Path(rnnkit.__file__).read_text())
ROOT = Path(__file__).parents[1]
HOMES = {"rnnkit", "rnnkit.compute.equations", "rnnkit.testing", "rnnkit.types"}
PAGES = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "plugins").rglob("*.md")]
MODULES = [p for p in (ROOT / "plugins").rglob("*.py") if ".venv" not in p.parts]
GUIDE = "\n".join(path.read_text() for path in PAGES)
UNNAMED = {"Counts", "Encoder", "Stages"}
"""Aliases that no author needs: of plain types, and of the sampler of built-in layers."""


def reexports() -> dict[str, str]:
    """Return the module of every name that is imported for type checkers."""
    branches = [node for node in TREE.body if isinstance(node, ast.If)]
    (block,) = (node for node in branches if ast.unparse(node.test) == "TYPE_CHECKING")
    found = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            assert alias.asname == alias.name, f"{alias.name}: write `X as X` to re-export it"
            found[alias.name] = node.module
    return found


def documentation(name: str) -> str:
    """Return the docstring of a name, of an alias the one that stands below it."""
    found = getattr(rnnkit, name)
    if inspect.isclass(found) or inspect.isfunction(found):
        return found.__doc__ or ""
    body = ast.parse(Path(importlib.import_module(reexports()[name]).__file__).read_text()).body
    (after,) = (
        after
        for node, after in zip(body, body[1:], strict=False)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name
    )
    return ast.literal_eval(after.value) if isinstance(after, ast.Expr) else ""


def test_the_two_tables_agree() -> None:
    homes = {name: f"rnnkit.{module}" for name, module in rnnkit._HOMES.items()}
    assert homes == reexports()
    assert len(homes) == sum(map(len, rnnkit._PUBLIC.values())), "a name has two homes"
    assert sorted(homes) == sorted(rnnkit.__all__)
    assert len(set(rnnkit.__all__)) == len(rnnkit.__all__)


@pytest.mark.parametrize("name", rnnkit.__all__)
def test_a_public_name(name: str) -> None:
    found = getattr(rnnkit, name)
    assert found is getattr(importlib.import_module(reexports()[name]), name)
    assert callable(found), f"{name} is hidden by a module of the same name"
    assert len(documentation(name).strip()) > 20
    assert documentation(name).strip().splitlines()[0].endswith((".", "?"))
    assert re.search(rf"\b{name}\b", GUIDE), f"no page of the guide names {name}"
    members = inspect.getmembers(found, inspect.isfunction) if inspect.isclass(found) else []
    for member, function in members:
        own = function.__module__.startswith("rnnkit") and not member.startswith("_")
        assert not own or inspect.getdoc(function), f"{name}.{member} has no docstring"


def test_everything_at_once() -> None:
    scope: dict[str, object] = {}
    exec("from rnnkit import *", scope)
    assert set(rnnkit.__all__) <= scope.keys()


def test_completion_lists_the_public_names() -> None:
    assert dir(rnnkit) == sorted(rnnkit.__all__)
    found = rlcompleter.Completer({"rnnkit": rnnkit}).attr_matches("rnnkit.")
    assert {word.rstrip("()").removeprefix("rnnkit.") for word in found} == set(rnnkit.__all__)


def own_names(module: str) -> set[str]:
    """Return the names that a module imports from rnnkit or defines, types and aliases."""
    found: set[str] = set()
    for node in ast.parse(Path(importlib.import_module(module).__file__).read_text()).body:
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("rnnkit"):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            found.add(ast.unparse(target))
    return found


CONTRACTS = [*GROUPS.values(), rnnkit.Cell, rnnkit.GatedCell, rnnkit.StepCell, Source]


@pytest.mark.parametrize("contract", CONTRACTS)
def test_what_a_contract_speaks_of_is_public(contract: type) -> None:
    public = {*rnnkit.__all__, *vars(importlib.import_module("rnnkit.types")), *UNNAMED}
    words: set[str] = set()
    for method in vars(contract).values():
        method = method.fget if isinstance(method, property) else method
        for annotation in getattr(method, "__annotations__", {}).values():
            tree = ast.parse(annotation)
            words |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert words
    assert not words & own_names(contract.__module__) - public


def foreign(program: str) -> list[str]:
    """Return what a program imports of rnnkit from a module that is not public."""
    found = []
    for node in ast.walk(ast.parse(program)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [name if name in HOMES else str(node.module) for name in inner]
    return [name for name in found if name.split(".")[0] == "rnnkit" and name not in HOMES]


@pytest.mark.parametrize("path", [*PAGES, *MODULES], ids=lambda p: str(p.relative_to(ROOT)))
def test_documents_import_what_is_public(path: Path) -> None:
    text = path.read_text()
    fenced = re.findall(r"^```py(?:thon)?\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    programs = [text] if path.suffix == ".py" else fenced
    assert not [name for program in programs for name in foreign(program)]
    if path.suffix == ".md":
        imports = re.findall(r"^ *(?:from|import) rnnkit[.\w]*", text, re.MULTILINE)
        assert not {line.split()[1] for line in imports} - HOMES


@pytest.mark.parametrize(
    ("program", "found"),
    [
        ("from rnnkit.core.initializers import Glorot", ["rnnkit.core.initializers"]),
        ("def late():\n    import rnnkit.errors", ["rnnkit.errors"]),
        ("from rnnkit.compute import numerics, products", ["rnnkit.compute", "rnnkit.compute"]),
        ("from rnnkit import Glorot\nimport rnnkit.types, numpy", []),
        ("from rnnkit_mgu import MGU\nfrom rnnkit.testing import check_layer", []),
    ],
)
def test_an_import_from_elsewhere_is_seen(program: str, found: list[str]) -> None:
    assert foreign(program) == found


def test_a_name_that_there_is_not() -> None:
    with pytest.raises(AttributeError, match="rnnkit has no 'Trainer'"):
        rnnkit.Trainer  # noqa: B018


def test_importing_it_imports_nothing() -> None:
    program = (
        "import sys; before = set(sys.modules); import rnnkit; "
        "print(*sorted({name.split('.')[0] for name in set(sys.modules) - before}))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    loaded = set(ran.stdout.split())
    assert "rnnkit" in loaded
    assert not loaded & {"numpy", "pydantic", "h5py", "click"}, ran.stderr
