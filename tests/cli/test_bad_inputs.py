"""What a user may hand over by mistake: one line with its code, no traceback, nothing lost."""

from __future__ import annotations

import errno
import json
import os
import random
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from helpers import Ran, command, copy, done, newest, plain_spec, process, told, unsaved
from helpers import write_spec as write
from stubs import cell, install, layer

from rnnkit.checkpoint.image import build_image, load_image
from rnnkit.checkpoint.run_directory import RunDir
from rnnkit.checkpoint.seal import HEADER_SIZE
from rnnkit.checkpoint.snapshot import load_snapshot
from rnnkit.files import atomic

Change = Callable[[dict[str, Any]], None]


def files(folder: Path) -> dict[str, bytes]:
    found = (p for p in folder.rglob("*") if p.is_file() and p.name != "run.lock")
    return {str(p.relative_to(folder)): p.read_bytes() for p in found}


# Data.

ODD = {
    "missing": (lambda path: None, "[DATA_NOT_FOUND] no such file; check the path"),
    "empty": (lambda path: path.write_text(""), "[DATA_TOO_SHORT] the file is empty"),
    "one token": (lambda path: path.write_text("a"), "the train split [DATA_TOO_SHORT] 1 tokens"),
    "latin-1": (
        lambda path: path.write_bytes(b"abc\xe9" * 30),
        "text.txt [DATA_ENCODING] byte 0xe9 at offset 3 is not UTF-8",
    ),
    "cut": (
        lambda path: path.write_bytes(b"abc" * 30 + "€".encode()[:2]),
        "[DATA_ENCODING] byte 0xe2 at offset 90 is not UTF-8: unexpected end of data",
    ),
    "fifo": (os.mkfifo, "[DATA_NOT_REGULAR] expected a regular file, received a FIFO"),
    "folder": (
        lambda path: path.mkdir(),
        "[DATA_NOT_REGULAR] expected a regular file, received a folder; give the path of a file",
    ),
    "/proc": (
        lambda path: path.symlink_to("/proc/self/environ"),
        "[DATA_NOT_REGULAR] expected the 0 bytes of a regular file",
    ),
    "a device": (
        lambda path: path.symlink_to("/dev/zero"),
        "[DATA_NOT_REGULAR] expected a regular file, received a device",
    ),
    "short": (
        lambda path: path.write_text("abcde" * 4),
        "the valid split [DATA_TOO_SHORT] 4 tokens, but 12 streams of windows of 4 need at least",
    ),
}


@pytest.mark.parametrize(("make", "said"), ODD.values(), ids=ODD)
def test_data(tmp_path: Path, make: Callable[[Path], Any], said: str) -> None:
    path = write(tmp_path, plain_spec(streams=1) | {"evaluate": {"streams": 12}})
    (tmp_path / "text.txt").unlink()
    make(tmp_path / "text.txt")
    for line in (["run", path, "--out", tmp_path / "run"], ["check", path, "--data"]):
        told(command(*line), 5, said)
    assert not (tmp_path / "run").exists()


def test_a_path_from_somebody_elses_spec_is_printed_escaped(tmp_path: Path) -> None:
    value, name = plain_spec(), "\x1b]0;mine\x07.txt"
    value["data"]["path"] = name
    path = write(tmp_path, value)
    told(command("check", path, "--data"), 5, "\\x1b]0;mine\\x07.txt [DATA_NOT_FOUND]")
    ran = command("check", path, "--data", "--json")
    assert json.loads(ran.out)["error"]["problems"][0]["where"].endswith(name)
    assert "\x1b" not in ran.err


def test_data_too_short_for_training(tmp_path: Path) -> None:
    path = write(tmp_path, plain_spec(streams=40) | {"evaluate": {"streams": 1}})
    ran = command("run", path, "--out", tmp_path / "run")
    told(ran, 5, "the train split [DATA_TOO_SHORT] 68 tokens, but 40 streams of windows of 4 need")
    told(ran, 5, "(at most 16 streams or windows of at most 1 fit)")


