"""Debian's Chromium without a window, for the pages that rnnkit writes."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

PROGRAM = shutil.which("chromium")

NOBODY = "not an origin"
"""Who asked, in Chromium's log, where no page did."""

# Chromium asks its makers' hosts for updates unless it is told not to; root has no sandbox.
OPTIONS = """
--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync
--disable-background-networking --disable-component-update --disable-default-apps
--disable-features=OptimizationHints,MediaRouter --virtual-time-budget=5000
""".split()


class Browser:
    """A browser with a profile of its own, started anew for each page."""

    def __init__(self, profile: Path) -> None:
        self._profile = profile

    def dom(self, page: Path, fragment: str = "") -> str:
        """Return the document as it stands once the page's scripts have run."""
        return self._run(page, fragment, "--dump-dom").stdout

    def requests(self, page: Path) -> set[str]:
        """Return every address that the page asked for; what the browser asks for itself is not."""
        log = self._profile / "net.json"
        self._run(page, "", "--dump-dom", f"--log-net-log={log}")
        events = [event.get("params", {}) for event in json.loads(log.read_text())["events"]]
        own = (each for each in events if each.get("initiator", NOBODY) != NOBODY)
        return {each["url"] for each in own}

    def _run(self, page: Path, fragment: str, *options: str) -> subprocess.CompletedProcess[str]:
        address = page.as_uri() + (f"#{fragment}" if fragment else "")
        return subprocess.run(
            [PROGRAM, *OPTIONS, f"--user-data-dir={self._profile}", *options, address],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
