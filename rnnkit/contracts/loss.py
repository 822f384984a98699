"""The contract of a loss: sums over targets, never means, so that any split of a batch is exact."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from functools import cache
from typing import ClassVar, Literal

import numpy as np

from rnnkit.contracts.returned import broken, check_array, is_own, parts_of, shown
from rnnkit.contracts.target_info import Meaning
from rnnkit.core.block import Block
from rnnkit.core.context import Context
from rnnkit.core.signal import Signal
from rnnkit.errors import printable
from rnnkit.types import Array, Shape


class Loss(Block):
    """A loss over every target of a window.

    `reduction` says what the trainer divides the summed gradient by: `mean`, the summed weight of
    the targets; `sum_time`, the number of streams (Zaremba, Sutskever and Vinyals 2014).
    """

    entry_group: ClassVar[str] = "rnnkit.losses"

    estimates: ClassVar[bool] = False
    """True where the outputs estimate the values of the targets, in their units."""

    couples_streams: ClassVar[bool] = False
    """True where it compares streams with each other: a window is then not cut into shards."""

    chooses: ClassVar[bool] = False
    """True where the outputs are logits, one for each of the ids that a target may be.

    Their softmax is then the distribution that sampling draws from, by compiled code too, unless a
    subclass overrides `probabilities`.
    """

    spans_time: ClassVar[bool] = False
    """True where the loss of a step depends on other steps, such as that of a chain of labels.

    A window is then never cut: neither learned in blocks nor with true truncation.
    """

    reduction: Literal["mean", "sum_time"] = "mean"

    def fitted(self, meaning: Meaning) -> Loss:
        """Return the loss with what it takes from the targets of training, such as class weights.

        The resolved spec holds it; raises SpecError where the targets do not tell.
        """
        return self

    def check(self, outputs: Signal, targets: Signal) -> None:
        """Raise ShapeError where the loss cannot compare the two."""
        raise NotImplementedError(f"{type(self).__name__}.check")

    def check_values(self, targets: Array) -> None:
        """Raise DataError for targets (N, F) that it has no meaning for; ids are not asked about.

        All targets of the data that weigh something are looked at before a run.
        """

    def forward(
        self, ys: Array, targets: Array, weights: Array, ctx: Context
    ) -> tuple[float, float, Callable[[], Array]]:
        """Return (total, weight, backward) for outputs (T, B, F) and weights (T, B).

        `total` is the weighted sum of the losses in float64, `weight` the sum of the weights that
        count, and `backward()` the gradient of `total` with respect to `ys`. `ctx.valid` and
        `ctx.resets` are those of the window, in training and in evaluation.
        """
        raise NotImplementedError(f"{type(self).__name__}.forward")

    def counted(
        self, ys: Array, targets: Array, weights: Array, ctx: Context
    ) -> tuple[float, float, Callable[[], Array]]:
        """Return what `forward` does, and count in `ctx.tally` what is decided right."""
        if ctx.tally is not None:
            found = decided(self, ys, targets, weights, ctx.resets, ctx.valid)
            if found is not None:
                ctx.tally.add(*found, weights)
        return summed(self, ys, targets, weights, ctx)

    def fused(
        self,
        xs: Array,
        W: Array,
        b: Array | None,
        targets: Array,
        weights: Array,
        dW: Array,
        db: Array | None,
        ctx: Context,
    ) -> tuple[float, float, Array] | None:
        """Return (total, weight, dxs) of the outputs xs W + b, or None to be asked for `forward`.

        Adds the gradients of W (F, V) and b (V,), which may be views, to `dW` and `db`. Equal to
        `forward` and its gradient, but free to keep nothing of the outputs; what they decide right
        may be counted in `ctx.tally`, as `counted` does.
        """
        return None

    def decisions(
        self,
        ys: Array,
        targets: Array,
        weights: Array | None = None,
        resets: Array | None = None,
        valid: Array | None = None,
        /,
    ) -> tuple[Array, Array] | None:
        """Return (chosen, wanted), from which accuracy, exact match and F1 follow.

        Label ids (T, B), of which -1 is no label, or answers yes or no (T, B, F) where several
        labels may hold at once; None where the outputs decide nothing. `weights`, `resets` and
        `valid` (T, B) are those of the window (`valid` None: all steps carry data), for a loss that
        spans time; another may leave the three out.
        """
        return None

    def probabilities(self, ys: Array) -> Array | None:
        """Return what outputs (..., F) say of each label, or of each answer yes or no, as p.

        None where they say none, such as those that estimate values. Where the targets are ids,
        one number for each and 1 in sum are a distribution: what samples, scores, beams and
        scheduled sampling go by. There may be more outputs than ids. Without one only the likeliest
        token can be taken, by `decisions`.
        """
        return None

    def gives_probabilities(self) -> bool:
        """Tell whether outputs may be a distribution over ids, before any width is known."""
        return self.chooses or type(self).probabilities is not Loss.probabilities

    def metrics(self, mean: float, unit: str) -> dict[str, float]:
        """Return the metrics that follow from the mean loss; `unit` is what one target is."""
        return {"loss": mean}


def summed(
    loss: Loss, ys: Array, targets: Array, weights: Array, ctx: Context
) -> tuple[float, float, Callable[[], Array]]:
    """Return `loss.forward`, of a plugin's loss by arrays that it cannot write into.

    Raises PluginError for what has another form.
    """
    if is_own(loss):
        return loss.forward(ys, targets, weights, ctx)
    told = {"resets": ctx.resets, "valid": ctx.valid}
    ctx = ctx.but(**{name: _read_only(a) for name, a in told.items() if a is not None})
    found: object = loss.forward(_read_only(ys), _read_only(targets), _read_only(weights), ctx)
    total, weight, backward = parts_of(loss, "", "forward", found, "total", "weight", "backward")
    total, weight = _number(loss, "total", total), _number(loss, "weight", weight)
    if not 0 <= weight < math.inf:
        message = f"the weight: expected a finite number not below 0, received {weight:g}"
        raise broken(loss, "", message)

    def slope() -> Array:
        dys: Array = backward()
        check_array(loss, "", "the gradient of the outputs", dys, ys.shape, ys.dtype)
        return dys

    return total, weight, slope


def _number(loss: Loss, what: str, given: object) -> float:
    """Return a number of a loss; raises PluginError for what is none."""
    number = _float(given)
    if number is None:
        raise broken(loss, "", f"the {what}: expected a number, received {shown(given)}")
    return number


def _float(number: object) -> float | None:
    """Return a number as Python has it, an integer beyond all floats as infinity; None for none."""
    if isinstance(number, bool) or not isinstance(number, int | float | np.floating):
        return None
    try:
        return float(number)
    except OverflowError:
        return math.inf


def _read_only(array: Array) -> Array:
    """Return a view that nobody can write into: the line that does is told."""
    view = array.view()
    view.flags.writeable = False
    return view


def metrics_of(loss: Loss, mean: float, unit: str) -> dict[str, float]:
    """Return `loss.metrics`; raises PluginError for what are no numbers by name, the loss first."""
    found: object = loss.metrics(mean, unit)
    if is_own(loss):
        return found  # type: ignore[return-value]
    given = found if isinstance(found, dict) else {}
    numbers = {name: _float(number) for name, number in given.items()}
    named = all(isinstance(name, str) for name in numbers)
    if next(iter(numbers), "") != "loss" or not named or None in numbers.values():
        wanted = 'a dict of numbers by name, of which "loss" is the first'
        message = f"metrics: expected {wanted}, received {printable(found, 200)}"
        raise broken(loss, "", message)
    return numbers  # type: ignore[return-value]


def likelihoods(loss: Loss, ys: Array) -> Array | None:
    """Return `loss.probabilities`; raises PluginError for what has another form."""
    found: object = loss.probabilities(ys)
    if found is not None and not is_own(loss):
        width = np.shape(found)[-1:] if isinstance(found, np.ndarray) else ()
        shape = (*ys.shape[:-1], *width)
        check_array(loss, "", "probabilities", found, shape, ys.dtype)
    return found  # type: ignore[return-value]


def decided(
    loss: Loss,
    ys: Array,
    targets: Array,
    weights: Array | None = None,
    resets: Array | None = None,
    valid: Array | None = None,
) -> tuple[Array, Array] | None:
    """Ask a loss for its decisions on a window, by default one whose steps all count.

    A loss that takes outputs and targets alone is asked with those.
    """
    given: list[Array | None] = [ys, targets]
    if _takes_windows(type(loss).decisions):
        weights = np.ones(ys.shape[:2], ys.dtype) if weights is None else weights
        resets = np.zeros(ys.shape[:2], bool) if resets is None else resets
        given += [weights, resets, valid]
    if not is_own(loss):
        given = [None if array is None else _read_only(array) for array in given]
    found = loss.decisions(*given)  # type: ignore[arg-type]
    if found is not None and not is_own(loss):
        _check_decisions(loss, found, ys.shape[:2])
    return found


def _check_decisions(loss: Loss, found: object, shape: Shape) -> None:
    """Raise PluginError unless it is two arrays (T, B) of ids, or two (T, B, F) of answers."""
    names = "chosen", "wanted"
    chosen, wanted = parts_of(loss, "", "decisions", found, *names)
    for name, array in zip(names, (chosen, wanted), strict=True):
        known = isinstance(array, np.ndarray) and array.shape[:2] == shape
        kinds = {2: "iu", 3: "biuf"}.get(array.ndim, "") if known else ""
        if not kinds or array.dtype.kind not in kinds:
            message = f"decisions, {name}: expected ids, integers of shape {shape}, or answers "
            raise broken(loss, "", f"{message}({shape[0]}, {shape[1]}, F), received {shown(array)}")
    if chosen.shape != wanted.shape:
        message = f"decisions: expected two of one shape, received {shown(chosen)} and "
        raise broken(loss, "", f"{message}{shown(wanted)}")


@cache
def _takes_windows(decisions: Callable[..., object]) -> bool:
    """Tell whether a method takes more than outputs and targets; asked at every step."""
    return len(inspect.signature(decisions).parameters) > len(("self", "ys", "targets"))
