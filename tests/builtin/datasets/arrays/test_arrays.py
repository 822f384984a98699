"""Data from memory is what the same data from a file is, whatever holds it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnkit
from rnnkit.contracts.dataset import Layout, Source
from rnnkit.contracts.registry import Registry
from rnnkit.core.block import parse_block

RANDOM = np.random.default_rng(3)
LAYOUT = Layout(streams=2, window=4)
SPLIT = [0.4, 0.3, 0.3]


def opened(data: rnnkit.Dataset, root: Path = Path(".")) -> Source:
    return data.open(root)


def from_file(block: dict[str, Any], folder: Path) -> Source:
    return parse_block("rnnkit.datasets", block, {"catalog": Registry()}).open(folder)


def batches(source: Source) -> dict[str, list[rnnkit.Batch]]:
    return {split: list(source.batches(split, LAYOUT, None)) for split in source.splits()}


def assert_equal(one: Source, two: Source) -> None:
    """Compare every window of every split, what was learned, and what is told."""
    assert one.splits() == two.splits()
    assert (one.inputs, one.targets, one.vocabulary) == (two.inputs, two.targets, two.vocabulary)
    for split, windows in batches(one).items():
        for mine, other in zip(windows, batches(two)[split], strict=True):
            for array, wanted in zip(mine[:4], other[:4], strict=True):
                assert np.array_equal(array, wanted)
    of = one.block.of.model_dump(exclude={"path", "train", "valid", "test"})
    assert of == two.block.model_dump(exclude={"path", "train", "valid", "test"})
    assert one.in_words(LAYOUT) == two.in_words(LAYOUT)


def days(count: int) -> list[str]:
    return np.datetime_as_string(np.datetime64("2024-01-01") + np.arange(count)).tolist()


SALES = np.round(RANDOM.normal(50, 9, 40), 3)
PRICE = np.round(RANDOM.normal(3, 1, 40), 3)


def csv_of(columns: dict[str, Sequence[object]], path: Path) -> None:
    rows = [columns, *zip(*columns.values(), strict=True)]
    path.write_text("".join(",".join(map(str, row)) + "\n" for row in rows))


def test_a_series_is_that_of_a_file(tmp_path: Path) -> None:
    columns = {"day": days(40), "sales": SALES.tolist(), "price": PRICE.tolist()}
    csv_of(columns, tmp_path / "a.csv")
    block = {"type": "series", "path": "a.csv", "columns": ["sales", "price"], "time": "day"}
    block |= {"targets": ["sales"], "horizon": [1, 3], "split": SPLIT}
    held = rnnkit.Arrays(columns, time="day", targets="sales", horizon=[1, 3], split=SPLIT)
    assert_equal(opened(held), from_file(block, tmp_path))


def test_groups_and_missing_values_are_those_of_a_file(tmp_path: Path) -> None:
    shop = ["north", "south"] * 20
    times = [day for day in days(20) for _ in range(2)]
    sales: list[object] = SALES.tolist()
    sales[5] = sales[12] = ""
    csv_of({"day": times, "shop": shop, "sales": sales}, tmp_path / "a.csv")
    options = {"missing": "mask", "scale_by_group": True, "split": SPLIT}
    block = {"type": "series", "path": "a.csv", "columns": ["sales"], "time": "day"}
    holes = [None if value == "" else value for value in sales]
    held = rnnkit.Arrays(
        {"day": times, "shop": shop, "sales": holes}, time="day", group="shop", **options
    )
    assert_equal(opened(held), from_file(block | {"group": "shop"} | options, tmp_path))


def test_frames_arrays_and_lists_are_one(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    polars = pytest.importorskip("polars", reason="polars is not installed")
    columns = {"day": days(40), "sales": SALES.tolist(), "price": PRICE.tolist()}
    frame = pandas.DataFrame({"sales": SALES, "price": PRICE})
    dated = frame.set_index(pandas.DatetimeIndex(days(40), name="day"))
    reset = dated.reset_index()
    records = records_of(columns)
    of_polars = polars.DataFrame(columns).with_columns(polars.col("day").str.to_date())
    held = [
        rnnkit.Arrays(each, time="day", targets=["sales"], split=SPLIT)
        for each in (columns, records, dated, reset, of_polars, of_polars.lazy())
    ]
    held.append(rnnkit.Arrays(dated, targets=["sales"], split=SPLIT))
    held.append(rnnkit.Arrays(dated.to_period("D"), targets=["sales"], split=SPLIT))
    assert len({opened(each).digest() for each in held}) == 1
    for each in held[1:]:
        assert_equal_arrays(opened(held[0]), opened(each))
    assert opened(rnnkit.Arrays(dated["sales"])).block.of.columns == ("sales",)
    assert opened(rnnkit.Arrays(SALES.tolist())).digest() == opened(rnnkit.Arrays(SALES)).digest()
    table = polars.DataFrame({"x": [1.0, None, 3.0]})
    assert rnnkit.Arrays(table, missing="forward")._held["the data"].columns["x"][1] is None


def assert_equal_arrays(one: Source, two: Source) -> None:
    for split, windows in batches(one).items():
        for mine, other in zip(windows, batches(two)[split], strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(mine[:4], other[:4], strict=True))


def records_of(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    rows = zip(*columns.values(), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def jsonl(rows: Sequence[dict[str, object]], path: Path) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


X = RANDOM.normal(2, 3, (10, 5, 3))
Y = RANDOM.normal(-1, 2, 10)
LENGTHS = [5, 2, 3, 4, 1, 5, 5, 2, 3, 4]


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize(
    ("targets", "reads"),
    [
        (Y, {"kind": "numbers"}),
        (RANDOM.normal(1, 4, (10, 2)), {"kind": "numbers"}),
        (RANDOM.integers(0, 3, 10), {"kind": "class"}),
        (["b", "a"] * 5, {"kind": "class"}),
        ("step", {"kind": "numbers", "each": True}),
        ("tags", {"kind": "class", "each": True}),
    ],
)
def test_sequences_are_those_of_a_file(
    ragged: bool, targets: Any, reads: dict[str, Any], tmp_path: Path
) -> None:
    xs = [x[:n] for x, n in zip(X, LENGTHS, strict=True)] if ragged else X
    if isinstance(targets, str):
        each = [RANDOM.integers(0, 3, len(x)) for x in xs]
        targets = [a + 0.5 for a in each] if targets == "step" else [a.tolist() for a in each]
    plain = [t.tolist() if hasattr(t, "tolist") else t for t in targets]
    rows = [{"inputs": x.tolist(), "targets": t} for x, t in zip(xs, plain, strict=True)]
    jsonl(rows, tmp_path / "a.jsonl")
    loss = "mse" if reads["kind"] == "numbers" else "softmax_cross_entropy"
    block = {"type": "sequences", "path": "a.jsonl", "split": [0.6, 0.2, 0.2], "seed": 4}
    block |= {"inputs": {"kind": "numbers", "key": "inputs"}}
    block |= {"targets": {"key": "targets", **reads}}
    given = parse_block("rnnkit.datasets", block, {"catalog": Registry()})
    fit = parse_block("rnnkit.losses", {"type": loss}, {"catalog": Registry()})
    held = rnnkit.Arrays(inputs=xs, targets=targets, split=(0.6, 0.2, 0.2), seed=4)
    assert_equal(opened(held.suited(fit)), given.suited(fit).open(tmp_path))


def test_integers_are_what_the_loss_compares_with() -> None:
    registry = {"catalog": Registry()}
    held = rnnkit.Arrays(inputs=X, targets=np.arange(10))
    kinds = {
        name: held.suited(parse_block("rnnkit.losses", {"type": name}, registry)).of.targets.kind
        for name in ("softmax_cross_entropy", "mse", "mae")
    }
    assert kinds == {"softmax_cross_entropy": "class", "mse": "numbers", "mae": "numbers"}
    labels = rnnkit.Arrays(inputs=X, labels=np.arange(10))
    mse = parse_block("rnnkit.losses", {"type": "mse"}, registry)
    assert labels.suited(mse).of.targets.kind == "class"


@pytest.mark.parametrize("nothing", [None, np.nan, np.float32("nan")])
def test_a_label_that_is_missing_is_ignored(nothing: object) -> None:
    labels = [nothing, 1, 0, nothing, 2.0, 1, 0, 2, 1, 0]
    source = opened(rnnkit.Arrays(inputs=X, labels=labels, split=(1, 0, 0)))
    targets = np.concatenate([batch.targets for batch in batches(source)["train"]])
    assert sorted(targets.ravel().tolist())[:2] == [-1, -1] and source.targets.width == 3
    steps = [["a", nothing, "b"], ["b", "a", nothing], ["a", "a", "b"]]
    tagged = opened(rnnkit.Arrays(inputs=X[:3, :3], tags=steps, split=(1, 0, 0)))
    (batch,) = tagged.batches("train", Layout(streams=3, window=3), None)
    assert sorted(batch.targets.T.tolist()) == [[0, -1, 1], [0, 0, 1], [1, 0, -1]]
    with pytest.raises(rnnkit.DataError, match="some are texts, as 'a' is, and some numbers, as 1"):
        opened(rnnkit.Arrays(inputs=X, labels=[nothing, "a", nothing, 1, *"bcdefg"]))


def test_targets_of_each_step_are_seen_or_said() -> None:
    square = RANDOM.normal(size=(10, 5))
    assert opened(rnnkit.Arrays(inputs=X, targets=square)).block.of.targets.each
    said = opened(rnnkit.Arrays(inputs=X, targets=square, each=False))
    assert not said.block.of.targets.each
    assert said.targets.width == 5


def test_texts_tokens_and_weights_are_those_of_a_file(tmp_path: Path) -> None:
    texts, labels = ["a good film", "a bad film", "so good"] * 4, [1, 0, 1] * 4
    weights = [0.5, 1.0, 2.0] * 4
    columns = {"texts": texts, "labels": labels, "weights": weights}
    jsonl(records_of(columns), tmp_path / "a.jsonl")
    block = {"type": "sequences", "path": "a.jsonl", "weight": "weights"}
    block |= {"inputs": {"kind": "text", "key": "texts", "tokenizer": {"type": "word"}}}
    block |= {"targets": {"kind": "class", "key": "labels"}}
    held = rnnkit.Arrays(texts=texts, labels=labels, weights=weights)
    assert_equal(opened(held), from_file(block, tmp_path))
    tokens = [text.split() for text in texts]
    tags = [[word[0] for word in words] for words in tokens]
    rows = [{"sequences": s, "tags": t} for s, t in zip(tokens, tags, strict=True)]
    jsonl(rows, tmp_path / "b.jsonl")
    block = {"type": "sequences", "path": "b.jsonl"}
    block |= {"inputs": {"kind": "tokens", "key": "sequences", "unknown": "?"}}
    block |= {"targets": {"kind": "class", "key": "tags", "each": True}}
    held = rnnkit.Arrays(sequences=tokens, tags=tags, unknown="?")
    assert_equal(opened(held), from_file(block, tmp_path))
    ids = opened(rnnkit.Arrays(sequences=[[3, 1], [0, 2, 2]], labels=["x", "y"], split=(1, 0, 0)))
    assert (ids.inputs.ids, ids.inputs.width) == (True, 4)


def test_pairs_and_texts_are_those_of_a_file(tmp_path: Path) -> None:
    pairs = [(f"{a}+{b}", str(a + b)) for a in range(4) for b in range(4)]
    (tmp_path / "a.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in pairs))
    char = {"tokenizer": {"type": "char"}}
    block = {"type": "pairs", "path": "a.tsv", **char, "reverse": True, "split": [1, 0, 0]}
    for values in (pairs, {"q": [a for a, _ in pairs], "a": [b for _, b in pairs]}):
        held = rnnkit.Arrays(pairs=values, reverse=True, split=(1, 0, 0))
        assert_equal(opened(held), from_file(block, tmp_path))
    text = "the cat sat on the mat\n" * 9
    (tmp_path / "a.txt").write_text(text)
    one = opened(rnnkit.Arrays(text=text, split=(0.5, 0.5, 0)))
    block = {"type": "text", "path": "a.txt", "split": [0.5, 0.5, 0], **char}
    assert_equal(one, from_file(block, tmp_path))
    several = opened(rnnkit.Arrays(text=[text, text[:30]], tokenizer="byte", split=(1, 0, 0)))
    assert several.part("train").starts.tolist() == [len(text)]


def test_a_source_to_decode_next_is_one_of_the_values() -> None:
    held = rnnkit.Arrays(pairs=[("ab", "c"), ("b", "cc")])
    assert held.next_command(opened(held), Path()) == ("decode", "ab")


def test_a_series_is_forecast_next_from_a_file_like_it() -> None:
    held = rnnkit.Arrays({"v": SALES})
    assert held.next_command(opened(held), Path()) == ("forecast", "FILE", "--steps", "30")


def test_ids_of_tokens_stay_what_they_are() -> None:
    ids = RANDOM.integers(0, 7, 60)
    ids[0] = 6
    source = opened(rnnkit.Arrays(tokens=ids, split=(1, 0, 0)))
    assert np.array_equal(source.part("train").ids, ids)
    assert source.vocabulary.tokens == tuple("0123456")
    names = ["<s>", "the", "cat", "sat", "on", "a", "mat"]
    named = opened(rnnkit.Arrays(tokens=[ids, ids[:9]], vocabulary=names, split=(1, 0, 0)))
    assert np.array_equal(named.part("train").ids, [*ids, *ids[:9]])
    assert named.vocabulary.tokens == tuple(names)
    words = opened(rnnkit.Arrays(tokens=[names[i] for i in ids], split=(1, 0, 0)))
    assert [words.vocabulary.tokens[i] for i in words.part("train").ids] == [names[i] for i in ids]


def test_the_largest_id_of_any_document_tells_how_many_there_are() -> None:
    for documents in ([[0, 1], [0, 5]], [[0, 5], [0, 1]], [[5], [0]]):
        source = opened(rnnkit.Arrays(tokens=documents, split=(1, 0, 0)))
        assert source.vocabulary.tokens == tuple("012345")
    with pytest.raises(rnnkit.DataError, match="expected ids from 0 to 5, received -1"):
        opened(rnnkit.Arrays(tokens=[[0, 5], [-1, 0], [3]]))


def test_what_can_be_read_but_once_is_read_once() -> None:
    sources, targets = [f"{a}+1" for a in range(9)], [str(a + 1) for a in range(9)]
    listed = rnnkit.Arrays(pairs=list(zip(sources, targets, strict=True)), split=(1, 0, 0))
    once = rnnkit.Arrays(pairs=zip(sources, targets, strict=True), split=(1, 0, 0))
    assert opened(once).digest() == opened(listed).digest()


def test_levels_of_an_index_are_columns() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    index = pandas.MultiIndex.from_product(
        [["north", "south"], pandas.date_range("2024-01-01", periods=20)], names=["shop", "day"]
    )
    frame = pandas.DataFrame({"sales": SALES}, index=index)
    grouped = rnnkit.Arrays(frame, time="day", group="shop", split=SPLIT)
    plain = rnnkit.Arrays(frame.reset_index(), time="day", group="shop", split=SPLIT)
    assert opened(grouped).part("train").groups == ("north", "south")
    assert opened(grouped).digest() == opened(plain).digest()
    frame.iloc[22, 0] = None
    with pytest.raises(rnnkit.DataError, match="^row south, 2024-01-03 of the data .DATA_EMPTY."):
        opened(rnnkit.Arrays(frame, time="day", group="shop"))


def test_splits_are_given_or_cut() -> None:
    cut = opened(rnnkit.Arrays(inputs=X, targets=Y, split=(0.5, 0.5, 0)))
    assert {split: len(cut.part(split).inputs) for split in cut.splits()} == {
        "train": 5,
        "valid": 5,
    }
    given = rnnkit.Arrays(inputs=X, targets=Y, valid=(X[:3], Y[:3]), test=(X[:1], Y[:1]))
    source = opened(given)
    assert {s: len(source.part(s).inputs) for s in source.splits()} == {
        "train": 10,
        "valid": 3,
        "test": 1,
    }
    series = opened(rnnkit.Arrays({"x": SALES}, valid={"x": SALES[:20]}))
    assert (series.size("train"), series.size("valid")) == (40, 20)


def test_whatever_a_dataset_of_files_answers_is_asked_of_it() -> None:
    names = {name for name in vars(rnnkit.Dataset) if not name.startswith("_")}
    kinds = [
        Registry().find("rnnkit.datasets", n) for n in ("series", "sequences", "pairs", "text")
    ]
    answered = {n for n in names for k in kinds if getattr(k, n) is not getattr(rnnkit.Dataset, n)}
    ignored = {"reads"}  # what a file takes in memory
    pydantic = {n for n in names if n.startswith("model_") or n == "version"}
    assert answered - ignored - pydantic <= vars(rnnkit.Arrays).keys()


def test_the_digest_is_that_of_the_values() -> None:
    def digest(xs: Any, ys: Any) -> str:
        return opened(rnnkit.Arrays(inputs=xs, targets=ys)).digest()

    first = digest(X, Y)
    assert first == digest(list(X), Y.tolist()) == digest(X.tolist(), list(Y))
    changed = X.copy()
    changed[9, 4, 2] += 1e-12
    assert len({first, digest(changed, Y), digest(X, Y[::-1]), digest(X[:, :4], Y)}) == 4
    series = opened(rnnkit.Arrays({"x": [0.0, 1.0] * 9})).digest()
    assert series == opened(rnnkit.Arrays({"x": [-0.0, 1.0] * 9})).digest()
