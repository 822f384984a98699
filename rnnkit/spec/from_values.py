"""A spec from Python: a `Spec`, the path of a file, or an object of the same keys."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from rnnkit.contracts.checked_dataset import suited_to
from rnnkit.contracts.dataset import Dataset
from rnnkit.contracts.loss import Loss
from rnnkit.contracts.registry import Registry
from rnnkit.core.block import Block, Record, parse_block
from rnnkit.core.home import given_path
from rnnkit.errors import (
    PluginError,
    RnnkitError,
    SpecError,
    is_written,
    path_text,
    printable,
    spelled,
    wrong_type,
)
from rnnkit.spec.locations import Draft, Location, Position
from rnnkit.spec.model import Spec
from rnnkit.spec.read import found_in, parse_spec, read_spec
from rnnkit.spec.regime_check import check_regime
from rnnkit.spec.shapes import check_shapes
from rnnkit.spec.start_check import check_start

SpecGiven: TypeAlias = Spec | Mapping[str, Any] | str | Path
"""What a spec may be in Python."""

WHERE = "spec"
"""What stands before a message about a spec that is in no file."""


def spec_of(given: SpecGiven, data: Dataset | None, registry: Registry) -> Spec:
    """Return a valid spec; `data` takes the place of its own, which may be left out.

    Raises SpecError, or PluginError, with all that is wrong.
    """
    if data is not None and not isinstance(data, Dataset):
        raise wrong_type("data", "rnnkit.Arrays", data, "rnnkit.Arrays(...) holds values")
    if isinstance(given, Spec):
        return _checked(given, given.data if data is None else data, registry)
    if isinstance(given, str | Path):
        overrides = [f"data={_stored(data)}"] if data is not None else []
        return _holding(read_spec(given_path(given), registry, overrides).spec, data)
    if not isinstance(given, Mapping):
        expected = "a Spec, a dictionary or the path of a file"
        raise wrong_type("spec", expected, given, "the keys are those of a spec file")
    return _of_object(given, data, registry)


def _of_object(given: Mapping[str, Any], data: Dataset | None, registry: Registry) -> Spec:
    own = given.get("data")
    data = data or (own if isinstance(own, Dataset) else None)
    value = _plain({key: item for key, item in given.items() if key != "data" or data is None}, ())
    if data is not None:
        value["data"] = _as_loss_needs(data, value, registry).model_dump(mode="json")
    text = json.dumps(value, indent=1)
    try:
        spec = parse_spec(text.encode(), WHERE, registry).spec
    except (SpecError, PluginError) as error:
        raise _without_lines(error) from None
    return _holding(spec, data)


def _plain(value: Any, path: tuple[str | int, ...]) -> Any:
    """Return a value as JSON has it; raises SpecError for what it has not."""
    if isinstance(value, Record):
        given = value.model_dump(mode="json", exclude_unset=True)
        return {"type": value.type, **given} if isinstance(value, Block) else given
    if isinstance(value, Mapping):
        return {str(key): _plain(item, (*path, str(key))) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(item, (*path, i)) for i, item in enumerate(value)]
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    if value is None or (isinstance(value, str | int | float) and is_written(value)):
        return value
    received = printable(spelled(value), 60)
    message = f"{path_text(path)}: expected a value that JSON has, received {received}"
    raise SpecError.of("SPEC_TYPE", message, WHERE)


def _without_lines(error: RnnkitError) -> RnnkitError:
    """Return an error whose places are keys alone: there is no file with lines."""
    return type(error)(*(replace(p, where=WHERE) for p in error.problems))


def _as_loss_needs(data: Dataset, value: Mapping[str, Any], registry: Registry) -> Dataset:
    """Return data as the loss of a spec needs it, where there is a valid one."""
    model = value.get("model")
    block = model.get("loss") if isinstance(model, dict) else None
    try:
        loss = parse_block("rnnkit.losses", block, {"catalog": registry})
    except Exception:  # which the whole spec tells of
        return data
    return suited_to(data, loss) if isinstance(loss, Loss) else data


def _holding(spec: Spec, data: Dataset | None) -> Spec:
    """Return a spec whose data holds its values, too."""
    if data is None:
        return spec
    return spec.model_copy(update={"data": suited_to(data, spec.model.loss)})


def _stored(data: Dataset) -> str:
    return json.dumps(data.model_dump(mode="json"))


def _checked(spec: Spec, data: Dataset, registry: Registry) -> Spec:
    """Return a spec with other data; raises SpecError where the two do not go together."""
    found = _holding(spec, data)
    nowhere = Position(0, 1, 1, WHERE)
    draft = Draft(found.model_dump(mode="json"), {(): Location(nowhere, nowhere)})
    check_shapes(draft, registry)
    check_regime(draft, registry)
    check_start(draft)
    if draft.findings:
        raise _without_lines(found_in(draft, WHERE))
    return found
