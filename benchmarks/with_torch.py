"""PyTorch's side: its own modules, as its documentation trains them and draws from them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.hooks import RemovableHandle

from benchmarks.side import CHECKED, TOKENS, Found
from benchmarks.workloads import CLIP, LEARNING_RATE, Workload
from rnnkit.types import Array

State: TypeAlias = Tensor | tuple[Tensor, ...]
MODULES: dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
ORDER = {"rnn": (0,), "gru": (0, 1, 2), "lstm": (0, 1, 3, 2)}
"""PyTorch packs the gates of an LSTM as i, f, g, o, rnnkit as i, f, o, g."""


class Net(nn.Module):
    """Embedding, recurrent layers, affine layer; one-hot is the embedding by a fixed identity."""

    def __init__(self, workload: Workload, arrays: dict[str, Array]) -> None:
        super().__init__()
        one_hot = workload.reads == "one_hot"
        table = torch.eye(workload.vocabulary) if one_hot else torch.tensor(arrays["E"])
        self.table = nn.Embedding.from_pretrained(table, freeze=one_hot)
        module = MODULES[workload.cell]
        self.recurrent = module(workload.inputs()[0], workload.units, workload.layers)
        self.affine = nn.Linear(workload.units, workload.vocabulary)
        with torch.no_grad():
            self._fill(workload, arrays)

    def forward(self, ids: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Return logits (T, B, V) and the state after them."""
        ys, state = self.recurrent(self.table(ids), state)
        return self.affine(ys), state

    def _fill(self, workload: Workload, arrays: dict[str, Array]) -> None:
        self.affine.weight.copy_(torch.tensor(arrays["W"].T))
        self.affine.bias.copy_(torch.tensor(arrays["b"]))
        order = ORDER[workload.cell]
        for k in range(workload.layers):
            Wx, Wh, b = (
                torch.tensor(arrays[f"{name}{k}"].T).chunk(len(order)) for name in ("Wx", "Wh", "b")
            )
            for name, blocks in (("weight_ih", Wx), ("weight_hh", Wh), ("bias_ih", b)):
                parameter = self.recurrent.get_parameter(f"{name}_l{k}")
                parameter.copy_(torch.cat([blocks[gate] for gate in order]))
            second = self.recurrent.get_parameter(f"bias_hh_l{k}")
            second.zero_()
            if workload.cell == "gru":
                second[-workload.units :] = torch.tensor(arrays[f"bn{k}"])


class Train:
    """Steps on one window, the hidden state carried from each to the next."""

    def __init__(self, workload: Workload, arrays: dict[str, Array]) -> None:
        self.units, self.gru = workload.units, workload.cell == "gru"
        self.net = Net(workload, arrays)
        self.parameters = [p for p in self.net.parameters() if p.requires_grad]
        self.optimizer = torch.optim.SGD(self.parameters, lr=LEARNING_RATE)
        self.inputs, self.targets = (
            torch.tensor(arrays["ids"][:-1]),
            torch.tensor(arrays["ids"][1:]),
        )
        self.state: State | None = None

    def check(self) -> Found:
        """Return loss and gradient norm of the first steps, the redundant biases kept at zero."""
        hooks = self._one_bias()
        steps = [self.step() for _ in range(CHECKED)]
        for hook in hooks:
            hook.remove()
        losses, norms = ([value.item() for value in values] for values in zip(*steps, strict=True))
        return {"loss": losses, "gradient norm": norms}

    def step(self) -> tuple[Tensor, Tensor]:
        """Learn from the window once more; return loss and gradient norm."""
        self.optimizer.zero_grad()
        logits, state = self.net(self.inputs, self.state)
        loss = functional.cross_entropy(logits.flatten(0, 1), self.targets.flatten())
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.parameters, CLIP)
        self.optimizer.step()
        self.state = (
            state.detach() if isinstance(state, Tensor) else tuple(part.detach() for part in state)
        )
        return loss.detach(), norm

    def _one_bias(self) -> list[RemovableHandle]:
        """Stop what has no counterpart: PyTorch adds two biases, of which only bn is its own."""
        hooks = []
        for name, bias in self.net.recurrent.named_parameters():
            if name.startswith("bias_hh"):
                kept = torch.zeros_like(bias)
                if self.gru:
                    kept[-self.units :] = 1
                hooks.append(bias.register_hook(lambda gradient, kept=kept: gradient * kept))
        return hooks


class Sample:
    """One stream of ids, each drawn from the softmax at temperature 1."""

    def __init__(self, workload: Workload, arrays: dict[str, Array]) -> None:
        self.net = Net(workload, arrays).eval()
        self.start = torch.tensor(arrays["ids"][:1])
        self.ids, self.state = self.start, None
        self.step()

    @torch.inference_mode()
    def check(self) -> Found:
        """Return the first ids of the greedy stream."""
        ids, state, found = self.start, None, []
        for _ in range(TOKENS):
            logits, state = self.net(ids, state)
            ids = logits[0].argmax(dim=1, keepdim=True)
            found.append(float(ids))
        return {"id": found}

    @torch.inference_mode()
    def step(self) -> None:
        """Draw some ids."""
        for _ in range(TOKENS):
            logits, self.state = self.net(self.ids, self.state)
            self.ids = torch.multinomial(logits[0].softmax(dim=1), 1)
            self.ids.item()


class Product:
    """The product of the recurrent matrix with itself."""

    def __init__(self, workload: Workload, arrays: dict[str, Array]) -> None:
        self.a = torch.tensor(arrays["Wh0"])
        self.out = torch.empty_like(self.a)

    def check(self) -> Found:
        """Return one element of the product."""
        self.step()
        return {"element": [float(self.out[0, 0])]}

    def step(self) -> None:
        """Multiply."""
        torch.matmul(self.a, self.a, out=self.out)


def about() -> dict[str, str]:
    """Return what decides the speed of this side."""
    blas = "MKL" if torch.backends.mkl.is_available() else "no MKL"
    cells = "oneDNN" if torch.backends.mkldnn.is_available() else "no oneDNN"
    return {"PyTorch": f"{torch.__version__}, {blas}, {cells}, threads {torch.get_num_threads()}"}
