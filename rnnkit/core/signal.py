"""What flows between two layers, known before any data is read."""

from __future__ import annotations

from dataclasses import dataclass

from rnnkit.errors import ShapeError


@dataclass(frozen=True)
class Signal:
    """Features of a width, or ids below it. The width is None while it is not known yet."""

    width: int | None
    ids: bool = False

    def values(self) -> Signal:
        """Return the signal, or raise ShapeError where it carries ids."""
        if self.ids:
            raise ShapeError(
                "reads values, but receives token ids (put an embedding or one_hot layer before it)"
            )
        return self

    def token_ids(self) -> Signal:
        """Return the signal, or raise ShapeError where it carries values."""
        if not self.ids:
            raise ShapeError(
                f"reads token ids, but receives {self} (it belongs directly above the data)"
            )
        return self

    def known(self) -> int:
        """Return the width; only called when parameters are laid out, after the data is known."""
        if self.width is None:
            raise ShapeError("needs a width that is not known before the data is read")
        return self.width

    def fits(self, other: Signal) -> bool:
        """Tell whether two signals can be the same; an unknown width fits every width."""
        widths = None in (self.width, other.width) or self.width == other.width
        return widths and self.ids == other.ids

    def __str__(self) -> str:
        """Return a phrase for messages."""
        width = "unknown" if self.width is None else self.width
        return f"ids below {width}" if self.ids else f"values of width {width}"
