"""The valid blocks of a draft, each asked on its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from rnnkit.contracts.registry import Registry
from rnnkit.core.block import Block, parse_block
from rnnkit.errors import Path, ShapeError, printable
from rnnkit.spec.locations import Draft

B = TypeVar("B", bound=Block)
T = TypeVar("T")


class Blocks:
    """Finds the valid blocks of a draft and asks them; what they refuse goes to the draft."""

    def __init__(self, draft: Draft, registry: Registry) -> None:
        self.draft, self.registry = draft, registry

    def find(self, path: Path, contract: type[B]) -> B | None:
        """Return the block at a path, None where it is not valid."""
        value = self.draft.get(path)
        if value is None or self.draft.broken(path):
            return None
        try:
            block = parse_block(contract.entry_group, value, {"catalog": self.registry})
        except (ValidationError, PydanticCustomError):
            return None
        except Exception as error:
            self._failed(path, contract.entry_group, value["type"], error)
            return None
        return block if isinstance(block, contract) else None

    def ask(self, path: Path, block: B | None, question: Callable[[B], T]) -> T | None:
        """Return the answer of a block, None where there is none."""
        if block is None:
            return None
        try:
            return question(block)
        except ShapeError as error:
            self.draft.report(path, "SPEC_SHAPE", str(error))
        except Exception as error:
            self._failed(path, block.entry_group, block.type, error)
        return None

    def _failed(self, path: Path, group: str, name: str, error: Exception) -> None:
        plugin = self.registry.plugin(group, name)
        reason = printable(repr(error), 200)
        self.draft.report(path, "PLUGIN_CONTRACT", f"{plugin} failed: {reason} (tell its author)")
