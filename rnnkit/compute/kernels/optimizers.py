"""Updates of flat parameters in one pass: the formulas stand with the optimizers.

Every function takes the parameters, their gradient and the optimizer's buffers (N,), then the rate
of the weight decay, the learning rate, and what else the rule needs. Only parameters and buffers
are written.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnkit.compute.kernels.jit import jit


@jit
def sgd(params: Any, grads: Any, decay: float, lr: float) -> None:
    """Step against the gradient."""
    kind = params.dtype.type
    rate, pull = kind(lr), kind(decay)
    for i in range(len(params)):
        params[i] -= rate * (grads[i] + pull * params[i])


@jit
def momentum(
    params: Any, grads: Any, means: Any, decay: float, lr: float, momentum: float, ahead: bool
) -> None:
    """Step along the momentum; `ahead` is Nesterov's."""
    kind = params.dtype.type
    rate, pull, keep = kind(lr), kind(decay), kind(momentum)
    for i in range(len(params)):
        g = grads[i] + pull * params[i]
        m = keep * means[i] + g
        means[i] = m
        params[i] -= rate * (g + keep * m if ahead else m)


@jit
def adagrad(params: Any, grads: Any, squares: Any, decay: float, lr: float, epsilon: float) -> None:
    """Step divided by the root of all squares."""
    kind = params.dtype.type
    rate, pull, least = kind(lr), kind(decay), kind(epsilon)
    for i in range(len(params)):
        g = grads[i] + pull * params[i]
        s = squares[i] + g * g
        squares[i] = s
        params[i] -= rate * g / (np.sqrt(s) + least)


@jit
def rmsprop(
    params: Any, grads: Any, squares: Any, decay: float, lr: float, alpha: float, epsilon: float
) -> None:
    """Step divided by the root of the mean square."""
    kind = params.dtype.type
    rate, pull, keep, add, least = (
        kind(lr),
        kind(decay),
        kind(alpha),
        kind(1 - alpha),
        kind(epsilon),
    )
    for i in range(len(params)):
        g = grads[i] + pull * params[i]
        s = keep * squares[i] + add * g * g
        squares[i] = s
        params[i] -= rate * g / (np.sqrt(s) + least)


@jit
def rmsprop_momentum(
    params: Any,
    grads: Any,
    squares: Any,
    means: Any,
    decay: float,
    lr: float,
    alpha: float,
    epsilon: float,
    momentum: float,
) -> None:
    """Step along the momentum of what `rmsprop` would step."""
    kind = params.dtype.type
    rate, pull, keep, add, least = (
        kind(lr),
        kind(decay),
        kind(alpha),
        kind(1 - alpha),
        kind(epsilon),
    )
    carry = kind(momentum)
    for i in range(len(params)):
        g = grads[i] + pull * params[i]
        s = keep * squares[i] + add * g * g
        squares[i] = s
        m = carry * means[i] + g / (np.sqrt(s) + least)
        means[i] = m
        params[i] -= rate * m


@jit
def adam(
    params: Any,
    grads: Any,
    means: Any,
    squares: Any,
    decay: float,
    lr: float,
    b1: float,
    b2: float,
    epsilon: float,
    step: int,
    decoupled: bool,
) -> None:
    """Step of Adam; the decay is part of the gradient, or `decoupled` taken off the parameters."""
    kind = params.dtype.type
    pull, left = kind(0 if decoupled else decay), kind(1 - lr * decay if decoupled else 1)
    keep1, add1, keep2, add2 = kind(b1), kind(1 - b1), kind(b2), kind(1 - b2)
    rate, correction = kind(lr / (1 - b1**step)), kind(1 / np.sqrt(1 - b2**step))
    least = kind(epsilon)
    for i in range(len(params)):
        p = left * params[i]
        g = grads[i] + pull * p
        m = keep1 * means[i] + add1 * g
        v = keep2 * squares[i] + add2 * g * g
        means[i] = m
        squares[i] = v
        params[i] = p - rate * m / (np.sqrt(v) * correction + least)
