"""What a process may take: the host's, or its control group's where that is less."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from rnnkit.core.machine import free_memory, processors

GB = 10**9
MANY = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine(root: Path, cgroup: str, files: dict[str, str], free: int = 64 * GB) -> Path:
    """Write the files that tell what is free of a machine."""
    for name, text in {
        "proc/meminfo": f"MemTotal: 1 kB\nMemAvailable:  {free // 1024} kB\n",
        "proc/self/cgroup": cgroup,
        **{f"sys/fs/cgroup/{name}": text for name, text in files.items()},
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


V2 = {"memory.max": f"{4 * GB}\n", "memory.current": f"{GB}\n"}
STAT = "anon 5\ninactive_file 500000000\nactive_file 7\n"
MEMORY = {
    "no group": ("", {}, 64 * GB),
    "a container of version 2": ("0::/\n", V2, 3 * GB),
    "files that it caches": ("0::/\n", {**V2, "memory.stat": STAT}, 3 * GB + 500_000_000),
    "no limit": ("0::/\n", {**V2, "memory.max": "max\n"}, 64 * GB),
    "more than the host has": ("0::/\n", {**V2, "memory.max": f"{900 * GB}"}, 64 * GB),
    "a service": ("0::/a.slice/b\n", {f"a.slice/b/{k}": v for k, v in V2.items()}, 3 * GB),
    "the group that holds it": (
        "0::/a.slice/b\n",
        {f"a.slice/{k}": v for k, v in V2.items()},
        3 * GB,
    ),
    "a name of outside": ("0::/docker/77af\n", V2, 3 * GB),
    "full": ("0::/\n", {**V2, "memory.current": f"{5 * GB}"}, 0),
    "version 1": (
        "9:cpu,cpuacct:/y\n4:memory:/x\n0::/\n",
        {
            "memory/y/memory.limit_in_bytes": "1\n",  # of others: it counts processors here
            "memory/y/memory.usage_in_bytes": "1\n",
            "memory/x/memory.limit_in_bytes": f"{2 * GB}\n",
            "memory/x/memory.usage_in_bytes": f"{GB}\n",
            "memory/x/memory.stat": "total_inactive_file 7\ninactive_file 3\n",
        },
        GB + 7,
    ),
    "no text": ("0::/\n", {**V2, "memory.max": "é"}, 64 * GB),
}


@pytest.mark.parametrize(("cgroup", "files", "wanted"), MEMORY.values(), ids=MEMORY)
def test_memory(tmp_path: Path, cgroup: str, files: dict[str, str], wanted: int) -> None:
    assert free_memory(machine(tmp_path, cgroup, files)) == wanted


CPU = {
    "no group": ("", {}, MANY),
    "no quota": ("0::/\n", {"cpu.max": "max 100000\n"}, MANY),
    "half a processor": ("0::/\n", {"cpu.max": "50000 100000\n"}, 1),
    "more than there are": ("0::/\n", {"cpu.max": f"{(MANY + 3) * 100000} 100000\n"}, MANY),
    "version 1": (
        "2:cpu,cpuacct:/x\n",
        {"cpu/x/cpu.cfs_quota_us": "90000\n", "cpu/x/cpu.cfs_period_us": "100000\n"},
        1,
    ),
    "version 1 without a quota": (
        "2:cpu,cpuacct:/x\n",
        {"cpu/x/cpu.cfs_quota_us": "-1\n", "cpu/x/cpu.cfs_period_us": "100000\n"},
        MANY,
    ),
}


@pytest.mark.parametrize(("cgroup", "files", "wanted"), CPU.values(), ids=CPU)
def test_processors(tmp_path: Path, cgroup: str, files: dict[str, str], wanted: int) -> None:
    assert processors(machine(tmp_path, cgroup, files)) == wanted


def test_a_system_without_proc_has_all_of_its_memory(tmp_path: Path) -> None:
    assert free_memory(tmp_path) == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def test_memory_of_a_limited_address_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = machine(tmp_path, "0::/\n", V2)
    monkeypatch.setattr(resource, "getrlimit", lambda what: (2 * GB, 8 * GB))
    assert free_memory(root) == 3 * GB  # how much is taken is not known here
    (root / "proc/self/statm").write_text("1000 500 40 1 0 300 0\n")
    assert free_memory(root) == 2 * GB - 1000 * resource.getpagesize()
    unlimited = resource.RLIM_INFINITY
    monkeypatch.setattr(resource, "getrlimit", lambda what: (unlimited, unlimited))
    assert free_memory(root) == 3 * GB
