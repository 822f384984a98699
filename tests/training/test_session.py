"""What is saved can be loaded: arrays that a plugin makes otherwise later on replace no file."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import (
    command,
    copy,
    done,
    newest,
    plain_spec,
    small_spec,
    steps_kept,
    told,
    trained,
    write_spec,
)
from stubs import cell, install

from rnnkit.builtin.cells.gru import GRU
from rnnkit.builtin.layers.residual import Residual
from rnnkit.checkpoint.meta import stored_spec
from rnnkit.checkpoint.run_directory import RunDir
from rnnkit.checkpoint.snapshot import load_snapshot
from rnnkit.contracts.registry import Registry
from rnnkit.errors import RefusedError
from rnnkit.inference.model import load
from rnnkit.spec.read import read_spec
from rnnkit.training.reporter import Silent
from rnnkit.training.resume import resume
from rnnkit.training.start import RunOptions, start
from rnnkit.training.step import Training

LATER = "return {state} if ctx.step > 5 else (h,)"
CELLS = {
    "float64": ("(h.astype(float),)", "[0]: expected float32 of shape (3, 5), received float64 of"),
    "another shape": ("(h[:, :1],)", "[0]: expected float32 of shape (3, 5), received float32 of "),
    "a new array": ("(h, h)", ": expected a tuple of 1 array, received a tuple of 2 (tell its "),
}
OPTIMIZER = """
from typing import ClassVar, Literal

from rnnkit import Optimizer


class Stub(Optimizer):
    type: Literal["stub"] = "stub"
    slots: ClassVar = ("m",)

    def update(self, step, lr, params, grads, slots, decayed):
        params -= lr * grads
        if step > 5:
            slots{change}
"""
SLOTS = {
    "float64": ("['m'] = slots['m'].astype(float)", "optimizer/m/0.embedding/W: expected 6x4 of "),
    "longer": ("['m'] = params.repeat(2)", "missing optimizer/m/0.embedding/W 6x4"),
    "a number": ("['m'] = 1.0", "unexpected optimizer/m/whole scalar"),
    "a new slot": ("['v'] = slots['m']", "unexpected optimizer/v/0.embedding/W 6x4"),
}


def stopped(folder: Path, group: str) -> Path:
    """Train a spec with the stub until it is refused; return the run directory."""
    spec = plain_spec(every={"log": 2, "evaluate": 2, "save": 2})
    if group == "layers":
        spec["model"]["layers"][1] = {"type": "stub", "units": 5}
    else:
        spec["train"]["optimizer"] = {"type": "stub", "lr": 0.1}
    ran = command("run", write_spec(folder, spec), "--out", folder / "run")
    assert ran.code == 4 and "Traceback" not in ran.err, ran.err
    (folder / "err").write_text(ran.err)
    return folder / "run"


@pytest.mark.parametrize("case", CELLS)
def test_a_state_that_nobody_could_load_is_not_saved(tmp_path: Path, site: Path, case: str) -> None:
    state, said = CELLS[case]
    install(site, cell().replace("return (h,)", LATER.format(state=state)))
    run = stopped(tmp_path, "layers")
    stub = "layer 1.stub, stub of rnnkit-odd 1.0 (rnnkit_odd:Stub)"
    assert f"[PLUGIN_CONTRACT] {stub}: mix, the state{said}" in (tmp_path / "err").read_text()
    assert steps_kept(run)[-1] == 4
    load(run / "best.h5")
    assert json.loads((run / "run.json").read_text())["status"] == "failed"


@pytest.mark.parametrize("case", SLOTS)
def test_a_slot_that_nobody_could_load_is_not_saved(tmp_path: Path, site: Path, case: str) -> None:
    change, said = SLOTS[case]
    install(site, OPTIMIZER.format(change=change), group="rnnkit.optimizers")
    run = stopped(tmp_path, "optimizers")
    err = (tmp_path / "err").read_text()
    assert "[PLUGIN_CONTRACT] after step 6 the arrays of stub of rnnkit-odd 1.0 " in err
    assert said in err and "nothing was saved (tell its author)" in err
    assert steps_kept(run)[-1] == 4
    load(run / "best.h5")


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with checkpoints after steps 4 and 6."""
    folder = tmp_path_factory.mktemp("half")
    spec = plain_spec(every={"log": 2, "evaluate": 2, "save": 2})
    done("run", write_spec(folder, spec), "--out", folder / "run", "--max-steps", 6)
    return folder / "run"


