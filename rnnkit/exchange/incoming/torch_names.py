"""The layers of a PyTorch state_dict, by the names of its arrays.

`rnn.weight_ih_l0`, `_hh_`, `bias_ih_`, `bias_hh_` and the same with `_reverse` are LSTM, GRU and
RNN, without the suffix their cells; `weight` and `bias` of one module are Embedding, Linear or
LayerNorm (torch.nn, "Variables" and "Attributes" of each). Whether an RNN has tanh or relu a
state_dict does not say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rnnkit.errors import shape_text
from rnnkit.exchange.incoming.gates import CELLS, TheirCell, gates_in
from rnnkit.exchange.incoming.linear import matrix_layer
from rnnkit.exchange.incoming.theirs import TheirLayer, TheirModel, TheirParameter
from rnnkit.types import Array

CELL = re.compile(r"(?P<module>.*?)\.?(weight|bias)_(ih|hh)(?P<suffix>_l\d+(_reverse)?|)")
PLAIN = re.compile(r"(?P<module>.*?)\.?(weight|bias)")


def torch_model(format: str, arrays: Mapping[str, Array]) -> TheirModel:
    """Return the layers of a state_dict, those of one module in the order of their numbers."""
    found = [*_cells(arrays), *_plain_layers(arrays)]
    layers = [each for each in found if isinstance(each, TheirLayer)]
    broken = [each for each in found if isinstance(each, _Broken)]
    used = {name for layer in layers for name in layer.arrays()}
    used.update(name for each in broken for name in each.arrays)
    return TheirModel(
        format,
        arrays,
        tuple(sorted(layers, key=lambda layer: by_numbers(layer.name))),
        left=tuple(name for name in arrays if name not in used),
        wrong=tuple(each.why for each in broken),
    )


@dataclass(frozen=True)
class _Broken:
    """Arrays that belong together and make no layer."""

    arrays: Sequence[str]
    why: str


def by_numbers(name: str) -> list[tuple[str, int]]:
    """Return what sorts names with numbers in them as people count."""
    return [(text, int(digits or 0)) for text, digits in re.findall(r"(\D*)(\d*)", name)]


def _cells(arrays: Mapping[str, Array]) -> Iterator[TheirLayer | _Broken]:
    matches = [match for name in arrays if (match := CELL.fullmatch(name))]
    for module, suffix in dict.fromkeys((m["module"], m["suffix"]) for m in matches):
        start = f"{module}." if module else ""
        names = [f"{start}{key}{suffix}" for key in ("weight_ih", "weight_hh")]
        biases = [f"{start}{key}{suffix}" for key in ("bias_ih", "bias_hh")]
        biased = any(m["module"] == module and "bias" in m[0] for m in matches)
        wanted = [*names, *biases] if biased else names
        given = [name for name in wanted if name in arrays]
        if missing := [name for name in wanted if name not in arrays]:
            verb = "is" if len(missing) == 1 else "are"
            why = f"{' and '.join(missing)} {verb} missing beside {given[0]}"
            yield _Broken(given, why)
            continue
        wx, wh = (arrays[name] for name in names)
        if not _fit(wx, wh, [arrays[name] for name in given[2:]]):
            shapes = ", ".join(f"{name} {shape_text(arrays[name].shape)}" for name in given)
            yield _Broken(given, f"{shapes} do not fit together as those of one cell")
            continue
        cell = TheirCell(
            "torch",
            CELLS[gates_in(wh.T)],
            wx.T,
            wh.T,
            [arrays.get(name) for name in biases],
            {"Wx": names[:1], "Wh": names[1:], "b": given[2:]},
            done="transposed",
        )
        kind, parameters = cell.parameters()
        name = f"{start}{suffix.removeprefix('_').removesuffix('_reverse')}".rstrip(".")
        both = f"{start}weight_ih{suffix.removesuffix('_reverse')}_reverse" in arrays
        back = suffix.endswith("_reverse")
        yield TheirLayer(
            f"{name}_reverse" if back else name,
            {kind: parameters},
            kind,
            "backward" if back else "forward" if both else "",
        )


def _fit(wx: Array, wh: Array, biases: list[Array]) -> bool:
    """Tell whether arrays make one cell."""
    return (
        wx.ndim == wh.ndim == 2
        and len(wx) == len(wh)
        and gates_in(wh.T) in CELLS
        and all(bias.shape == (len(wx),) for bias in biases)
    )


def _plain_layers(arrays: Mapping[str, Array]) -> Iterator[TheirLayer | _Broken]:
    matches = [match for name in arrays if (match := PLAIN.fullmatch(name))]
    for module in dict.fromkeys(match["module"] for match in matches):
        names = [f"{module}.{key}" if module else key for key in ("weight", "bias")]
        weight, bias = (arrays.get(name) for name in names)
        if weight is None:
            if bias is not None and bias.ndim == 1:  # the matrix is tied, and stands elsewhere
                alone = {"b": TheirParameter(bias, (names[1],))}
                yield TheirLayer(module or "bias", {"affine": alone}, "affine")
        elif weight.ndim == 2 and (bias is None or bias.shape == weight.shape[:1]):
            b = None if bias is None else (names[1], bias)
            yield matrix_layer(module or "weight", (names[0], weight), b, transposed=True)
        elif weight.ndim == 1 and bias is not None and bias.shape == weight.shape:
            norm = {
                "gain": TheirParameter(weight, (names[0],)),
                "bias": TheirParameter(bias, (names[1],)),
            }
            yield TheirLayer(module or "weight", {"layer_norm": norm}, "layer_norm")
        elif bias is not None:
            shapes = " and ".join(f"{name} {shape_text(arrays[name].shape)}" for name in names)
            yield _Broken(names, f"{shapes} do not fit together as those of one layer")
