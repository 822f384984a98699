"""Real signals to a real process: the first saves and tells how to go on, the second ends it."""

from __future__ import annotations

import json
import os
import pty
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import (
    ONE_THREAD,
    JSONObject,
    command,
    done,
    newest,
    plain_spec,
    results,
    small_spec,
    text,
    trained,
    write_spec,
)

from rnnkit.checkpoint.run_directory import RunDir
from rnnkit.checkpoint.snapshot import load_snapshot
from rnnkit.compute.ranks import Ranks
from rnnkit.training.signals import StopRequest, catching_interrupt, catching_signals

# The second argument makes every step, or every window of an evaluation, wait: a place to stop.
SLOW = """
import sys, time
from rnnkit.cli import main
from rnnkit.network.network import Network

method = "scan" if sys.argv[1] == "training" else "forward"
run = getattr(Network, method)

def slow(self, params, xs, states, resets, ctx):
    if ctx.train == (sys.argv[1] == "training"):
        time.sleep(float(sys.argv[2]))
    return run(self, params, xs, states, resets, ctx)

setattr(Network, method, slow)
main(sys.argv[3:])
"""


def spec() -> JSONObject:
    return small_spec(every={"log": 2, "evaluate": 4, "save": 3})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that was never stopped."""
    return trained(tmp_path_factory.mktemp("whole"), spec())


def begun(path: Path, where: str, seconds: float) -> subprocess.Popen[str]:
    run = path.parent / "a run"
    return subprocess.Popen(
        [sys.executable, "-c", SLOW, where, str(seconds), "run", str(path), "--out", str(run)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **ONE_THREAD},
    )


def wait_until(ready: Callable[[], bool], running: subprocess.Popen[str]) -> None:
    """Wait for something that the process does; it must not end before."""
    while not ready():
        assert running.poll() is None, running.communicate()
        time.sleep(0.01)


def lines_of(run: Path) -> int:
    path = run / "metrics.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


@pytest.mark.parametrize(
    ("number", "code", "where"),
    [(signal.SIGINT, 130, "training"), (signal.SIGTERM, 143, "evaluation")],
)
def test_a_signal_saves_and_the_printed_command_goes_on(
    whole: Path, tmp_path: Path, number: signal.Signals, code: int, where: str
) -> None:
    path = write_spec(tmp_path, spec())
    run = path.parent / "a run"
    running = begun(path, where, 0.1 if where == "training" else 0.4)
    # After the line of step 2 comes step 3; before the line of step 4 comes its evaluation.
    wait_until(lambda: lines_of(run) >= 1, running)
    if where == "evaluation":
        wait_until(lambda: RunDir(run).step_file(3).exists(), running)
        time.sleep(0.2)
    running.send_signal(number)
    out, err = running.communicate(timeout=60)
    assert running.returncode == code, err
    assert out == "" and "[INTERRUPTED] saved at step " in err and "Traceback" not in err
    progress = newest(run).meta.progress
    assert f"saved at step {progress.step};" in err and 0 < progress.step < 15
    assert progress.pending == ("evaluation" if where == "evaluation" else None)
    printed = shlex.split(err.strip().rpartition("continue with: ")[2])
    assert printed[:2] == ["rnnkit", "resume"]
    done(*printed[1:])
    assert results(run) == results(whole)


@pytest.mark.parametrize(
    ("first", "second"),
    [(signal.SIGINT, signal.SIGINT), (signal.SIGINT, signal.SIGTERM)],
)
def test_a_second_signal_stops_at_once(
    whole: Path, tmp_path: Path, first: signal.Signals, second: signal.Signals
) -> None:
    path = write_spec(tmp_path, spec())
    run = path.parent / "a run"
    running = begun(path, "evaluation", 60.0)
    # The first evaluation, of step 4, would take minutes: the first signal waits for its window.
    wait_until(lambda: RunDir(run).step_file(3).exists(), running)
    time.sleep(0.3)
    running.send_signal(first)
    time.sleep(0.2)
    assert running.poll() is None, "the first signal lets the window end"
    running.send_signal(second)
    running.communicate(timeout=30)
    assert running.returncode == -second
    (kept,) = RunDir(run).step_files()
    assert load_snapshot(kept[1]).meta.progress.step == 3
    done("resume", run)
    assert results(run) == results(whole)


def test_a_signal_before_the_first_step_leaves_a_run_to_go_on_with(tmp_path: Path) -> None:
    big = small_spec()
    path = write_spec(tmp_path, big, text(85))
    run = path.parent / "a run"
    running = begun(path, "training", 0.5)
    wait_until(lambda: (run / "metrics.jsonl").exists(), running)
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=60)
    assert running.returncode == 143
    assert newest(run).meta.progress.step <= 1


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(n) for n in SIGNALS]
    with catching_signals() as request:
        assert request.number == 0
        os.kill(os.getpid(), signal.SIGTERM)
        assert request.number == signal.SIGTERM
        # Whichever comes second is no longer caught; a terminal that closes may say so twice.
        assert [signal.getsignal(n) for n in SIGNALS] == [*[signal.SIG_DFL] * 2, signal.SIG_IGN]
    assert [signal.getsignal(n) for n in SIGNALS] == before


def test_what_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with catching_signals() as request:
            os.kill(os.getpid(), signal.SIGHUP)
            assert request.number == 0
            os.kill(os.getpid(), signal.SIGTERM)
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


# A terminal belongs to a session: the process makes it its own before it becomes the command.
OWN = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, sys.argv[1:])
"""


