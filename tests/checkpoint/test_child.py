"""The limited child: the same result for good files, and an error whatever the child does."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnkit.errors
from rnnkit.checkpoint import child
from rnnkit.checkpoint.child import read_untrusted
from rnnkit.checkpoint.image import build_image, load_image
from rnnkit.checkpoint.seal import seal
from rnnkit.errors import CheckpointError

ROOT = Path(rnnkit.errors.__file__).parents[1]
ARRAYS = {
    "params/1.lstm/Wx": np.arange(12, dtype="f4").reshape(3, 4),
    "state/1.lstm/0": np.zeros((0, 4)),
    "optimizer/t": np.array(3),
}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "best.h5"
    path.write_bytes(build_image(ARRAYS, {"meta": b"{}", "vocabulary": b""}))
    return path


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        read_untrusted(path)
    (problem,) = caught.value.problems
    assert problem.where == str(path)
    assert str(problem).isprintable()
    return f"{problem.code} {problem.message}"


def test_the_same_as_without_a_child(checkpoint: Path) -> None:
    image, trusted = read_untrusted(checkpoint), load_image(checkpoint)
    assert (image.schema, image.blobs) == (trusted.schema, trusted.blobs)
    assert list(image.arrays) == list(trusted.arrays)
    for name, array in ARRAYS.items():
        assert image.arrays[name].dtype == array.dtype
        assert np.array_equal(image.arrays[name], array)
        assert not image.arrays[name].flags.writeable


def test_damage_is_found_before_a_child_starts(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("a child was started")

    monkeypatch.setattr("rnnkit.checkpoint.child.subprocess.run", fail)
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1])
    assert refusal(checkpoint).startswith("CKPT_TRUNCATED")
    assert refusal(checkpoint.parent / "none").startswith("CKPT_NOT_FOUND")


def test_a_refusal_of_the_child_is_passed_on(checkpoint: Path) -> None:
    data = bytearray(checkpoint.read_bytes())
    assert data.count(b"lstm\0") >= 1
    data = data.replace(b"1.lstm\0", b"1/lstm\0", 1)
    data = data.replace(b"1.lstm\0", b"\x1b[31m\0\0", 1)
    seal(memoryview(data))
    checkpoint.write_bytes(data)
    assert "CKPT_STRUCTURE name" in refusal(checkpoint)


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("import os; os.abort()", "CalledProcessError"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "CalledProcessError"),
        ("raise SystemExit(1)", "CalledProcessError"),
        ("import time; time.sleep(600)", "TimeoutExpired"),
        ("", "ValidationError"),
        ("print('[' * 100_000)", "ValidationError"),
        ('print(\'{"schema": "1"}\')', "ValidationError"),
        ('print(\'{"extents": [["a", 1]]}\')', "ValidationError"),
        ("import sys; sys.stdout.buffer.write(bytes(100))", "ValidationError"),
    ],
)
def test_a_child_that_fails(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, program: str, reason: str
) -> None:
    monkeypatch.setattr(child, "_PROGRAM", program)
    if "sleep" in program:
        monkeypatch.setattr(child, "SECONDS", 0.3)
    message = refusal(checkpoint)
    assert message.startswith("CKPT_STRUCTURE the file made the reader fail in its limited process")
    assert reason in message


GOOD = {"name": "params/W", "dtype": "<f4", "shape": [3], "offset": 1024}


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ({"schema": 1, "extents": [GOOD | {"offset": 0}]}, "bounds: params/W"),
        ({"schema": 1, "extents": [GOOD | {"offset": -4}]}, "bounds: params/W"),
        ({"schema": 1, "extents": [GOOD | {"offset": 1 << 40}]}, "bounds: params/W"),
        ({"schema": 1, "extents": [GOOD | {"shape": [1 << 40]}]}, "bounds: params/W"),
        ({"schema": 1, "extents": [GOOD | {"shape": [-1]}]}, "shape: params/W"),
        ({"schema": 1, "extents": [GOOD | {"shape": [0, 1 << 62]}]}, "shape: params/W"),
        ({"schema": 1, "extents": [GOOD | {"shape": [1] * 9}]}, "shape: params/W"),
        ({"schema": 1, "extents": [GOOD | {"dtype": "|O"}]}, "dtype: params/W"),
        ({"schema": 1, "extents": [GOOD | {"name": "params/\x1b[31m"}]}, "name: params"),
        ({"schema": 1, "extents": [GOOD, GOOD]}, "alias"),
        ({"schema": 1, "extents": [GOOD, GOOD | {"name": "params/V"}]}, "overlap"),
        ({"schema": 0, "extents": [GOOD]}, "attr: schema"),
        ({"schema": 2, "extents": [GOOD]}, "CKPT_NEWER_SCHEMA"),
        ({"problems": [{"where": "/etc", "code": "C\x1b", "message": "m\x1b[2J"}]}, "C\\x1b m"),
    ],
)
def test_a_child_that_lies(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, reply: dict[str, Any], expected: str
) -> None:
    monkeypatch.setattr(child, "_PROGRAM", f"print({json.dumps(reply)!r})")
    assert expected in refusal(checkpoint)


@pytest.mark.parametrize(
    ("action", "error"),
    [
        ("open('/dev/null')", "Too many open files"),
        ("open(sys.argv[1] + '/x', 'w')", "Too many open files"),
        ("bytearray(3 << 30)", "MemoryError"),
        ("os.write(3, bytes(9))", "File too large"),
        ("exec('while True: pass')", ""),
    ],
)
def test_the_limits_hold(tmp_path: Path, action: str, error: str) -> None:
    program = (
        "import os, sys\n"
        "from rnnkit.checkpoint import child\n"
        "os.dup2(os.open(sys.argv[1] + '/file', os.O_CREAT | os.O_WRONLY), 3)\n"
        "child.CPU_SECONDS = 1\n"
        "child._limit(0)\n"
        "print('limited', flush=True)\n"
        f"{action}\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **child._ENVIRONMENT}
    command = [sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout == "limited\n", done.stderr
    assert done.returncode != 0
    assert error in done.stderr


def test_lower_limits_of_the_user_are_kept() -> None:
    program = (
        "import resource\n"
        "resource.setrlimit(resource.RLIMIT_CPU, (5, 5))\n"
        "from rnnkit.checkpoint import child\n"
        "child._limit(0)\n"
        "print(resource.getrlimit(resource.RLIMIT_CPU))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **child._ENVIRONMENT}
    command = [sys.executable, "-c", program]
    assert subprocess.check_output(command, env=environment, text=True) == "(5, 5)\n"
