"""Compiled code in object files, which a process loads without the compiler.

Numba takes longer to import, and to load what it compiled, than most of what a model answers. What
runs a stack takes numbers and addresses and returns a status, so it is a function of C; its object
file is linked by LLVM alone.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple, cast

from rnnkit.compute.kernels.jit import cache_folders, compile_entry, sources
from rnnkit.types import Array
from rnnkit.version import VERSION

NO_MEMORY = 1
"""What an entry returns where it got no memory."""

NUMBERS: dict[str, Any] = {"int": ctypes.c_int64, "float": ctypes.c_double}
OF_THE_COMPILER = (
    "NRT_Free NRT_MemInfo_call_dtor numba_do_raise numba_gil_ensure numba_gil_release "
    "numba_runtime_build_excinfo_struct numba_unpickle"
).split()
"""What would be called after an error, or for an array of Numba's own; entries have neither."""

HARMLESS = "NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS", "NUMBA_THREADING_LAYER", "NUMBA_DEBUG_CACHE"
"""Settings that change no code."""

_lock = Lock()
_number = count()
_byte_of: Any = ctypes.c_char.from_buffer
_address_of = ctypes.addressof


class ObjectCode(NamedTuple):
    """The function of an object file: its name, whether it takes integers or floats, the file."""

    symbol: str
    takes: tuple[str, ...]
    code: bytes


def entry(
    of: str,
    source: str,
    make: Callable[[], Callable[..., int]],
    calls: Mapping[str, Callable[..., None]] | None = None,
) -> Callable[..., None]:
    """Return a compiled function: from its object file, or compiled now.

    `of` and `source` say which one, and `make` gives it in Python, every argument and what it
    returns typed as int or float. The compiled one raises MemoryError where it returns NO_MEMORY.
    `calls` are those that it calls, by the symbols that it knows them by.
    """
    others = calls or {}
    digest = hashlib.sha256("\n".join([of, source, _surroundings()]).encode()).hexdigest()[:32]
    with _lock:
        if kept := _read(digest):
            with suppress(RuntimeError):  # what it calls is not in this process
                return _linked(kept, others)
        compiled = compile_entry(make(), {name: _code_of(other) for name, other in others.items()})
        made = ObjectCode(*compiled[:3])
        try:
            linked = _linked(made, others)
        except RuntimeError:
            return _callable(compiled.address, made.takes, (compiled.held, others))
        _write(digest, made)
        return linked


@cache
def kernel_entry(module: str, name: str) -> Callable[..., None]:
    """Return a function of a module of kernels, compiled."""
    return entry(name, "", lambda: getattr(import_module(f"rnnkit.compute.kernels.{module}"), name))


def array_address(array: Array | None) -> int:
    """Return where the numbers of an array in one piece lie; 0 for None.

    That is a quarter of the time that `array.ctypes` takes, which is asked for arrays that nobody
    may write to, and for those without a number.
    """
    if array is None:
        return 0
    try:
        return _address_of(_byte_of(array))
    except (TypeError, ValueError):
        return array.ctypes.data


@cache
def _surroundings() -> str:
    """Return what decides the code besides what is compiled, found without the compiler."""
    from llvmlite import __version__, binding

    settings = [
        f"{name}={value}"
        for name, value in sorted(os.environ.items())
        if name.startswith("NUMBA_") and name not in HARMLESS
    ]
    with suppress(OSError):
        settings.append(Path(".numba_config.yaml").read_text("utf-8", "replace"))
    known = [
        VERSION,
        sources(),
        _numba_version(),
        __version__,
        sys.version,
        binding.get_host_cpu_name(),
        binding.get_host_cpu_features().flatten(),
        *settings,
    ]
    return "\n".join(known)


def _numba_version() -> str:
    """Return what tells one version of Numba from another, where possible without its import.

    Metadata that an upgrade left behind may tell of another version.
    """
    numba = importlib.util.find_spec("numba")
    with suppress(OSError):
        if numba and numba.origin:
            return Path(numba.origin).with_name("_version.py").read_text("utf-8")
    from numba import __version__ as version

    return str(version)


def _file(folder: Path, digest: str) -> Path:
    return folder / f"rnnkit_{digest}.code"


def _read(digest: str) -> ObjectCode | None:
    """Return what was kept; what a disk has damaged was not."""
    for folder in cache_folders():
        with suppress(OSError, ValueError):
            head, code = _file(folder, digest).read_bytes().split(b"\n", 1)
            checksum, symbol, *takes = head.decode("ascii").split(" ")
            if checksum == _checksum(symbol, takes, code):
                return ObjectCode(symbol, tuple(takes), code)
    return None


def _write(digest: str, made: ObjectCode) -> None:
    """Keep it where it can be; where nothing can be written, each process compiles anew."""
    symbol, takes, code = made
    head = " ".join([_checksum(symbol, takes, code), symbol, *takes])
    for folder in cache_folders():
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            draft = _file(folder, f"{digest}.{os.getpid()}")
            draft.write_bytes(head.encode("ascii") + b"\n" + code)
            os.replace(draft, _file(folder, digest))
            return


def _checksum(symbol: str, takes: Sequence[str], code: bytes) -> str:
    return hashlib.sha256(" ".join([symbol, *takes]).encode() + code).hexdigest()


@cache
def _linker() -> Any:
    from llvmlite import binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    machine = binding.Target.from_default_triple().create_target_machine(jit=True)
    return binding.create_lljit_compiler(machine)


def _linked(found: ObjectCode, calls: Mapping[str, Callable[..., None]]) -> Callable[..., None]:
    """Return the function of an object file; RuntimeError where something that it calls is away."""
    from llvmlite import binding

    library = binding.JITLibraryBuilder().add_object_img(found.code).add_current_process()
    never: Any = ctypes.cast(ctypes.pythonapi.Py_FatalError, ctypes.c_void_p).value
    for symbol in OF_THE_COMPILER:
        library.import_symbol(symbol, never)
    for symbol, other in calls.items():
        library.import_symbol(symbol, _code_of(other))
    tracker = library.export_symbol(found.symbol).link(_linker(), f"rnnkit_{next(_number)}")
    return _callable(tracker[found.symbol], found.takes, (tracker, calls))


def _code_of(function: Callable[..., None]) -> int:
    """Return where the code of a compiled function begins."""
    address: int = ctypes.cast(cast("Any", function), ctypes.c_void_p).value or 0
    return address


def _callable(address: int, takes: Sequence[str], held: object) -> Callable[..., None]:
    """Return the function at an address, which is there as long as something is held."""
    kinds = [NUMBERS[each] for each in takes]
    function: Any = ctypes.CFUNCTYPE(ctypes.c_int32, *kinds)(address)
    function.errcheck, function.held = _check, held
    return cast("Callable[..., None]", function)


def _check(status: int, function: object, arguments: object) -> None:
    if status == NO_MEMORY:
        raise MemoryError("no memory for the steps of a window")