def test_data_changed(tmp_path: Path) -> None:
    run = tmp_path / "run"
    done("run", write(tmp_path, plain_spec()), "--out", run, "--max-steps", 2)
    then = newest(run).meta.data.sha256
    text = tmp_path / "text.txt"
    text.write_text(text.read_text()[::-1])
    before = files(run)
    told(
        command("resume", run), 5, f"{run} [DATA_CHANGED]", f"SHA-256 {then} then, ", " now (bring"
    )
    assert files(run) == before


# Plugins in the first step.

BROKEN_CELLS = {
    "raises": (
        cell(forward="raise RuntimeError('no libfoo')"),
        "RuntimeError: no libfoo",
    ),
    "exits": (cell(forward="raise SystemExit(3)"), "SystemExit: 3"),
    "ends the process": (
        cell(forward="import os; os._exit(9)"),
        "SystemExit: os._exit(9) would end the command",
    ),
    "state too narrow": (
        cell(forward="h = h[:, :1]"),
        "the state[0]: expected float32 of shape (3, 5), received float32 of (3, 1)",
    ),
    "float64": (
        cell(forward="h = h / np.sqrt(4)"),
        "the state[0]: expected float32 of shape (3, 5), received float64 of (3, 5)",
    ),
    "nan": (cell(forward="h[0, 0] = np.nan"), "the output holds NaN or infinity"),
    "gradient": (
        cell(backward="return dz, dz, ()"),
        "backward of mix, dstate: expected a tuple of 1 array, received an empty tuple (tell",
    ),
    "replaced": (
        cell(backward="grads['b'] = grads['b'] + dz.sum(axis=0)"),
        'backward replaced an entry of grads (write grads["W"] += ...)',
    ),
    "output width": (
        layer("return xs[:, :, :2].copy(), state, lambda dys, dstate, grads: (dys, dstate)"),
        "the output: expected float32 of shape (4, 3, 4), received float32 of (4, 3, 2)",
    ),
    "inputs changed": (
        layer("xs += 1\nreturn xs.copy(), state, lambda dys, dstate, grads: (dys, dstate)"),
        "Stub.forward changed its inputs (tell its author",
    ),
    "dys changed": (
        layer(
            "def backward(dys, dstate, grads):\n    dys *= 2\n    return dys.copy(), dstate\n"
            "return xs.copy(), state, backward"
        ),
        "backward changed dys",
    ),
    "no array": (
        layer("return 3, state, lambda dys, dstate, grads: (dys, dstate)"),
        "the output: expected an array, received int",
    ),
    "a state it did not declare": (
        layer("return xs.copy(), (xs[-1],), lambda dys, dstate, grads: (dys, ())"),
        "the state: expected 0 arrays, received 1",
    ),
    "one buffer for every step": (
        cell(forward="h = np.tanh(zx + zh, out=globals().setdefault('kept', np.empty_like(h)))"),
        "Stub.mix changed its state: 0 (tell its author: rnnkit.testing.check_layer shows it)",
    ),
    "its input is its state": (
        cell(forward="h = state[0]"),
        "the state[0] shares its memory with its state: 0 (copy it)",
    ),
    "one buffer for every window": (
        layer(
            "kept = globals().setdefault('kept', xs.copy())[: len(xs)]\nkept[...] = xs + 1\n"
            "return kept, state, lambda dys, dstate, grads: (dys, dstate)"
        ),
        "another window changed the output",
    ),
    "later inputs": (
        layer(
            "ys = np.zeros_like(xs)\nys[:-1] = xs[1:]\n"
            "return ys, state, lambda dys, dstate, grads: (dys, dstate)"
        ),
        "an output depends on later inputs (causal = False says so); before step 2, ys[1, ",
    ),
    "gradient of the inputs": (
        layer("return xs.copy(), state, lambda dys, dstate, grads: (None, dstate)"),
        "the gradient of the inputs: expected an array, received NoneType",
    ),
}


