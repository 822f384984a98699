"""A method that the author of a plugin left out is named, with the class that lacks it."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path
from typing import Any

import pytest

import rnnkit

SOURCE = Path(rnnkit.__file__).parent
FOLDERS = ("contracts", "builtin/losses", "builtin/metrics", "builtin/datasets/shared")


def left_out() -> list[Any]:
    """Return (module, class, method) of each that does nothing but to say so."""
    found = []
    for path in sorted(file for folder in FOLDERS for file in (SOURCE / folder).glob("*.py")):
        module = ".".join(("rnnkit", *path.relative_to(SOURCE).with_suffix("").parts))
        for cls in ast.walk(ast.parse(path.read_text())):
            methods = cls.body if isinstance(cls, ast.ClassDef) else []
            for method in methods:
                if not isinstance(method, ast.FunctionDef):
                    continue
                body = [each for each in method.body if not isinstance(each, ast.Expr)]
                if len(body) == 1 and "NotImplementedError(" in ast.unparse(body[0]):
                    assert isinstance(cls, ast.ClassDef)
                    name = f"{cls.name}.{method.name}"
                    found.append(pytest.param(module, cls.name, method.name, id=name))
    return found


@pytest.mark.parametrize(("module", "cls", "method"), left_out())
def test_it_is_named(module: str, cls: str, method: str) -> None:
    base = getattr(importlib.import_module(module), cls)
    lacking = type("Theirs", (base,), {})
    call = getattr(lacking, method)
    given = [None] * (len(inspect.signature(call).parameters) - 1)
    with pytest.raises(NotImplementedError) as caught:
        call(lacking.__new__(lacking), *given)
    assert str(caught.value) == f"Theirs.{method}"


def test_those_that_are_looked_for_are_there() -> None:
    names = {param.id for param in left_out()}
    assert {"Layer.output", "Loss.forward", "Metric.report", "Dataset.open"} <= names
