"""The file model.py of an export to PyTorch: plain modules, and how they are used."""

from __future__ import annotations

import json

from rnnkit.exchange.torch_layers import ModuleSource
from rnnkit.exchange.trained import Trained
from rnnkit.version import VERSION

HEAD = '''"""{name}: a recurrent network of plain PyTorch modules, written by rnnkit {version}.

model.safetensors beside this file has the parameters, and model.json what else belongs to the
model. Sequences are (steps, streams), as torch.nn.LSTM takes them.{unproved}

    python model.py
"""

{imports}

FOLDER = Path(__file__).parent
'''

FORWARD_ONLY = '''
def forward_only(state):
    """Return a state with zeros for the backward direction, which starts anew in every window."""
    if isinstance(state, tuple):
        return tuple(forward_only(part) for part in state)
    return None if state is None else torch.stack([state[0], torch.zeros_like(state[1])])
'''

RESET_BEFORE = '''
class GRUResetBefore(nn.Module):
    """A gated recurrent unit as first published (Cho et al. 2014): the reset gate scales h.

    torch.nn.GRU scales the product of h instead, which is another function. Used as that one is;
    the gates are packed r, z, n.
    """

    def __init__(self, inputs, units):
        super().__init__()
        self.weight_ih = nn.Parameter(torch.empty(3 * units, inputs))
        self.weight_hh = nn.Parameter(torch.empty(3 * units, units))
        self.bias = nn.Parameter(torch.empty(3 * units))
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -(units**-0.5), units**-0.5)

    def forward(self, x, state=None):
        """Return h at every step (T, B, units), and the last one (1, B, units)."""
        units = self.weight_hh.shape[1]
        h = x.new_zeros(x.shape[1], units) if state is None else state[0]
        gates, candidate = self.weight_hh.split([2 * units, units])
        ys = []
        for zx in x @ self.weight_ih.T + self.bias:
            r, z = torch.sigmoid(zx[:, : 2 * units] + h @ gates.T).chunk(2, dim=1)
            n = torch.tanh(zx[:, 2 * units :] + (r * h) @ candidate.T)
            h = (1 - z) * n + z * h
            ys.append(h)
        return torch.stack(ys), h[None]
'''

HELPERS = {"forward_only": FORWARD_ONLY, "GRUResetBefore": RESET_BEFORE}

MODEL = '''
class Model(nn.Module):
    """{reads} to {gives}."""

    def __init__(self):
        super().__init__()
{modules}

    def forward(self, x, states=None):
        """Return what the layers give, and the states after it, which the next steps take."""
        states, after = states or {{}}, {{}}
{steps}
        return x, after


def load():
    """Return the model with its parameters, not training."""
    model = Model()
    load_model(model, FOLDER / "model.safetensors")
    return model.eval()
'''

SPELLINGS = {
    "char": ("list(text)", '"".join(TOKENS[i] for i in ids)'),
    "word": (
        r'["<eos>" if word == "\n" else word for word in re.findall(r"\n|\S+", text)]',
        r'" ".join("\n" if TOKENS[i] == "<eos>" else TOKENS[i] for i in ids)',
    ),
}
"""How a text becomes tokens, and ids a text, by the type of the tokenizer."""

CODING = '''
TOKENS = json.loads((FOLDER / "model.json").read_text())["vocabulary"]["tokens"]
IDS = {{token: i for i, token in enumerate(TOKENS)}}


def encode(text):
    """Return the ids of a text{unknown}."""
    return [{looked_up} for token in {spelled}]


def decode(ids):
    """Return the text of ids."""
    return {joined}
'''

BYTES = '''
def encode(text):
    """Return the ids of a text: its bytes."""
    return list(text.encode())


def decode(ids):
    """Return the text of ids."""
    return bytes(ids).decode(errors="replace")
'''

SAMPLE = '''
@torch.no_grad()
def sample(model, prompt, count, temperature=1.0):
    """Return a text of `count` tokens that goes on from a prompt."""
    x, states, ids = torch.tensor(encode(prompt))[:, None], None, []
    for _ in range(count):
        logits, states = model(x, states)
        x = torch.multinomial((logits[-1] / temperature).softmax(dim=-1), 1)
        ids.append(x.item())
    return decode(ids)


if __name__ == "__main__":
    prompt = sys.argv[1] if len(sys.argv) > 1 else {prompt}
    print(prompt + {space}sample(load(), prompt, 200))
'''

