"""What this process may take of its machine: memory and processors, inside a container too.

/proc/meminfo and the number of processors are the host's. What a container, a batch job or a
service may take of them stands in its control group, of version 1 or 2 (Linux, cgroups(7)), and in
those that the group lies in.
"""

from __future__ import annotations

import math
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path("/")


def free_memory(root: Path = ROOT) -> int:
    """Return the bytes that are free to this process.

    That is the least of the host's, its groups' and what its address space has left (`ulimit -v`).
    """
    return max(0, min([_host(root), *_groups(root, "memory", _room), *_addresses(root)]))


def spare_memory() -> int:
    """Return the bytes that one task may take: 80 % of those that are free."""
    return free_memory() * 4 // 5


def processors(root: Path = ROOT) -> int:
    """Return how many processors may be busy at once: those it may run on, within its quota."""
    if hasattr(os, "sched_getaffinity"):
        mine = len(os.sched_getaffinity(0))
    else:
        mine = os.cpu_count() or 1
    return min([mine, *_groups(root, "cpu", _quota)])


def _host(root: Path) -> int:
    try:
        lines = (root / "proc/meminfo").read_text(encoding="ascii").splitlines()
        facts = dict(line.split(":", 1) for line in lines)
        return int(facts["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _addresses(root: Path) -> Iterator[int]:
    """Yield what is left of the address space, where it has a limit."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    pages = _text(root / "proc/self/statm").split()
    if limit != resource.RLIM_INFINITY and pages:
        yield limit - int(pages[0]) * resource.getpagesize()


def _groups(root: Path, controller: str, limit: Callable[[Path], int | None]) -> Iterator[int]:
    """Yield the limits of the groups that this process is in, as far as there are any."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, name = rest.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        mount = root / "sys/fs/cgroup" / (controllers and controller)
        group = mount / name.strip("/")
        # A container may see its own group as the mount, whatever its name is outside.
        for folder in {mount, group, *(p for p in group.parents if mount in p.parents)}:
            if (found := limit(folder)) is not None:
                yield found


def _room(group: Path) -> int | None:
    """Return the bytes that a group may still take; pages that only cache files count as free."""
    for most, taken, cached in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        limit, used = _number(group / most), _number(group / taken)
        if limit is not None and used is not None:
            return limit - used + _entry(group / "memory.stat", cached)
    return None


def _quota(group: Path) -> int | None:
    """Return the processors that a group may keep busy; None without a limit."""
    quota, period = _number(group / "cpu.cfs_quota_us"), _number(group / "cpu.cfs_period_us")
    words = _text(group / "cpu.max").split()
    if len(words) == 2 and words[0].isdecimal() and words[1].isdecimal():
        quota, period = int(words[0]), int(words[1])
    return math.ceil(quota / period) if quota and period else None


def _entry(file: Path, key: str) -> int:
    pairs = (line.partition(" ") for line in _text(file).splitlines())
    return next((int(v) for name, _, v in pairs if name == key and v.isdecimal()), 0)


def _number(file: Path) -> int | None:
    """Return the number in a file; None for "max", for -1 and where there is no such file."""
    text = _text(file).strip()
    return int(text) if text.isdecimal() else None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""
