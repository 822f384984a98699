"""`check_layer`: every check in the order in which a mistake is best named."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from rnnkit.contracts.layer import Layer
from rnnkit.core.signal import Signal
from rnnkit.errors import raised, wrong_type
from rnnkit.testing import (
    declarations,
    gradients,
    inference,
    numerics,
    purity,
    ragged,
    randomness,
    sequences,
    shortcuts,
)
from rnnkit.testing.compare import Comparison
from rnnkit.testing.report import ConformanceError, Report, Skipped
from rnnkit.testing.subject import Subject

Rule: TypeAlias = Callable[[Subject], Iterator[Comparison]]


@dataclass(frozen=True)
class Check:
    """A rule under the name that a report uses, and what is usually wrong where it is broken."""

    name: str
    rule: Rule
    usually: str


CHECKS = (
    Check(
        "json",
        declarations.json_round_trip,
        "a field whose JSON form is not what its validator reads",
    ),
    Check(
        "params",
        declarations.params,
        "a parameter missing in params(), or under another name there",
    ),
    Check(
        "state_sizes",
        declarations.state_sizes,
        "state_sizes() does not describe the state that the layer returns",
    ),
    Check("output", declarations.output, "output() gives another width than forward"),
    Check(
        "gradient_shapes",
        declarations.gradient_shapes,
        "an axis summed or dropped in backward, or a list where a tuple is due",
    ),
    Check(
        "unharmed",
        purity.unharmed,
        "an in-place operation on something that was given (copy it, or write a new array)",
    ),
    Check("alias", purity.alias, "the returned state is the given one, or a view of xs (copy it)"),
    Check(
        "lasting",
        purity.lasting,
        "one buffer for every window, or every step (write a new array, or take ctx.empty())",
    ),
    Check(
        "repeatable",
        randomness.repeatable,
        "random numbers that do not come from ctx.random(), or scratch memory read before written",
    ),
    Check("steady", randomness.steady, "random numbers drawn although ctx.train is False"),
    Check("random", randomness.random, "a mask with a seed of its own (use ctx.random())"),
    Check(
        "accumulates",
        purity.accumulates,
        'grads["W"] = ... in place of grads["W"] += ...',
    ),
    Check("twice", purity.twice, "backward overwrites what it needs, or state kept on the object"),
    Check(
        "dtype",
        numerics.dtype,
        "a NumPy scalar such as np.sqrt(2), or an array made without a dtype: both are float64",
    ),
    Check(
        "used",
        declarations.used,
        "a parameter or a state array that is declared and never read",
    ),
    Check(
        "input_gradient",
        gradients.input_gradient,
        "a term missing in backward, a step left out, or dstate ignored",
    ),
    Check(
        "parameter_gradient",
        gradients.parameter_gradient,
        "a gradient paired with the wrong step, or a sum over too few axes",
    ),
    Check(
        "state_gradient",
        gradients.state_gradient,
        "the gradient of the state is not carried back to the first step",
    ),
    Check(
        "forward",
        sequences.forward_matches_scan,
        "forward and scan are two implementations that differ",
    ),
    Check(
        "shortcuts",
        shortcuts.shortcuts,
        "scan() computes another step than step(), or linear() than forward()",
    ),
    Check(
        "run",
        inference.run_matches_scan,
        "run() computes something else than scan(), or passes other resets on",
    ),
    Check(
        "below",
        gradients.nothing_below,
        "an inner layer that was told ctx.learns_below, although its inputs need a gradient",
    ),
    Check(
        "causal",
        sequences.causal,
        "an output that reads later inputs (declare causal = False, or name the layer in inner())",
    ),
    Check(
        "halves",
        sequences.halves,
        "the returned state is not that after the last step, or lacks something that is carried",
    ),
    Check("permutation", sequences.permutation, "an operation across the axis of streams"),
    Check("alone", sequences.alone, "a statistic or a shape that depends on the size of the batch"),
    Check("reset", sequences.reset, "scan does not restart from initial_state() at a reset"),
    Check("reset_leak", sequences.reset_leak, "a reset that touches all streams, not its own row"),
    Check(
        "reset_gradient",
        sequences.reset_gradient,
        "the gradient of the state is not set to zero where the stream was reset",
    ),
    Check(
        "ragged",
        ragged.ragged,
        "the place in the window matters, or what stands before a sequence; see ctx.valid",
    ),
    Check(
        "precision", numerics.precision, "a difference of large numbers, or another float32 path"
    ),
    Check("nan", numerics.nan, "fmin, fmax, nan_to_num or where, which swallow NaN"),
)
"""The checks, in order; `check_layer` stops at the first that fails."""


def check_layer(
    layer: Layer,
    inputs: Signal | None = None,
    *,
    skip: Mapping[str, str] | None = None,
    seed: int = 0,
    show: bool = False,
) -> Report:
    """Check that a layer keeps the contract; raise ConformanceError at the first broken rule.

    `inputs` is found from `layer.output` where it is left out. `skip` maps the name of a check to
    the reason why it cannot apply. `show` prints the report, which counts what ran and says why
    the rest did not.
    """
    if not isinstance(layer, Layer):
        advice = "give an instance, such as MGU(units=4)"
        raise wrong_type("check_layer", "a layer", layer, advice)
    excuses = dict(skip or {})
    _refuse_unfounded(layer, excuses)
    subject = Subject(layer, inputs, seed)
    ran: list[str] = []
    comparisons = 0
    for check in CHECKS:
        if check.name in excuses:
            continue
        try:
            comparisons += _apply(check, subject)
            ran.append(check.name)
        except Skipped as reason:
            excuses[check.name] = str(reason)
    report = Report(layer.type, tuple(ran), comparisons, excuses)
    if show:
        print(report)
    return report


def _apply(check: Check, subject: Subject) -> int:
    """Return the number of comparisons, or raise ConformanceError or Skipped."""
    made = 0
    try:
        with np.errstate(all="raise", under="ignore"):
            for comparison in check.rule(subject):
                made += 1
                if problem := comparison.problem():
                    raise ConformanceError(subject.layer.type, check.name, problem, check.usually)
    except (ConformanceError, Skipped):
        raise
    except Exception as error:
        problem = f"raised {raised(error)}{_place(error, subject.layer)}"
        raise ConformanceError(subject.layer.type, check.name, problem, "") from error
    if not made:
        problem = "compared nothing and gave no reason"
        raise ConformanceError(subject.layer.type, check.name, problem, "a mistake in the kit")
    return made


def _place(error: Exception, layer: Layer) -> str:
    """Return where in the layer's own file an exception passed last, if it did."""
    own = sys.modules[type(layer).__module__].__dict__.get("__file__")
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == own]
    return f" ({own}, line {lines[-1]})" if own and lines else ""


def _refuse_unfounded(layer: Layer, excuses: Mapping[str, str]) -> None:
    known = {check.name for check in CHECKS}
    for name, reason in excuses.items():
        if name not in known:
            raise ValueError(f"skip names {name!r}; the checks are {', '.join(sorted(known))}")
        if not reason.strip():
            raise ConformanceError(
                layer.type, name, "skipped without a reason", "an empty text in skip"
            )
