"""The same steps by hand: NumPy as books and courses write it, one time step after another.

No peer, but what one has without a library: the mark that compiled loops have to pass.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.side import CHECKED, Found
from benchmarks.workloads import CLIP, LEARNING_RATE, Workload
from rnnkit.types import Array, Grads, Params, State

Back = Callable[[State, Grads], tuple[Array, State]]
"""From the gradients of the state after a step to those of its input and of the state before."""


def rnn(x: Array, state: State, p: Params) -> tuple[State, Back]:
    """Take a step of h = tanh(x Wx + h Wh + b)."""
    (before,) = state
    h = np.tanh(x @ p["Wx"] + before @ p["Wh"] + p["b"])

    def back(dstate: State, grads: Grads) -> tuple[Array, State]:
        (dh,) = dstate
        dz = dh * (1 - h**2)
        _add(grads, x, before, dz, dz)
        return dz @ p["Wx"].T, (dz @ p["Wh"].T,)

    return (h,), back


def lstm(x: Array, state: State, p: Params) -> tuple[State, Back]:
    """Take a step with the gates i, f, o and the candidate g."""
    before, c_before = state
    z = x @ p["Wx"] + before @ p["Wh"] + p["b"]
    i, f, o, g = np.split(z, 4, axis=1)
    i, f, o, g = _sigmoid(i), _sigmoid(f), _sigmoid(o), np.tanh(g)
    c = f * c_before + i * g
    tanh_c = np.tanh(c)

    def back(dstate: State, grads: Grads) -> tuple[Array, State]:
        dh, dc = dstate
        dc = dc + dh * o * (1 - tanh_c**2)
        di, df = dc * g * i * (1 - i), dc * c_before * f * (1 - f)
        do, dg = dh * tanh_c * o * (1 - o), dc * i * (1 - g**2)
        dz = np.hstack([di, df, do, dg])
        _add(grads, x, before, dz, dz)
        return dz @ p["Wx"].T, (dz @ p["Wh"].T, dc * f)

    return (o * tanh_c, c), back


def gru(x: Array, state: State, p: Params) -> tuple[State, Back]:
    """Take a step with the gates r, z and the candidate n; r scales the product of h."""
    (before,) = state
    rx, zx, nx = np.split(x @ p["Wx"] + p["b"], 3, axis=1)
    rh, zh, nh = np.split(before @ p["Wh"], 3, axis=1)
    nh = nh + p["bn"]
    r, z = _sigmoid(rx + rh), _sigmoid(zx + zh)
    n = np.tanh(nx + r * nh)

    def back(dstate: State, grads: Grads) -> tuple[Array, State]:
        (dh,) = dstate
        dn = dh * (1 - z) * (1 - n**2)
        dr, dz = dn * nh * r * (1 - r), dh * (before - n) * z * (1 - z)
        dzx, dzh = np.hstack([dr, dz, dn]), np.hstack([dr, dz, dn * r])
        _add(grads, x, before, dzx, dzh)
        grads["bn"] += (dn * r).sum(axis=0)
        return dzx @ p["Wx"].T, (dzh @ p["Wh"].T + dh * z,)

    return ((1 - z) * n + z * before,), back


STEPS = {"rnn": (rnn, 1), "gru": (gru, 1), "lstm": (lstm, 2)}
"""The step of a cell, and how many arrays its state has."""


class Train:
    """Steps on one window, the hidden state carried from each to the next."""

    def __init__(self, workload: Workload, arrays: dict[str, Array]) -> None:
        self.ids, self.targets = arrays["ids"][:-1], arrays["ids"][1:].reshape(-1)
        self.step_of, states = STEPS[workload.cell]
        self.one_hot = workload.reads == "one_hot"
        self.top = {name: arrays[name].copy() for name in ("W", "b")}
        first = (
            np.eye(workload.vocabulary, dtype=np.float32) if self.one_hot else arrays["E"].copy()
        )
        self.table = {"E": first}
        names = ("Wx", "Wh", "b", "bn")
        self.layers = [
            {name: arrays[f"{name}{k}"].copy() for name in names if f"{name}{k}" in arrays}
            for k in range(workload.layers)
        ]
        zeros = np.zeros((workload.batch, workload.units), np.float32)
        self.states: list[State] = [(zeros,) * states] * workload.layers

    def check(self) -> Found:
        """Return loss and gradient norm of the first steps."""
        losses, norms = zip(*(self.step() for _ in range(CHECKED)), strict=True)
        return {"loss": list(losses), "gradient norm": list(norms)}

    def step(self) -> tuple[float, float]:
        """Learn from the window once more; return loss and gradient norm."""
        trained = [*self.layers, self.top] if self.one_hot else [self.table, *self.layers, self.top]
        grads = {id(p): {name: np.zeros_like(p[name]) for name in p} for p in trained}
        loss = self._learn(grads)
        found = [grads[id(p)][name] for p in trained for name in p]
        norm = float(np.sqrt(sum(float(np.sum(g**2)) for g in found)))
        rate = np.float32(LEARNING_RATE * min(1.0, CLIP / (norm + 1e-6)))
        for p in trained:
            for name in p:
                p[name] -= rate * grads[id(p)][name]
        return loss, norm

    def _learn(self, grads: dict[int, Grads]) -> float:
        xs, undo = [self.table["E"][ids] for ids in self.ids], []
        for k, p in enumerate(self.layers):
            backs, state = [], self.states[k]
            for t, x in enumerate(xs):
                state, back = self.step_of(x, state, p)
                xs[t] = state[0]
                backs.append(back)
            self.states[k] = state
            undo.append(backs)
        loss, dxs = self._loss(np.stack(xs), grads[id(self.top)])
        for p, backs in zip(reversed(self.layers), reversed(undo), strict=True):
            dstate = tuple(np.zeros_like(array) for array in self.states[0])
            for t in reversed(range(len(backs))):
                dstate = (dstate[0] + dxs[t], *dstate[1:])
                dxs[t], dstate = backs[t](dstate, grads[id(p)])
        if not self.one_hot:
            np.add.at(grads[id(self.table)]["E"], self.ids, np.stack(dxs))
        return loss

    def _loss(self, hs: Array, grads: Grads) -> tuple[float, list[Array]]:
        """Return softmax cross-entropy above hs (T, B, H), and the gradients of each step's h."""
        rows = hs.reshape(-1, hs.shape[2])
        logits = rows @ self.top["W"] + self.top["b"]
        logits -= logits.max(axis=1, keepdims=True)
        ps = np.exp(logits)
        ps /= ps.sum(axis=1, keepdims=True)
        places = np.arange(len(rows)), self.targets
        loss = -float(np.mean(np.log(ps[places])))
        ps[places] -= 1
        ps /= np.float32(len(rows))
        grads["W"] += rows.T @ ps
        grads["b"] += ps.sum(axis=0)
        return loss, list((ps @ self.top["W"].T).reshape(hs.shape))


def about() -> dict[str, str]:
    """Return what decides the speed of this side: what decides rnnkit's."""
    return {}


def _add(grads: Grads, x: Array, h: Array, dzx: Array, dzh: Array) -> None:
    grads["Wx"] += x.T @ dzx
    grads["Wh"] += h.T @ dzh
    grads["b"] += dzx.sum(axis=0)


def _sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))
