"""rnnkit-mgu as its users get it: a pip package that rnnkit does not know of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from plugin_packages import PLUGINS, command, installed, own_tests

ROOT = Path(__file__).parents[1]
SHORT = [
    "-s",
    "data.limit=6000",
    "-s",
    "train.streams=8",
    "-s",
    "train.window=16",
    "-s",
    "train.epochs=2",
]


def test_its_own_tests_pass(mgu: Path) -> None:
    assert "1 passed" in own_tests("rnnkit-mgu", mgu, RNNKIT_KERNELS="numpy")


def test_it_is_listed_with_its_distribution(mgu: Path) -> None:
    listed = json.loads(command(["rnnkit.cli", "plugins", "--json"], mgu).stdout)["plugins"]
    (entry,) = [p for p in listed if p["type"] == "mgu"]
    assert (entry["kind"], entry["distribution"], entry["version"]) == (
        "layer",
        "rnnkit-mgu",
        "0.1.0",
    )


def test_a_spec_runs_stops_resumes_and_needs_it(mgu: Path, tmp_path: Path) -> None:
    spec = str(ROOT / "model_specs" / "char_mgu.json")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    command(["rnnkit.cli", "run", spec, "--out", str(whole), *SHORT], mgu)
    command(["rnnkit.cli", "run", spec, "--out", str(parts), "--max-steps", "7", *SHORT], mgu)
    command(["rnnkit.cli", "resume", str(parts)], mgu)
    for name in ("metrics.jsonl", "best.h5"):
        assert (whole / name).read_bytes() == (parts / name).read_bytes()
    sample = ["rnnkit.cli", "sample", str(whole), "--length", "20"]
    compiled, plain = (command(sample, mgu, RNNKIT_KERNELS=of).stdout for of in ("", "numpy"))
    assert len(compiled) == 21 and compiled == plain

    said = command(["rnnkit.cli", "sample", str(whole)], None, code=4).stderr
    assert said == (
        f"{whole / 'best.h5'} [PLUGIN_NOT_FOUND] 'mgu' came from rnnkit-mgu 0.1.0, which is not "
        "installed: pip install 'rnnkit-mgu==0.1.0'\n"
    )


def test_without_it_the_spec_says_so(tmp_path: Path) -> None:
    spec = str(ROOT / "model_specs" / "char_mgu.json")
    said = command(["rnnkit.cli", "check", spec], None, code=4).stderr
    assert "no installed distribution provides the layer 'mgu'; installed: affine," in said


@pytest.fixture(scope="session")
def mgu(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder on the path with the package installed in it, and nothing else."""
    return installed(PLUGINS / "rnnkit-mgu", tmp_path_factory.mktemp("mgu"))
