"""Runs exported models in a process of its own, as their users do: without rnnkit.

Started by `other_process` as a script, with the program, the folder of the export, and lines that
name files of questions: `NAME.npz` is answered by `NAME.answer.npz`. It imports nothing of rnnkit,
and what it runs cannot.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

AnyArrays: TypeAlias = dict[str, Any]


def torch_answers(folder: Path) -> Callable[[AnyArrays], AnyArrays]:
    """Return what runs the module `model` of a folder on `x` and states, named `state/at`."""
    torch: Any = importlib.import_module("torch")
    sys.path.insert(0, str(folder))
    written: Any = importlib.import_module("model")
    model = written.load()

    def answer(given: AnyArrays) -> AnyArrays:
        x, states = torch.from_numpy(given.pop("x")), _states(given, torch)
        with torch.no_grad():
            y, after = model(x, states)
        return {"y": y.numpy(), **_named(after)}

    return answer


def _states(given: Mapping[str, Any], torch: Any) -> dict[str, Any]:
    """Return tensors, or tuples where a layer has several, by the name of the layer."""
    parts: dict[str, list[Any]] = {}
    for name, array in given.items():
        parts.setdefault(name.partition("/")[0], []).append(torch.from_numpy(array))
    return {name: tuple(each) if len(each) > 1 else each[0] for name, each in parts.items()}


def _named(states: Mapping[str, Any]) -> AnyArrays:
    return {
        f"{name}/{at}": part.numpy()
        for name, state in states.items()
        for at, part in enumerate(state if isinstance(state, tuple) else (state,))
    }


def keras_answers(folder: Path) -> Callable[[AnyArrays], AnyArrays]:
    """Return what runs model.keras of a folder; inputs and outputs by their names there."""
    keras: Any = importlib.import_module("keras")
    model = keras.models.load_model(folder / "model.keras")

    def answer(given: AnyArrays) -> AnyArrays:
        found = model(given, training=False)
        return {name: keras.ops.convert_to_numpy(each) for name, each in found.items()}

    return answer


def keras_writes(folder: Path) -> Callable[[AnyArrays], AnyArrays]:
    """Return what builds the graph of `keras_graph.Graph.plan` and saves model.keras."""
    keras: Any = importlib.import_module("keras")

    def answer(given: AnyArrays) -> AnyArrays:
        plan = json.loads(str(given["plan"]))
        values: dict[str, Any] = {
            name: keras.Input(tuple(shape), dtype=dtype, name=name)
            for name, (shape, dtype) in plan["inputs"].items()
        }
        layers: dict[str, Any] = {}
        for node in plan["nodes"]:
            name = node["config"]["name"]
            layer = layers[name] = layers.get(name) or _layer(node, keras)
            reads = [values[each] for each in node["reads"]]
            before = {"initial_state": [values[each] for each in node["states"]]}
            found = layer(
                reads if len(reads) > 1 else reads[0],
                **(before if node["states"] else {}),
                **node["call"],
            )
            several = found if isinstance(found, list | tuple) else [found]
            values |= zip(node["gives"], several, strict=False)
            if node["weights"]:
                layer.set_weights([given[each] for each in node["weights"]])
        inputs = {name: values[name] for name in plan["inputs"]}
        outputs = {name: values[value] for name, value in plan["outputs"].items()}
        keras.Model(inputs, outputs, name=plan["name"]).save(folder / "model.keras")
        return {}

    return answer


def _layer(node: Mapping[str, Any], keras: Any) -> Any:
    return keras.saving.deserialize_keras_object(
        {"module": "keras.layers", "class_name": node["class"], "config": node["config"]}
    )


def main(program: str, folder: str) -> None:
    """Answer questions until there are no more."""
    sys.modules["rnnkit"] = None  # type: ignore[assignment]
    opened = {
        "torch": torch_answers,
        "keras": keras_answers,
        "keras-build": keras_writes,
    }
    answer = opened[program](Path(folder))
    for line in sys.stdin:
        name = line.rstrip("\n")
        with np.load(f"{name}.npz") as file:
            given = dict(file)
        np.savez(f"{name}.answer.npz", **answer(given))
        print("answered", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
