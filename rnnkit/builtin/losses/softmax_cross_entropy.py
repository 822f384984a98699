"""The loss of a choice among tokens or classes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import ClassVar, Literal

import numpy as np

from rnnkit.builtin.losses._class_weights import ClassWeights, Weights, weights_by_id
from rnnkit.builtin.losses._compiled_softmax import by_kernels, with_linear
from rnnkit.builtin.losses._rows import given_as_labels, row_weights
from rnnkit.builtin.losses._softmax import by_numpy, check_distributions
from rnnkit.compute.kernels.dispatch import kernels_compute
from rnnkit.contracts.loss import Loss
from rnnkit.contracts.target_info import Meaning
from rnnkit.core.block import Rate
from rnnkit.core.context import Context
from rnnkit.core.signal import Signal
from rnnkit.errors import ShapeError
from rnnkit.types import Array, DType

LARGEST_EXPONENT = 709.0
"""exp of a little more is no finite number in float64, and infinity is no JSON."""

NO_TOKEN = ("sequence", "step")
"""Units of targets that are classes: a perplexity says nothing of them."""


class SoftmaxCrossEntropy(Loss):
    """The negative log-probability of the target under a softmax, in nats.

    p = exp(y - max y) / sum exp(y - max y);  loss = -sum_v q_v log p_v;  dy = p sum q - q

    Targets are ids (T, B), where -1 weighs nothing whatever `weights` says, or distributions q
    (T, B, V), one-hot or soft, which sum to 1. `label_smoothing` e (Szegedy et al. 2016) replaces q
    by (1 - e) q + e / V, as PyTorch does, but in training alone: an evaluation reports the loss of
    the true targets, from which the perplexity follows. `class_weights` c, a list with one for each
    id, an object by name of the label (1 for others) or `"balanced"`, multiply the weights of its
    targets, so that rare classes may count as much as frequent ones (PyTorch's `weight`), also in
    training alone; `id_weights` holds them in the resolved spec. With both, each class keeps its
    weight in the smoothed part too, as in PyTorch: q_v = (1 - e) c_target [v = target] + e c_v / V.
    """

    type: Literal["softmax_cross_entropy"] = "softmax_cross_entropy"

    chooses: ClassVar[bool] = True
    label_smoothing: Rate = 0.0
    class_weights: ClassWeights | None = None
    id_weights: Weights | None = None

    def fitted(self, meaning: Meaning) -> SoftmaxCrossEntropy:
        """Return the loss with a weight for each id, where they are given by name or balanced."""
        given = self.class_weights
        if self.id_weights or given is None or isinstance(given, tuple):
            return self
        return self.model_copy(update={"id_weights": weights_by_id(given, meaning)})

    def check(self, outputs: Signal, targets: Signal) -> None:
        """Raise ShapeError unless there is one logit for each target id or class."""
        outputs.values()
        if not outputs.fits(Signal(targets.width)):
            raise ShapeError(
                f"needs one logit for each of the {targets.width} target classes, but receives "
                f'{outputs} (set "units" of the last layer to {targets.width}, or leave "units" '
                "out of a last affine layer)"
            )
        count = len(self._by_id() or ())
        if not targets.ids:
            self._refuse_weights()
        if count and targets.width not in (None, count):
            raise ShapeError(
                f"has {count} class_weights for {targets.width} classes (give one for each)"
            )

    def check_values(self, targets: Array) -> None:
        """Raise DataError for targets (N, V) that are no probabilities."""
        check_distributions(targets)

    def forward(
        self, ys: Array, targets: Array, weights: Array, ctx: Context
    ) -> tuple[float, float, Callable[[], Array]]:
        """Return (total, weight, backward) for logits (T, B, V).

        `backward` returns the same array at every call. A logit that is not finite gives a total
        that is not finite, unless its target weighs nothing.
        """
        smoothing = self._smoothing(ctx)
        if not given_as_labels(ys, targets):
            self._refuse_weights()
            self.check_values(targets[weights != 0])
            return by_numpy(ys, targets, weights, smoothing, ctx)
        weighed = self._weighed(targets, weights, ctx)
        if smoothing and self._by_id():
            soft = self._softened(targets, ys.dtype)
            total, _, backward = by_numpy(ys, soft, row_weights(ys, targets, weights), 0.0, ctx)
            return total, float(row_weights(ys, targets, weighed).sum()), backward
        if kernels_compute():
            return by_kernels(ys, targets, weighed, smoothing, ctx)
        return by_numpy(ys, targets, weighed, smoothing, ctx)

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
        """Return (total, weight, dxs) through one array of logits, which becomes their gradient.

        None where targets are distributions, at first or by smoothing, or kernels are off.
        """
        if not kernels_compute() or not given_as_labels(xs, targets):
            return None
        smoothing, weighed = self._smoothing(ctx), self._weighed(targets, weights, ctx)
        if smoothing and self._by_id():
            return None
        given = xs, W, b, targets, weighed, smoothing, dW, db, ctx
        total, weight, dxs, chosen = with_linear(*given)
        if ctx.tally is not None:
            ctx.tally.add(chosen, targets, weights)
        return total, weight, dxs

    def decisions(self, ys: Array, targets: Array, *window: Array | None) -> tuple[Array, Array]:
        """Return (chosen, wanted) (T, B): the largest logit, the label or the likeliest class."""
        wanted = targets if given_as_labels(ys, targets) else targets.argmax(axis=-1)
        return ys.argmax(axis=-1), wanted

    def probabilities(self, ys: Array) -> Array:
        """Return the softmax."""
        found: Array = np.exp(ys - ys.max(axis=-1, keepdims=True))
        found /= found.sum(axis=-1, keepdims=True)
        return found

    def metrics(self, mean: float, unit: str) -> dict[str, float]:
        """Return loss, of tokens the perplexity too, and the bits of a character or byte.

        The perplexity exp(loss) stays at exp(709), about 8e307, for every loss above 709.
        """
        found = {"loss": mean}
        if unit not in NO_TOKEN:
            found["perplexity"] = math.exp(min(mean, LARGEST_EXPONENT))
        if unit in ("character", "byte"):
            found[f"bits_per_{unit}"] = mean / math.log(2)
        return found

    def _smoothing(self, ctx: Context) -> float:
        return self.label_smoothing if ctx.train else 0.0

    def _weighed(self, targets: Array, weights: Array, ctx: Context) -> Array:
        """Return the weights times those of the classes; an id of -1 weighs nothing anyway."""
        by_id = self._by_id()
        if by_id is None or not ctx.train:
            return weights
        found: Array = weights * np.array(by_id, weights.dtype)[np.maximum(targets, 0)]
        return found

    def _refuse_weights(self) -> None:
        """Raise ShapeError where weights of ids are to weigh distributions."""
        if self.class_weights or self.id_weights:
            raise ShapeError('has "class_weights", but the targets are no ids (leave them out)')

    def _by_id(self) -> tuple[float, ...] | None:
        """Return the weight of each id; None where all weigh alike, or the data has not told."""
        given = self.class_weights
        return self.id_weights or (given if isinstance(given, tuple) else None)

    def _softened(self, targets: Array, dtype: DType) -> Array:
        """Return q (T, B, V) of ids (T, B), each class with its weight; zeros for an id of -1."""
        by_class = np.array(self._by_id(), dtype)
        known = targets >= 0
        found = np.zeros((*targets.shape, len(by_class)), dtype)
        found[known] = self.label_smoothing / len(by_class) * by_class
        rows = np.nonzero(known)
        found[*rows, targets[rows]] += (1 - self.label_smoothing) * by_class[targets[rows]]
        return found
