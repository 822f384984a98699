"""The name of a file in a spec."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from rnnkit.core.home import at_home

FileName = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(at_home)]
"""A path; one that begins with ~/ is resolved when the spec is read."""
