"""The language model of PyTorch's examples (word_language_model, model.py), with random weights.

Run as a script it writes the state_dict of one: `torch_language_model.py OUT KIND TOKENS LAYERS
[tied]`.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import Tensor, nn

KINDS: dict[str, Any] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


class LanguageModel(nn.Module):
    """Embedding, recurrent layers, product; `encoder`, `rnn`, `decoder` are its names."""

    def __init__(
        self, kind: str, tokens: int, layers: int = 1, tied: bool = False, both: bool = False
    ) -> None:
        super().__init__()
        torch.manual_seed(1)
        width = 7 if tied else 5
        self.encoder = nn.Embedding(tokens, width)
        self.rnn = KINDS[kind](width, 7, layers, bidirectional=both)
        self.decoder = nn.Linear(14 if both else 7, 3 if both else tokens)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -0.7, 0.7)
        if tied:
            self.decoder.weight = self.encoder.weight

    def forward(self, ids: Tensor) -> Tensor:
        """Return logits (T, B, V) of ids (T, B), from a zero state."""
        ys, _ = self.rnn(self.encoder(ids))
        logits: Tensor = self.decoder(ys)
        return logits


def perplexity(model: nn.Module, ids: Any) -> float:
    """Return that of a text in one stream, in float64."""
    whole = torch.tensor(ids)[:, None]
    with torch.no_grad():
        logits = model(whole[:-1]).double()
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), whole[1:].flatten())
    return float(loss.exp())


if __name__ == "__main__":
    out, kind, tokens, layers = sys.argv[1:5]
    model = LanguageModel(kind, int(tokens), int(layers), sys.argv[5:] == ["tied"])
    torch.save(model.state_dict(), out)
