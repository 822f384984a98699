"""One mistake at a time, as a change of the text of correct_layers.py.

The first eight are those that shape tests and "one step lowers the loss" let through.
"""

from __future__ import annotations

from textwrap import indent
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
RUN = (
    "    def run(self, params, xs, state, resets, ctx):\n"
    "        return self.scan(params, {}, ctx)[:2]\n\n" + SIZES
)
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
    Bug("run leaves the resets out", SIZES, RUN.format("xs, state, None"), "run"),
    Bug(
        "run writes into its inputs", SIZES, RUN.format("np.negative(xs, xs), state, resets"), "run"
    ),
    Bug(
        "a gradient is left out where nothing below learns",
        'grads["b"] +=',
        'grads["b"] += ctx.learns_below *',
        "below",
    ),
    Bug(
        "a frozen layer passes no gradient on",
        GRADIENTS,
        "return ctx.learns * (flat(dzs) @ Wx.T).reshape(xs.shape), (dh, dc)",
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

KEPT = (
    "        kept = type(self).__dict__.get('kept')\n"
    "        if kept is None or (kept.shape, kept.dtype) != ({0}.shape, {0}.dtype):\n"
    "            kept = type(self).kept = np.empty_like({0})\n"
    "        kept[...] = {0}\n"
)
"""One buffer for every window of a shape."""

SQUARES = "        return xs * xs, state, lambda dys, dstate, grads: (2 * xs * dys, dstate)"
AHEAD = (
    "        ys = xs * xs\n"
    "        if len(xs) > 1: ys[{at}] += xs[{later}]\n"
    "        def backward(dys, dstate, grads):\n"
    "            dxs = 2 * xs * dys\n"
    "            if len(xs) > 1: dxs[{later}] += dys[{at}]\n"
    "            return dxs, dstate\n"
    "        return ys, state, backward"
)
OTHERWISE = "__import__('dataclasses').replace(ctx, {}).random()"
START = "    def initial_state(self, inputs, batch, dtype, kept={}):\n        return "

ONE_CASE = (
    Bug(
        "the gradient of the inputs is wrong in evaluation alone",
        "(dys, dstate)",
        "(2 * dys, dstate)",
        "input_gradient",
        "PlainDropout",
    ),
    Bug(
        "a gradient is wrong by one in ten thousand",
        "dc * f\n",
        "dc * f * 1.0001\n",
        "input_gradient",
    ),
    *(
        Bug(
            f"the step {time} is another",
            PRODUCT,
            f"z = xs @ Wx + b + (ctx.time == {time})\n",
            "halves",
        )
        for time in (1, 3, 5)
    ),
    Bug(
        "the gradient crosses a reset while training",
        "stopped_rows((dh, dc), resets[t])",
        "(dh, dc) if ctx.train else stopped_rows((dh, dc), resets[t])",
        "reset_gradient",
    ),
    Bug(
        "forward mutates xs where there are resets",
        PRODUCT,
        "xs *= 1 if resets is None else 1.5\n        " + PRODUCT,
        "unharmed",
    ),
    Bug(
        "forward mutates xs in float32",
        PRODUCT,
        "xs *= 1.5 if xs.dtype == 'f4' else 1\n        " + PRODUCT,
        "unharmed",
    ),
    Bug(
        "forward masks a parameter, which a second time changes nothing",
        PRODUCT,
        "Wh *= np.eye(H, 4 * H) == 0\n        " + PRODUCT,
        "unharmed",
    ),
    Bug(
        "forward clamps a parameter",
        PRODUCT,
        "np.clip(Wh, -9, 9, out=Wh)\n        " + PRODUCT,
        "unharmed",
    ),
    Bug(
        "forward mutates a parameter outside training",
        PRODUCT,
        "b += not ctx.train\n        " + PRODUCT,
        "unharmed",
    ),
    *(
        Bug(
            f"{method.partition('(')[0]} mutates a parameter",
            SIZES,
            f"    def {method}:\n        params['b'][...] = 1\n        return {gives}\n\n" + SIZES,
            "unharmed",
        )
        for method, gives in (
            ("gate_values(self, params, xs, state)", "{}"),
            ("looks(self, params, xs, ctx)", "None"),
        )
    ),
    Bug(
        "backward mutates the outputs",
        "dh, dc = dstate\n",
        "dh, dc = dstate\n            np.multiply(ys, 1.5, out=ys)\n",
        "unharmed",
    ),
    Bug(
        "backward mutates the returned state",
        "dh, dc = dstate\n",
        "dh, dc = dstate\n            np.multiply(c, 1.5, out=c)\n",
        "unharmed",
    ),
    Bug(
        "backward mutates a parameter",
        "dh, dc = dstate\n",
        "dh, dc = dstate\n            np.multiply(b, 1.5, out=b)\n",
        "unharmed",
    ),
    Bug(
        "the state of a single step is a view of xs",
        "(xs[-1].copy(),)",
        "(xs[-1].copy() if len(xs) > 1 else xs[-1],)",
        "alias",
        "Delay",
    ),
    Bug("one array is both states", LAST, "return ys, (h, h), backward", "alias"),
    Bug(
        "the output of a single step is a view of the state",
        "np.concatenate([state[0][None], xs[:-1]])",
        "state[0][None] if len(xs) == 1 else np.concatenate([state[0][None], xs[:-1]])",
        "alias",
        "Delay",
    ),
    Bug(
        "every stream starts from one array",
        SIZES,
        START
        + "kept.setdefault((batch, dtype), tuple(np.zeros((2, batch, self.units), dtype)))\n\n"
        + SIZES,
        "alias",
    ),
    Bug(
        "one buffer holds the state after every window",
        LAST,
        KEPT.format("c").lstrip() + "        return ys, (h, kept), backward",
        "lasting",
    ),
    Bug(
        "one buffer holds the outputs of every window",
        LAST,
        KEPT.format("ys").lstrip() + "        return kept, (h, c), backward",
        "lasting",
    ),
    Bug(
        "one buffer holds the gradient of the inputs of every window",
        GRADIENTS,
        "dxs = (flat(dzs) @ Wx.T).reshape(xs.shape)\n"
        + indent(KEPT.format("dxs"), "    ")
        + "            return kept, (dh, dc)",
        "lasting",
    ),
    Bug(
        "one buffer holds the outputs in evaluation",
        LAST,
        KEPT.format("ys").lstrip() + "        return ys if ctx.train else kept, (h, c), backward",
        "lasting",
    ),
    Bug(
        "the outputs lie in another order",
        LAST,
        "return np.asfortranarray(ys), (h, c), backward",
        "output",
    ),
    Bug(
        "the gradient of the inputs lies in another order",
        GRADIENTS,
        GRADIENTS.replace("(flat(dzs) @ Wx.T).reshape(xs.shape)", "np.asfortranarray(xs)"),
        "gradient_shapes",
    ),
    Bug(
        "the gradient of the inputs lacks a column",
        GRADIENTS,
        GRADIENTS.replace(".reshape(xs.shape)", ".reshape(xs.shape)[:, :, 1:].copy()"),
        "gradient_shapes",
    ),
    Bug(
        "there is no gradient of the inputs",
        GRADIENTS,
        "return None, (dh, dc)",
        "gradient_shapes",
    ),
    Bug("the returned state is a list", LAST, "return ys, [h, c], backward", "state_sizes"),
    Bug(
        "an unknown width gives another output",
        SIZES,
        "    def output(self, inputs):\n"
        "        return Signal(self.units if inputs.width else self.units + 1)\n\n" + SIZES,
        "output",
    ),
    Bug(
        "the initial state is wider than declared",
        SIZES,
        START + "tuple(np.zeros((batch, self.units + 1), dtype) for _ in range(2))\n\n" + SIZES,
        "state_sizes",
    ),
    Bug(
        "the initial state is float64",
        SIZES,
        START + "tuple(np.zeros((2, batch, self.units)))\n\n" + SIZES,
        "dtype",
    ),
    *(
        Bug(
            f"float64 creeps in {where}",
            "c = f * c + i * g",
            f"c = f * c / (np.sqrt(1.0) if {case} else 1) + i * g",
            "dtype",
        )
        for where, case in (("while training", "ctx.train"), ("in evaluation", "not ctx.train"))
    ),
    Bug("float64 creeps into a gradient", "dc * f\n", "dc * f / np.sqrt(1.0)\n", "dtype"),
    Bug(
        "a global random generator in evaluation",
        "return xs, state",
        "return xs * np.random.random(), state",
        "repeatable",
        "PlainDropout",
    ),
    *(
        Bug(f"evaluation depends on the {what}", PRODUCT, f"z = xs @ Wx + b + {term}\n", "steady")
        for what, term in (
            ("seed", "ctx.seed / 1e6"),
            ("step", "ctx.step / 100"),
            ("path", "len(ctx.path) / 100"),
        )
    ),
    *(
        Bug(
            f"every {what.partition('=')[0]} draws the same",
            "ctx.random()",
            OTHERWISE.format(what),
            "random",
            "PlainDropout",
        )
        for what in ("seed=0", "step=0", "path=''")
    ),
    Bug(
        "grads gets a new name",
        'grads["b"] +=',
        'grads["more"] = grads["b"].copy()\n            grads["b"] +=',
        "accumulates",
    ),
    Bug(
        "grads are rebound in float32",
        'grads["b"] += flat(dzs).sum(axis=0)',
        'grads["b"] = np.add(grads["b"], flat(dzs).sum(axis=0), '
        'out=None if xs.dtype == "f4" else grads["b"])',
        "accumulates",
    ),
    Bug(
        "backward writes over what it needs in float32",
        "dzs = np.zeros_like(gates)",
        "dzs = gates if gates.dtype == 'f4' else np.zeros_like(gates)",
        "twice",
    ),
    Bug("a state is never read", "h, c = state\n", "h, c = state[0], 0 * state[1]\n", "used"),
    Bug(
        "the gradient of the inputs is zero where nothing below learns",
        GRADIENTS,
        GRADIENTS.replace("(flat", "ctx.learns_below * (flat"),
        "below",
    ),
    Bug(
        "float32 takes a path of its own in backward",
        "dh = dh + dys[t]\n",
        "dh = dh + dys[t]\n"
        "                dh = dh.astype('f2').astype('f4') if dh.dtype == 'f4' else dh\n",
        "precision",
    ),
    Bug(
        "NaN of one stream reaches all",
        ACTIVATION,
        "a = z[t] + h @ Wh + 0 * h.sum()\n",
        "nan",
    ),
    Bug(
        "NaN of one stream's gradient reaches all",
        "dh = dh + dys[t]",
        "dh = dh + dys[t] + 0 * dys[t].sum()",
        "nan",
    ),
    Bug(
        "NaN swallowed in a gradient",
        "dh = dh + dys[t]",
        "dh = dh + np.nan_to_num(dys[t])",
        "nan",
    ),
    Bug(
        "a step that carries data is left out of a ragged batch",
        PRODUCT,
        PRODUCT + "        z = z if ctx.valid is None else z * (ctx.valid[-1:, :, None] == 0)\n",
        "ragged",
    ),
    Bug(
        "the first output reads the next input",
        SQUARES,
        AHEAD.format(at="0:1", later="1:2"),
        "causal",
        "Square",
    ),
    Bug(
        "the last output but one reads the last input",
        SQUARES,
        AHEAD.format(at="-2:-1", later="-1:"),
        "causal",
        "Square",
    ),
)
"""Mistakes of one case alone, which no check may leave out."""
