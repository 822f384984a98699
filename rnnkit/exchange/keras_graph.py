"""A functional Keras model in the making, which `child` builds: layers, what they read and give."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rnnkit.types import Array


@dataclass
class KerasGraph:
    """Grows layer by layer; every method returns the name of the value that it made.

    `names` has the name of each layer there, `tied` those that another one is tied to; `arrays`
    are the weights, by layer and place.
    """

    names: Mapping[str, str]
    tied: Collection[str] = ()
    inputs: dict[str, tuple[Sequence[int | None], str]] = field(default_factory=dict)
    nodes: list[dict[str, Any]] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    arrays: dict[str, Array] = field(default_factory=dict)

    def reads(self, name: str, shape: Sequence[int | None], dtype: str = "float32") -> str:
        """Add an input; its first axis, the streams, is not in the shape."""
        self.inputs[name] = shape, dtype
        return name

    def layer(
        self,
        kind: str,
        name: str,
        x: str | Sequence[str],
        weights: Sequence[Array] = (),
        states: Sequence[str] = (),
        **config: Any,
    ) -> str:
        """Add a layer of keras.layers; the states after it are called as it, with a place."""
        given = [f"{name}/{at}" for at in range(len(weights))]
        self.arrays |= {key: np.asarray(w) for key, w in zip(given, weights, strict=True)}
        self.nodes.append(
            {
                "class": kind,
                "config": {"name": name, **config},
                "reads": [x] if isinstance(x, str) else list(x),
                "states": list(states),
                "call": {},
                "gives": [name, *(f"{name}/{at}" for at in range(len(states)))],
                "weights": given,
            }
        )
        return name

    def again(self, name: str, x: str, value: str, **call: Any) -> str:
        """Call a layer a second time, with other arguments."""
        node = {"class": "", "config": {"name": name}, "reads": [x], "states": [], "call": call}
        self.nodes.append({**node, "gives": [value], "weights": []})
        return value

    def plan(self, name: str) -> dict[str, Any]:
        """Return what `child.keras_writes` builds, but for the weights, as JSON."""
        plan = {"name": name, "inputs": self.inputs, "nodes": self.nodes}
        return {**plan, "outputs": self.outputs}
