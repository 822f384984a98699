"""How kernels are compiled: cached on disk until any of them changes, vectorized, NaN kept.

`error_model="numpy"` drops the check of divisions that stops vectorization. The fast-math flags
allow what a sum in another order does, but not what assumes that there is no NaN: a clamp would
then turn NaN into a number, and a divergence would pass unseen.

A kernel that another calls is made part of it (`forceinline`). Left to itself it is one function in
the process that compiles both, and each file of the cache has a copy that was optimized apart: the
process that compiled would then round otherwise than those that load.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

from rnnkit.compute.kernels.disk_cache import set_up
from rnnkit.compute.ranks import LAUNCHED, is_first_launched
from rnnkit.errors import RefusedError, printable

F = TypeVar("F", bound=Callable[..., Any])

# A set would be written in another order by each process, and so never be found in the cache.
FLAGS = dict.fromkeys(("contract", "reassoc", "nsz", "arcp"), True)
COMPILER_OPTIONS = ("OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE", "ENABLE_AVX", "USING_SVML")
COMPILING = "compiling kernels for this processor, which later runs load"
OPTIONS: Any = {"nogil": True, "error_model": "numpy", "fastmath": FLAGS, "forceinline": True}
GENERATED = "rnnkit_equations_"
"""What the name of a module begins with that rnnkit writes from equations."""


def kernels_available() -> bool:
    """Tell whether kernels are compiled here: numba is installed, and not switched off."""
    wanted = os.environ.get("RNNKIT_KERNELS", "") != "numpy"
    wanted = wanted and os.environ.get("NUMBA_DISABLE_JIT", "").strip() in ("", "0")
    return wanted and importlib.util.find_spec("numba") is not None


def kernel_set() -> str:
    """Return which kernels compute here, for the fingerprint of the arithmetic."""
    if not kernels_available():
        return "numpy"
    # Metadata that an upgrade left behind may tell of another version.
    from numba import __version__

    return f"numba {__version__}, sources {sources()[:8]}"


@cache
def compiler() -> str:
    """Return what decides the bits of compiled kernels besides their sources; "" without numba.

    The same loop has other last bits for another processor or feature (FMA, wider registers), and
    at another level of optimization. Raises RefusedError for features at which LLVM would abort.
    """
    if not kernels_available():
        return ""
    from llvmlite import binding
    from numba.core import config as module

    config: Any = module
    processor = config.CPU_NAME or binding.get_host_cpu_name()
    features = config.CPU_FEATURES
    if features is None:
        features = binding.get_host_cpu_features().flatten()
    for feature in filter(None, features.split(",")):
        if feature[0] not in "+-":
            message = f"{printable(feature)} has no sign: expected features such as +avx2,-fma"
            raise RefusedError.of("CPU_FEATURES", f"{message} (or unset it)", "NUMBA_CPU_FEATURES")
    digest = hashlib.sha256(features.encode()).hexdigest()[:8]
    version = ".".join(map(str, binding.llvm_version_info))
    options = (f"{name.lower()} {int(getattr(config, name, 0))}" for name in COMPILER_OPTIONS)
    return f"LLVM {version}, {processor}, features {digest}, {', '.join(options)}"


@cache
def sources() -> str:
    """Return a digest of all kernels: any of them may be compiled into any other."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def cache_folders() -> Iterator[Path]:
    """Yield where what is compiled may lie, and its sources: as Numba does, which takes longer."""
    if folder := os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(folder)
    yield Path(__file__).parent / "__pycache__"
    with suppress(RuntimeError):  # a user without a home
        home = Path.home()
        of_system = {"darwin": home / "Library/Caches", "win32": home / "AppData/Local"}
        own = os.environ.get("XDG_CACHE_HOME") or of_system.get(sys.platform, home / ".cache")
        yield Path(own) / "rnnkit"


