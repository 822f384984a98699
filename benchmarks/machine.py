"""The machine: what it is, how busy it is, and how fast it multiplies matrices."""

from __future__ import annotations

import os
import platform
import statistics
import time
from pathlib import Path

from benchmarks.measure import Plan, measure
from benchmarks.side import TITLES
from benchmarks.workloads import SQUARE

BUSY = 0.25
"""More threads of other processes than this spoil the times."""


def facts(plan: Plan) -> dict[str, str]:
    """Return what the machine is, as far as speed depends on it; nothing that names it."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB",
        "system": f"{platform.system()} {platform.machine()}",
        "threads": f"{plan.threads} for every library",
        "rounds": f"{plan.rounds}, each library {plan.seconds:g} s in turn",
    }


def load() -> float:
    """Return how many other threads run, on average over a second."""
    running = Path("/proc/loadavg")
    if not running.exists():
        return os.getloadavg()[0]  # of the last minute: what was installed then counts too
    counts = []
    for _ in range(20):
        time.sleep(0.05)
        counts.append(int(running.read_text().split()[3].split("/")[0]) - 1)
    return statistics.mean(counts)


def quiet(load: float) -> str:
    """Return what a load means for the times."""
    advice = " (BUSY: these times are not to be trusted)" if load > BUSY else ""
    return f"{load:.2f} threads of other work{advice}"


def peak(plan: Plan) -> tuple[float, dict[str, str]]:
    """Return the operations a second of the best square product in float32, and who ran it."""
    measured = measure("Product", SQUARE, plan)
    speeds = {name: 2 * SQUARE.units**3 / measured.time(name).low for name in measured.rounds}
    each = ", ".join(f"{TITLES[name]} {speed / 1e9:.0f}" for name, speed in speeds.items())
    title = f"SGEMM {SQUARE.units}^3, GFLOP/s"
    return max(speeds.values()), {**measured.about, title: each}


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
