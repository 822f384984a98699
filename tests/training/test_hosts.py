"""Ranks on two hosts: the bytes of one process, and an end where the cable between them is cut."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from helpers import done, lines, newest, results, steps_kept
from network_hosts import FIRST, SECOND, Hosts, two_hosts, why_not
from rank_cases import CASES, LONG, MPIEXEC, RNNKIT, endless, wait_for_checkpoint, written

pytest.importorskip("mpi4py", reason="needs mpi4py (pip install 'rnnkit[mpi]')")

if not MPIEXEC.exists():
    pytest.skip("needs mpiexec beside Python (pip install 'rnnkit[mpi]')", allow_module_level=True)
if reason := why_not():
    pytest.skip(reason, allow_module_level=True)

LOST_WITHIN = 60
"""Seconds in which ranks notice that others are lost."""

IMPATIENT = """
import sys
from rnnkit.cli import main
from rnnkit.compute.mpi import MpiRanks

MpiRanks.__init__.__defaults__ = (5.0,)
main(sys.argv[1:])
"""


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    """Two hosts of this machine."""
    with two_hosts(tmp_path) as made:
        yield made


def mpiexec(hosts: Hosts) -> list[object]:
    """Return the beginning of a command that starts a rank on each host."""
    by_ssh = ["-launcher", "ssh", "-launcher-exec", hosts.ssh]
    return [MPIEXEC, *by_ssh, "-hosts", f"{FIRST},{SECOND}", "-ppn", 1, "-n", 2]


def test_two_hosts_give_the_bytes_of_one_process(hosts: Hosts, tmp_path: Path) -> None:
    path, alone, run = written(tmp_path, CASES["dropout"]), tmp_path / "alone", tmp_path / "run"
    done("run", path, "--out", alone)
    before = hosts.crossed()
    ran = hosts.launch(*mpiexec(hosts), RNNKIT, "run", path, "--out", run, "--mpi")
    _, err = ran.communicate(timeout=LONG)
    assert ran.returncode == 0, err
    assert results(run) == results(alone)
    gradient = sum(array.nbytes for array in newest(run).part("params").values())
    assert gradient > 0
    assert hosts.crossed() - before > gradient * lines(run)[-1]["step"]


def interrupted(ran: subprocess.Popen[str]) -> str:
    """Return what a launcher says that waits for a lost host: it may want Ctrl-C more than once."""
    for _ in range(int(LOST_WITHIN / 5)):
        ran.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            return ran.communicate(timeout=5)[1]
    ran.kill()
    raise AssertionError(f"still there after Ctrl-C: {ran.communicate()[1]}")


def test_a_cut_cable_ends_both_hosts_and_the_checkpoint_is_good(
    hosts: Hosts, tmp_path: Path
) -> None:
    path, run, script = endless(tmp_path), tmp_path / "run", tmp_path / "impatient.py"
    script.write_text(IMPATIENT)
    line = [sys.executable, script, "run", path, "--out", run, "--mpi"]
    ran = hosts.launch(*mpiexec(hosts), *line)
    wait_for_checkpoint(run)
    assert len(hosts.pythons()) == 2
    hosts.cut()
    start = time.monotonic()
    while hosts.pythons() and time.monotonic() < start + LOST_WITHIN:
        time.sleep(0.2)
    assert hosts.pythons() == []
    err = interrupted(ran)
    assert "[RANKS_LOST] nothing was heard of rank 1 on " in err
    last = steps_kept(run)[-1] + 1
    done("resume", run, "--max-steps", last)
    done("run", path, "--out", tmp_path / "alone", "--max-steps", last)
    assert results(run) == results(tmp_path / "alone")
