"""A checkpoint notices that a type of its name is of another package, release or source."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from helpers import command, done, newest, plain_spec, rewritten, told
from helpers import write_spec as write
from stubs import cell, install

from rnnkit.checkpoint.snapshot import Snapshot

SAVED = "layer 'stub', saved by rnnkit-odd 1.0, may compute something else: "
OTHER = cell(forward="h = 0.5 * h")


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
        "(pip install 'rnnkit-odd==1.0', or go on with --accept-plugin)",
    )
    accepted = done(verb, run, *options, "--accept-plugin")
    now = "it is now of rnnkit-even 1.0 (back to it: pip install 'rnnkit-odd==1.0')"
    assert f"{SAVED}{now}" in accepted.err


def test_another_source_is_reported(run: Path, site: Path) -> None:
    assert "saved by" not in done("eval", run).err
    (site / "rnnkit_odd.py").write_text(OTHER)
    said = f"{SAVED}it has another source in rnnkit-odd 1.0"
    assert said in done("eval", run).err
    told(command("resume", run, "--exact"), 8, f"[EXACT_PLUGIN] --exact: {said}")
    resumed = done("resume", run, "--max-steps", 3)
    assert f"the resumed run can no longer be bit-identical: {said}" in resumed.err
    assert "saved by" not in done("resume", run, "--max-steps", 4).err


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
