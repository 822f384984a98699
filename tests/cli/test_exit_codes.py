"""One real command for each row of the table of exit codes, with the line that it writes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import command, done, lines, newest, plain_spec, small_spec, steps_kept
from helpers import write_spec as write
from stubs import cell, install

from rnnkit.checkpoint.snapshot import load_snapshot
from rnnkit.errors import RnnkitError
from rnnkit.files.lock import RunLock

RNNKIT = [sys.executable, "-m", "rnnkit.cli"]


def run(*arguments: object, before: str = "") -> subprocess.CompletedProcess:
    """Run the command, after a line of shell such as a limit."""
    return subprocess.run(
        ["bash", "-c", f'{before or ":"}; exec "$@"', "bash", *RNNKIT, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
    )


def here(*arguments: object) -> subprocess.CompletedProcess:
    """Run a command line in this process: one of each code in a process of its own is enough."""
    ran = command(*arguments)
    return subprocess.CompletedProcess(arguments, ran.code, ran.out, ran.err)


def told(ran: subprocess.CompletedProcess, code: int, *said: str) -> None:
    """Check the exit code and the last line that is told; never a traceback, never a result."""
    assert ran.returncode == code, ran.stderr
    last = ran.stderr.splitlines()[-1]
    for part in said:
        assert part in last
    assert "Traceback" not in ran.stderr
    assert ran.stdout == "" or code == 9


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    return write(tmp_path, plain_spec())


def test_0_done(spec: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    for ran in (run("run", spec, "--out", out, "--max-steps", 2), here("resume", out)):
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout
    assert here("resume", out).returncode == 0


def test_4_a_plugin_fails_late(site: Path, tmp_path: Path) -> None:
    late = "if ctx.step > 6: raise KeyError('a bug')"
    install(site, cell(forward=late))
    value = plain_spec(every={"save": 5})
    value["model"]["layers"][1]["type"] = "stub"
    path = write(tmp_path, value)
    ran = run("run", path, "--out", tmp_path / "run")
    told(
        ran, 4, "[PLUGIN_FAILED] KeyError: 'a bug', in line 14 of rnnkit_odd, rnnkit-odd 1.0 (tell"
    )
    assert steps_kept(tmp_path / "run")[-1] == 5
    loud = here("run", path, "--out", tmp_path / "other", "-v")
    assert loud.returncode == 4 and "rnnkit_odd.py" in loud.stderr


def test_2_wrong_command_line() -> None:
    told(run("run"), 2, "Missing argument 'SPEC'")


def test_3_spec(spec: Path, tmp_path: Path) -> None:
    missing = tmp_path / "none.json"
    told(here("run", missing), 3, f"{missing} [SPEC_NOT_FOUND] no such file; check the path")
    spec.write_text(spec.read_text().replace('"streams": 3', '"streams": "3"'))
    ran = run("check", spec)
    told(ran, 3, f"{spec}:1:", "[SPEC_TYPE] train.streams: expected an integer", 'received "3"')


def test_4_plugin(tmp_path: Path) -> None:
    value = plain_spec()
    value["model"]["layers"][1]["type"] = "lsmt"
    path = write(tmp_path, value)
    told(here("check", path), 4, f"{path}:1:", "[PLUGIN_NOT_FOUND]", "did you mean 'lstm'?")
    value["train"]["epochs"] = 0
    both = here("check", write(tmp_path, value))
    assert both.returncode == 3  # the plugin is not all that is wrong
    assert "[PLUGIN_NOT_FOUND]" in both.stderr and "[SPEC_RANGE]" in both.stderr


def test_5_data(spec: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.unlink()
    told(run("run", spec, "--out", tmp_path / "run"), 5, f"{text} [DATA_NOT_FOUND] no such file")
    assert not (tmp_path / "run").exists()


def test_6_checkpoint(tmp_path: Path) -> None:
    picture = tmp_path / "cat.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(1000))
    told(run("sample", picture), 6, f"{picture} [CKPT_NOT_RNNKIT] not an rnnkit checkpoint")
    told(here("show", tmp_path / "none.h5"), 6, "[CKPT_NOT_FOUND]")


def test_7_diverged(tmp_path: Path) -> None:
    value = plain_spec(optimizer={"type": "sgd", "lr": 1e4}, clip=None)
    value["model"]["layers"][1]["activation"] = "relu"
    out = tmp_path / "run"
    ran = run("run", write(tmp_path, value), "--out", out)
    told(ran, 7, "[NUM_NONFINITE_", "] step ", " is not finite (a lower learning rate or a lower")
    (crash,) = (out / "crash").iterdir()
    go_on = f"rnnkit resume {out} -s train.optimizer.lr=1000"
    told(ran, 7, f"{out} [", f"usually helps); the state before it is {crash}; go on with: {go_on}")
    done(*go_on.replace("=1000", "=0.1").split()[1:])
    step = load_snapshot(crash).meta.progress.step
    assert f"] step {step + 1}: " in ran.stderr


def test_7_diverged_after_a_best(tmp_path: Path) -> None:
    """The newest checkpoint may be ruined though every number is finite: back to the best."""
    out, value = tmp_path / "run", plain_spec(epochs=2, clip=None)
    value["model"]["layers"][1]["activation"] = "relu"
    done("run", write(tmp_path, value), "--out", out)
    ran = here("resume", out, "-s", "train.epochs=40", "-s", "train.optimizer.lr=10000")
    told(ran, 7, "[NUM_NONFINITE_")
    go_on = f"rnnkit resume {out} --from best -s train.optimizer.lr="
    told(ran, 7, f"go on with: {go_on}1000")
    assert json.loads(done("show", out, "--json").out)["next"] == f"{go_on}1000"
    done(*go_on.split()[1:-2], "-s", "train.optimizer.lr=0.1", "-s", "train.epochs=4")


def test_8_refused(spec: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    done("run", spec, "--out", out, "--max-steps", 2)
    told(here("run", spec, "--out", out), 8, f"{out} [RUN_EXISTS] is not empty (choose another")
    before = newest(out).meta
    with RunLock(out):
        ran = run("resume", out)
    said = f"{out}/run.lock [RUN_LOCKED] the run is in use by process {os.getpid()} on "
    told(ran, 8, said)
    assert newest(out).meta == before
    told(here("resume", tmp_path / "none"), 8, "[RUN_NOT_FOUND] holds no run (start one")
    told(here("resume", out, "-s", "train.seed=8"), 8, "[CKPT_SPEC_MISMATCH] train.seed: 3 -> 8")


def test_9_threshold(tiny_run: Path) -> None:
    ran = run("eval", tiny_run, "--fail-above", "loss=0.1")
    told(ran, 9, f"{tiny_run}/best.h5 [THRESHOLD_MISSED] loss is ", ", above 0.1")
    assert ran.stdout.startswith("loss ")


def test_10_budget_and_time(spec: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    told(here("run", spec, "--out", out, "--max-memory", "1KB"), 10, "[MEM_BUDGET] training needs")
    assert not out.exists()
    told(here("run", spec, "--out", out, "--max-time", "0.001ms"), 2, "expected a time")
    ran = run("run", spec, "--out", out, "--max-time", "0.00001")
    told(ran, 10, f"[TIME_LIMIT] saved at step 0; continue with: rnnkit resume {out}")
    assert steps_kept(out) == [0]


def test_74_no_room(tmp_path: Path) -> None:
    value = small_spec(every={"log": 1, "save": 2, "evaluate": "epoch"})
    value["model"]["layers"][1]["units"] = value["model"]["layers"][3]["layer"]["units"] = 40
    path, out = write(tmp_path, value), tmp_path / "run"
    done("run", path, "--out", out, "--max-steps", 3)
    before = {p.name: p.read_bytes() for p in (out / "checkpoints").iterdir()}
    ran = run("resume", out, before="ulimit -f 32")
    told(ran, 74, "step-000000000004.h5 [IO_QUOTA] cannot save ", "raise the limit on file sizes")
    assert {p.name: p.read_bytes() for p in (out / "checkpoints").iterdir()} == before
    assert not list(out.rglob("*.tmp"))
    done("resume", out, "--max-steps", 5)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGHUP, 129), (signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_129_130_143_stopped_by_a_signal(tmp_path: Path, number: signal.Signals, code: int) -> None:
    rarely = {"log": 1, "save": 10**6, "evaluate": None}
    path = write(tmp_path, plain_spec(epochs=10**6, every=rarely))
    out = tmp_path / "run"
    with subprocess.Popen(
        [*RNNKIT, "run", str(path), "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout and child.stderr
        while not child.stderr.readline().startswith("step      2"):
            assert child.poll() is None
        child.send_signal(number)
        rest, results = child.stderr.read(), child.stdout.read()
    ran = subprocess.CompletedProcess([], child.returncode, results, rest)
    step = newest(out).meta.progress.step
    told(ran, code, f"{out} [INTERRUPTED] saved at step {step}; continue with: rnnkit resume {out}")
    assert lines(out)[-1]["step"] == step
    done("resume", out, "--max-steps", step + 1)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (KeyboardInterrupt(), 130, ""),
        (MemoryError("2 TB"), 10, "rnnkit sample [MEM_ALLOC] not enough memory: 2 TB (fewer"),
        (OSError(5, "Input/output error", "f.h5"), 74, "f.h5 [IO_ERROR] Input/output error (check"),
        (SystemExit(3), 1, "[INTERNAL] SystemExit: 3 (a bug in rnnkit or in a plugin; the same"),
        (GeneratorExit("x"), 1, "[INTERNAL] GeneratorExit: x (a bug in rnnkit or in a plugin; the"),
        (ZeroDivisionError("x"), 1, "[INTERNAL] ZeroDivisionError: x (a bug in rnnkit or in a"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_what_no_command_expects(
    error: BaseException, code: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("rnnkit.inference.model.load", load)
    ran = command("sample", "x", "--json")
    assert ran.code == code
    assert json.loads(ran.out)["error"]["exit"] == code
    assert ran.err.startswith(said) and "Traceback" not in ran.err
    assert ("Traceback" in command("sample", "x", "-v").err) == bool(said)


TOKENIZER = """
from typing import Literal
from rnnkit.builtin.tokenizers.char import Char