PREDICT = '''
SCALES = json.loads((FOLDER / "model.json").read_text())["scales"]
READ = {name: torch.tensor(values) for name, values in SCALES["inputs"].items()}
GIVEN = {name: torch.tensor(values) for name, values in SCALES["outputs"].items()}


@torch.no_grad()
def predict(model, values, states=None):
    """Return what the model expects at each step of values (T, B, F), and the states after it.

    Both are in the units of the data.
    """
    y, states = model((values - READ["offset"]) / READ["factor"], states)
    return y * GIVEN["factor"] + GIVEN["offset"], states


if __name__ == "__main__":
    model = load()
    values = READ["offset"].expand(5, 1, -1)
    expected, states = predict(model, values)
    print("after five steps:", expected[-1, 0].tolist())
    expected, states = predict(model, values[:1], states)
    print("after one more:", expected[-1, 0].tolist())
'''

PLAIN = """
if __name__ == "__main__":
    model = load()
    x = {example}
    with torch.no_grad():
        y, states = model(x)
        print("after five steps:", y[-1, 0].tolist())
        y, states = model(x[:1], states)
        print("after one more:", y[-1, 0].tolist())
"""


def source_text(model: Trained, source: ModuleSource, verified: bool) -> str:
    """Return model.py for what `source` holds."""
    network = model.network
    kind = "ids (T, B)" if network.inputs.ids else f"values (T, B, {network.inputs.known()})"
    body = MODEL.format(
        reads=kind,
        gives=f"outputs (T, B, {network.outputs.known()})",
        modules=_lines(source.modules),
        steps=_lines(source.steps),
    )
    parts = [*(HELPERS[name] for name in sorted(source.helpers)), body, _use(model)]
    head = HEAD.format(
        name=model.spec.name,
        version=VERSION,
        unproved="" if verified else "\nIt has not been compared with rnnkit (--no-verify).",
        imports=_imports("".join(parts)),
    )
    return "\n".join([head, *parts])


def _lines(code: list[str]) -> str:
    return "\n".join(f"        {line}" for line in code)


def _imports(code: str) -> str:
    plain = [f"import {name}" for name in ("json", "re", "sys") if f"{name}." in code]
    others = ["import torch", "from safetensors.torch import load_model", "from torch import nn"]
    return "\n".join([*plain, "from pathlib import Path", "", *others])


def _use(model: Trained) -> str:
    """Return what shows the use of the model: a sample, a forecast, or a few steps."""
    network, scales = model.network, model.spec.data.scales()
    if goes_on(model):
        return _coding(model)
    if scales.keys() == {"inputs", "outputs"} and not network.inputs.ids:
        return PREDICT
    width = network.inputs.known()
    ids = "torch.zeros(5, 1, dtype=torch.long)"
    return PLAIN.format(example=ids if network.inputs.ids else f"torch.zeros(5, 1, {width})")


def goes_on(model: Trained) -> bool:
    """Tell whether the model goes on with a text, one token after the other."""
    tokenizer, network = model.spec.data.text_tokenizer(), model.network
    known = tokenizer is not None and tokenizer.type in ("byte", *SPELLINGS)
    return known and not model.spec.data.whole and network.reads_later is None


def _coding(model: Trained) -> str:
    tokenizer, vocabulary = model.spec.data.text_tokenizer(), model.vocabulary
    assert tokenizer and vocabulary
    word = tokenizer.type == "word"
    space = '" " + ' if word else ""
    prompt = vocabulary.tokens[0] if tokenizer.type == "char" else "\n"
    sample = SAMPLE.format(prompt=json.dumps(prompt, ensure_ascii=False), space=space)
    if tokenizer.type == "byte":
        return BYTES + "\n" + sample
    spelled, joined = SPELLINGS[tokenizer.type]
    known = vocabulary.unknown is None
    looked_up = "IDS[token]" if known else f"IDS.get(token, {vocabulary.unknown})"
    return (
        CODING.format(
            unknown="" if known else "; a token that is not known has one of its own",
            looked_up=looked_up,
            spelled=spelled,
            joined=joined,
        )
        + "\n"
        + sample
    )
