"""Whatever lies in site-packages stops no command that does not need it, and is named."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers import command, done, plain_spec, process, write_spec
from stubs import cell, install

from rnnkit.core.distributions import offers
from rnnkit.core.installed import clashes, installed
from rnnkit.version import VERSION

OWN = "[rnnkit.layers]\nlstm = rnnkit.builtin.cells.lstm:LSTM\n"


@pytest.fixture
def no_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `plugins --check` import nothing: each of our own types would take a process."""
    monkeypatch.setattr("rnnkit.cli.plugins.failure", lambda plugin: None)


def folder_of(site: Path, name: str, points: bytes, facts: bytes | None) -> Path:
    folder = site / name
    folder.mkdir()
    (folder / "entry_points.txt").write_bytes(points)
    if facts is not None:
        (folder / "METADATA").write_bytes(facts)
    return folder


def facts(name: str, version: str) -> bytes:
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()


CASES = {
    "an interrupted upgrade": (
        "~nnkit-0.0.9.dist-info",
        OWN.encode(),
        facts("rnnkit", "0.0.9"),
        "was left by an interrupted pip (delete it)",
    ),
    "one without METADATA": (
        "~nnkit-0.0.9.dist-info",
        OWN.encode(),
        None,
        "was left by an interrupted pip (delete it)",
    ),
    "no name": (
        "odd-1.0.dist-info",
        OWN.encode(),
        b"Metadata-Version: 2.1\n",
        "tells no name and version (delete it, or install its package again)",
    ),
    "entry points that are no text": (
        "odd-1.0.dist-info",
        b"[rnnkit.layers]\n\xff\xfe = a:B\n",
        facts("odd", "1.0"),
        "cannot be read: 'utf-8' codec can't decode byte 0xff in position 16: invalid start byte "
        "(install its package again)",
    ),
    "METADATA that is no text": (
        "odd-1.0.dist-info",
        OWN.encode(),
        b"Name: \xff\n",
        "cannot be read: 'utf-8' codec can't decode byte 0xff in position 6: invalid start byte "
        "(install its package again)",
    ),
    "an entry point that names nothing": (
        "odd-1.0.dist-info",
        b"[rnnkit.layers]\nodd = not a valid::ref\n",
        facts("odd", "1.0"),
        "has 'odd = not a valid::ref' in rnnkit.layers, which is no entry point: expected "
        "NAME = MODULE:CLASS (tell the author of odd 1.0, or update it)",
    ),
    "one in a group that is not read": (
        "odd-1.0.dist-info",
        b"[rnnkit.cells]\nodd =\n",
        facts("odd", "1.0"),
        "has 'odd = ' in rnnkit.cells, which is no entry point: expected "
        "NAME = MODULE:CLASS (tell the author of odd 1.0, or update it)",
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_it_stops_nothing_and_is_named(
    site: Path, tmp_path: Path, case: tuple[str, bytes, bytes | None, str]
) -> None:
    before = installed()
    name, points, metadata, sentence = case
    folder = folder_of(site, name, points, metadata)
    assert installed() == before
    spec = write_spec(tmp_path / "spec", plain_spec())
    done("check", spec)
    done("run", spec, "--out", tmp_path / "run", "--max-steps", 1)
    done("sample", tmp_path / "run", "--length", 3)
    assert f"{folder} {sentence}" in done("doctor").err
    assert f"{folder} {sentence}" in done("plugins").out


@pytest.mark.usefixtures("no_imports")
def test_an_entry_point_that_names_nothing_leaves_those_beside_it(
    site: Path, tmp_path: Path
) -> None:
    install(site, cell())
    folder = site / "rnnkit_odd-1.0.dist-info"
    with open(folder / "entry_points.txt", "a") as file:
        file.write("\n[rnnkit.losses]\nodd = os:path.:q\n")
    assert "stub" in [plugin.name for plugin in installed()]
    assert any("'odd = os:path.:q' in rnnkit.losses" in said for said in offers().unused)
    checked = command("plugins", "--check")
    assert checked.code == 4 and "[PLUGIN_ENTRY_POINT]" in checked.err
    spec = {**plain_spec()}
    spec["model"] = {**spec["model"], "loss": {"type": "odd"}}
    ran = command("check", write_spec(tmp_path / "spec", spec))
    assert ran.code == 4
    assert "provides the loss 'odd'" in ran.err
    assert "rnnkit doctor names what cannot be read" in ran.err


@pytest.mark.usefixtures("no_imports")
def test_a_line_that_is_no_entry_point_is_named_and_fails_the_check(site: Path) -> None:
    install(site, cell())
    folder = site / "rnnkit_odd-1.0.dist-info"
    with open(folder / "entry_points.txt", "a") as file:
        file.write("\n# a note\n\nodd os.path\n")
    lines = (folder / "entry_points.txt").read_text().splitlines()
    sentence = (
        f"{folder} has 'odd os.path' in line {len(lines)} of entry_points.txt, which hides entry "
        "points: expected [GROUP] or NAME = MODULE:CLASS (tell its author, or install its package "
        "again)"
    )
    assert sentence in offers().malformed and sentence in offers().unused
    assert sentence in done("doctor").err
    assert sentence in done("plugins").out
    checked = command("plugins", "--check")
    assert checked.code == 4 and f"[PLUGIN_ENTRY_POINT] {sentence}" in checked.err
    assert checked.out.count(sentence) == 1


@pytest.mark.parametrize("before", ["", "[rnnkit.layers]\nodd = rnnkit_odd:Odd\n\n"])
def test_a_group_without_its_bracket_is_named(site: Path, before: str) -> None:
    install(site, cell())
    points = site / "rnnkit_odd-1.0.dist-info" / "entry_points.txt"
    points.write_text(f"{before}[rnnkit.losses\nodd = rnnkit_odd:Odd\n")
    (sentence,) = offers().malformed
    assert "has '[rnnkit.losses' in line" in sentence and "expected [GROUP] or NAME" in sentence


def test_what_stands_before_the_first_group_hides_nothing(site: Path) -> None:
    install(site, cell())
    points = site / "rnnkit_odd-1.0.dist-info" / "entry_points.txt"
    before, read = installed(), points.read_text()
    points.write_text(f"; written by a tool\nby hand\n{read}")
    assert installed() == before and not offers().unused


def test_what_pip_left_is_no_fault_of_its_package(site: Path) -> None:
    install(site, cell())
    folder = site / "rnnkit_odd-1.0.dist-info"
    with open(folder / "entry_points.txt", "a") as file:
        file.write("\nodd os.path\n")
    left = folder.rename(site / "~nkit_odd-1.0.dist-info")
    assert f"{left} was left by an interrupted pip (delete it)" in offers().unused
    assert not offers().malformed


@pytest.mark.parametrize("points", [b"\xff", b"[console_scripts]\nno value\n"])
def test_no_library_is_stopped_by_entry_points_that_cannot_be_read(
    site: Path, tmp_path: Path, points: bytes
) -> None:
    folder_of(site, "odd-1.0.dist-info", points, facts("odd", "1.0"))
    spec = write_spec(tmp_path / "spec", plain_spec())
    for words in (["check", spec], ["doctor"]):  # Pydantic reads them all, and numba
        ran = process(words, PYTHONPATH=str(site))
        assert ran.returncode == 0, ran.stderr


def test_a_stale_one_of_the_same_name(site: Path) -> None:
    install(site, cell())
    stale = site / "rnnkit_odd-0.9.dist-info"
    shutil.copytree(site / "rnnkit_odd-1.0.dist-info", stale)
    (stale / "METADATA").write_bytes(facts("rnnkit.odd", "0.9"))
    for folder, when in ((stale, 1000), (site / "rnnkit_odd-1.0.dist-info", 2000)):
        os.utime(folder, (when, when))
    mine = [plugin for plugin in installed() if plugin.name == "stub"]
    assert [(plugin.distribution, plugin.version) for plugin in mine] == [("rnnkit-odd", "1.0")]
    assert (
        f"{stale} is what rnnkit.odd 0.9 left behind when 1.0 was installed (delete it)"
        in offers().unused
    )


def test_the_first_on_the_path_counts(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(site, cell())
    other = site / "earlier"
    install(other, cell())
    (other / "rnnkit_odd-1.0.dist-info" / "METADATA").write_bytes(facts("rnnkit-odd", "2.0"))
    monkeypatch.syspath_prepend(str(other))
    (mine,) = (plugin for plugin in installed() if plugin.name == "stub")
    assert mine.version == "2.0"
    assert not [said for said in offers().unused if "odd" in said]


def test_a_folder_that_the_path_names_twice(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(site, cell())
    monkeypatch.chdir(site)
    before = offers()
    monkeypatch.syspath_prepend("")
    monkeypatch.syspath_prepend(".")
    assert offers() == before


def test_a_type_that_is_missing_may_be_in_what_cannot_be_read(site: Path, tmp_path: Path) -> None:
    value = plain_spec()
    value["model"]["layers"][1]["type"] = "stub"
    spec = write_spec(tmp_path, value)
    assert "rnnkit doctor" not in command("check", spec).err
    install(site, cell())
    (site / "rnnkit_odd-1.0.dist-info" / "METADATA").write_bytes(b"\xff")
    ran = command("check", spec)
    assert ran.code == 4 and ran.err.rstrip().endswith("; rnnkit doctor names what cannot be read")


def recorded(folder: Path, module: str) -> None:
    """Write a RECORD with the hash of a module as it lies beside the folder now."""
    content = (folder.parent / module).read_bytes()
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    (folder / "RECORD").write_text(f"{module},sha256={digest},{len(content)}\n")


def test_the_version_that_runs_decides_and_not_what_was_written_last(site: Path) -> None:
    stale = folder_of(site, "rnnkit-0.0.9.dist-info", OWN.encode(), facts("rnnkit", "0.0.9"))
    real = folder_of(site, f"rnnkit-{VERSION}.dist-info", OWN.encode(), facts("rnnkit", VERSION))
    for folder, when in ((stale, 2000), (real, 1000)):
        os.utime(folder, (when, when))
    (lstm,) = (plugin for plugin in installed() if plugin.name == "lstm")
    assert (lstm.distribution, lstm.version) == ("rnnkit", VERSION)
    sentence = f"{stale} is what rnnkit 0.0.9 left behind when {VERSION} was installed (delete it)"
    assert sentence in done("doctor").err
    assert str(real) not in done("doctor").err


def test_a_stale_one_of_rnnkit_that_comes_first_on_the_path(site: Path) -> None:
    stale = folder_of(site, "rnnkit-0.0.9.dist-info", OWN.encode(), facts("rnnkit", "0.0.9"))
    assert {plugin.version for plugin in installed() if plugin.distribution == "rnnkit"} == {
        VERSION
    }
    assert f"{stale} is what rnnkit 0.0.9 left behind" in done("doctor").err


def test_the_metadata_of_the_code_that_lies_there_counts(site: Path) -> None:
    install(site, cell())
    real, stale = site / "rnnkit_odd-1.0.dist-info", site / "rnnkit_odd-0.9.dist-info"
    recorded(real, "rnnkit_odd.py")
    shutil.copytree(real, stale)
    (stale / "METADATA").write_bytes(facts("rnnkit-odd", "0.9"))
    (stale / "RECORD").write_text(f"rnnkit_odd.py,sha256={'A' * 43},10\n../odd,md6=x,1\n")
    for folder, when in ((stale, 2000), (real, 1000)):
        os.utime(folder, (when, when))
    (mine,) = (plugin for plugin in installed() if plugin.name == "stub")
    assert mine.version == "1.0"
    assert f"{stale} is what rnnkit-odd 0.9 left behind" in done("doctor").err


def test_doctor_names_the_version_of_the_library_that_runs(site: Path) -> None:
    folder_of(site, "numpy-0.1.dist-info", b"", facts("numpy", "0.1"))
    assert f"numpy {np.__version__}," in done("doctor").out


def test_doctor_asks_the_package_itself_for_its_version(site: Path) -> None:
    folder_of(site, "rnnkit-0.0.9.dist-info", OWN.encode(), facts("rnnkit", "0.0.9"))
    assert f"rnnkit {VERSION}" in done("doctor").out


def test_a_package_that_offers_a_name_twice_is_told_as_such(site: Path) -> None:
    install(site, cell())
    with open(site / "rnnkit_odd-1.0.dist-info" / "entry_points.txt", "a") as file:
        file.write("\n[rnnkit.layers]\nstub = other:Stub\n")
    plugins = [plugin for plugin in installed() if plugin.name == "stub"]
    ((code, sentence),) = clashes(plugins)
    assert code == "PLUGIN_AMBIGUOUS"
    assert sentence == (
        "layer 'stub' is offered by rnnkit-odd 1.0 2 times, as other:Stub and rnnkit_odd:Stub "
        "(its author has to take all but one out)"
    )
