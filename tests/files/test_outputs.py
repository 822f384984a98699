"""Files that a user names to be written: links, devices and inputs outlive it, work is not lost."""

from __future__ import annotations

import os
import pty
import socket
import sys
import threading
from pathlib import Path

import pytest
from helpers import command, done, process, text

from rnnkit.errors import StorageError
from rnnkit.files import outputs
from rnnkit.files.outputs import check_output, write_output


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    path = tmp_path / "lines.txt"
    path.write_text(text(40))
    return path


def test_a_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "target").write_text("old")
    for name, to in (("link", folder / "target"), ("new", Path("elsewhere") / "other")):
        (tmp_path / name).symlink_to(to)
        check_output(tmp_path / name)
        write_output(tmp_path / name, b"new")
        assert (tmp_path / name).is_symlink() and (tmp_path / name).read_bytes() == b"new"
    assert sorted(p.name for p in folder.iterdir()) == ["other", "target"]


def test_a_fifo_stays_and_gives_the_bytes(tmp_path: Path) -> None:
    path, read = tmp_path / "fifo", []
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: read.append(path.read_bytes()))
    reader.start()
    check_output(path)
    write_output(path, b"x" * 200_000)
    reader.join(30)
    assert read == [b"x" * 200_000] and path.is_fifo()


def test_a_reader_that_goes_is_told(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: open(path, "rb").close())
    reader.start()
    with pytest.raises(StorageError) as caught:
        write_output(path, b"x" * 200_000)
    reader.join(30)
    assert f"{path} [IO_ERROR] cannot write 200,000 bytes: Broken pipe (EPIPE)" in str(caught.value)


def test_a_device_stays() -> None:
    # A terminal of its own: were it replaced, nobody would miss it.
    outside, inside = pty.openpty()
    path = Path(os.ttyname(inside))
    check_output(path)
    write_output(path, b"shown")
    assert os.read(outside, 100) == b"shown" and path.is_char_device()
    for end in (outside, inside):
        os.close(end)


def test_what_cannot_be_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_text("mine")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket")
        for name, said in {
            ".": "[IO_NOT_FILE] expected a file to write, received a folder (name a file)",
            "socket": "[IO_NOT_FILE] expected a file to write, received a socket (name a file)",
            "loop": "[IO_ERROR] cannot be written: Too many levels of symbolic links (ELOOP)",
            "file/x": "a part of this path is a file, not a folder: choose another path",
            "no/x": f"[IO_NO_FOLDER] there is no folder {tmp_path}/no (make it, or give another",
            "a\0b": "[IO_ERROR] cannot be written: embedded null byte; check",
        }.items():
            with pytest.raises(StorageError) as caught:
                check_output(Path(name))
            assert said in str(caught.value) and caught.value.problems[0].where == name
        with pytest.raises(StorageError):
            write_output(Path("."), b"")


def test_a_folder_that_may_not_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outputs.os, "access", lambda path, mode: False)
    with pytest.raises(StorageError) as caught:
        check_output(tmp_path / "x")
    said = f"[IO_PERMISSION] {tmp_path} is a folder that you may not write to (give yourself"
    assert said in str(caught.value)


def test_a_folder_of_a_file_system_that_is_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = os.statvfs(tmp_path)
    read_only = os.statvfs_result([*known[:8], known.f_flag | os.ST_RDONLY, known.f_namemax])
    monkeypatch.setattr(outputs.os, "access", lambda path, mode: False)
    monkeypatch.setattr(outputs.os, "statvfs", lambda path: read_only)
    with pytest.raises(StorageError) as caught:
        check_output(tmp_path / "x")
    assert str(caught.value) == (
        f"{tmp_path / 'x'} [IO_READ_ONLY] lies on a read-only file system (mount it for writing, "
        "or choose another folder)"
    )


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_the_standard_output_by_its_name(
    name: str, tiny_run: Path, lines: Path, tmp_path: Path
) -> None:
    wanted = done("predict", tiny_run, lines).out
    ran = process(["predict", tiny_run, lines, "--out", name])
    assert (ran.returncode, ran.stdout) == (0, wanted), ran.stderr
    # A file behind it is written where it stands, after what it holds already.
    file = tmp_path / "all"
    program = "import sys; from rnnkit.cli import main; main(sys.argv[1:])"
    line = f"echo before > {file}; '{sys.executable}' -c '{program}' predict {tiny_run} {lines}"
    assert os.system(f"{line} --out {name} --json >> {file}") == 0
    assert file.read_text().startswith("before\n" + wanted + '{"records": []')


