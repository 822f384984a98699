"""What a user names to be written: the file behind its links, a device or FIFO as it is, no folder.

The files of a run are another matter: `write_atomic` replaces exactly the name that it is given.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable
from pathlib import Path

from rnnkit.errors import StorageError
from rnnkit.files.atomic import Buffer, kind_of, storage_error, write_all, write_atomic
from rnnkit.files.standard_output import STDOUT, stdout_number

# O_NOCTTY: a terminal does not adopt this process.
_WRITE = os.O_WRONLY | os.O_CLOEXEC | os.O_NOCTTY


def write_output(path: Path, data: Buffer) -> None:
    """Write `data` to what a user named: a file whole or not at all, a device or FIFO directly.

    A symbolic link stays, and the file that it leads to is replaced. Raises StorageError.
    """
    info = _looked_at(path)
    try:
        if (stream := _own_stream(info)) is not None:
            _write_through(os.dup(stream), data)
        elif info is None or stat.S_ISREG(info.st_mode):
            write_atomic(Path(os.path.realpath(path)) if path.is_symlink() else path, data)
        else:
            _write_through(os.open(path, _WRITE), data)
    except OSError as error:
        raise storage_error(path, f"cannot write {len(memoryview(data)):,} bytes", error) from error


def check_output(path: Path) -> None:
    """Raise StorageError where `write_output` could not write, before there is work to lose.

    IO_NOT_FILE for a folder and the like, IO_NO_FOLDER where its folder is missing, IO_READ_ONLY
    and IO_PERMISSION where nothing may be written.
    """
    info = _looked_at(path)
    if _own_stream(info) is not None:
        return
    if info is not None and not stat.S_ISREG(info.st_mode):
        place, mode, what = path, os.W_OK, f"this is {kind_of(info.st_mode)} that"
    else:
        folder = Path(os.path.realpath(path)).parent
        if not folder.is_dir():
            message = f"there is no folder {folder} (make it, or give another name)"
            raise StorageError.of("IO_NO_FOLDER", message, path)
        place, mode, what = folder, os.W_OK | os.X_OK, f"{folder} is a folder that"
    if os.access(place, mode):
        return
    if os.statvfs(place).f_flag & os.ST_RDONLY:
        message = "lies on a read-only file system (mount it for writing, or choose another folder)"
        raise StorageError.of("IO_READ_ONLY", message, path)
    message = f"{what} you may not write to (give yourself the right, or give another name)"
    raise StorageError.of("IO_PERMISSION", message, path)


def overwritten(path: Path, inputs: Iterable[Path]) -> Path | None:
    """Return the first of `inputs` that is the very file which `path` leads to; - is stdin."""
    info = _looked_at(path)
    if info is None or not stat.S_ISREG(info.st_mode):
        return None
    for each in inputs:
        try:
            other = os.fstat(0) if str(each) == "-" else os.stat(each)
        except (OSError, ValueError):
            continue
        if os.path.samestat(info, other):
            return each
    return None


def _looked_at(path: Path) -> os.stat_result | None:
    """Return what the path leads to; None: a file that is not there yet.

    Raises StorageError for what is neither a file, a FIFO nor a device of characters.
    """
    try:
        info = os.stat(f"/dev/fd/{stdout_number()}" if str(path) in STDOUT else path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise storage_error(path, "cannot be written", error) from error
    if any(kind(info.st_mode) for kind in (stat.S_ISREG, stat.S_ISFIFO, stat.S_ISCHR)):
        return info
    if _own_stream(info) is not None:
        return info
    message = f"expected a file to write, received {kind_of(info.st_mode)} (name a file)"
    raise StorageError.of("IO_NOT_FILE", message, path)


def _own_stream(info: os.stat_result | None) -> int | None:
    """Return the number of this process's stream behind /dev/stdout and /dev/stderr."""
    for stream in (stdout_number(), 2):
        try:
            if info is not None and os.path.samestat(info, os.fstat(stream)):
                return stream
        except OSError:
            continue  # that stream is closed
    return None


def _write_through(fd: int, data: Buffer) -> None:
    """Write where there is nothing to replace, after what stdout and stderr still hold."""
    try:
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
        write_all(fd, memoryview(data).cast("B"))
    finally:
        os.close(fd)
