"""Imports go strictly down the ladder of docs/ARCHITECTURE.md."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "rnnkit"
FILES = sorted(PACKAGE.rglob("*.py"))


def rungs() -> dict[str, int]:
    text = (ROOT / "docs" / "ARCHITECTURE.md").read_text()
    block = re.search(r"```ladder\n(.*?)```", text, re.DOTALL)
    assert block, "docs/ARCHITECTURE.md has no ladder"
    found: dict[str, int] = {}
    for line in block[1].splitlines():
        number, names = re.match(r"(\d+)\s+((?:[a-z0-9_]+ ?)+)", line).groups()
        found |= {name: int(number) for name in names.split()}
    return found


def unit(module: str) -> str:
    """The part of a module's name that stands on a rung; empty for the package itself."""
    return (module.split(".") + [""])[1]


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imports(path: Path) -> list[tuple[int, str]]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            found.append((node.lineno, str(node.module)))
    return found


def test_every_file_stands_on_a_rung() -> None:
    units = {unit(module_of(path)) for path in FILES} - {""}
    assert units == set(rungs())


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_down(path: Path) -> None:
    ladder, here = rungs(), unit(module_of(path))
    if not here:  # the package itself names its public modules, and loads them lazily
        return
    for line, module in imports(path):
        there = unit(module)
        if not module.startswith("rnnkit.") or there == here:
            continue
        assert ladder[there] < ladder[here], f"{path}:{line}: {here} may not import {there}"


@pytest.mark.parametrize(
    ("package", "home"),
    [
        ("h5py", "checkpoint"),
        ("click", "cli"),
        ("rich", "cli"),
        ("numba", "kernels"),
        ("matplotlib", "plots"),
    ],
)
def test_packages_stay_where_they_belong(package: str, home: str) -> None:
    users = {
        unit(module_of(path))
        for path in FILES
        for _, module in imports(path)
        if module.split(".")[0] == package
    }
    assert users == {home}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_are_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 350


def test_no_file_imports_a_concrete_type() -> None:
    kinds = {"cells", "layers", "losses", "optimizers", "schedules", "tokenizers", "datasets"}
    for path in FILES:
        here = unit(module_of(path))
        for line, module in imports(path):
            there = unit(module)
            assert there not in kinds or there == here, f"{path}:{line} imports {module}"
