"""One mistake at a time, as a change of the text of correct_layers.py.

The first eight are those that shape tests and "one step lowers the loss" let through.
"""

from __future__ import annotations

from typing import NamedTuple


class Bug(NamedTuple):
    """A mistake: the text that it replaces, and the check that must name it."""

    what: str
    old: str
    new: str
    check: str
    layer: str = "PlainLSTM"


SIZES = "    def state_sizes(self, inputs: Signal) -> tuple[int, ...]:\n        return (self.units"
PRODUCT = "z = xs @ Wx + b\n"
ACTIVATION = "a = z[t] + h @ Wh\n"
LAST = "return ys, (h, c), backward"
GRADIENTS = "return (flat(dzs) @ Wx.T).reshape(xs.shape), (dh, dc)"
NO_GRADIENT = "return np.zeros_like(xs), tuple(map(np.zeros_like, dstate))\n"

EIGHT = (
    Bug(
        "the recurrent weight gradient takes the same step's h",
        'grads["Wh"] += flat(hs).T',
        'grads["Wh"] += flat(ys).T',
        "parameter_gradient",
    ),
    Bug(
        "the first step is skipped in the backward loop",
        "range(T - 1, -1, -1)",
        "range(T - 1, 0, -1)",
        "input_gradient",
    ),
    Bug(
        "weight gradients start from the weights",
        'grads["Wx"] += flat(xs).T @ flat(dzs)',
        'grads["Wx"] += Wx + flat(xs).T @ flat(dzs)',
        "parameter_gradient",
    ),
    Bug(
        "all gradients are zero",
        "dh, dc = dstate\n",
        NO_GRADIENT + "            dh, dc = dstate\n",
        "input_gradient",
    ),
    Bug(
        "the incoming dstate is ignored",
        "dh, dc = dstate\n",
        "dh, dc = map(np.zeros_like, dstate)\n",
        "input_gradient",
    ),
    Bug("dc is not carried by f", "dc * f\n", "dc\n", "input_gradient"),
    Bug(
        "backward mutates dys",
        "dh = dh + dys[t]",
        "dh = np.add(dh, dys[t], out=dys[t])",
        "unharmed",
    ),
    Bug(
        "the carried state returned is the first one",
        LAST,
        "return ys, (hs[0], cs[0]), backward",
        "input_gradient",
    ),
)

