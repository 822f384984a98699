"""A checkpoint notices that a type of its name is of another package, release or source."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from helpers import command, done, newest, plain_spec, rewritten, told
from helpers import write_spec as write
from stubs import cell, install

from rnnkit.api import train
from rnnkit.checkpoint.meta import other_plugins
from rnnkit.checkpoint.snapshot import Snapshot
from rnnkit.contracts.registry import Registry
from rnnkit.core.installed import installed
from rnnkit.core.source_digest import package_digest
from rnnkit.errors import CheckpointError
from rnnkit.inference.model import load

SAVED = "layer 'stub', saved by rnnkit-odd 1.0, may compute something else: "
OTHER = cell(forward="h = 0.5 * h")
BACK = "pip uninstall rnnkit-even && pip install 'rnnkit-odd==1.0'"


@pytest.fixture
def run(tmp_path: Path, site: Path) -> Path:
    """A run with the cell `stub` of rnnkit-odd 1.0."""
    install(site, cell())
    value = plain_spec()
    value["model"]["layers"][1] = {"type": "stub", "units": 5}
    folder = tmp_path / "run"
    done("run", write(tmp_path, value), "--out", folder, "--max-steps", 2)
    return folder


def replace_distribution(site: Path) -> None:
    (site / "rnnkit_odd-1.0.dist-info" / "entry_points.txt").unlink()
    install(site, OTHER, distribution="rnnkit-even")


def test_the_source_of_a_plugin_is_stored_and_of_rnnkit_nothing_new(run: Path) -> None:
    origins = newest(run).meta.origins
    assert {bool(origin.source) for origin in origins if origin.type == "stub"} == {True}
    own = [origin for origin in origins if origin.type != "stub"]
    assert own and all("source" not in origin.model_dump(mode="json") for origin in own)


@pytest.mark.parametrize("line", [["eval"], ["sample", "--length", 3], ["resume"]], ids=str)
def test_another_distribution_is_refused_until_it_is_accepted(
    run: Path, site: Path, line: list[object]
) -> None:
    replace_distribution(site)
    verb, *options = line
    told(
        command(verb, run, *options),
        6,
        "[CKPT_PLUGIN_MISMATCH] 'stub' came from rnnkit-odd 1.0, but is now offered by "
        "rnnkit-even 1.0, which may compute something else "
        f"({BACK}, or go on with --accept-plugin, in Python accept_plugin=True)",
    )
    accepted = done(verb, run, *options, "--accept-plugin")
    now = f"it is now of rnnkit-even 1.0 (back to it: {BACK})"
    assert f"{SAVED}{now}" in accepted.err


def test_another_distribution_is_accepted_from_python(
    run: Path, site: Path, caplog: pytest.LogCaptureFixture
) -> None:
    replace_distribution(site)
    with pytest.raises(CheckpointError, match="in Python accept_plugin=True"):
        load(run)
    with pytest.raises(CheckpointError, match="in Python accept_plugin=True"):
        train(run / "spec.json", run, progress=False)
    assert not caplog.messages
    load(run, accept_plugin=True)
    assert any(f"{SAVED}it is now of rnnkit-even" in message for message in caplog.messages)
    train(run / "spec.json", run, run.parent, max_steps=3, progress=False, accept_plugin=True)


def test_another_source_is_told_in_python(
    run: Path, site: Path, caplog: pytest.LogCaptureFixture
) -> None:
    load(run)
    assert not caplog.messages
    (site / "rnnkit_odd.py").write_text(OTHER)
    load(run)
    (told_once,) = caplog.messages
    assert told_once.endswith(f"{SAVED}it has another source in rnnkit-odd 1.0")


def test_the_way_back_from_rnnkit_itself(run: Path) -> None:
    origin = next(origin for origin in newest(run).meta.origins if origin.type == "stub")
    own = replace(installed()[0], name="stub", group=origin.group, distribution="rnnkit")
    meta = newest(run).meta.model_copy(update={"origins": (origin,)})
    (said,) = other_plugins(meta, Registry([own], True))
    assert said.endswith("(back to it: pip install 'rnnkit-odd==1.0' beside an older rnnkit)")


def test_another_source_is_reported(run: Path, site: Path) -> None:
    assert "saved by" not in done("eval", run).err
    (site / "rnnkit_odd.py").write_text(OTHER)
    said = f"{SAVED}it has another source in rnnkit-odd 1.0"
    assert said in done("eval", run).err
    told(command("resume", run, "--exact"), 8, f"[EXACT_PLUGIN] --exact: {said}")
    resumed = done("resume", run, "--max-steps", 3)
    assert f"the resumed run can no longer be bit-identical: {said}" in resumed.err
    assert "saved by" not in done("resume", run, "--max-steps", 4).err


PACKAGED = """
from rnnkit_odd.deep import formulas
"""


def packaged(site: Path) -> Path:
    """Install the cell as a package whose mathematics lies in a module of its own."""
    install(site, "")
    (site / "rnnkit_odd.py").unlink()
    deep = site / "rnnkit_odd" / "deep"
    deep.mkdir(parents=True)
    source = cell(forward="h = formulas.value(zx + zh)")
    (site / "rnnkit_odd" / "__init__.py").write_text(PACKAGED + source)
    (deep / "__init__.py").write_text("")
    formulas = deep / "formulas.py"
    formulas.write_text("import numpy as np\n\n\ndef value(z):\n    return np.tanh(z)\n")
    return formulas


@pytest.fixture
def run_of_package(tmp_path: Path, site: Path) -> tuple[Path, Path]:
    """A run with such a cell, and the file of its mathematics."""
    formulas = packaged(site)
    value = plain_spec()
    value["model"]["layers"][1] = {"type": "stub", "units": 5}
    folder = tmp_path / "run"
    done("run", write(tmp_path, value), "--out", folder, "--max-steps", 2)
    return folder, formulas


def test_another_source_of_a_module_beside_the_type_is_reported(
    run_of_package: tuple[Path, Path],
) -> None:
    run, formulas = run_of_package
    assert "saved by" not in done("eval", run).err
    (formulas.parent / "notes.md").write_text("no source")
    assert "saved by" not in done("eval", run).err
    formulas.write_text(formulas.read_text() + "\n")
    said = f"{SAVED}it has another source in rnnkit-odd 1.0"
    assert said in done("eval", run).err
    told(command("resume", run, "--exact"), 8, f"[EXACT_PLUGIN] --exact: {said}")


def test_a_module_that_comes_or_moves_is_another_source(run_of_package: tuple[Path, Path]) -> None:
    run, formulas = run_of_package
    (formulas.parent / "more.py").write_text("")
    assert f"{SAVED}it has another source" in done("eval", run).err
    (formulas.parent / "more.py").unlink()
    assert "saved by" not in done("eval", run).err


def test_the_digest_of_the_module_alone_that_older_files_hold_counts(
    run: Path, site: Path, tmp_path: Path
) -> None:
    module = hashlib.sha256((site / "rnnkit_odd.py").read_bytes()).hexdigest()

    def older(snapshot: Snapshot) -> Snapshot:
        origins = (
            o.model_copy(update={"source": o.source and module}) for o in snapshot.meta.origins
        )
        meta = snapshot.meta.model_copy(update={"origins": tuple(origins)})
        return replace(snapshot, meta=meta)

    old = rewritten(run, tmp_path / "older", older)
    assert "saved by" not in done("eval", old).err
    assert "saved by" not in done("resume", old, "--max-steps", 3, "--exact").err
    (site / "rnnkit_odd.py").write_text(OTHER)
    assert f"{SAVED}it has another source" in done("eval", run).err
    older_still = rewritten(run, tmp_path / "older_still", older)
    assert f"{SAVED}it has another source" in done("eval", older_still).err


def test_another_release_is_reported(run: Path, site: Path) -> None:
    facts = site / "rnnkit_odd-1.0.dist-info" / "METADATA"
    facts.write_text(facts.read_text().replace("1.0", "1.1"))
    assert f"{SAVED}it is now of rnnkit-odd 1.1 (back" in done("eval", run).err


def test_a_file_that_tells_no_source_loads_without_a_word(
    run: Path, site: Path, tmp_path: Path
) -> None:
    def older(snapshot: Snapshot) -> Snapshot:
        origins = (o.model_copy(update={"source": None}) for o in snapshot.meta.origins)
        meta = snapshot.meta.model_copy(update={"origins": tuple(origins)})
        return replace(snapshot, meta=meta)

    (site / "rnnkit_odd.py").write_text(OTHER)
    assert "saved by" not in done("eval", rewritten(run, tmp_path / "older", older)).err


@pytest.mark.parametrize("name", ["table.json", "data/table.npz", "quick.so"])
def test_a_file_that_is_no_python_counts_too(run_of_package: tuple[Path, Path], name: str) -> None:
    run, formulas = run_of_package
    package = formulas.parent
    done("eval", run)
    (package / "data").mkdir()
    (package / name).write_bytes(b"1")
    assert "has another source in rnnkit-odd 1.0" in done("eval", run).err


@pytest.mark.parametrize("name", ["__pycache__/a.json", "run.log", ".cache", "kernel.nbi"])
def test_what_comes_and_goes_beside_the_code_does_not(
    run_of_package: tuple[Path, Path], name: str
) -> None:
    run, formulas = run_of_package
    package = formulas.parent
    (package / "__pycache__").mkdir(exist_ok=True)
    (package / name).write_bytes(b"1")
    assert "another source" not in done("eval", run).err


def test_of_a_long_file_size_and_ends_count(
    run_of_package: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rnnkit.core.source_digest.LONG", 30)
    monkeypatch.setattr("rnnkit.core.source_digest.END", 10)
    package = run_of_package[1].parent
    found = set()
    for text in ("a" * 50, "a" * 51, "a" * 49 + "b", "b" + "a" * 49, "a" * 25 + "b" + "a" * 24):
        (package / "long.bin").write_text(text)
        found.add(Registry().source("rnnkit.layers", "stub"))
    assert len(found) == 4  # the middle is not read


def test_the_digest_of_the_python_files_that_older_files_hold_counts(
    run_of_package: tuple[Path, Path],
) -> None:
    run, formulas = run_of_package
    package = formulas.parent
    cls = Registry().find("rnnkit.layers", "stub")
    older = package_digest(cls, python_alone=True)

    def aged(snapshot: Snapshot) -> Snapshot:
        origins = tuple(
            origin.model_copy(update={"source": older}) if origin.source else origin
            for origin in snapshot.meta.origins
        )
        meta = snapshot.meta.model_copy(update={"origins": origins})
        return replace(snapshot, meta=meta)

    (package / "table.json").write_text("1")
    assert not other_plugins(aged(newest(run)).meta, Registry())


def test_a_best_score_of_a_plugin_as_it_was_is_told(run: Path, site: Path) -> None:
    done("resume", run, "--max-steps", 6)
    (site / "rnnkit_odd.py").write_text(OTHER)
    resumed = done("resume", run, "--max-steps", 7)
    assert "so far, " in resumed.err and " at step 5, is of the plugin as it was, and later" in (
        resumed.err
    )
