"""The lock of a run directory: one holder, never stale, never kept by a child."""

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import rnnkit.errors
from rnnkit.errors import RefusedError, StorageError
from rnnkit.files.lock import RunLock, may_be_held

HOST = os.uname().nodename.encode()
ROOT = Path(rnnkit.errors.__file__).parents[1]

TAKE = """
import os, sys, time
from pathlib import Path
from rnnkit.errors import RefusedError
from rnnkit.files.lock import RunLock

try:
    with RunLock(Path(sys.argv[1])):
        if sys.argv[2] == "fork" and os.fork() == 0:
            time.sleep(600)
        print("HELD", os.getpid(), flush=True)
        sys.stdin.read()
except RefusedError as error:
    print("BUSY", error, flush=True)
"""


class Contender:
    """A process that takes the lock of a folder, and keeps it until told to end."""

    def __init__(self, folder: Path, mode: str = "hold") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", TAKE, str(folder), mode],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.communicate()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Any]:
    started: list[Contender] = []

    def start_one(mode: str = "hold") -> Contender:
        started.append(Contender(tmp_path, mode))
        return started[-1]

    yield start_one
    for contender in started:
        contender.close()


def refusal(folder: Path) -> str:
    with pytest.raises(RefusedError) as caught, RunLock(folder):
        pass
    assert caught.value.exit_code == 8
    (problem,) = caught.value.problems
    return f"{problem.code} {problem.message}"


def test_taken_given_back_and_never_unlinked(tmp_path: Path) -> None:
    path = tmp_path / "run.lock"
    for _ in range(2):
        with RunLock(tmp_path) as lock:
            lock.verify()
            inode = path.stat().st_ino
        assert path.stat().st_ino == inode
    assert path.stat().st_mode & 0o777 == 0o600
    holder = json.loads(path.read_bytes())
    assert (holder["pid"], holder["host"]) == (os.getpid(), os.uname().nodename)


def test_the_holder_before_leaves_nothing_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "run.lock").write_text("x" * 500)
    with RunLock(tmp_path):
        assert json.loads((tmp_path / "run.lock").read_bytes())["pid"] == os.getpid()


def test_given_back_though_another_descriptor_is_open(tmp_path: Path) -> None:
    """A child that was forked where Python does not see it has a copy of the descriptor."""
    lock = RunLock(tmp_path)
    with lock:
        assert lock._fd is not None
        copy = os.dup(lock._fd)
    try:
        with RunLock(tmp_path):
            pass
    finally:
        os.close(copy)


def test_given_back_after_an_exception(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), RunLock(tmp_path):
        _ = 1 / 0
    with RunLock(tmp_path):
        pass


def test_one_of_five_wins(tmp_path: Path, start: Any) -> None:
    for _ in range(3):
        contenders = [start() for _ in range(5)]
        answers = [contender.answer() for contender in contenders]
        winners = [answer.split()[1] for answer in answers if answer.startswith("HELD")]
        assert len(winners) == 1, answers
        assert sum("[RUN_LOCKED]" in answer for answer in answers) == 4
        assert f"process {winners[0]} on {os.uname().nodename} since 20" in refusal(tmp_path)
        for contender in contenders:
            contender.close()


def test_free_after_a_kill(tmp_path: Path, start: Any) -> None:
    holder = start()
    assert holder.answer().startswith("HELD")
    assert refusal(tmp_path).startswith("RUN_LOCKED")
    holder.kill()
    with RunLock(tmp_path):
        pass


def test_a_look_sees_whether_it_may_be_held(tmp_path: Path, start: Any) -> None:
    assert not may_be_held(tmp_path) and not (tmp_path / "run.lock").exists()
    holder = start()
    assert holder.answer().startswith("HELD") and may_be_held(tmp_path)
    holder.kill()
    before = (tmp_path / "run.lock").read_bytes()
    assert not may_be_held(tmp_path) and (tmp_path / "run.lock").read_bytes() == before
    with RunLock(tmp_path):
        assert may_be_held(tmp_path)
    assert not may_be_held(tmp_path)  # this process lives, but has given it back


@pytest.mark.parametrize(
    ("content", "held"),
    [
        (b"", True),
        (b"\xff" * 2000, True),
        (b'{"pid": 1, "host": "elsewhere", "since": "today"}', True),
        (b'{"pid": %d, "host": "%s", "since": "today"}' % (2**70, HOST), False),
    ],
)
def test_what_a_look_cannot_tell(tmp_path: Path, content: bytes, held: bool) -> None:
    (tmp_path / "run.lock").write_bytes(content)
    assert may_be_held(tmp_path) is held


def test_a_forked_child_does_not_keep_it(tmp_path: Path, start: Any) -> None:
    holder = start("fork")
    assert holder.answer().startswith("HELD")
    assert refusal(tmp_path).startswith("RUN_LOCKED")
    holder.kill()
    with RunLock(tmp_path):
        os.killpg(holder.process.pid, 0)


def test_a_forked_child_does_not_free_it(tmp_path: Path) -> None:
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from rnnkit.errors import RefusedError\n"
        "from rnnkit.files.lock import RunLock\n"
        "with RunLock(Path(sys.argv[1])) as lock:\n"
        "    if os.fork():\n"
        "        assert os.wait()[1] == 0\n"
        "        lock.verify()\n"
        "        try:\n"
        "            RunLock(Path(sys.argv[1])).__enter__()\n"
        "        except RefusedError:\n"
        "            print('still held')\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program, str(tmp_path)]
    assert subprocess.check_output(command, env=environment, text=True) == "still held\n"


