"""PyTorch's side: its own modules in `inference_mode`."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence

from benchmarks.inference.rows import BESIDE, COMPARED, characters, check_windows, lines
from benchmarks.side import Found
from benchmarks.with_torch import Net, State
from benchmarks.workloads import Workload
from rnnkit.types import Array


class Forward:
    """Windows of ids, the hidden state carried from each to the next."""

    def __init__(self, workload: Workload, arrays: dict[str, Array]) -> None:
        self.net = Net(workload, arrays).eval()
        self.targets = arrays["ids"][-1]
        whole = torch.tensor(arrays["ids"][:-1])
        self.state: State | None = None
        self.ids = whole[:1, :1]
        self.step()
        self.ids, self.state = whole, None

    def check(self) -> Found:
        """Return log-probabilities after the first windows."""
        return check_windows(lambda: self.step().numpy(), self.targets)

    @torch.inference_mode()
    def step(self) -> Tensor:
        """Run one window; return the logits (T, B, V)."""
        ys: Tensor
        ys, self.state = self.net(self.ids, self.state)
        return ys


Step = Forward
"""A window of one step and one stream."""


class Score:
    """The log-probability of many lines: those of like length in padded batches."""

    def __init__(self, workload: Workload, arrays: dict[str, Array]) -> None:
        self.net = Net(workload, arrays).eval()
        self.lines = lines(workload, arrays["ids"])
        known = characters(workload.vocabulary)
        self.ids = {character: k for k, character in enumerate(known)}
        self.scores([self.lines[0][:1]])

    def check(self) -> Found:
        """Return the log-probability of the first lines."""
        return {"log p": self.scores(self.lines[:COMPARED])}

    def step(self) -> None:
        """Score all lines."""
        self.scores(self.lines)

    @torch.inference_mode()
    def scores(self, asked: list[str]) -> list[float]:
        """Return the log-probability of each line, which begins after the first token."""
        found = [0.0] * len(asked)
        order = sorted(range(len(asked)), key=lambda k: len(asked[k]))
        for start in range(0, len(order), BESIDE):
            batch = order[start : start + BESIDE]
            ids = [torch.tensor([0, *(self.ids[c] for c in asked[k])]) for k in batch]
            padded = pad_sequence(ids, padding_value=-1)
            inputs, targets = padded[:-1].clamp(min=0), padded[1:]
            logits, _ = self.net(inputs, None)
            flat = logits.flatten(0, 1), targets.flatten()
            each = cross_entropy(*flat, ignore_index=-1, reduction="none").view(targets.shape)
            for k, total in zip(batch, each.sum(dim=0).tolist(), strict=True):
                found[k] = -total
        return found
