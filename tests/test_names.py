"""One public name, one meaning: no two modules define a class or a function of the same name."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
Names = dict[str, list[str]]

CONVENTIONS = {
    "command": "rnnkit/cli/",  # each command of the command line, found by its module
    "forward": "rnnkit/compute/kernels/",  # the two directions of a kernel
    "backward": "rnnkit/compute/kernels/",
    "main": "",  # what a process of its own runs
}
"""Names that mean the same in each module under a folder."""


def is_type(node: ast.AST) -> bool:
    """Tell whether a statement names a type: a class, or what is annotated as TypeAlias."""
    if isinstance(node, ast.AnnAssign):
        return ast.unparse(node.annotation) == "TypeAlias"
    return isinstance(node, ast.ClassDef)


def is_function(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def name_of(node: ast.AST) -> str:
    return ast.unparse(node.target) if isinstance(node, ast.AnnAssign) else node.name


def definitions(functions: bool, root: Path = ROOT) -> Iterator[tuple[str, str]]:
    """Yield each public name that a module defines at its outermost level, and the module."""
    for path in sorted((root / "rnnkit").rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            wanted = is_function(node) if functions else is_type(node)
            if wanted and not name_of(node).startswith("_"):
                yield name_of(node), path.relative_to(root).as_posix()


def repeated(functions: bool, root: Path = ROOT) -> Names:
    """Return the names with more than one meaning, and where each is defined."""
    found: Names = defaultdict(list)
    for name, module in definitions(functions, root):
        if name not in CONVENTIONS or not module.startswith(CONVENTIONS[name]):
            found[name].append(module)
    return {name: modules for name, modules in found.items() if len(modules) > 1}


@pytest.mark.parametrize("functions", [False, True])
def test_a_public_name_has_one_meaning(functions: bool) -> None:
    found = repeated(functions)
    assert not found, f"defined more than once (rename all but one): {found}"


def test_a_repeated_name_is_found(tmp_path: Path) -> None:
    (tmp_path / "rnnkit" / "cli").mkdir(parents=True)
    text = (
        "class Part: ...\nPath: TypeAlias = str\ndef read(): ...\ndef command(): ...\ndef _a(): ..."
    )
    for name in ("a.py", "cli/b.py", "cli/c.py"):
        (tmp_path / "rnnkit" / name).write_text(text)
    modules = ["rnnkit/a.py", "rnnkit/cli/b.py", "rnnkit/cli/c.py"]
    assert repeated(False, tmp_path) == {"Part": modules, "Path": modules}
    assert repeated(True, tmp_path) == {"read": modules}
