"""The strictest numeric mode for every test, and where the benchmark data may lie."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browser import PROGRAM, Browser
from helpers import plain_spec, small_spec, text, trained

from rnnkit.compute.kernels.dispatch import kernel_module, kernels_compute
from rnnkit.compute.kernels.jit import compiler

# A shell's background job ignores Ctrl-C, and so would every process that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# So does nohup with SIGHUP. What catches it, unlike SIG_IGN, is not handed on to a new process.
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda number, frame: None)

DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(autouse=True)
def strict_numerics() -> Iterator[None]:
    with np.errstate(all="raise", under="ignore"):
        yield


@pytest.fixture
def without_kernels(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """NumPy computes what kernels would. A process asks for them once, and here anew."""
    asked = (kernels_compute, kernel_module, compiler)
    for each in asked:
        each.cache_clear()
    monkeypatch.setenv("RNNKIT_KERNELS", "numpy")
    yield
    for each in asked:
        each.cache_clear()


@pytest.fixture
def ptb() -> Path:
    """The Penn Treebank, which may not be redistributed."""
    folder = DATA / "ptb"
    if not folder.is_dir():
        pytest.skip("the Penn Treebank is not beside the project (../shared/data/ptb)")
    return folder


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of a small model of characters, with three splits; not to be written to."""
    spec = small_spec()
    spec["data"]["split"] = [0.7, 0.15, 0.15]
    spec["evaluate"] = {"streams": 3}
    return trained(tmp_path_factory.mktemp("tiny"), spec, content=text(300))


@pytest.fixture(scope="session")
def dna_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of a text of one line, without a line feed in its vocabulary."""
    return trained(tmp_path_factory.mktemp("dna"), plain_spec(), content=text(200, alphabet="ACGT"))


@pytest.fixture(scope="session")
def word_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of words, without a test split."""
    spec = plain_spec(window=8)
    spec["data"]["tokenizer"] = {"type": "word"}
    words = text(200).replace("\n", " end\n").replace("a", "the ").replace("b", "cat ")
    return trained(tmp_path_factory.mktemp("words"), spec, content=words)


@pytest.fixture(scope="session")
def byte_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of bytes, in which characters of two and three bytes occur."""
    spec = plain_spec(epochs=1)
    spec["data"]["tokenizer"] = {"type": "byte"}
    return trained(tmp_path_factory.mktemp("bytes"), spec, content=text(200, alphabet="aé€\n"))


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Browser:
    """A browser without a window."""
    if PROGRAM is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    return Browser(tmp_path_factory.mktemp("profile"))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for the distributions of `stubs`; this process finds them, and those it starts."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    yield folder
    for name in [name for name in sys.modules if name.startswith("rnnkit_odd")]:
        del sys.modules[name]
