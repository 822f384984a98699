"""A module that takes too long is waited for once; one that fails says each time what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from stubs import install

from rnnkit.contracts.registry import Registry
from rnnkit.errors import PluginError


def told_of_two_types(site: Path, module: str) -> list[str]:
    """Return what is said of two types of one module."""
    install(site, f"with open({str(site / 'imports')!r}, 'a') as f: f.write('x')\n{module}")
    with (site / "rnnkit_odd-1.0.dist-info" / "entry_points.txt").open("a") as points:
        points.write("second = rnnkit_odd:Stub\n")
    registry = Registry()
    said = []
    for name in ("stub", "second"):
        with pytest.raises(PluginError) as caught:
            registry.find("rnnkit.layers", name)
        said.append(str(caught.value))
    return said


def test_a_module_that_takes_too_long_is_waited_for_once(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rnnkit.contracts.registry.IMPORT_SECONDS", 0.2)
    said = told_of_two_types(site, "import time\nwhile True: time.sleep(0.01)")
    assert all("its import takes more than 0.2 s" in each for each in said)
    assert (site / "imports").read_text() == "x"


def test_a_module_that_fails_says_so_for_each_of_its_types(site: Path) -> None:
    said = told_of_two_types(site, "import rnnkit_odd_missing")
    assert all("No module named 'rnnkit_odd_missing'" in each for each in said)
