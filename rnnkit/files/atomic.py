"""Bytes in and out of files: a save is whole or absent, a read never hangs.

The order of the system calls is the promise. Writing to a new file, fsync, rename and fsync of the
folder keeps the previous file through a kill at any instant, and the new one through a power cut
once `write_atomic` has returned.

Sources: rename(2), fsync(2) and open(2) of the Linux manual. After a failed fsync the kernel may
have dropped the pages, so another fsync of the same file proves nothing: Rebello and others, "Can
Applications Recover from fsync Failures?", USENIX ATC 2020.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TypeAlias

from rnnkit.errors import RnnkitError, StorageError
from rnnkit.files.missing import address, missing

Buffer: TypeAlias = bytes | bytearray | memoryview

RETRY_DELAYS = (0.05, 0.2)
"""Seconds before the second and the third try of a save that met EIO."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
# O_NONBLOCK: a FIFO opens at once. O_NOCTTY: a terminal does not adopt this process.
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_TEMPORARY = re.compile(r"\..+\.\d+\.[0-9a-f]{16}\.tmp", re.DOTALL)

_CODES = {
    errno.ENOSPC: ("IO_NO_SPACE", "free some space on this disk"),
    errno.EDQUOT: ("IO_QUOTA", "free some of your quota, or ask for a larger one"),
    errno.EFBIG: ("IO_QUOTA", "raise the limit on file sizes (ulimit -f)"),
    errno.EACCES: ("IO_PERMISSION", "give yourself the right to write to this folder"),
    errno.EPERM: ("IO_PERMISSION", "give yourself the right to write to this folder"),
    errno.EROFS: ("IO_READ_ONLY", "mount it for writing, or choose another folder"),
    errno.ENOTDIR: ("IO_ERROR", "a part of this path is a file, not a folder: choose another path"),
}


def write_atomic(path: Path, data: Buffer) -> None:
    """Replace the file at `path` by `data`, so that it survives a power cut from here on.

    Raises StorageError; the file that was there is then untouched and no temporary file is left.
    The exception is IO_DURABILITY_UNKNOWN: the new file is in place, but a power cut may undo it.
    """
    view = memoryview(data).cast("B")
    try:
        with _open_folder(path.parent) as folder:
            _check_space(folder, len(view))
            _replace(folder, path.name, view)
            _confirm(folder, path)
    except OSError as error:
        raise _save_error(path, len(view), error) from error


def sweep_temporary(folder: Path) -> None:
    """Remove what killed writers left in `folder`; call it only while holding the run's lock.

    Raises StorageError when the folder cannot be listed or a file cannot be removed.
    """
    try:
        with os.scandir(folder) as entries:
            stale = [
                entry.path
                for entry in entries
                if _TEMPORARY.fullmatch(entry.name) and entry.is_file(follow_symlinks=False)
            ]
        for name in stale:
            os.unlink(name)
    except OSError as error:
        code, advice = _explain(error)
        message = f"cannot remove temporary files: {_text(error)}; {advice}"
        raise StorageError.of(code, message, folder) from error


def read_regular(path: Path, limit: int, error: type[RnnkitError], prefix: str) -> bytearray:
    """Read a regular file of at most `limit` bytes, once, in the state it was opened in.

    Raises what `open_regular` and `reading` raise.
    """
    fd = open_regular(path, limit, error, prefix)
    try:
        with reading(path, error, prefix):
            data = bytearray(os.fstat(fd).st_size)
            if not _fill(fd, data):
                raise _another_size(path, len(data), error, prefix)
            return data
    finally:
        os.close(fd)


def open_regular(path: Path, limit: int, error: type[RnnkitError], prefix: str) -> int:
    """Return the descriptor of a regular file of at most `limit` bytes, which its reader closes.

    Raises `error` with the code <prefix>_NOT_REGULAR or _TOO_LARGE. A FIFO, a device, a folder and
    a file of /proc are refused, and none of them makes this wait.
    """
    with reading(path, error, prefix), ExitStack() as opened:
        fd = os.open(path, _READ)
        opened.callback(os.close, fd)
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            received = f"expected a regular file, received {kind_of(info.st_mode)}"
            raise error.of(f"{prefix}_NOT_REGULAR", f"{received}; give the path of a file", path)
        if info.st_size > limit:
            sizes = f"expected at most {limit:,} bytes, received {info.st_size:,}"
            raise error.of(f"{prefix}_TOO_LARGE", sizes, path)
        # The files of /proc are regular and claim to be empty.
        if not info.st_size and os.pread(fd, 1, 0):
            raise _another_size(path, 0, error, prefix)
        opened.pop_all()
        return fd