MORE = (
    Bug(
        "a reset leaks into the other streams",
        "start, resets[t])",
        "start, resets[t] | resets[t].any())",
        "reset_leak",
    ),
    Bug("resets are ignored", "h, c = initial_rows((h, c), start, resets[t])", "pass", "reset"),
    Bug(
        "the gradient crosses a reset",
        "dh, dc = stopped_rows((dh, dc), resets[t])",
        "pass",
        "reset_gradient",
    ),
    Bug(
        "the gradient of all streams stops at a reset",
        "stopped_rows((dh, dc), resets[t])",
        "stopped_rows((dh, dc), resets[t] | resets[t].any())",
        "reset_gradient",
    ),
    Bug(
        "float64 creeps in",
        "c = f * c + i * g",
        "c = f * c / np.sqrt(1.0) + i * g",
        "dtype",
    ),
    Bug("the state is a view of xs", "(xs[-1].copy(),)", "(xs[-1],)", "alias", "Delay"),
    Bug("the state is the one that came in", "(xs[-1].copy(),)", "state", "alias", "Delay"),
    Bug(
        "backward writes over what it needs",
        "dzs = np.zeros_like(gates)",
        "dzs = gates",
        "twice",
    ),
    Bug("grads are rebound", 'grads["b"] +=', 'grads["b"] = grads["b"] +', "accumulates"),
    Bug("grads are overwritten", 'grads["b"] +=', 'grads["b"][...] =', "accumulates"),
    Bug(
        "the output width lies",
        SIZES,
        "    def output(self, inputs):\n        return Signal(self.units + 1)\n\n" + SIZES,
        "output",
    ),
    Bug(
        "a state size lies",
        "return (self.units, self.units)",
        "return (self.units, 1)",
        "state_sizes",
    ),
    Bug(
        "a state that does not exist is declared",
        "return (self.units, self.units)",
        "return (self.units, self.units, 1)",
        "state_sizes",
    ),
    Bug("a parameter is read under another name", 'params["b"]', 'params["bias"]', "params"),
    Bug(
        "a parameter is never used",
        '"b": ParamSpec',
        '"peephole": ParamSpec((2,), Zeros()),\n            "b": ParamSpec',
        "used",
    ),
    Bug("a global random generator", "ctx.random()", "np.random", "repeatable", "PlainDropout"),
    Bug(
        "a generator with a seed of its own",
        "ctx.random()",
        "np.random.default_rng(0)",
        "random",
        "PlainDropout",
    ),
    Bug(
        "random numbers in evaluation",
        "if not ctx.train:",
        "if self.rate == 0:",
        "steady",
        "PlainDropout",
    ),
    Bug(
        "a field that does not survive JSON",
        "rate: Rate",
        'rate: __import__("typing").Annotated['
        'Rate, __import__("pydantic").PlainSerializer(lambda r: round(r, 1))]',
        "json",
        "PlainDropout",
    ),
    Bug(
        "NaN swallowed by a clamp",
        ACTIVATION,
        "a = np.fmax(np.fmin(z[t] + h @ Wh, 50), -50)\n",
        "nan",
    ),
    Bug("forward mutates xs", PRODUCT, "xs *= 1.5\n        " + PRODUCT, "unharmed"),
    Bug(
        "forward mutates xs through a view",
        PRODUCT,
        "rows = flat(xs)\n        rows *= 1.5\n        " + PRODUCT,
        "unharmed",
    ),
    Bug(
        "forward mutates the state that came in",
        "c = f * c + i * g",
        "c = np.add(f * c, i * g, out=c)",
        "unharmed",
    ),
    Bug(
        "the closure keeps a pooled buffer that the next step rewrites",
        "squashed = ctx.empty((T, B, H))",
        "squashed = [ctx.empty((B, H))] * T",
        "input_gradient",
    ),
    Bug(
        "scratch memory is read before it is written",
        "hs[t], cs[t] = h, c",
        "hs[t], cs[t or -1] = h, c",
        "repeatable",
    ),
    Bug(
        "what backward needs is kept on the class",
        PRODUCT,
        PRODUCT + "        squashed = type(self).__dict__.get('kept')\n"
        "        if squashed is None or squashed.shape != (T, B, H) or squashed.dtype != z.dtype:\n"
        "            squashed = np.empty((T, B, H), ctx.dtype)\n"
        "            type(self).kept = squashed\n",
        "twice",
    ),
    Bug(
        "a list for a tuple",
        GRADIENTS,
        GRADIENTS.replace("(dh, dc)", "[dh, dc]"),
        "gradient_shapes",
    ),
    Bug(
        "the gradient of one state is dropped",
        GRADIENTS,
        GRADIENTS.replace("(dh, dc)", "(dh, 0 * dc)"),
        "state_gradient",
    ),
    Bug(
        "forward and scan differ",
        SIZES,
        "    def forward(self, params, xs, state, ctx):\n"
        "        return self.scan(params, 2 * xs, state, None, ctx)\n\n" + SIZES,
        "forward",
    ),
    Bug(
        "linear tells something else than forward",
        SIZES,
        '    def linear(self, arrays):\n        return arrays["Wx"], arrays["b"]\n\n' + SIZES,
        "shortcuts",
    ),
    Bug(
        "a gradient is left out where nothing below learns",
        'grads["b"] +=',
        'grads["b"] += ctx.learns_below *',
        "below",
    ),
    Bug(
        "the last input comes first",
        "        return xs * xs, state, lambda dys, dstate, grads: (2 * xs * dys, dstate)",
        "        def backward(dys, dstate, grads):\n"
        "            return (2 * xs * dys[::-1]), dstate\n"
        "        return (xs * xs)[::-1].copy(), state, backward",
        "causal",
        "Square",
    ),
    Bug(
        "the position in the window matters",
        PRODUCT,
        "z = xs @ Wx + b + np.linspace(0, 1, T, dtype=xs.dtype)[:, None, None]\n",
        "halves",
    ),
    Bug(
        "the place in the batch matters",
        PRODUCT,
        "z = xs @ Wx + b + np.linspace(0, 1, B, dtype=xs.dtype)[:, None]\n",
        "permutation",
    ),
    Bug("the size of the batch matters", PRODUCT, "z = xs @ Wx + b + B / 8\n", "alone"),
    Bug(
        "float32 takes a path of its own",
        ACTIVATION,
        ACTIVATION + "            a = a.astype('f2').astype('f4') if a.dtype == 'f4' else a\n",
        "precision",
    ),
    Bug(
        "the time since the start of the window matters",
        "        return xs * xs, state, lambda dys, dstate, grads: (2 * xs * dys, dstate)",
        "        w = (1 + ctx.time + np.arange(len(xs), dtype=xs.dtype))[:, None, None]\n"
        "        return w * xs * xs, state, lambda dys, dstate, grads: (2 * w * xs * dys, dstate)",
        "ragged",
        "Square",
    ),
)