def odd(path: Path) -> None:
    """Write a checkpoint again with a state of another type, as older versions did."""
    snapshot = load_snapshot(path)
    name = "state/1.rnn/0"
    arrays = {**snapshot.arrays, name: snapshot.arrays[name].astype(np.float64)}
    path.write_bytes(replace(snapshot, arrays=arrays).encoded())


SAID = "[CKPT_ARRAY_MISMATCH] the arrays are not those of its spec: state/1.rnn/0: expected 3x5 of "


def test_a_resume_takes_the_last_checkpoint_that_fits(half: Path, tmp_path: Path) -> None:
    run = copy(half, tmp_path / "run")
    odd(RunDir(run).step_file(6))
    odd(run / "best.h5")
    strict = command("resume", run, "--strict")
    assert strict.code == 6 and SAID in strict.err
    ran = done("resume", run, "--max-steps", 6)
    assert f"step-000000000006.h5 {SAID}" in ran.err and "renamed to step-000000000006" in ran.err
    assert "going on after step 4" in ran.err
    assert steps_kept(run) == [4, 6]
    for name in ("best.h5", "metrics.jsonl", "checkpoints/step-000000000006.h5"):
        assert (run / name).read_bytes() == (half / name).read_bytes(), name


def test_where_no_checkpoint_fits_nothing_is_touched(half: Path, tmp_path: Path) -> None:
    run = copy(half, tmp_path / "run")
    for _, path in RunDir(run).step_files():
        odd(path)
    told(command("resume", run), 6, SAID, "(install what it was saved with, or use another check")
    assert steps_kept(run) == [4, 6]
    assert (run / "metrics.jsonl").read_bytes() == (half / "metrics.jsonl").read_bytes()


class After(Silent):
    """Does something to the run once it has done so many steps."""

    def __init__(self, step: int, act: Callable[[], object]) -> None:
        self.step, self.act = step, act

    def stepped(self, training: Training, update: object, seconds: float) -> None:
        """Act once."""
        if training.progress.step == self.step:
            self.act()


def test_a_run_that_lost_its_lock_writes_no_checkpoint(half: Path, tmp_path: Path) -> None:
    run = copy(half, tmp_path / "run")
    reporter = After(7, (run / "run.lock").unlink)
    with pytest.raises(RefusedError, match="RUN_LOCKED.*was deleted or replaced"):
        resume(run, Registry(), RunOptions(reporter=reporter))
    assert steps_kept(run) == [4, 6]


def test_a_folder_that_is_filled_before_it_is_locked_is_refused(tmp_path: Path) -> None:
    path = write_spec(tmp_path, plain_spec())
    read = read_spec(path, Registry())

    def fill() -> None:
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "spec.json").write_text("{}")

    with pytest.raises(RefusedError, match="RUN_EXISTS"):
        start(read.spec, b"", tmp_path / "run", tmp_path, Registry(), RunOptions(), fill)
    assert (tmp_path / "run" / "spec.json").read_text() == "{}"


def test_blocks_are_migrated_from_the_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What wraps a block of an older version is handed today's form of it."""
    run = trained(tmp_path, small_spec(), "--max-steps", 1)
    order = []
    for cls in (Residual, GRU):

        def migrate(stored: Any, version: int, cls: Any = cls) -> Any:
            order.append(cls.__name__)
            return stored

        monkeypatch.setattr(cls, "version", 2)
        monkeypatch.setattr(cls, "migrate", migrate)
    stored_spec(newest(run).meta, Registry(), run)
    assert order == ["GRU", "Residual"]
