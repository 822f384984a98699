"""Saves under every fault and every kill; reads of everything that is not a file."""

import errno
import itertools
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import rnnkit.errors
from rnnkit.errors import CheckpointError, DataError, SpecError, StorageError
from rnnkit.files import atomic

ROOT = Path(rnnkit.errors.__file__).parents[1]
OLD, NEW = b"old" * 1000, b"new bytes" * 1000
CALLS = {"open", "statvfs", "write", "fsync", "close", "replace", "unlink"}
CODES = {
    errno.ENOSPC: "IO_NO_SPACE",
    errno.EDQUOT: "IO_QUOTA",
    errno.EFBIG: "IO_QUOTA",
    errno.EACCES: "IO_PERMISSION",
    errno.EPERM: "IO_PERMISSION",
    errno.EROFS: "IO_READ_ONLY",
    errno.EIO: "IO_ERROR",
    errno.EMFILE: "IO_ERROR",
    errno.EXDEV: "IO_ERROR",
    errno.EINTR: "IO_ERROR",
}
SAVE = ["open", "statvfs", "open", "write", "fsync", "close", "replace", "fsync", "close"]
"""The calls of one save, in the only order that keeps the promise."""


class Shim:
    """The os module, with every call of the writer noted and handed to `before`."""

    def __init__(self, before: Callable[[int, str], None], chunk: int = 1 << 30) -> None:
        self.trace: list[str] = []
        self.before = before
        self.chunk = chunk

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in CALLS:
            return real

        def call(*args: Any, **kwargs: Any) -> Any:
            self.trace.append(name)
            if name == "close":
                real(*args)
                self.before(len(self.trace) - 1, name)
                return None
            self.before(len(self.trace) - 1, name)
            if name == "write":
                args = (args[0], args[1][: self.chunk])
            return real(*args, **kwargs)

        return call


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "step-000000000001.h5"
    path.write_bytes(OLD)
    return path


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    taken: list[float] = []
    monkeypatch.setattr("rnnkit.files.atomic.time.sleep", taken.append)
    return taken


def no_fault(index: int, name: str) -> None:
    """Let every call through."""


