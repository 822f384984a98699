"""States that continue tomorrow: two halves are the whole, and nothing else goes on from them."""

from __future__ import annotations

import json
import shutil
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import Ran, command, done, small_spec, text, trained

from rnnkit.checkpoint.image import build_image, load_image
from rnnkit.checkpoint.state_file import load_state_file, save_state_file
from rnnkit.errors import CheckpointError, PluginError
from rnnkit.inference.generate import Sampling
from rnnkit.inference.model import Model, load
from rnnkit.inference.states import load_states, save_states
from rnnkit.inference.stream_state import StreamState

TEXT = text(900, seed=5)


def scored(run: Path, folder: Path, said: str, *options: object) -> list[dict[str, object]]:
    (folder / "said").write_text(said)
    ran = done("score", run, folder / "said", "--per-token", "--json", *options)
    return json.loads(ran.out)["lines"]


def tokens(lines: list[dict[str, object]]) -> list[tuple[str, float]]:
    return [tuple(each) for line in lines for each in line["per_token"]]


def left(run: Path, path: Path, *options: object) -> Path:
    done("sample", run, "--length", 5, "--state-out", path, *options)
    return path


@pytest.mark.parametrize("cut", [TEXT.index("\n", 300) + 1, 421])
@pytest.mark.parametrize("kind", ["tiny", "word"])
def test_two_halves_score_as_the_whole(
    kind: str, cut: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    run, said = request.getfixturevalue(f"{kind}_run"), TEXT
    if kind == "word":
        said = "the cat c d end\n" * 60
        cut = cut // 16 * 16
    whole = tokens(scored(run, tmp_path, said, "--state-out", tmp_path / "whole"))
    first = scored(run, tmp_path, said[:cut], "--state-out", tmp_path / "half")
    second = scored(
        run,
        tmp_path,
        said[cut:],
        *("--state-in", tmp_path / "half", "--state-out", tmp_path / "end"),
    )
    halves = tokens(first) + tokens(second)
    assert len(whole) == len(load(run).encode(said))
    assert [token for token, _ in halves] == [token for token, _ in whole]
    if said[cut - 1] == "\n":  # a line is a window, so the numbers are the same
        assert halves == whole
        assert (tmp_path / "end").read_bytes() == (tmp_path / "whole").read_bytes()
    assert [p for _, p in halves] == pytest.approx([p for _, p in whole], abs=1e-6)


def test_the_score_goes_on_between_lines(tiny_run: Path, tmp_path: Path) -> None:
    said = "abc\ndeab\n"
    carried = scored(tiny_run, tmp_path, said, "--state-out", tmp_path / "s")
    model = load(tiny_run)
    assert [p for _, p in tokens(carried)] == pytest.approx(model.score(said)[1], abs=1e-6)
    cold = scored(tiny_run, tmp_path, said)
    assert tokens(cold)[:3] == tokens(carried)[:3]
    assert tokens(cold)[3] != tokens(carried)[4]


def test_lines_of_a_model_without_a_line_end_are_one_text(dna_run: Path, tmp_path: Path) -> None:
    said = "ACG\nTTACG\n"
    carried = scored(dna_run, tmp_path, said, "--state-out", tmp_path / "s")
    wanted = load(dna_run).score(said.replace("\n", ""))[1]
    assert [p for _, p in tokens(carried)] == pytest.approx(wanted, abs=1e-6)
    cold = scored(dna_run, tmp_path, said)
    assert [line["text"] for line in cold] == ["ACG", "TTACG"]
    assert tokens(cold)[:3] == tokens(carried)[:3]
    (tmp_path / "said").write_text("ACG\nTXA\n")
    ran = command("score", dna_run, tmp_path / "said")
    assert ran.err.startswith(f'{tmp_path / "said"}:2 [DATA_UNKNOWN_TOKEN] the character "X" at ')


@pytest.mark.parametrize("options", [["--greedy"], ["--seed", 7], ["--seed", 7, "-n", 3]])
@pytest.mark.parametrize("kind", ["tiny", "word", "byte"])
def test_a_sample_in_two_parts_is_the_sample(
    kind: str, options: list[object], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    run = request.getfixturevalue(f"{kind}_run")
    more = ["--json", *options]
    whole = json.loads(done("sample", run, "--length", 90, *more).out)["samples"]
    state = tmp_path / "state"
    parts = []
    for length in (50, 1, 39):
        given = ["--state-in", state] if state.exists() else []
        ran = done("sample", run, "--length", length, *more, *given, "--state-out", state)
        parts.append(json.loads(ran.out)["samples"])
    for sample, pieces in zip(whole, zip(*parts, strict=True), strict=True):
        assert "".join("".join(pieces).split()) == "".join(sample.split())


def test_a_prompt_comes_after_what_was_seen(tiny_run: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    done("sample", tiny_run, "--prompt", "abca", "--length", 0, "--state-out", state)
    told = done("sample", tiny_run, "--prompt", "bd", "--state-in", state, "--greedy").out
    assert "abca" + told == done("sample", tiny_run, "--prompt", "abcabd", "--greedy").out


def test_one_stream_serves_many_samples(tiny_run: Path, tmp_path: Path) -> None:
    state = left(tiny_run, tmp_path / "state", "--prompt", "abc")
    line = ("sample", tiny_run, "--json", "--length", 40, "--state-in", state)
    many = json.loads(done(*line, "-n", 6).out)["samples"]
    assert many[0] == json.loads(done(*line).out)["samples"][0]
    assert len(set(many)) == 6


def test_a_sample_that_met_its_stop_stands_after_it(tiny_run: Path, tmp_path: Path) -> None:
    whole = done("sample", tiny_run, "--length", 60).out[:-1]
    stop = whole[9:12]
    first = whole.index(stop)
    line = ("sample", tiny_run, "--stop", stop, "--length", 60, "--state-out", tmp_path / "s")
    assert done(*line).out == whole[:first] + "\n"
    held = load_states(tmp_path / "s", model := load(tiny_run))
    assert held.drawn.tolist() == [first + 3]
    assert model.text()[0].decode(held.last.tolist(), model.vocabulary) == stop[-1]
    done("sample", tiny_run, "--length", first + 3, "--state-out", tmp_path / "t")
    assert (tmp_path / "s").read_bytes() == (tmp_path / "t").read_bytes()


def test_compiled_and_general_samples_go_on_alike(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load(tiny_run)
    begun = model.after("abc", [[1, 2], [3, 3, 3]])
    found = []
    for few in (4, 0):
        monkeypatch.setattr("rnnkit.inference.generate.FEW", few)
        steps = model.stream("d", 2, Sampling(seed=9), begun)
        found.append(np.stack([next(steps) for _ in range(40)]))
    assert np.array_equal(*found)
    alone = model.stream("d", 1, Sampling(greedy=True), begun.rows(np.array([1])))
    both = model.stream("d", 2, Sampling(greedy=True), begun)
    assert [next(alone)[0] for _ in range(20)] == [next(both)[1] for _ in range(20)]


def test_the_file_is_private_has_a_checksum_and_is_free_of_where_and_when(
    tiny_run: Path, tmp_path: Path
) -> None:
    first = left(tiny_run, tmp_path / "a")
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    assert first.read_bytes() == left(tiny_run / "best.h5", tmp_path / "b").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    names = set(load_state_file(first).arrays)
    assert {"state/1.lstm/0", "state/1.lstm/1", "stream/last", "stream/drawn"} < names


def refused(run: Path, path: object, *options: object) -> Ran:
    ran = command("sample", run, "--state-in", path, "--length", 3, *options)
    assert (ran.code, ran.out) == (6, ""), ran.err
    assert command("score", run, "/dev/null", "--state-in", path).code == 6 or "-n" in options
    return ran


@pytest.fixture(scope="module")
def other_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = small_spec(seed=4)
    spec["data"]["split"] = [0.7, 0.15, 0.15]
    return trained(tmp_path_factory.mktemp("other"), spec, content=text(300))


def test_another_model(tiny_run: Path, other_run: Path, tmp_path: Path) -> None:
    state = left(other_run, tmp_path / "state")
    said = refused(tiny_run, state).err
    for name in ("parameters", "spec"):
        assert f"{state} [STATE_OTHER_MODEL] left by another model: its {name} had SHA-256 " in said
    assert "…, the model's " in said
    assert (
        "(give the checkpoint that wrote it, or start from a zero hidden state without --state-in)"
        in said
    )


def test_other_parameters_of_the_same_spec(tiny_run: Path, tmp_path: Path) -> None:
    model = load(tiny_run)
    save_states(tmp_path / "s", model, model.line_start())
    model.store.flat[0] += 1
    with pytest.raises(CheckpointError, match=r"its parameters had SHA-256") as caught:
        load_states(tmp_path / "s", model)
    assert len(caught.value.problems) == 1


def test_another_number_of_streams(tiny_run: Path, tmp_path: Path) -> None:
    state = left(tiny_run, tmp_path / "state", "-n", 3)
    wanted = "[STATE_STREAMS] holds 3 streams, expected 1 or 2 (go on with 3, or write the states"
    assert wanted in refused(tiny_run, state, "-n", 2).err
    assert "expected 1 or 1" not in refused(tiny_run, state).err
    done("sample", tiny_run, "-n", 3, "--state-in", state, "--length", 3)


def damaged(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def replaced(path: Path) -> None:
    path.write_text("not of rnnkit at all")


def removed(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (damaged, "[CKPT_HASH] damaged: its bytes do not match its SHA-256"),
        (cut_short, "[CKPT_TRUNCATED] truncated: expected "),
        (replaced, "[CKPT_NOT_RNNKIT] not an rnnkit checkpoint"),
        (removed, "[CKPT_NOT_FOUND] no such file; check the path"),
    ],
)
def test_a_file_that_is_harmed(
    harm: Callable[[Path], None], said: str, tiny_run: Path, tmp_path: Path
) -> None:
    state = left(tiny_run, tmp_path / "state")
    harm(state)
    assert f"{state} {said}" in refused(tiny_run, state).err


def test_a_checkpoint_is_no_file_of_states_and_the_reverse(tiny_run: Path, tmp_path: Path) -> None:
    said = refused(tiny_run, tiny_run / "best.h5").err
    assert "[STATE_KIND] a checkpoint of a model, not a file of states; give one that --st" in said
    state = left(tiny_run, tmp_path / "state")
    ran = command("sample", state)
    assert ran.code == 6
    assert (
        f"{state} [CKPT_META] a file of states, not a checkpoint; give it as --state-in" in ran.err
    )


def resealed(path: Path, model: Model, **changes: np.ndarray | None) -> Path:
    file = load_state_file(path)
    arrays = {**file.arrays, **{k.replace("__", "/"): v for k, v in changes.items()}}
    kept = {name: array for name, array in arrays.items() if array is not None}
    save_state_file(path, replace(file, arrays=kept))
    return path


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("stream__drawn", None),
        ("stream__drawn", np.array([-1])),
        ("stream__last", np.array([99])),
        ("stream__last", np.array([1, 2])),
        ("stream__more", np.array([1])),
        ("stream__drawn", np.array([1.0])),
    ],
)
def test_arrays_of_another_form(
    name: str, array: np.ndarray | None, tiny_run: Path, tmp_path: Path
) -> None:
    state = resealed(left(tiny_run, tmp_path / "s"), load(tiny_run), **{name: array})
    said = refused(tiny_run, state).err
    assert "[STATE_ARRAYS] its arrays are not those of the model (" in said


def test_the_last_token_is_one_of_the_vocabulary(tiny_run: Path, tmp_path: Path) -> None:
    model = load(tiny_run)
    known = model.network.inputs.known()
    for last, good in ((known - 1, True), (known, False), (0, True), (-1, False)):
        state = left(tiny_run, tmp_path / f"s{last}")
        resealed(state, model, stream__last=np.array([last]))
        ran = command("sample", tiny_run, "--length", 2, "--state-in", state)
        assert (ran.code == 0) == good
        assert good or "[STATE_ARRAYS] its arrays are not those of the model (" in ran.err


def test_the_last_token_of_every_stream_is_one_of_the_vocabulary(
    tiny_run: Path, tmp_path: Path
) -> None:
    model = load(tiny_run)
    known = model.network.inputs.known()
    for place, (last, good) in enumerate([([0, known - 1], True), ([-1, 0], False)]):
        state = tmp_path / f"s{place}"
        done("sample", tiny_run, "-n", 2, "--length", 3, "--state-out", state)
        resealed(state, model, stream__last=np.array(last))
        ran = command("sample", tiny_run, "-n", 2, "--length", 2, "--state-in", state)
        assert (ran.code == 0) == good, ran.err


def test_meta_of_another_form(tiny_run: Path, tmp_path: Path) -> None:
    state = left(tiny_run, tmp_path / "s")
    image = load_image(state)
    state.write_bytes(build_image(image.arrays, {"states": b'{"streams": 0}'}))
    assert "[STATE_META] states." in refused(tiny_run, state).err


def test_states_that_are_not_finite(tiny_run: Path, tmp_path: Path) -> None:
    model = load(tiny_run)
    begun = model.line_start()
    begun.states["1.lstm"][0][0, 0] = np.nan
    with pytest.raises(CheckpointError, match="STATE_NONFINITE. state/1.lstm/0 holds NaN or inf"):
        save_states(tmp_path / "s", model, begun)
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("odd", [np.zeros((1, 16)), np.zeros((1, 3), np.float32)])
def test_states_that_nobody_could_load_are_not_saved(
    odd: np.ndarray, tiny_run: Path, tmp_path: Path
) -> None:
    model = load(tiny_run)
    begun = model.line_start()
    states = {**begun.states, "1.lstm": (odd, *begun.states["1.lstm"][1:])}
    said = r"PLUGIN_CONTRACT\] the hidden states are not .* declare \(state/1.lstm/0\); nothing was"
    with pytest.raises(PluginError, match=said):
        save_states(tmp_path / "s", model, replace(begun, states=states))
    assert not (tmp_path / "s").exists()


def test_a_folder_that_is_not_there(tiny_run: Path, tmp_path: Path) -> None:
    ran = command("sample", tiny_run, "--length", 3, "--state-out", tmp_path / "no" / "s")
    assert ran.code == 74 and "[IO_NO_FOLDER] there is no folder" in ran.err and not ran.out


def test_a_failed_save_keeps_the_file_before(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = left(tiny_run, tmp_path / "s")
    before = state.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("rnnkit.files.atomic._flush", full)
    ran = command("sample", tiny_run, "--length", 9, "--state-out", state)
    assert ran.code == 74 and "[IO_NO_SPACE]" in ran.err
    assert state.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_a_model_that_reads_later_inputs_cannot_go_on(tiny_run: Path, tmp_path: Path) -> None:
    model = load(tiny_run)

    class Both(type(model.network.layers[1])):  # type: ignore[misc]
        causal = False

    layer = Both.model_construct(**dict(model.network.layers[1]))
    layers = (*model.network.layers[:1], layer, *model.network.layers[2:])
    model = replace(model, network=replace(model.network, layers=layers))
    with pytest.raises(CheckpointError, match="STATE_NOT_CAUSAL. layer .* reads later inputs"):
        save_states(tmp_path / "s", model, StreamState.zero(model.network))
    with pytest.raises(ValueError, match="reads later inputs, so a step has no output of its own"):
        model.start()


def test_the_states_of_a_copied_run_serve_the_run(tiny_run: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_run, tmp_path / "copy")
    state = left(tmp_path / "copy", tmp_path / "s")
    done("sample", tiny_run, "--state-in", state, "--length", 2)