def test_a_terminal_that_closes_leaves_a_run_to_go_on_with(tmp_path: Path) -> None:
    rarely = {"log": 50, "save": 10**6, "evaluate": None}
    spec = small_spec(epochs=10**6, every=rarely, schedule=None)
    path, run = write_spec(tmp_path, spec), tmp_path / "run"
    line = [sys.executable, "-m", "rnnkit.cli", "run", str(path), "--out", str(run)]
    outside, inside = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-c", OWN, *line],
        stdin=inside,
        stdout=inside,
        stderr=inside,
        env={**os.environ, **ONE_THREAD, "TERM": "xterm"},
        start_new_session=True,
    )
    os.close(inside)
    while not (run / "metrics.jsonl").exists() or not (run / "metrics.jsonl").stat().st_size:
        assert os.read(outside, 4096)
    os.close(outside)
    assert running.wait(60) == 129
    assert newest(run).meta.progress.step >= 50
    assert json.loads((run / "run.json").read_text())["status"] == "stopped"


def test_only_the_main_thread_catches_an_interrupt() -> None:
    before, seen = signal.getsignal(signal.SIGINT), list[object]()

    def elsewhere() -> None:
        with catching_interrupt() as request:
            seen.extend([request.number, signal.getsignal(signal.SIGINT) is before])

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    first = StopRequest().number
    assert seen == [first, True]
    with catching_interrupt() as request:
        assert signal.getsignal(signal.SIGINT) is not before
        signal.raise_signal(signal.SIGINT)
        assert request.number == signal.SIGINT
        assert signal.getsignal(signal.SIGINT) is before
    assert signal.getsignal(signal.SIGINT) is before


def test_a_signal_that_comes_while_ranks_agree_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one rank has heard is taken for all; what it hears meanwhile waits for the next step."""
    honest, calls = Ranks.collect, []

    def collect(ranks: Ranks, value: object) -> list[object]:
        found = honest(ranks, value)
        calls.append(value)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return found

    monkeypatch.setattr(Ranks, "collect", collect)
    ran = command("run", write_spec(tmp_path, plain_spec(epochs=50)), "--out", tmp_path / "run")
    assert ran.code == 143
    assert "[INTERRUPTED] saved at step" in ran.err
    assert calls[2] == (0, False) and (signal.SIGTERM, False) in calls[3:]
