"""Two hosts on one machine: network namespaces that a cable of two ends joins."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

FIRST, SECOND = "10.77.0.1", "10.77.0.2"

SSH = """#!/bin/bash
# Stands for ssh: NAME [-x] HOST COMMAND...
while [[ $1 == -* ]]; do shift; done
host=$1; shift
exec ip netns exec {prefix}${{host##*.}} bash -c "$*"
"""


@dataclass(frozen=True)
class Hosts:
    """Hosts 1 and 2, by the names of their namespaces; the cable ends in `end` of each."""

    prefix: str
    ssh: Path

    def run(self, host: int, *command: object) -> str:
        """Run a command on a host to its end; return what it prints."""
        return ip("netns", "exec", f"{self.prefix}{host}", *command)

    def crossed(self) -> int:
        """Return the bytes that went from host 1 to host 2 so far."""
        return int(self.run(1, "cat", "/sys/class/net/end/statistics/tx_bytes"))

    def wait(self, host: int) -> None:
        """Wait until a host's end of the cable carries something."""
        for _ in range(600):
            if self.run(host, "cat", "/sys/class/net/end/operstate").strip() == "up":
                return
            time.sleep(0.1)
        raise AssertionError(f"the cable of host {host} carries nothing")

    def cut(self) -> None:
        """Cut the cable."""
        self.run(1, "ip", "link", "set", "end", "down")

    def launch(self, *command: object) -> subprocess.Popen[str]:
        """Start a command on host 1 that starts others on both hosts by the script for ssh."""
        line = ["ip", "netns", "exec", f"{self.prefix}1", *command]
        pipe = subprocess.PIPE
        environment = {**os.environ, "UCX_TLS": "tcp,self", "UCX_NET_DEVICES": "end"}
        return subprocess.Popen(
            list(map(str, line)), stdout=pipe, stderr=pipe, text=True, env=environment
        )

    def pythons(self) -> list[int]:
        """Return the processes of Python that run on the hosts."""
        return [
            pid for pid in self.processes() if _program(pid) == os.path.realpath(sys.executable)
        ]

    def processes(self) -> list[int]:
        """Return all processes that run on the hosts."""
        found = (ip("netns", "pids", f"{self.prefix}{host}").split() for host in (1, 2))
        return [int(pid) for pids in found for pid in pids]


def ip(*arguments: object) -> str:
    """Run the program ip; raises CalledProcessError or FileNotFoundError."""
    line = ["ip", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, check=True).stdout


def why_not() -> str:
    """Return why no hosts can be made here; "" where they can."""
    if shutil.which("ip") is None:
        return "the program ip is missing (Debian: apt-get install iproute2)"
    name = f"rnnkit-{os.getpid()}-probe"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if made.returncode:
        return f"no network namespace can be made here: {made.stderr.strip()}"
    ip("netns", "del", name)
    return ""


@contextmanager
def two_hosts(folder: Path) -> Iterator[Hosts]:
    """Make two hosts; end what runs there and remove them, whatever happens."""
    hosts = Hosts(f"rnnkit-{os.getpid()}-", folder / "ssh")
    hosts.ssh.write_text(SSH.format(prefix=hosts.prefix))
    hosts.ssh.chmod(0o700)
    names = [f"{hosts.prefix}{host}" for host in (1, 2)]
    try:
        for name in names:
            ip("netns", "add", name)
        ip(
            *"link add end netns".split(),
            names[0],
            *"type veth peer name end netns".split(),
            names[1],
        )
        for host, address in ((1, FIRST), (2, SECOND)):
            hosts.run(host, *f"ip addr add {address}/24 dev end".split())
            for link in ("lo", "end"):
                hosts.run(host, *f"ip link set {link} up".split())
        for host in (1, 2):
            hosts.wait(host)
        yield hosts
    finally:
        made = set(ip("netns", "list").split()) & set(names)
        if len(made) == 2:
            for pid in hosts.processes():
                os.kill(pid, signal.SIGKILL)
        for name in made:
            ip("netns", "del", name)


def _program(pid: int) -> str:
    """Return the file that a process runs; "" once it has ended."""
    try:
        return os.path.realpath(f"/proc/{pid}/exe", strict=True)
    except OSError:
        return ""
