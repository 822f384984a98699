"""What an export left behind: its folder, its files, its proof."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rnnkit.core.names import EXPORTS
from rnnkit.exchange.export import export, files_in
from rnnkit.exchange.onnx_scripts import no_script
from rnnkit.exchange.proof import Proof
from rnnkit.exchange.trained import Trained


@dataclass(frozen=True)
class Exported:
    """A model in a `folder` for another program; `proof` is None where nobody compared it.

    `files` are their paths in the folder; `note` is what is to be told.
    """

    folder: Path
    files: tuple[str, ...]
    proof: Proof | None
    note: str = ""

    def __str__(self) -> str:
        """Return what is there and what was compared, a line each."""
        return self.in_words("not verified")

    def in_words(self, unproved: str) -> str:
        """Return the same, with what is said where nothing was compared."""
        said = self.proof.in_words() if self.proof else unproved
        lines = f"wrote {self.folder}: {', '.join(self.files)}", said, self.note
        return "\n".join(filter(None, lines))


def exported(
    model: Trained, to: str, out: Path, *, verify: bool = True, force: bool = False
) -> Exported:
    """Export a model, and tell what is there; ValueError for what is no target.

    Raises as `exchange.export.export` does."""
    if to not in EXPORTS:
        names = ", ".join(f'"{name}"' for name in EXPORTS)
        raise ValueError(f'to: expected {names}, received "{to}"')
    proof = export(model, to, out, verify=verify, force=force)
    files = tuple(str(path.relative_to(out)) for path in files_in(out))
    return Exported(out, files, proof, no_script(model) if to == "onnx" else "")