def test_a_save_makes_exactly_these_calls(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shim = Shim(no_fault)
    monkeypatch.setattr(atomic, "os", shim)
    atomic.write_atomic(target, NEW)
    assert shim.trace == SAVE
    assert target.read_bytes() == NEW
    assert os.listdir(target.parent) == [target.name]
    assert target.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("data", [b"", b"x", bytearray(b"abc"), memoryview(b"abcdef")[::1]])
def test_all_kinds_of_bytes(tmp_path: Path, data: atomic.Buffer) -> None:
    atomic.write_atomic(tmp_path / "a", data)
    assert (tmp_path / "a").read_bytes() == bytes(data)


def test_a_relative_path_is_saved_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    atomic.write_atomic(Path("here"), NEW)
    assert (tmp_path / "here").read_bytes() == NEW


@pytest.mark.parametrize("persistent", [False, True], ids=["once", "always"])
@pytest.mark.parametrize("number", CODES, ids=errno.errorcode.get)
@pytest.mark.parametrize("index", range(len(SAVE)))
def test_every_fault_at_every_call(
    target: Path,
    monkeypatch: pytest.MonkeyPatch,
    naps: list[float],
    index: int,
    number: int,
    persistent: bool,
) -> None:
    def fail(at: int, name: str) -> None:
        if at == index or (persistent and at > index and name == SAVE[index]):
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(atomic, "os", Shim(fail))
    error = attempt(target)
    last = len(SAVE) - 1
    retried = number == errno.EIO and 2 <= index <= 6
    if index == last or (retried and not persistent):
        assert error is None
    elif index == last - 1:
        assert code_of(error) == "IO_DURABILITY_UNKNOWN"
        assert "written, durability not confirmed" in str(error)
    else:
        assert code_of(error) == CODES[number]
        assert str(target) in str(error)
        assert os.strerror(number) in str(error)
        assert "the previous file is kept" in str(error)
    written = error is None or index == last - 1
    assert target.read_bytes() == (NEW if written else OLD)
    assert os.listdir(target.parent) == [target.name]
    assert len(naps) == (retried and (2 if persistent else 1))


def attempt(target: Path) -> StorageError | None:
    try:
        atomic.write_atomic(target, NEW)
    except StorageError as error:
        return error
    return None


def code_of(error: StorageError | None) -> str:
    assert error is not None
    assert error.exit_code == 74
    return error.problems[0].code


def test_a_retry_writes_a_new_file(
    target: Path, monkeypatch: pytest.MonkeyPatch, naps: list[float]
) -> None:
    def fail_first(at: int, name: str) -> None:
        if at == 4:
            raise OSError(errno.EIO, "I/O error")

    shim = Shim(fail_first)
    monkeypatch.setattr(atomic, "os", shim)
    atomic.write_atomic(target, NEW)
    again = ["open", "write", "fsync", "close", "unlink", "open", "write", "fsync", "close"]
    assert shim.trace == ["open", "statvfs", *again, "replace", "fsync", "close"]


@pytest.mark.parametrize("chunk", [1, 7, 4096])
def test_short_writes(target: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(atomic, "os", Shim(no_fault, chunk))
    atomic.write_atomic(target, NEW)
    assert target.read_bytes() == NEW


def test_a_disk_that_accepts_nothing_is_an_error(
    target: Path, monkeypatch: pytest.MonkeyPatch, naps: list[float]
) -> None:
    monkeypatch.setattr(atomic, "os", Shim(no_fault, chunk=0))
    assert code_of(attempt(target)) == "IO_ERROR"
    assert target.read_bytes() == OLD
    assert os.listdir(target.parent) == [target.name]


@pytest.mark.parametrize("signal_error", [KeyboardInterrupt, SystemExit, MemoryError])
@pytest.mark.parametrize("index", range(2, 7))
def test_any_other_exception_keeps_the_old_file(
    target: Path, monkeypatch: pytest.MonkeyPatch, index: int, signal_error: type[BaseException]
) -> None:
    def interrupt(at: int, name: str) -> None:
        if at == index:
            raise signal_error

    monkeypatch.setattr(atomic, "os", Shim(interrupt))
    with pytest.raises(signal_error):
        atomic.write_atomic(target, NEW)
    assert target.read_bytes() == OLD
    assert os.listdir(target.parent) == [target.name]


def test_a_disk_without_room_is_refused_before_writing(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shim = Shim(no_fault)
    monkeypatch.setattr(atomic, "os", shim)
    monkeypatch.setattr(os, "statvfs", lambda fd: statvfs_result(blocks=10, free=1))
    error = attempt(target)
    assert code_of(error) == "IO_NO_SPACE"
    assert "9,000 bytes" in str(error) and "512 bytes free" in str(error)
    assert shim.trace == ["open", "statvfs", "close"]


def test_a_disk_may_be_filled_to_its_last_byte(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda fd: statvfs_result(blocks=10, free=2))
    with pytest.raises(StorageError, match="IO_NO_SPACE"):
        atomic.write_atomic(target, bytes(1025))
    assert target.read_bytes() == OLD
    atomic.write_atomic(target, bytes(1024))
    assert target.read_bytes() == bytes(1024)


def test_a_file_system_that_counts_no_blocks_is_tried(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda fd: statvfs_result(blocks=0, free=0))
    atomic.write_atomic(target, NEW)
    assert target.read_bytes() == NEW


def statvfs_result(blocks: int, free: int) -> os.statvfs_result:
    return os.statvfs_result((512, 512, blocks, free, free, 0, 0, 0, 0, 255))


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    assert code_of(attempt(tmp_path / "no" / "file")) == "IO_ERROR"


def test_a_folder_in_the_way_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    assert code_of(attempt(tmp_path / "file")) == "IO_ERROR"
    assert os.listdir(tmp_path) == ["file"]


def test_a_link_is_replaced_and_its_target_kept(tmp_path: Path, target: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(target)
    atomic.write_atomic(link, NEW)
    assert not link.is_symlink() and link.read_bytes() == NEW
    assert target.read_bytes() == OLD


def test_file_size_limit(target: Path) -> None:
    program = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from rnnkit.files import atomic\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
        "atomic.write_atomic(Path(sys.argv[1]), bytes(9000))\n"
    )
    done = run_python(program, str(target))
    assert "[IO_QUOTA]" in done.stderr and "ulimit -f" in done.stderr
    assert target.read_bytes() == OLD
    assert os.listdir(target.parent) == [target.name]


def run_python(program: str, *args: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program, *args]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


# --- a kill at every system call -------------------------------------------------------------

KILLER = """
import os, signal, sys
from pathlib import Path
from rnnkit.files import atomic

OLD, NEW = b"old" * 1000, b"new bytes" * 1000
target = Path(sys.argv[1])

class Dying:
    def __init__(self, at, late):
        self.at, self.late, self.count = at, late, 0

    def die(self, late):
        if self.count == self.at and late == self.late:
            os.kill(os.getpid(), signal.SIGKILL)

    def __getattr__(self, name):
        real = getattr(os, name)
        if name not in {"open", "statvfs", "write", "fsync", "close", "replace", "unlink"}:
            return real
        def call(*args, **kwargs):
            self.die(late=False)
            if name == "write":
                args = (args[0], args[1][:1000])
            result = real(*args, **kwargs)
            self.die(late=True)
            self.count += 1
            return result
        return call

def save_until(at, late):
    pid = os.fork()
    if pid == 0:
        atomic.os = Dying(at, late)
        atomic.write_atomic(target, NEW)
        os._exit(0)
    return os.waitpid(pid, 0)[1]

kills = left = 0
for late in (False, True):
    for at in range(1000):
        target.write_bytes(OLD)
        status = save_until(at, late)
        content = target.read_bytes()
        assert content in (OLD, NEW), (at, late)
        left += len(os.listdir(target.parent)) - 1
        atomic.sweep_temporary(target.parent)
        assert os.listdir(target.parent) == [target.name], (at, late)
        if status == 0:
            assert content == NEW
            break
        assert os.WTERMSIG(status) == signal.SIGKILL
        kills += 1
print(kills, left)
"""


def test_a_kill_at_every_call_leaves_old_or_new(target: Path) -> None:
    done = run_python(KILLER, str(target))
    assert done.returncode == 0, done.stderr
    kills, left = map(int, done.stdout.split())
    assert kills == 2 * (len(SAVE) + 8)
    assert left > 10


# --- a power cut at every instant, with whatever was not yet synced lost or kept -----------------

Event = tuple[str, ...]


def record(target: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    shim = Shim(no_fault, chunk=4000)
    monkeypatch.setattr(atomic, "os", shim)
    atomic.write_atomic(target, NEW)
    return shim.trace


def durable_contents(events: list[str]) -> Iterator[bytes]:
    """Yield what the target may hold after a cut that follows `events`."""
    written = events.count("write") * 4000
    synced = "write" in events and "fsync" in events[events.index("write") :]
    files = [NEW[:written]] if synced else [b"", NEW[: written // 2], bytes(written), NEW[:written]]
    renamed = "replace" in events
    rename_synced = renamed and "fsync" in events[events.index("replace") :]
    if not rename_synced:
        yield OLD
    if renamed:
        yield from files


def lost(events: list[str]) -> bool:
    """Tell whether some cut loses both files, or the new one after the save returned."""
    anywhere = itertools.chain.from_iterable(
        durable_contents(events[:cut]) for cut in range(len(events) + 1)
    )
    return not set(anywhere) <= {OLD, NEW} or set(durable_contents(events)) != {NEW}


def test_a_power_cut_loses_nothing(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = record(target, monkeypatch)
    assert not lost(events)
    for index in [i for i, name in enumerate(events) if name in ("fsync", "replace")]:
        assert lost(events[:index] + events[index + 1 :]), "the model misses a dropped call"


# --- sweeping ----------------------------------------------------------------------------


def test_sweep_removes_only_what_this_writer_leaves(tmp_path: Path) -> None:
    stale = [".a.h5.123.0123456789abcdef.tmp", ".spec.json.9.ffffffffffffffff.tmp"]
    kept = ["a.h5", ".a.tmp", ".x.1.tmp", "a.h5.123.0123456789abcdef.tmp", ".link.1." + "0" * 16]
    for name in stale + kept:
        (tmp_path / name).write_bytes(b"")
    (tmp_path / (".dir.1." + "0" * 16 + ".tmp")).mkdir()
    (tmp_path / (".sym.1." + "0" * 16 + ".tmp")).symlink_to(tmp_path / "a.h5")
    atomic.sweep_temporary(tmp_path)
    names = set(os.listdir(tmp_path))
    assert names == {*kept, f".dir.1.{'0' * 16}.tmp", f".sym.1.{'0' * 16}.tmp"}


def test_sweep_reports_what_it_cannot_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StorageError, match=r"\[IO_ERROR\] cannot remove temporary files"):
        atomic.sweep_temporary(tmp_path / "missing")
    (tmp_path / (".a.1." + "0" * 16 + ".tmp")).write_bytes(b"")

    def fail(at: int, name: str) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(atomic, "os", Shim(fail))
    with pytest.raises(StorageError, match=r"\[IO_READ_ONLY\]"):
        atomic.sweep_temporary(tmp_path)


def test_an_unremovable_temporary_does_not_hide_the_error(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(at: int, name: str) -> None:
        if name in ("write", "unlink"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(atomic, "os", Shim(fail))
        assert code_of(attempt(target)) == "IO_NO_SPACE"
    assert len(os.listdir(target.parent)) == 2
    atomic.sweep_temporary(target.parent)
    assert os.listdir(target.parent) == [target.name]


# --- reading ----------------------------------------------------------------------------------


def read(path: Path, limit: int = 1 << 20) -> bytearray:
    return atomic.read_regular(path, limit, DataError, "DATA")


def refused(path: Path, code: str, limit: int = 1 << 20) -> str:
    with pytest.raises(DataError) as caught:
        read(path, limit)
    (problem,) = caught.value.problems
    assert (problem.code, problem.where) == (code, str(path))
    return problem.message


@pytest.mark.parametrize("size", [0, 1, 4096, 100_000])
def test_reads_a_file_whole(tmp_path: Path, size: int) -> None:
    path = tmp_path / "data"
    path.write_bytes(bytes(range(256)) * (size // 256) + bytes(size % 256))
    assert bytes(read(path, limit=size)) == path.read_bytes()


def test_follows_a_link_to_a_file(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("data")
    assert read(tmp_path / "link") == b"abc"


def test_each_reader_has_its_own_class_and_code(tmp_path: Path) -> None:
    for error, prefix in ((SpecError, "SPEC"), (DataError, "DATA"), (CheckpointError, "CKPT")):
        with pytest.raises(error, match=rf"\[{prefix}_NOT_FOUND\] no such file"):
            atomic.read_regular(tmp_path / "missing", 10, error, prefix)


def test_missing_files(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "no", tmp_path / "file" / "below", Path("a\0b")):
        refused(path, "DATA_NOT_FOUND")


def test_too_large_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "big"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    message = refused(path, "DATA_TOO_LARGE")
    assert message == "expected at most 1,048,576 bytes, received 1,099,511,627,776"


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path, Path("/dev/zero"), Path("/dev/null")):
        refused(path, "DATA_NOT_REGULAR")


def test_files_of_proc_are_refused() -> None:
    for path in (Path("/proc/self/environ"), Path("/proc/self/status")):
        if path.exists():
            refused(path, "DATA_NOT_REGULAR")


def test_a_socket_and_a_loop_of_links_are_unreadable(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        refused(tmp_path / "s", "DATA_UNREADABLE")
    (tmp_path / "loop").symlink_to("loop")
    refused(tmp_path / "loop", "DATA_UNREADABLE")


def test_short_reads_and_a_changing_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "data"
    path.write_bytes(NEW)

    class Short(Shim):
        def readv(self, fd: int, buffers: list[memoryview]) -> int:
            return os.readv(fd, [buffers[0][:100]])

    class Shrunk(Shim):
        def readv(self, fd: int, buffers: list[memoryview]) -> int:
            return 0

    class Grown(Shim):
        def read(self, fd: int, count: int) -> bytes:
            return b"x"

    monkeypatch.setattr(atomic, "os", Short(no_fault))
    assert read(path) == NEW
    for changing in (Shrunk, Grown):
        monkeypatch.setattr(atomic, "os", changing(no_fault))
        refused(path, "DATA_NOT_REGULAR")


def test_a_file_that_does_not_fit_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(size: int) -> bytearray:
        raise MemoryError

    (tmp_path / "data").write_bytes(NEW)
    monkeypatch.setattr(atomic, "bytearray", no_memory, raising=False)
    assert "memory" in refused(tmp_path / "data", "DATA_TOO_LARGE")


def test_a_read_error_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(at: int, name: str) -> None:
        if name == "open":
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    (tmp_path / "data").write_bytes(NEW)
    monkeypatch.setattr(atomic, "os", Shim(fail))
    assert "EIO" in refused(tmp_path / "data", "DATA_UNREADABLE")
