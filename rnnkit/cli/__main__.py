"""python -m rnnkit.cli: the command where its script is not on the path."""

from __future__ import annotations

from rnnkit.cli import main

main()
