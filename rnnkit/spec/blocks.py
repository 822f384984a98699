"""The valid blocks of a draft, each asked on its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from rnnkit.contracts.registry import Registry
from rnnkit.core.block import Block, parse_block
from rnnkit.core.installed import Plugin
from rnnkit.errors import Path, PluginError, ShapeError, raised
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
            plugin = self.registry.plugin(contract.entry_group, value["type"])
            self._failed(path, plugin, error)
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
        except PluginError as error:
            for problem in error.problems:
                self.draft.report(path, problem.code, problem.message)
        except Exception as error:
            own = self.registry.plugin(block.entry_group, block.type)
            self._failed(path, self.registry.foreign(block) or own, error)
        return None

    def _failed(self, path: Path, plugin: Plugin, error: Exception) -> None:
        reason = raised(error, 200)
        self.draft.report(path, "PLUGIN_CONTRACT", f"{plugin} failed: {reason} (tell its author)")