@pytest.mark.parametrize(("module", "said"), BROKEN_CELLS.values(), ids=BROKEN_CELLS)
def test_plugins_in_the_first_step(tmp_path: Path, site: Path, module: str, said: str) -> None:
    install(site, module)
    value = plain_spec()
    value["model"]["layers"][1] = {"type": "stub"} | ({"units": 5} if "GatedCell" in module else {})
    ran = command("run", write(tmp_path, value), "--out", tmp_path / "run", "--max-steps", 1)
    told(ran, 4, "[PLUGIN_CONTRACT] layer 1.stub, stub of rnnkit-odd 1.0 (rnnkit_odd:Stub): ")
    assert said in ran.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("drawn", ["np.random.random()", "np.random.seed(3)"])
def test_a_plugin_of_the_global_generator(tmp_path: Path, site: Path, drawn: str) -> None:
    install(site, cell(forward=drawn))
    value = plain_spec()
    value["model"]["layers"][1] = {"type": "stub", "units": 5}
    spec, run = write(tmp_path, value), tmp_path / "run"

    def ran(*line: object) -> Ran:
        np.random.seed(1)  # as in a new process: not where the plugin left it
        return command(*line)

    refused = ran("run", spec, "--out", run, "--exact", "--max-steps", 1)
    told(refused, 8, "[EXACT_RANDOM] --exact: a layer of a plugin draws from the global random ")
    assert not run.exists()
    began = ran("run", spec, "--out", run, "--max-steps", 1)
    warning = "tell its author: ctx.random() gives the same ones after a resume"
    assert (began.code, warning in began.err) == (0, True)
    assert warning in ran("resume", run, "--max-steps", 2).err


# Checkpoints.


def resealed(path: Path, change: Change) -> None:
    """Change the arrays and blobs of a checkpoint as a stranger could, digest and all."""
    image = load_image(path)
    arrays = {name: array.copy() for name, array in image.arrays.items()}
    parts = {**arrays, **image.blobs}
    change(parts)
    blobs = {name: part for name, part in parts.items() if isinstance(part, bytes)}
    path.write_bytes(build_image({n: a for n, a in parts.items() if n not in blobs}, blobs))


@pytest.fixture
def file(tiny_run: Path, tmp_path: Path) -> Path:
    """A checkpoint that a test may spoil."""
    path = tmp_path / "model.h5"
    path.write_bytes((tiny_run / "best.h5").read_bytes())
    return path


def refused(file: Path, *said: str) -> None:
    """Check that every command that reads a checkpoint refuses it and leaves it as it is."""
    before = file.read_bytes()
    for line in (["sample", file], ["score", file, "none"], ["eval", file], ["show", file]):
        told(command(*line), 6, f"{file} [", *said)
    assert file.read_bytes() == before


def other_files(path: Path) -> dict[str, bytes]:
    with h5py.File(path.with_name("plain.h5"), "w") as plain:
        plain["x"] = np.zeros(3)
    hdf5 = path.with_name("plain.h5").read_bytes()
    return {"text": b"hello", "png": b"\x89PNG\r\n" + bytes(600), "zip": b"PK\3\4", "hdf5": hdf5}


def test_files_of_another_kind(file: Path) -> None:
    for content in (b"", *other_files(file).values()):
        file.write_bytes(content)
        refused(file, "[CKPT_NOT_RNNKIT] not an rnnkit checkpoint", "give a file that rnnkit saved")


def test_a_checkpoint_cut_short_or_made_longer(file: Path) -> None:
    whole = file.read_bytes()
    for size in (3, 100, HEADER_SIZE, HEADER_SIZE + 1, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:size])
        told(command("show", file), 6, f"{file} [CKPT_TRUNCATED] truncated: expected ")
    file.write_bytes(whole + b"\0")
    refused(file, "[CKPT_TRAILING]", "something was appended")


