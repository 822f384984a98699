"""One process at a time in a run directory.

The lock is flock(2) on `run.lock`: the kernel frees it when its holder dies, however it dies, so it
is never stale. Three traps are closed here. A lock file that somebody deletes lets a second holder
in, so rnnkit never unlinks it and compares the inode of the descriptor with that of the path. A
forked child would keep the lock alive after its parent, so the child closes its copy at once. A
lock on a checkpoint itself would mean nothing, as a rename replaces the inode.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from rnnkit.errors import RefusedError, StorageError, printable
from rnnkit.files.atomic import read_regular, same_file, storage_error

LOCK_NAME = "run.lock"

_OPEN = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_NO_FLOCK = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


class RunLock:
    """The right to write to a run directory: `with RunLock(folder): ...`."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOCK_NAME
        self._fd: int | None = None

    def __enter__(self) -> Self:
        """Take the lock or raise; it never waits.

        Raises RefusedError: RUN_LOCKED when another process has it, RUN_UNSAFE when the directory
        or the lock file is a symbolic link, of a wrong kind, or another user's. Raises
        StorageError: IO_UNSUPPORTED_FS when the file system has no flock, else as a save does.
        """
        if self._fd is not None:
            raise RefusedError.of("RUN_LOCKED", "this lock is already taken here", self.path)
        try:
            self._take()
        except OSError as error:
            self._close()
            raise storage_error(self.path, "cannot lock the run", error) from error
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        """Give the lock back; the file stays."""
        if self._fd is not None:
            # Closing would do, but for a child forked where Python does not see it.
            fcntl.flock(self._fd, fcntl.LOCK_UN)
        self._close()

    def verify(self) -> None:
        """Raise RefusedError (RUN_LOCKED) unless the path still leads to the file locked here."""
        if self._fd is None or not same_file(self._fd, self.path):
            message = (
                "run.lock is not the file that this process locked: it was deleted or replaced, and"
                " another process may write here; stop both, then resume one"
            )
            raise RefusedError.of("RUN_LOCKED", message, self.path)

    def _take(self) -> None:
        _check_owned(os.lstat(self.path.parent), stat.S_IFDIR, self.path.parent)
        self._fd = _open(self.path)
        _held.add(self)
        _check_owned(os.fstat(self._fd), stat.S_IFREG, self.path)
        _flock(self._fd, self.path)
        self.verify()
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, _identity(), 0)

    def _close(self) -> None:
        fd, self._fd = self._fd, None
        _held.discard(self)
        if fd is not None:
            os.close(fd)


def may_be_held(folder: Path) -> bool:
    """Tell whether a process may hold the lock of a folder: a look that locks and makes nothing.

    False where there is no lock, or where its last holder was a process of this machine that has
    ended. Of another machine, and where the holder has no name, it cannot be seen from here.
    """
    path = folder / LOCK_NAME
    if not path.exists():
        return False
    try:
        pid, host, _ = _identity_in(bytes(read_regular(path, 1024, StorageError, "IO")))
    except (StorageError, ValueError):
        return True
    return host != os.uname().nodename or _has_open(pid, path)


def _has_open(pid: int, path: Path) -> bool:
    """Tell whether a process lives and, where /proc shows it, has a file open."""
    try:
        os.kill(pid, 0)
        return any(_leads_to(each, path) for each in Path(f"/proc/{pid}/fd").iterdir())
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True


def _leads_to(link: Path, path: Path) -> bool:
    try:
        return link.samefile(path)
    except OSError:
        return False


_held: set[RunLock] = set()


def _close_in_child() -> None:
    # Only a close: LOCK_UN here would free the parent's lock, which is the same one.
    for lock in list(_held):
        lock._close()


os.register_at_fork(after_in_child=_close_in_child)


def _open(path: Path) -> int:
    try:
        return os.open(path, _OPEN, 0o600)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _unsafe(path, "a symbolic link") from error
        raise


def _flock(fd: int, path: Path) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        message = f"the run is in use by {_holder(fd)}; wait until it ends, or stop it first"
        raise RefusedError.of("RUN_LOCKED", message, path) from error
    except OSError as error:
        if error.errno not in _NO_FLOCK:
            raise
        message = f"this file system cannot lock files: {error}; keep runs on a local disk"
        raise StorageError.of("IO_UNSUPPORTED_FS", message, path) from error


def _check_owned(info: os.stat_result, kind: int, path: Path) -> None:
    if stat.S_IFMT(info.st_mode) != kind:
        raise _unsafe(path, stat.filemode(info.st_mode))
    if info.st_uid != os.geteuid():
        raise _unsafe(path, f"one that belongs to user {info.st_uid}, not {os.geteuid()}")


def _unsafe(path: Path, received: str) -> RefusedError:
    kind = "file" if path.name == LOCK_NAME else "directory"
    message = f"expected a {kind} of your own, received {received}; use another directory (--out)"
    return RefusedError.of("RUN_UNSAFE", message, path)


def _identity() -> bytes:
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return json.dumps({"host": os.uname().nodename, "pid": os.getpid(), "since": since}).encode()


def _identity_in(data: bytes) -> tuple[int, str, str]:
    """Return process, host and time of what a holder wrote; ValueError for what is none."""
    who = json.loads(data)
    match who:
        case {"pid": int(pid), "host": str(host), "since": str(since)}:
            return pid, host, since
    raise ValueError("no identity")


def _holder(fd: int) -> str:
    """Name the holder for a message; it may not have written its name yet."""
    try:
        pid, host, since = _identity_in(os.pread(fd, 1024, 0))
    except ValueError:
        return "another process"
    return f"process {pid} on {printable(host)} since {printable(since)}"
