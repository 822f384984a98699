"""How numbers are shown, and how what is no result is told."""

from __future__ import annotations

import sys
from contextlib import suppress

from rnnkit.errors import without_steering


def tell(message: str) -> None:
    """Write what is no result to stderr; nobody may be reading it, which stops nothing.

    It may quote somebody else's file: what would steer a terminal is escaped.
    """
    # Not click.echo, which writes past whoever draws a progress bar on stderr.
    with suppress(OSError):
        print(without_steering(message), file=sys.stderr, flush=True)


def number(value: object) -> str:
    """Return a metric in four significant digits, counts in full."""
    if isinstance(value, float):
        return f"{value:,.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