def jit(function: F, *, inline: bool = True, copied: bool = False) -> F:
    """Compile a function at its first call with each set of types.

    The result is cached on disk, beside the source or in the user's cache directory; where neither
    can be written, it is compiled anew by each process. A compilation says so on stderr. What is
    not made part of its callers has to round in one way, however it is optimized.
    """
    import numba

    _prepare()
    options = OPTIONS | {"forceinline": inline}
    if copied:
        options["inline"] = "always"
    try:
        compiled = numba.njit(function, cache=True, **options)
    except RuntimeError:
        compiled = numba.njit(function, **options)
    # numba looks for changes in the function's own file alone, and not in those it calls;
    # of what the compiler was told, at the processor and its features alone.
    name = _name(function)
    set_up(compiled._cache, name, (sources(), compiler()), own=_is_own_source(function))
    # What is compiled around another function is cached under the name of that. Numba's is new in
    # every process; one made of the source is the same until the source changes.
    compiled._set_uuid(name)
    found: F = compiled
    return found


def _prepare() -> None:
    compiler()  # before numba meets what it would abort at
    _load_extensions()
    _tell_once()


def intrinsic(function: F) -> F:
    """Return the intrinsic of a function that writes its code, named by the source of that.

    What calls it is cached under its name, as with `jit`.
    """
    from numba.extending import intrinsic as made

    found: Any = made(function)
    found._set_uuid(_name(function))
    return cast("F", found)


class CompiledEntry(NamedTuple):
    """A function of C: its name, whether it takes integers or floats, its object file, address.

    It is there as long as `held` is.
    """

    symbol: str
    takes: tuple[str, ...]
    code: bytes
    address: int
    held: object


def compile_entry(function: Callable[..., int], symbols: Mapping[str, int]) -> CompiledEntry:
    """Compile a function of numbers typed as int or float, which returns an int.

    `symbols` are the addresses of others that it calls.
    """
    from llvmlite import binding
    from numba import cfunc, types

    _prepare()
    for symbol, address in symbols.items():
        binding.add_symbol(symbol, address)
    *takes, _ = function.__annotations__.values()
    numbers = {"int": types.int64, "float": types.float64}
    options = {name: value for name, value in OPTIONS.items() if name != "forceinline"}
    signature: Any = types.int32(*map(numbers.get, takes))
    made: Any = cfunc(signature, **options)(function)
    code = made._library._get_compiled_object()
    return CompiledEntry(made.native_name, tuple(takes), code, made.address, made)


def _is_own_source(function: Callable[..., Any]) -> bool:
    """Tell whether a function is rnnkit's own, or written by it from equations."""
    return function.__module__.startswith(("rnnkit.", GENERATED))


def _name(function: Callable[..., Any]) -> str:
    """Return a digest that tells a kernel from others; what is cached has the sources of our own.

    A module written from equations is named by its source. Looking for the source takes long.
    """
    source = repr(function.__code__.co_code)
    if not _is_own_source(function):
        with suppress(OSError):
            source = inspect.getsource(function)
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    around = [str(getattr(each, "_uuid", repr(each))) for each in cells]
    text = "\n".join([function.__module__, function.__qualname__, source, *around])
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def _load_extensions() -> None:
    """Load what extends numba before it does, which metadata that cannot be read would stop."""
    from numba.core import entrypoints

    with suppress(Exception):
        entrypoints.init_all()  # type: ignore[no-untyped-call]


@cache
def _tell_once() -> None:
    """Say that kernels are compiled, from the first of them on; of ranks, the first one does."""
    if not is_first_launched(*LAUNCHED.values()):
        return
    from numba.core import event

    class Teller(event.Listener):
        """Counts on a terminal while it lasts; elsewhere, or below a progress bar, says it once."""

        inside = count = 0

        def on_start(self, event: Any) -> None:
            self.inside += 1
            self.count += self.inside == 1
            if self.inside == 1 and _counts():
                _say(f"\r{COMPILING}: {self.count}")
            elif self.inside == self.count == 1 and (_is_own() or sys.stderr.isatty()):
                _say(f"{COMPILING}\n")

        def on_end(self, event: Any) -> None:
            self.inside -= 1
            if self.inside == 0 and _counts():
                _say("\r\x1b[2K")

    event.register("numba:compile", Teller())  # type: ignore[no-untyped-call]


def _is_own() -> bool:
    """Tell whether stderr is that of the process: nobody caught it or draws on it."""
    return sys.stderr is not None and sys.stderr is sys.__stderr__


def _counts() -> bool:
    return _is_own() and sys.stderr.isatty()


def _say(text: str) -> None:
    with suppress(OSError, ValueError):  # nobody hears it
        sys.stderr.write(text)
        sys.stderr.flush()
