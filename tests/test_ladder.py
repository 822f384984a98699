"""Imports go strictly down the levels of docs/ARCHITECTURE.md; inside a package, in no circle."""

from __future__ import annotations

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "rnnkit"
FILES = sorted(PACKAGE.rglob("*.py"))
KINDS = {"cells", "layers", "losses", "optimizers", "schedules", "tokenizers", "datasets"}


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = {module_of(path) for path in FILES}
PACKAGES = {module_of(path) for path in FILES if path.name == "__init__.py"}


def levels() -> dict[str, int]:
    """Return the level of every package, and of every module of the root, as the page has it."""
    text = (ROOT / "docs" / "ARCHITECTURE.md").read_text()
    block = re.search(r"```levels\n(.*?)```", text, re.DOTALL)
    assert block, "docs/ARCHITECTURE.md has no levels"
    found: dict[str, int] = {}
    for line in block[1].splitlines():
        number, names = re.fullmatch(r"(\d+) +((?:[a-z0-9_]+ ?)+)(?: {2,}.*)?", line).groups()
        found |= {name: int(number) for name in names.split()}
    return found


def unit(module: str) -> str:
    """Return the package of the root that a module is in; empty for the root itself."""
    return (module.split(".") + [""])[1]


def imports(path: Path) -> list[tuple[int, str]]:
    """Return the line and the module of every import, of modules that are imported by name too."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [
                (node.lineno, name if name in MODULES else str(node.module)) for name in inner
            ]
    return found


def test_the_root_holds_what_has_a_level() -> None:
    assert {unit(module) for module in MODULES} - {""} == set(levels())


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_down(path: Path) -> None:
    level, here = levels(), unit(module_of(path))
    if not here:  # the root names its public modules, and loads them lazily
        return
    for line, module in imports(path):
        there = unit(module)
        if not module.startswith("rnnkit") or there == here:
            continue
        assert there, f"{path}:{line}: import it from where it stands, not from rnnkit"
        assert level[there] < level[here], f"{path}:{line}: {here} may not import {there}"


@pytest.mark.parametrize("package", sorted({unit(module) for module in PACKAGES} - {""}))
def test_no_modules_of_a_package_import_each_other(package: str) -> None:
    inside = {module_of(path): path for path in FILES if unit(module_of(path)) == package}
    graph = {
        module: {there for _, there in imports(path) if there in inside and there != module}
        for module, path in inside.items()
    }
    for module in graph:  # importing a module runs the packages that it stands in
        graph[module] |= {p for p in PACKAGES & inside.keys() if module.startswith(f"{p}.")}
    for module in PACKAGES & inside.keys():  # and a package may re-export what it holds
        graph[module] = {there for there in graph[module] if not there.startswith(f"{module}.")}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' imports '.join(reversed(error.args[1]))}")


@pytest.mark.parametrize(
    ("package", "homes"),
    [
        ("h5py", ("rnnkit.checkpoint", "rnnkit.exchange.incoming.keras_file")),
        ("click", ("rnnkit.cli",)),
        ("rich", ("rnnkit.reporting",)),
        ("numba", ("rnnkit.compute.kernels",)),
        ("matplotlib", ("rnnkit.analysis.plots",)),
    ],
)
def test_packages_stay_where_they_belong(package: str, homes: tuple[str, ...]) -> None:
    users = {
        module_of(path)
        for path in FILES
        for _, module in imports(path)
        if module.split(".")[0] == package
    }
    assert users
    assert not {
        user for user in users if not f"{user}.".startswith(tuple(f"{home}." for home in homes))
    }


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_are_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 350


def test_no_file_imports_a_concrete_type() -> None:
    for path in FILES:
        here = module_of(path)
        for line, module in imports(path):
            concrete = module.startswith("rnnkit.builtin.") and module.split(".")[2] in KINDS
            # The root names what users call, and loads it lazily.
            allowed = unit(here) in ("builtin", "")
            assert not concrete or allowed, f"{path}:{line} imports {module}"