def test_commands_write_through_links_and_into_fifos(
    tiny_run: Path, lines: Path, tmp_path: Path
) -> None:
    link, fifo, read = tmp_path / "link", tmp_path / "fifo", []
    os.mkfifo(fifo)
    for option, *verb in (
        ("--out", "predict", tiny_run, lines),
        ("--out", "neurons", tiny_run, lines),
        ("--out", "schema"),
        ("--state-out", "sample", tiny_run, "--length", 2),
    ):
        link.symlink_to(tmp_path / "target")
        done(*verb, option, link)
        reader = threading.Thread(target=lambda: read.append(fifo.read_bytes()))
        reader.start()
        done(*verb, option, fifo)
        reader.join(30)
        assert link.is_symlink() and fifo.is_fifo()
        assert read[-1] == (tmp_path / "target").read_bytes()
        link.unlink()
    assert len(read) == 4


def test_an_input_is_never_written_over(tiny_run: Path, lines: Path, tmp_path: Path) -> None:
    model = tmp_path / "m.h5"
    model.write_bytes((tiny_run / "best.h5").read_bytes())
    (tmp_path / "hard.svg").hardlink_to(model)
    (tmp_path / "link.svg").symlink_to(tiny_run / "metrics.jsonl")
    done("sample", model, "--length", 2, "--state-out", tmp_path / "s")
    before = {p: p.read_bytes() for p in [*tmp_path.iterdir(), *tiny_run.iterdir()] if p.is_file()}
    for arguments, said in [
        (["sample", model, "--state-out", model], f"{model}, which CHECKPOINT names"),
        (["predict", model, lines, "--out", model], f"{model}, which CHECKPOINT names"),
        (["predict", model, lines, "--out", lines], f"{lines}, which DATA names"),
        (["neurons", model, lines, "--out", lines], f"{lines}, which TEXT names: it would be lost"),
        (
            ["gradients", model, "--out", tmp_path / "hard.svg"],
            ", which SPEC|CHECKPOINT names",
        ),
        (["plot", tiny_run, "--out", tmp_path / "link.svg"], f"{tiny_run}/metrics.jsonl, which"),
        (["sample", tiny_run, "--state-out", tiny_run / "best.h5"], "best.h5, which CHECKPOINT"),
        (["score", model, lines, "--state-out", lines], f"{lines}, which FILE names"),
        (["predict", model, lines, "--state-in", tmp_path / "s", "--out", tmp_path / "s"], "--st"),
        (["predict", model, lines, "--out", "new", "--state-out", "new"], "are both new"),
    ]:
        ran = command(*arguments)
        assert ran.code == 2, ran
        assert said in ran.err and "Traceback" not in ran.err
    assert before == {p: p.read_bytes() for p in before}
    more = ("--state-in", tmp_path / "s", "--state-out", tmp_path / "s")
    done("sample", model, "--length", 2, *more)


def test_stdin_is_an_input(tiny_run: Path, lines: Path) -> None:
    before = lines.read_bytes()
    line = (
        f"{sys.executable} -m rnnkit.cli predict {tiny_run} - --out {lines} < {lines} 2> /dev/null"
    )
    assert os.waitstatus_to_exitcode(os.system(line)) == 2
    assert lines.read_bytes() == before


def test_an_output_is_looked_at_before_the_work(tiny_run: Path, tmp_path: Path) -> None:
    for name, said in {
        tmp_path / "no" / "s": "[IO_NO_FOLDER] there is no folder",
        tmp_path: "[IO_NOT_FILE] expected a file to write, received a folder",
    }.items():
        ran = command("sample", tmp_path / "missing.h5", "--state-out", name)
        assert ran.code == 74 and f"{name} {said}" in ran.err
    empty = command("predict", tiny_run, "x", "--out", "")
    assert empty.code == 2 and "'--out': expected a path, received an empty text" in empty.err
