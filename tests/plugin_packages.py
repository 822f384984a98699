"""A plugin as its users get it: installed by pip in a folder of its own, used by commands."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

PLUGINS = Path(__file__).parents[1] / "plugins"


def command(
    arguments: list[str], site: Path | None, code: int = 0, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a module with the packages of a folder, and compare its exit code."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        env={**os.environ, "PYTHONPATH": str(site or ""), **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


def own_tests(package: str, site: Path, *options: str, **environment: str) -> str:
    """Run the tests that a plugin brings; return what they print."""
    root = str(PLUGINS / package)
    arguments = ["pytest", "--rootdir", root, "-p", "no:cacheprovider", f"{root}/tests", *options]
    return command(arguments, site, **environment).stdout


def installed(project: Path, folder: Path) -> Path:
    """Install a project by pip; from a copy, since a build writes beside its sources."""
    source, site = folder / "source", folder / "site"
    shutil.copytree(project, source, ignore=shutil.ignore_patterns("*.egg-info", "build"))
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
        + ["--no-index", "--target", str(site), str(source)],
        check=True,
        capture_output=True,
    )
    return site