def test_flipped_bits(file: Path) -> None:
    whole = file.read_bytes()
    places = random.Random(1).sample(range(len(whole) * 8), 60)
    for place in places:
        spoiled = bytearray(whole)
        spoiled[place // 8] ^= 1 << place % 8
        file.write_bytes(spoiled)
        ran = command("show", file)
        told(ran, 6, f"{file} [CKPT_")
    assert any(place > HEADER_SIZE * 8 for place in places)
    file.write_bytes(spoiled)
    refused(file, "[CKPT_HASH] damaged: its bytes do not match its SHA-256")


def test_a_newer_schema(file: Path) -> None:
    whole = bytearray(file.read_bytes())
    file.write_bytes(whole[:8] + b"\3" + whole[9:])
    refused(file, "[CKPT_NEWER_SCHEMA] it needs a newer rnnkit: schema 3, this one reads 2: upgr")


def meta(old: str, new: str) -> Change:
    def change(parts: dict[str, Any]) -> None:
        assert old.encode() in parts["meta"]
        parts["meta"] = parts["meta"].replace(old.encode(), new.encode(), 1)

    return change


def test_what_a_file_says_of_a_package_is_one_argument_of_a_shell(file: Path) -> None:
    """The advised command is pasted: nothing that a stranger wrote may run in it."""

    def change(parts: dict[str, Any]) -> None:
        value = json.loads(parts["meta"])
        origin = next(o for o in value["origins"] if o["type"] == "lstm")
        origin |= {"type": "nowhere", "release": "1'; touch gone; #\x1b[2J"}
        value["spec"]["model"]["layers"][1]["type"] = "nowhere"
        parts["meta"] = json.dumps(value).encode()

    resealed(file, change)
    ran = command("sample", file)
    assert ran.code == 4 and "\x1b" not in ran.err
    line = ran.err.strip().partition("not installed: ")[2]
    assert shlex.split(line) == ["pip", "install", "rnnkit==1'; touch gone; #\\x1b[2J"]
    assert "\x1b" not in done("show", file).out


def test_what_a_file_says_of_its_arithmetic_steers_no_terminal(
    tiny_run: Path, tmp_path: Path
) -> None:
    run = copy(tiny_run, tmp_path / "run")
    change = meta('"kernels": "', '"kernels": "\\u001b[2J\\u009b2J\\u202e')
    resealed(RunDir(run).step_files()[-1][1], change)
    escaped = "kernels: \\x1b[2J\\x9b2J\\u202e"
    told(command("resume", run, "--exact"), 8, f"not that of the checkpoint: {escaped}")
    assert f"can no longer be bit-identical: {escaped}" in done("resume", run).err


W = "params/5.affine/W"
SPOILED: dict[str, tuple[Change, str]] = {
    "nan": (lambda p: p[W].fill(np.nan), f"[CKPT_NONFINITE] {W} holds NaN or infinity"),
    "meta no JSON": (lambda p: p.update(meta=b"{"), "[CKPT_META] meta: "),
    "meta NaN": (meta('"window": ', '"window": NaN, "x": '), "[CKPT_META] meta."),
    "meta unknown key": (meta('"rnnkit":', '"more": 1, "rnnkit":'), "[CKPT_META] meta.more: "),
    "meta wrong type": (meta('"step": ', '"step": "x", "steps": '), "[CKPT_META] meta.progress."),
    "no meta": (lambda p: p.pop("meta"), "[CKPT_META] expected /meta"),
    "more blobs": (lambda p: p.update(more=b"x"), "[CKPT_META] expected /meta"),
    "vocabulary": (lambda p: p.update(vocabulary=b"[]"), "[CKPT_META] /vocabulary is no list"),
    "unknown beyond the vocabulary": (
        lambda p: p.update(vocabulary=p["vocabulary"].replace(b"null", b"1" + b"0" * 30)),
        "[CKPT_META] /vocabulary: unknown is none of its 6 tokens",
    ),
    "unknown below 0": (
        lambda p: p.update(vocabulary=p["vocabulary"].replace(b"null", b"-1")),
        "[CKPT_META] /vocabulary: unknown is none of its 6 tokens",
    ),
    "group": (
        meta('"group": "rnnkit.layers"', '"group": "rnnkit.lovers"'),
        ".group: expected one of rnnkit.layers, rnnkit.losses, ",
    ),
    "version 0": (meta('"version": 1', '"version": 0'), "[CKPT_META] meta.origins.0.version: Inp"),
    "infinity in the spec": (
        meta('"spec": {', '"spec": {"x": 1e999,'),
        "[CKPT_META] meta: a number is not finite (the file was not written by rnnkit)",
    ),
    "infinity in the cursor": (
        meta('"cursor": ', '"cursor": 1e999, "old": '),
        "[CKPT_META] meta.",
    ),
    "targets of no width": (
        meta('"targets": 6', '"targets": null'),
        "[CKPT_META] meta.data.targets",
    ),
    "step below 0": (meta('"step": ', '"step": -'), "[CKPT_META] meta.progress."),
    "values": (
        meta('"stale": ', f'"more": [{"[]," * 200_000}0], "stale": '),
        "[CKPT_META] meta: expected at most 250,000 values, received about 400,",
    ),
    "digits": (meta('"stale": 0', f'"stale": {"9" * 5000}'), "[CKPT_META] meta: Invalid JSON"),
    "depth": (meta('"stale": ', f'"stale": {"[" * 9999}'), "[CKPT_META] meta: Invalid JSON"),
}
WIDTHS = meta('"units": 6', '"units": 65536')
MISFITS: dict[str, tuple[Change, str]] = {
    "a spec larger than any memory": (
        lambda p: p.update(meta=p["meta"].replace(b'"units": 6', b'"units": 65536', 2)),
        "params/1.lstm/Wh: expected 65536x262144 of float32, received 6x24 of float32",
    ),
    "missing": (lambda p: p.pop(W), f"missing {W} 6x6"),
    "extra": (lambda p: p.update({"params/9.x/W": p[W]}), "unexpected params/9.x/W 6x6"),
    "transposed": (
        lambda p: p.update({"params/0.embedding/W": p["params/0.embedding/W"].T.copy()}),
        "params/0.embedding/W: expected 6x5 of float32, received 5x6 of float32",
    ),
    "float64": (
        lambda p: p.update({W: p[W].astype("<f8")}),
        f"{W}: expected 6x6 of float32, received 6x6 of float64",
    ),
}


@pytest.mark.parametrize(("change", "said"), SPOILED.values(), ids=SPOILED)
def test_resealed(file: Path, change: Change, said: str) -> None:
    resealed(file, change)
    refused(file, said)


@pytest.mark.parametrize(("change", "said"), MISFITS.values(), ids=MISFITS)
def test_resealed_with_other_arrays(file: Path, change: Change, said: str) -> None:
    resealed(file, change)
    where = f"{file} [CKPT_ARRAY_MISMATCH] the arrays are not those of its spec: "
    told(command("sample", file), 6, where, said)
    told(command("eval", file), 6, where, said)
    shown = command("show", file)  # which looks inside, and needs no model
    assert shown.code == 6 and where in shown.err and "SHA-256" in shown.out


def test_resealed_with_widths_that_do_not_fit(file: Path) -> None:
    resealed(file, WIDTHS)
    said = f"{file} [CKPT_META] meta.spec: model.layers[3]: adds its inputs to its outputs"
    told(command("sample", file), 6, said)


def test_a_run_whose_newest_is_damaged(tiny_run: Path, tmp_path: Path) -> None:
    run = copy(tiny_run, tmp_path / "run")
    (run / "best.h5").unlink()
    old, newest_file = sorted((run / "checkpoints").iterdir())
    newest_file.write_bytes(newest_file.read_bytes()[:-7])
    told(command("sample", run), 6, f"{newest_file} [CKPT_TRUNCATED]")
    ran = done("resume", run)
    assert f"{newest_file} [CKPT_TRUNCATED]" in ran.err and "renamed to" in ran.err
    assert f"going on after step {load_snapshot(old).meta.progress.step}" in ran.err
    assert newest_file.with_name(newest_file.name + ".rejected").exists()


# The disk.


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that goes on after step 2."""
    path = write(tmp_path, plain_spec(every={"log": 1, "save": 1}))
    done("run", path, "--out", tmp_path / "run", "--max-steps", 2)
    return tmp_path / "run"


@pytest.mark.parametrize(
    ("number", "code", "advice"),
    [
        (errno.ENOSPC, "IO_NO_SPACE", "free some space on this disk"),
        (errno.EDQUOT, "IO_QUOTA", "free some of your quota"),
        (errno.EROFS, "IO_READ_ONLY", "mount it for writing"),
        (errno.EACCES, "IO_PERMISSION", "give yourself the right to write"),
    ],
)
def test_a_disk_that_takes_no_more(
    run: Path, number: int, code: str, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_new(folder: int, name: str, data: memoryview) -> None:
        if "step-" in name:
            raise OSError(number, os.strerror(number))
        real(folder, name, data)

    real = atomic._write_new
    before = {p.name: p.read_bytes() for p in (run / "checkpoints").iterdir()}
    monkeypatch.setattr(atomic, "_write_new", write_new)
    told(command("resume", run), 74, f"step-000000000003.h5 [{code}] cannot save ", advice)
    assert {p.name: p.read_bytes() for p in (run / "checkpoints").iterdir()} == before
    assert not list(run.rglob("*.tmp"))
    monkeypatch.undo()
    done("resume", run)


def test_a_new_run_where_nothing_can_be_written(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def mkdir(self: Path, *arguments: Any, **options: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", mkdir)
    spec = run.parent / "spec.json"
    told(command("run", spec, "--out", run.parent / "new"), 74, f"{run.parent}/new [IO_")


def test_a_file_system_without_locks(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(fd: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("rnnkit.files.lock.fcntl.flock", flock)
    before = files(run)
    told(command("resume", run), 74, "[IO_UNSUPPORTED_FS] this file system cannot lock files")
    assert files(run) == before


def test_stale_temporary_files_are_swept(run: Path) -> None:
    stale = run / "checkpoints" / f".step-000000000003.h5.99.{'0' * 16}.tmp"
    stale.write_bytes(b"half")
    done("resume", run)
    assert not stale.exists()


def test_a_journal_that_cannot_grow(run: Path) -> None:
    # A real limit: the journal is appended to, and so may be cut anywhere.
    metrics = run / "metrics.jsonl"
    ran = process(["resume", run, "--max-steps", 3])
    assert ran.returncode == 0
    kept = metrics.read_bytes()
    metrics.write_bytes(kept + b'{"torn')
    done("resume", run, "--max-steps", 4)
    assert metrics.read_bytes().startswith(kept) and b"torn" not in metrics.read_bytes()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no JSON: Expecting property name"),
        ("[" * 100_000, "is no JSON: maximum recursion depth"),
        ("[]", "is no JSON object (bring it back)"),
        ('{"resumes": 5}', "resumes: expected a list, received 5 (bring it back)"),
        ('{"next": 5}', "next: expected a list, received 5 (bring it back)"),
        ('{"command": "x"}', 'command: expected a list, received "x" (bring it back)'),
        ('{"data_root": [1]}', "data_root: expected text, received [1] (bring it back)"),
        ("{}", "has no data_sha256, so the data cannot be told from other data (bring it back)"),
    ],
)
def test_run_json_that_is_none(run: Path, text: str, said: str) -> None:
    root = json.dumps(json.loads((run / "run.json").read_text())["data_root"])
    unsaved(run)
    (run / "run.json").write_text(text if text != "{}" else f'{{"data_root": {root}}}')
    told(command("resume", run), 6, f"{run}/run.json [RUN_FACTS] {said}")


def test_vocabulary_and_widths_disagree(file: Path) -> None:
    snapshot = load_snapshot(file)
    shorter = snapshot.vocabulary.model_copy(update={"tokens": ("a", "b")})
    file.write_bytes(replace(snapshot, vocabulary=shorter).encoded())
    said = f"{file} [CKPT_META] expected a vocabulary of 6 tokens, received 2"
    told(command("sample", file), 6, said)
