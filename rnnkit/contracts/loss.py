"""The contract of a loss: sums over targets, never means, so that any split of a batch is exact."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import ClassVar, Literal

import numpy as np

from rnnkit.contracts.returned import broken, check_array, is_own, parts_of, shown
from rnnkit.contracts.target_info import Meaning
from rnnkit.core.block import Block
from rnnkit.core.context import Context
from rnnkit.core.signal import Signal
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
    """Return `loss.forward`; raises PluginError for what has another form."""
    found: object = loss.forward(ys, targets, weights, ctx)
    if is_own(loss):
        return found  # type: ignore[return-value]
    total, weight, backward = parts_of(loss, "", "forward", found, "total", "weight", "backward")
    for name, number in (("total", total), ("weight", weight)):
        if not isinstance(number, int | float | np.floating):
            raise broken(loss, "", f"the {name}: expected a number, received {shown(number)}")

    def slope() -> Array:
        dys: Array = backward()
        check_array(loss, "", "the gradient of the outputs", dys, ys.shape, ys.dtype)
        return dys

    return total, weight, slope


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
    if not _takes_windows(type(loss).decisions):
        found = loss.decisions(ys, targets)
    else:
        if weights is None:
            weights = np.ones(ys.shape[:2], ys.dtype)
        if resets is None:
            resets = np.zeros(ys.shape[:2], bool)
        found = loss.decisions(ys, targets, weights, resets, valid)
    if found is not None and not is_own(loss):
        _check_decisions(loss, found, ys.shape[:2])
    return found


def _check_decisions(loss: Loss, found: object, shape: Shape) -> None:
    """Raise PluginError unless it is two arrays (T, B), or (T, B, F)."""
    names = "chosen", "wanted"
    for name, array in zip(names, parts_of(loss, "", "decisions", found, *names), strict=True):
        known = isinstance(array, np.ndarray) and array.ndim in (2, 3)
        if not known or array.shape[:2] != shape:
            message = f"decisions, {name}: expected an array of shape {shape}, or of answers "
            raise broken(loss, "", f"{message}{(*shape, 'F')}, received {shown(array)}")


@cache
def _takes_windows(decisions: Callable[..., object]) -> bool:
    """Tell whether a method takes more than outputs and targets; asked at every step."""
    return len(inspect.signature(decisions).parameters) > len(("self", "ys", "targets"))