@contextmanager
def reading(path: Path, error: type[RnnkitError], prefix: str) -> Iterator[None]:
    """Report what the system says of a file in the class of its reader.

    Every reader has its own: `reading(path, SpecError, "SPEC")`. Raises `error` with the code
    <prefix>_NOT_FOUND, _UNREADABLE or _TOO_LARGE.
    """
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, ValueError) as cause:
        where = address(str(path)) or path
        raise error.of(f"{prefix}_NOT_FOUND", missing(path), where) from cause
    except OSError as cause:
        message = f"cannot read it: {_text(cause)}"
        raise error.of(f"{prefix}_UNREADABLE", message, path) from cause
    except MemoryError as cause:
        raise error.of(f"{prefix}_TOO_LARGE", "it does not fit in memory", path) from cause


def _another_size(path: Path, size: int, error: type[RnnkitError], prefix: str) -> RnnkitError:
    message = (
        f"expected the {size:,} bytes of a regular file, but its size is another one; copy it to "
        "a plain file, or wait until it is written"
    )
    return error.of(f"{prefix}_NOT_REGULAR", message, path)


def _fill(fd: int, data: bytearray) -> bool:
    """Read exactly the whole file into `data`; False if it is shorter or longer."""
    view = memoryview(data)
    while len(view):
        count = os.readv(fd, [view])
        if count == 0:
            return False
        view = view[count:]
    return not os.read(fd, 1)


@contextmanager
def _open_folder(path: Path) -> Iterator[int]:
    """Open the folder before anything is written, so that its own errors come first."""
    fd = os.open(path, _FOLDER)
    try:
        yield fd
    finally:
        # Nothing is written through this descriptor: its close can lose nothing.
        with suppress(OSError):
            os.close(fd)


def _check_space(folder: int, size: int) -> None:
    """Refuse early what cannot fit; a file system that reports no blocks at all does not count."""
    disk = os.statvfs(folder)
    free = disk.f_bavail * disk.f_frsize
    if disk.f_blocks and free < size:
        raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)}: {free:,} bytes free")


def _replace(folder: int, name: str, data: memoryview) -> None:
    for delay in RETRY_DELAYS:
        try:
            return _try_replace(folder, name, data)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
        time.sleep(delay)
    _try_replace(folder, name, data)


def _try_replace(folder: int, name: str, data: memoryview) -> None:
    # The random part: the number of a killed process comes back, and O_EXCL would then fail.
    temporary = f".{name}.{os.getpid()}.{secrets.token_hex(8)}.tmp"
    try:
        _write_new(folder, temporary, data)
        os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise


def _write_new(folder: int, name: str, data: memoryview) -> None:
    fd = os.open(name, _NEW_FILE, 0o600, dir_fd=folder)
    try:
        write_all(fd, data)
        _flush(fd)
    finally:
        os.close(fd)


def write_all(fd: int, data: memoryview) -> None:
    """Write all of the bytes to a descriptor; raises OSError."""
    while len(data):
        written = os.write(fd, data)
        if written == 0:
            raise OSError(errno.EIO, "the disk accepts no more bytes")
        data = data[written:]


def _flush(fd: int) -> None:
    if sys.platform == "darwin":
        # fsync alone leaves the bytes in the drive's cache there.
        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
    else:
        os.fsync(fd)


def _confirm(folder: int, path: Path) -> None:
    """Make the new name durable; without this a power cut brings the old file back."""
    try:
        os.fsync(folder)
    except OSError as error:
        message = (
            "written, durability not confirmed: fsync of its folder failed:"
            f" {_text(error)}; check the disk, then save again"
        )
        raise StorageError.of("IO_DURABILITY_UNKNOWN", message, path) from error


def _save_error(path: Path, size: int, error: OSError) -> StorageError:
    return storage_error(path, f"cannot save {size:,} bytes", error, "; the previous file is kept")


def storage_error(path: Path, what: str, error: Exception, then: str = "") -> StorageError:
    """Return the error of a user for one of the system: what failed, why, and what to do."""
    code, advice = _explain(error)
    return StorageError.of(code, f"{what}: {_text(error)}{then}; {advice}", path)


def same_file(fd: int, path: Path) -> bool:
    """Tell whether a path still leads to the file of a descriptor."""
    try:
        return os.path.samestat(os.fstat(fd), os.lstat(path))
    except OSError:
        return False


def has_other_names(path: Path) -> bool:
    """Tell whether a file has other names (cp -al): what is appended to it changes them too."""
    try:
        return os.stat(path).st_nlink > 1
    except OSError:
        return False


def kind_of(mode: int) -> str:
    """Return what st_mode says of a file in words."""
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a FIFO",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a block device",
        stat.S_IFSOCK: "a socket",
    }
    return kinds.get(stat.S_IFMT(mode), stat.filemode(mode))


def _explain(error: Exception) -> tuple[str, str]:
    number = error.errno if isinstance(error, OSError) else None
    return _CODES.get(number or 0, ("IO_ERROR", "check the disk and the path"))


def _text(error: Exception) -> str:
    if not isinstance(error, OSError):
        return str(error)
    name = errno.errorcode.get(error.errno or 0, "no errno")
    return f"{error.strerror or error} ({name})"
