"""The layers of rnnkit as modules of PyTorch, and their parameters by PyTorch's names.

Gates are packed otherwise there (torch.nn.LSTM, GRU and RNN): LSTM i, f, g, o for i, f, o, g of
ours; GRU r, z, n as ours. Two biases are added, of which the second is zero here, but for that of
the GRU's candidate, our `bn`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from rnnkit.exchange.pieces import Piece, in_order, second_bias
from rnnkit.types import Array

CALLED = {"affine": "linear", "layer_norm": "norm", "gru_reset_before": "gru"}
"""Types that go by another name in the source."""


@dataclass
class ModuleSource:
    """The source of a module in the making: lines of its two methods, and its parameters.

    `names` has the attribute of each layer; `helpers` what else the source needs.
    """

    names: Mapping[str, str]
    owner: str = ""
    modules: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    arrays: dict[str, Array] = field(default_factory=dict)
    helpers: set[str] = field(default_factory=set)

    def module(self, piece: Piece, made: str, **arrays: Array | None) -> str:
        """Add a module with its parameters; return its attribute."""
        name = self.names[piece.name]
        self.modules.append(f"self.{name} = {made}")
        for key, array in arrays.items():
            if array is not None:
                self.arrays[f"{self.owner}{name}.{key}"] = array
        return name


ModuleWriter: TypeAlias = Callable[[Piece, str, str, ModuleSource], None]
"""`write(piece, x, y, source)` adds a layer that reads the variable x and sets y."""


def write_module(piece: Piece, x: str, y: str, source: ModuleSource) -> None:
    """Add a layer to the source."""
    MODULES[piece.type](piece, x, y, source)


def not_in_torch(piece: Piece) -> str | None:
    """Return why a layer cannot be written, or None."""
    if piece.type not in MODULES:
        return f"there is no module for the type {piece.type!r}"
    if piece.type == "bidirectional" and piece.held["forward"].type not in NATIVE:
        inner = piece.held["forward"].type
        return f"PyTorch runs rnn, lstm and gru in both directions, but not {inner!r}"
    return None


def _embedding(piece: Piece, x: str, y: str, source: ModuleSource) -> None:
    rows, width = piece.arrays["W"].shape
    name = source.module(piece, f"nn.Embedding({rows}, {width})", weight=piece.arrays["W"])
    source.steps.append(f"{y} = self.{name}({x})")


def _one_hot(piece: Piece, x: str, y: str, source: ModuleSource) -> None:
    source.steps.append(f"{y} = nn.functional.one_hot({x}, {piece.gives.known()}).float()")


def _dropout(piece: Piece, x: str, y: str, source: ModuleSource) -> None:
    note = "  # one mask for all steps, where rnnkit trained it" if piece.settings["locked"] else ""
    name = source.module(piece, f"nn.Dropout({piece.settings['rate']}){note}")
    source.steps.append(f"{y} = self.{name}({x})")


def _affine(piece: Piece, x: str, y: str, source: ModuleSource) -> None:
    widths, tie = f"{piece.reads.known()}, {piece.gives.known()}", piece.settings["tie"]
    bias = piece.arrays.get("b")
    made = f"nn.Linear({widths}{'' if bias is not None else ', bias=False'})"
    weight = None if tie else piece.arrays["W"].T
    name = source.module(piece, made, weight=weight, bias=bias)
    if tie:
        source.modules.append(f"self.{name}.weight = self.{source.names[tie]}.weight")
    source.steps.append(f"{y} = self.{name}({x})")


def _layer_norm(piece: Piece, x: str, y: str, source: ModuleSource) -> None:
    made = f"nn.LayerNorm({piece.reads.known()}, eps={piece.settings['epsilon']})"
    arrays = piece.arrays
    name = source.module(piece, made, weight=arrays["gain"], bias=arrays["bias"])
    source.steps.append(f"{y} = self.{name}({x})")


def _residual(piece: Piece, x: str, y: str, source: ModuleSource) -> None:
    write_module(piece.held["layer"], x, "y", source)
    source.steps.append(f"{y} = {x} + y")


def _cell(piece: Piece, x: str, y: str, source: ModuleSource) -> None:
    made = f"{NATIVE[piece.type][0]}({piece.reads.known()}, {piece.settings['units']}"
    name = source.module(piece, f"{made}{_activation(piece)})", **in_torch(piece))
    source.steps.append(f'{y}, after["{name}"] = self.{name}({x}, states.get("{name}"))')


def _bidirectional(piece: Piece, x: str, y: str, source: ModuleSource) -> None:
    ahead, back = piece.held["forward"], piece.held["backward"]
    made = f"{NATIVE[ahead.type][0]}({ahead.reads.known()}, {ahead.settings['units']}"
    arrays = {**in_torch(ahead), **{f"{k}_reverse": array for k, array in in_torch(back).items()}}
    name = source.module(ahead, f"{made}{_activation(ahead)}, bidirectional=True)", **arrays)
    source.helpers.add("forward_only")
    before = f'forward_only(states.get("{name}"))'
    source.steps.append(f'{y}, after["{name}"] = self.{name}({x}, {before})')


def _activation(piece: Piece) -> str:
    return ', nonlinearity="relu"' if piece.settings.get("activation") == "relu" else ""


def in_torch(piece: Piece) -> dict[str, Array]:
    """Return the parameters of a cell by the names of torch.nn.RNNBase."""
    arrays, order = piece.arrays, NATIVE[piece.type][1]
    return {
        "weight_ih_l0": in_order(arrays["Wx"], order).T,
        "weight_hh_l0": in_order(arrays["Wh"], order).T,
        "bias_ih_l0": in_order(arrays["b"], order),
        "bias_hh_l0": second_bias(piece),
    }


def _gru_reset_before(piece: Piece, x: str, y: str, source: ModuleSource) -> None:
    source.helpers.add("GRUResetBefore")
    arrays, made = piece.arrays, f"{piece.reads.known()}, {piece.settings['units']}"
    name = source.module(
        piece,
        f"GRUResetBefore({made})",
        weight_ih=arrays["Wx"].T,
        weight_hh=arrays["Wh"].T,
        bias=arrays["b"],
    )
    source.steps.append(f'{y}, after["{name}"] = self.{name}({x}, states.get("{name}"))')


NATIVE: dict[str, tuple[str, Sequence[int]]] = {
    "gru": ("nn.GRU", (0, 1, 2)),
    "lstm": ("nn.LSTM", (0, 1, 3, 2)),
    "rnn": ("nn.RNN", (0,)),
}
"""The module of each cell that PyTorch has, and the order of its gates by the place of ours."""

MODULES: dict[str, ModuleWriter] = {
    "affine": _affine,
    "bidirectional": _bidirectional,
    "dropout": _dropout,
    "embedding": _embedding,
    "gru": _cell,
    "gru_reset_before": _gru_reset_before,
    "layer_norm": _layer_norm,
    "lstm": _cell,
    "one_hot": _one_hot,
    "residual": _residual,
    "rnn": _cell,
}
"""What writes each type of layer."""