def test_a_child_program_does_not_inherit_it(tmp_path: Path) -> None:
    with RunLock(tmp_path):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with RunLock(tmp_path):
        assert child.poll() is None
    child.communicate(b"\n")


def test_twice_in_one_process(tmp_path: Path) -> None:
    with RunLock(tmp_path) as lock:
        assert f"process {os.getpid()} " in refusal(tmp_path)
        with pytest.raises(RefusedError, match="already taken here"):
            lock.__enter__()
        lock.verify()
    assert refusal_free(tmp_path)


def refusal_free(folder: Path) -> bool:
    with RunLock(folder):
        return True


def test_a_deleted_lock_file_is_noticed(tmp_path: Path) -> None:
    with RunLock(tmp_path) as lock:
        (tmp_path / "run.lock").unlink()
        for _ in range(2):
            with pytest.raises(RefusedError, match="deleted or replaced"):
                lock.verify()
            (tmp_path / "run.lock").touch()


def test_a_lock_file_replaced_while_it_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fcntl.flock

    def replace_then_lock(fd: int, operation: int) -> None:
        if operation & fcntl.LOCK_EX:
            (tmp_path / "run.lock").unlink()
        real(fd, operation)

    monkeypatch.setattr("rnnkit.files.lock.fcntl.flock", replace_then_lock)
    assert "deleted or replaced" in refusal(tmp_path)


@pytest.mark.parametrize("content", [b"", b"rubbish", b"[1]", b"{}", b"\xff" * 2000, b"null"])
def test_a_holder_without_a_name(tmp_path: Path, content: bytes) -> None:
    with RunLock(tmp_path):
        (tmp_path / "run.lock").write_bytes(content)
        assert "in use by another process;" in refusal(tmp_path)


def test_a_holder_with_a_hostile_name(tmp_path: Path) -> None:
    with RunLock(tmp_path):
        name = {"pid": 1, "host": "\x1b[2J" + "x" * 500, "since": "\n"}
        (tmp_path / "run.lock").write_text(json.dumps(name))
        message = refusal(tmp_path)
    assert message.isprintable() and len(message) < 300


def test_links_and_other_kinds_are_refused(tmp_path: Path) -> None:
    run, link = tmp_path / "run", tmp_path / "link"
    run.mkdir()
    link.symlink_to(run)
    assert refusal(link).startswith("RUN_UNSAFE expected a directory of your own, received l")
    (run / "run.lock").symlink_to(tmp_path / "elsewhere")
    assert "RUN_UNSAFE expected a file of your own, received a symbolic link" in refusal(run)
    assert not (tmp_path / "elsewhere").exists()
    (run / "run.lock").unlink()
    os.mkfifo(run / "run.lock")
    assert refusal(run).startswith("RUN_UNSAFE expected a file of your own, received p")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("name", [".", "run.lock"])
def test_what_belongs_to_another_user_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "run.lock").touch()
    os.chown(tmp_path / name, 12345, -1)
    assert "belongs to user 12345, not 0" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["ENOLCK", "ENOSYS", "EOPNOTSUPP", "EINVAL"])
def test_a_file_system_without_flock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    number = getattr(errno, name)

    def fail(fd: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("rnnkit.files.lock.fcntl.flock", fail)
    with pytest.raises(StorageError, match=r"\[IO_UNSUPPORTED_FS\].*local disk"), RunLock(tmp_path):
        pass


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (
            errno.EROFS,
            "[IO_READ_ONLY] cannot lock the run: Read-only file system (EROFS); mount it for "
            "writing, or choose another folder",
        ),
        (
            errno.EACCES,
            "[IO_PERMISSION] cannot lock the run: Permission denied (EACCES); give yourself the "
            "right to write to this folder",
        ),
        (
            errno.ENOSPC,
            "[IO_NO_SPACE] cannot lock the run: No space left on device (ENOSPC); free some space "
            "on this disk",
        ),
    ],
)
def test_a_lock_that_cannot_be_written_is_told_as_a_save_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, said: str
) -> None:
    def fail(*rest: object) -> None:
        raise OSError(number, os.strerror(number), "run.lock")

    monkeypatch.setattr("rnnkit.files.lock.os.open", fail)
    with pytest.raises(StorageError) as caught:
        RunLock(tmp_path).__enter__()
    assert str(caught.value) == f"{tmp_path / 'run.lock'} {said}"


def test_other_failures_are_storage_errors_and_leave_no_descriptor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(fd: int, operation: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with pytest.raises(StorageError, match=r"\[IO_ERROR\] cannot lock the run"):
        RunLock(tmp_path / "missing").__enter__()
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    monkeypatch.setattr("rnnkit.files.lock.fcntl.flock", fail)
    with pytest.raises(StorageError, match=r"\[IO_ERROR\]"):
        RunLock(tmp_path).__enter__()
    after = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    assert before == after


def test_verify_needs_the_lock(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="RUN_LOCKED"):
        RunLock(tmp_path).verify()
