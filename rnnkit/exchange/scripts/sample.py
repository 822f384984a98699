"""Text from the language model in model.onnx: python sample.py --prompt "The " --length 200."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime


def ids_of_text(text: str, facts: dict[str, Any]) -> list[int]:
    """Return the ids of a text; raises KeyError for what the vocabulary lacks."""
    tokens, unknown = facts["vocabulary"]["tokens"], facts["vocabulary"]["unknown"]
    kind, verbatim = facts["tokenizer"]["type"], facts["tokenizer"].get("verbatim")
    if kind == "byte":
        return list(text.encode(errors="surrogateescape"))
    if not verbatim:
        text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    ids = {token: i for i, token in enumerate(tokens)}
    pieces = text.replace("\n", " <eos> ").split() if kind == "word" else list(text)
    return [ids[piece] if unknown is None else ids.get(piece, unknown) for piece in pieces]


def text_of_ids(ids: list[int], facts: dict[str, Any]) -> str:
    """Return the text of ids."""
    tokens, kind = facts["vocabulary"]["tokens"], facts["tokenizer"]["type"]
    if kind == "byte":
        return bytes(ids).decode(errors="replace")
    if kind == "char":
        return "".join(tokens[i] for i in ids)
    text = " ".join("\n" if tokens[i] == "<eos>" else tokens[i] for i in ids)
    return text.replace(" \n", "\n").replace("\n ", "\n")


def main() -> None:
    """Write a prompt and what the model makes of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompt", default="", help="the text to go on from")
    parser.add_argument("--length", type=int, default=200, help="tokens to add")
    parser.add_argument("--temperature", type=float, default=1.0, help="divides the logits")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--greedy", action="store_true", help="always take the likeliest token")
    asked = parser.parse_args()
    session = onnxruntime.InferenceSession(str(Path(__file__).with_name("model.onnx")))
    facts = json.loads(session.get_modelmeta().custom_metadata_map["rnnkit"])
    states = [np.zeros((1, each.shape[1]), np.float32) for each in session.get_inputs()[1:]]
    names = [each.name for each in session.get_inputs()]
    random, tokens = np.random.default_rng(asked.seed), facts["vocabulary"]["tokens"]
    try:
        text = ids_of_text(asked.prompt, facts)
    except KeyError as error:
        sys.exit(f"the vocabulary lacks {error}")
    starts = [tokens.index(end) for end in ("\n", "\\n", "<eos>") if end in tokens]
    ids = text or [*starts, 0][:1]  # an empty prompt is the start of a line
    for _ in range(asked.length):
        xs = np.array(ids, np.int64)[:, None]
        ys, *states = session.run(None, dict(zip(names, [xs, *states], strict=True)))
        scores = ys[-1, 0].astype(np.float64) / asked.temperature
        weights = np.exp(scores - scores.max())
        drawn = random.choice(len(weights), p=weights / weights.sum())
        ids = [int(scores.argmax() if asked.greedy else drawn)]
        text += ids
    sys.stdout.buffer.write(text_of_ids(text, facts).encode(errors="surrogateescape") + b"\n")


if __name__ == "__main__":
    main()
