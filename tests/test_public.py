"""One public surface: what is listed is what loads, is typed, and is documented."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import rnnkit

TREE = ast.parse(Path(rnnkit.__file__).read_text())


def reexports() -> dict[str, str]:
    """Return the module of every name that is imported for type checkers."""
    (block,) = (node for node in TREE.body if isinstance(node, ast.If))
    assert ast.unparse(block.test) == "TYPE_CHECKING"
    found = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            assert alias.asname == alias.name, f"{alias.name}: write `X as X` to re-export it"
            found[alias.name] = node.module
    return found


def test_the_three_lists_agree() -> None:
    homes = {name: f"rnnkit.{module}" for name, module in rnnkit._HOMES.items()}
    assert homes == reexports()
    assert sorted(homes) == sorted(rnnkit.__all__)
    assert len(set(rnnkit.__all__)) == len(rnnkit.__all__)


@pytest.mark.parametrize("name", rnnkit.__all__)
def test_a_public_name(name: str) -> None:
    found = getattr(rnnkit, name)
    assert found is getattr(importlib.import_module(reexports()[name]), name)
    assert callable(found), f"{name} is hidden by a module of the same name"
    assert len((found.__doc__ or "").strip()) > 20
    assert found.__doc__.strip().splitlines()[0].endswith((".", "?"))
    members = inspect.getmembers(found, inspect.isfunction) if inspect.isclass(found) else []
    for member, function in members:
        own = function.__module__.startswith("rnnkit") and not member.startswith("_")
        assert not own or inspect.getdoc(function), f"{name}.{member} has no docstring"


def test_everything_at_once() -> None:
    scope: dict[str, object] = {}
    exec("from rnnkit import *", scope)
    assert set(rnnkit.__all__) <= scope.keys()


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
