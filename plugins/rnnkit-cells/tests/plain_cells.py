"""Each cell once more: plain NumPy as its paper writes it, step by step, from parameters by name.

A function takes (params, xs) with xs (T, B, F) and returns the outputs (T, B, H), from the start.
"""

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def columns(params, gates):
    """Return x -> its sums by gate, and h -> its products by gate, (B, H) each."""
    Wx, b = (np.split(params[name], len(gates), axis=-1) for name in ("Wx", "b"))
    Wh = np.split(params["Wh"], len(gates), axis=1) if "Wh" in params else ()
    return (
        lambda x: {gate: x @ W + c for gate, W, c in zip(gates, Wx, b, strict=True)},
        lambda h: {gate: h @ W for gate, W in zip(gates, Wh, strict=True)},
    )


def zeros(params, xs, of):
    return np.zeros((xs.shape[1], len(params[of])))


def min_gru(params, xs):
    of_x, _ = columns(params, "zn")
    h, ys = np.zeros((xs.shape[1], len(params["b"]) // 2)), []
    for x in xs:
        a = of_x(x)
        z = sigmoid(a["z"])
        h = (1 - z) * h + z * a["n"]
        ys.append(h)
    return np.array(ys)


def min_lstm(params, xs):
    of_x, _ = columns(params, "ifn")
    h, ys = np.zeros((xs.shape[1], len(params["b"]) // 3)), []
    for x in xs:
        a = of_x(x)
        i, f = sigmoid(a["i"]), sigmoid(a["f"])
        h = f / (f + i) * h + i / (f + i) * a["n"]
        ys.append(h)
    return np.array(ys)


def slstm(params, xs, forget=sigmoid):
    """Without the stabilizer: c and n are the sums themselves."""
    of_x, of_h = columns(params, "ifoz")
    h = c = n = zeros(params, xs, "Wh")
    ys = []
    for x in xs:
        a = {gate: value + of_h(h)[gate] for gate, value in of_x(x).items()}
        i, f, o, z = np.exp(a["i"]), forget(a["f"]), sigmoid(a["o"]), np.tanh(a["z"])
        c, n = f * c + i * z, f * n + i
        h = o * c / n
        ys.append(h)
    return np.array(ys)


def slstm_exponential(params, xs):
    return slstm(params, xs, np.exp)


def ind_rnn(params, xs, act=lambda z: np.maximum(z, 0)):
    h, ys = zeros(params, xs, "u"), []
    for x in xs:
        h = act(x @ params["Wx"] + params["u"] * h + params["b"])
        ys.append(h)
    return np.array(ys)


def ind_rnn_tanh(params, xs):
    return ind_rnn(params, xs, np.tanh)


def qrnn(params, xs):
    """A masked convolution, filter by filter, then fo-pooling; filters of the newest x first."""
    features, units = xs.shape[2], len(params["b"]) // 3
    filters = params["Wx"].reshape(-1, features, 3 * units)
    convolved = np.zeros((*xs.shape[:2], 3 * units)) + params["b"]
    for back, each in enumerate(filters):
        for t in range(back, len(xs)):
            convolved[t] += xs[t - back] @ each
    c, ys = np.zeros((xs.shape[1], units)), []
    for sums in convolved:
        f, o, z = np.split(sums, 3, axis=1)
        c = sigmoid(f) * c + (1 - sigmoid(f)) * np.tanh(z)
        ys.append(sigmoid(o) * c)
    return np.array(ys)


def linear_recurrence(params, xs):
    """In complex numbers, from the modulus and the angle of each."""
    B, C = (re + 1j * im for re, im in (np.split(params[name], 2, axis=1) for name in "BC"))
    turn = np.exp(-np.exp(params["nu"]) + 2j * np.arctan(np.exp(params["phase"])))
    v, ys = np.zeros((xs.shape[1], len(turn)), complex), []
    for x in xs:
        v = turn * v + np.exp(params["gamma"]) * (x @ B)
        ys.append((v @ C).real + x @ params["D"])
    return np.array(ys)


def peephole_lstm(params, xs):
    of_x, of_h = columns(params, "ifog")
    h = c = zeros(params, xs, "Wh")
    ys = []
    for x in xs:
        a = {gate: value + of_h(h)[gate] for gate, value in of_x(x).items()}
        i, f = sigmoid(a["i"] + params["pi"] * c), sigmoid(a["f"] + params["pf"] * c)
        c = f * c + i * np.tanh(a["g"])
        h = sigmoid(a["o"] + params["po"] * c) * np.tanh(c)
        ys.append(h)
    return np.array(ys)


def coupled_lstm(params, xs):
    of_x, of_h = columns(params, "fog")
    h = c = zeros(params, xs, "Wh")
    ys = []
    for x in xs:
        a = {gate: value + of_h(h)[gate] for gate, value in of_x(x).items()}
        i = 1 - sigmoid(a["f"])
        c = (1 - i) * c + i * np.tanh(a["g"])
        h = sigmoid(a["o"]) * np.tanh(c)
        ys.append(h)
    return np.array(ys)


def mogrifier_lstm(params, xs):
    h = c = zeros(params, xs, "Wh")
    rounds = sorted(name for name in params if name.startswith("M"))
    b = np.concatenate([params[f"b{gate}"] for gate in "ifog"])
    ys = []
    for x in xs:
        scaled = [h, x]  # by turns: what scales, what is scaled
        for name in rounds:
            by, of = scaled
            scaled = [2 * sigmoid(by @ params[name]) * of, by]
        x, h = scaled if len(rounds) % 2 else scaled[::-1]
        i, f, o, g = np.split(x @ params["Wx"] + h @ params["Wh"] + b, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        ys.append(h)
    return np.array(ys)
