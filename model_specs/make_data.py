"""Writes the small data sets beside this file again: python model_specs/make_data.py

reviews.jsonl: sentences whose one telling word decides between pos and neg, which "not" right
before it turns round. tags.jsonl: names of people, companies and places, many of them all three;
what follows tells which. words.jsonl: numbers and the words they stand for.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from pathlib import Path

HERE = Path(__file__).parent
GOOD = "good great fine lovely superb moving clever funny".split()
BAD = "bad awful poor dull weak boring silly noisy".split()
FILLERS = (
    "the film was and a very plot story with some music actors of this it in its scenes".split()
)
NAMES = (
    "Jordan Austin Lincoln Madison Chester Paris Florence Sydney Dallas Houston Logan Troy".split()
)
WORDS = (
    "apple bread chair dance eagle flute grape house igloo juice kite lemon mouse night ocean "
    "piano queen river snake tiger uncle violin water xylophone yacht zebra"
).split()


def review(draw: random.Random) -> dict[str, str]:
    """Return a text and its label."""
    words = draw.choices(FILLERS, k=draw.randint(2, 14))
    good, negated = draw.random() < 0.5, draw.random() < 0.3
    told = ["not"] * negated + [draw.choice(GOOD if good else BAD)]
    place = draw.randint(0, len(words))
    label = "pos" if good != negated else "neg"
    return {"text": " ".join([*words[:place], *told, *words[place:]]), "label": label}


def sentence(draw: random.Random) -> dict[str, list[str]]:
    """Return tokens and a tag for each."""
    parts: list[tuple[str, str]] = []
    for _ in range(draw.randint(1, 3)):
        name = draw.choice(NAMES)
        kind = draw.choice(["PER", "ORG", "LOC"])
        after = {
            "PER": [("said", "O"), ("smiled", "O"), ("left", "O")],
            "ORG": [("Bank", "ORG"), ("Works", "ORG"), ("Press", "ORG")],
            "LOC": [("Street", "LOC"), ("Airport", "LOC"), ("County", "LOC")],
        }[kind]
        before = draw.choice([[], [("yesterday", "O")], [("then", "O"), ("the", "O")]])
        parts += [*before, (name, kind), draw.choice(after)]
        parts += draw.choice([[], [("and", "O")], [("quickly", "O"), (",", "O")]])
    return {"tokens": [token for token, _ in parts], "tags": [tag for _, tag in parts]}


def write(name: str, rows: Iterable[object]) -> None:
    """Write one JSON object a line."""
    (HERE / name).write_text("".join(json.dumps(row) + "\n" for row in rows))


def drawn(make: Callable[[random.Random], object], count: int) -> list[object]:
    """Return rows drawn from a seed."""
    draw = random.Random(4)
    return [make(draw) for _ in range(count)]


if __name__ == "__main__":
    write("reviews.jsonl", drawn(review, 1500))
    write("tags.jsonl", drawn(sentence, 600))
    write("words.jsonl", ({"id": i, "word": word} for i, word in enumerate(WORDS)))