class Stub(Char):
    type: Literal["stub"] = "stub"

    def {method}(self, *given):
        {body}
"""


@pytest.mark.parametrize(
    ("method", "body", "said"),
    [
        ("fit", "return 1 / 0", "ZeroDivisionError: division by zero"),
        ("encoder", "raise ValueError('odd')", "ValueError: odd"),
        (
            "fit",
            "raise BrokenPipeError(32, 'Broken pipe')",
            "BrokenPipeError: [Errno 32] Broken pipe",
        ),
        ("fit", "raise OSError(28, 'No space left')", "OSError: [Errno 28] No space left"),
        ("fit", "open('/odd')", "FileNotFoundError: [Errno 2] No such file or directory: '/odd'"),
        (
            "fit",
            "import pathlib; return pathlib.Path('/odd').read_bytes()",
            "FileNotFoundError: [Errno 2] No such file or directory: '/odd'",
        ),
        ("encoder", "raise SystemExit('odd')", "SystemExit: odd"),
        ("encoder", "raise GeneratorExit('odd')", "GeneratorExit: odd"),
        ("encoder", "import click; raise click.exceptions.Exit(0)", "Exit: 0"),
        ("encoder", "import click; raise click.UsageError('odd')", "UsageError: odd"),
        (
            "fit",
            "raise type('Odd', (Exception,), {'__str__': lambda error: 1 / 0})",
            "Odd: its own text fails with ZeroDivisionError",
        ),
        ("fit", "raise ValueError('x' * 10 ** 6)", f"ValueError: {'x' * 999}…"),
    ],
)
def test_4_a_plugin_is_named_where_no_trial_sees_it(
    method: str, body: str, said: str, site: Path, tmp_path: Path
) -> None:
    install(site, TOKENIZER.format(method=method, body=body), group="rnnkit.tokenizers")
    value = plain_spec()
    value["data"]["tokenizer"] = {"type": "stub"}
    ran = command("run", write(tmp_path, value), "--out", tmp_path / "run")
    assert ran.code == 4, ran.err
    last = ran.err.splitlines()[-1]
    assert last == (
        f"[PLUGIN_FAILED] {said}, in line 10 of rnnkit_odd, rnnkit-odd 1.0 (tell its author; "
        "the same command with -v shows where)"
    )


def test_74_a_file_of_rnnkit_is_its_own_whoever_asked_for_it(site: Path, tmp_path: Path) -> None:
    body = """exec("open('/odd')", {"__name__": "rnnkit.files.atomic"})"""
    install(site, TOKENIZER.format(method="fit", body=body), group="rnnkit.tokenizers")
    value = plain_spec()
    value["data"]["tokenizer"] = {"type": "stub"}
    ran = here("run", write(tmp_path, value), "--out", tmp_path / "run")
    told(ran, 74, "/odd [IO_ERROR] No such file or directory (check the disk and the path)")


@pytest.mark.parametrize(
    ("module", "group", "said"),
    [
        (
            TOKENIZER.format(method="fit", body="pass").replace(", *given", ""),
            "rnnkit.tokenizers",
            "Stub.fit() takes 1 positional argument but 2 were given",
        ),
        (
            cell(forward="if ctx.step > 6: return (h,), lambda dstate: None"),
            "rnnkit.layers",
            "Stub.mix.<locals>.<lambda>() takes 1 positional argument but 2 were given",
        ),
    ],
    ids=["method", "gradient"],
)
def test_4_a_plugin_is_named_whose_function_takes_other_arguments(
    module: str, group: str, said: str, site: Path, tmp_path: Path
) -> None:
    install(site, module, group=group)
    value = plain_spec()
    if group == "rnnkit.layers":
        value["model"]["layers"][1]["type"] = "stub"
    else:
        value["data"]["tokenizer"] = {"type": "stub"}
    ran = command("run", write(tmp_path, value), "--out", tmp_path / "run")
    assert ran.code == 4, ran.err
    where = "in rnnkit_odd, rnnkit-odd 1.0 (tell its author; the same command with -v shows where)"
    assert ran.err.splitlines()[-1] == f"[PLUGIN_FAILED] TypeError: {said}, {where}"


def test_4_what_a_tokenizer_returns_is_looked_at(site: Path, tmp_path: Path) -> None:
    code = TOKENIZER.format(method="fit", body="return list('ab')")
    install(site, code, group="rnnkit.tokenizers")
    value = plain_spec()
    value["data"]["tokenizer"] = {"type": "stub"}
    ran = command("run", write(tmp_path, value), "--out", tmp_path / "run")
    assert ran.code == 4, ran.err
    assert ran.err.splitlines()[-1] == (
        "[PLUGIN_CONTRACT] tokenizer, stub of rnnkit-odd 1.0 (rnnkit_odd:Stub): "
        "fit: expected a Vocabulary, received list (tell its author)"
    )


def test_the_guide_has_every_code() -> None:
    page = (Path(__file__).parents[2] / "docs" / "guide" / "commands.md").read_text()
    listed = {int(n) for row in re.findall(r"^\| ([\d, ]+) \|", page, re.M) for n in row.split(",")}
    classes = {kind.exit_code for kind in RnnkitError.__subclasses__()}
    assert listed == classes | {0, 1, 2, 75, 129, 130, 143}
