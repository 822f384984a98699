"""rnnkit plugins, and plugins that do what they should not: named, and in nobody's way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import command, done, plain_spec, process
from helpers import write_spec as write
from stubs import cell, install

from rnnkit.cli import plugins as verb
from rnnkit.contracts.registry import GROUPS
from rnnkit.core.initializers import Zeros
from rnnkit.core.installed import KINDS, Plugin, installed
from rnnkit.core.params import ParamSpec
from rnnkit.core.process_settings import SETTINGS
from rnnkit.errors import Problem


def spec_with(tmp_path: Path, kind: str) -> Path:
    value = plain_spec()
    value["model"]["layers"][1]["type"] = kind
    return write(tmp_path / "spec", value)


def only_the_stub_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = tuple(p for p in installed() if p.distribution.startswith("rnnkit-odd"))
    monkeypatch.setattr(verb, "installed", lambda: mine)


def test_every_type_is_listed() -> None:
    head, *rows = done("plugins").out.splitlines()
    assert head.split() == ["kind", "type", "distribution", "version"]
    assert len(rows) == len(installed())
    assert "layer      lstm                   rnnkit          0.1.0" in rows
    shown = json.loads(done("plugins", "--json").out)
    assert shown["clashes"] == []
    assert {"kind": "loss", "type": "mse", "distribution": "rnnkit", "version": "0.1.0"} in shown[
        "plugins"
    ]


def test_the_kinds_are_the_contracts() -> None:
    assert {group: contract.__name__.lower() for group, contract in GROUPS.items()} == KINDS


def test_listing_imports_nothing(site: Path) -> None:
    install(site, "raise SystemExit('imported')")
    assert "rnnkit-odd" in done("plugins").out
    assert "rnnkit_odd" not in sys.modules


def test_check_imports_each(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(site, cell())
    only_the_stub_is_checked(monkeypatch)
    assert done("plugins", "--check").out.splitlines()[1].split()[-1] == "ok"


BROKEN = {
    "raises": ("raise RuntimeError('no libfoo')", "RuntimeError: no libfoo"),
    "a syntax error": ("def (:", "SyntaxError: invalid syntax"),
    "another exit": ("class Odd(BaseException): pass\nraise Odd('no')", "Odd: no"),
    "it closes stdout": ("import sys; sys.stdout.close(); raise OSError('shut')", "OSError: shut"),
    "sys.exit": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "os._exit": ("import os; os._exit(9)", "SystemExit: os._exit(9) would end the command (update"),
    "no such name": ("Other = 1", "AttributeError: module 'rnnkit_odd' has no attribute"),
    "no module": ("import rnnkit_odd_missing", "ModuleNotFoundError: No module named"),
}
WRONG = {
    "no class": ("Stub = 3", "is no subclass of rnnkit's Layer, but 3"),
    "another class": ("class Stub: pass", "is no subclass of rnnkit's Layer, but <class"),
    "another type": (cell("other"), "declares the type 'other' under the name 'stub'"),
}


@pytest.mark.parametrize(
    ("module", "said", "code"),
    [
        *((*value, "PLUGIN_IMPORT") for value in BROKEN.values()),
        *((*value, "PLUGIN_API") for value in WRONG.values()),
    ],
    ids=[*BROKEN, *WRONG],
)
def test_a_broken_plugin_is_named(site: Path, tmp_path: Path, module: str, said: str, code: str):
    install(site, module)
    ran = command("check", spec_with(tmp_path, "stub"))
    assert ran.code == 4
    where = f"{tmp_path}/spec/spec.json:1:"
    assert ran.err.startswith(where) and f"[{code}] model.layers[1]" in ran.err
    assert "stub of rnnkit-odd 1.0 (rnnkit_odd:Stub)" in ran.err
    assert said in ran.err and "Traceback" not in ran.err
    done("check", spec_with(tmp_path, "lstm"))


def test_an_odd_name_that_is_installed_says_what_is_wrong_with_it(
    site: Path, tmp_path: Path
) -> None:
    install(site, "import rnnkit_odd_missing", name="My-Cell")
    ran = command("check", spec_with(tmp_path, "My-Cell"))
    assert ran.code == 4 and "[PLUGIN_IMPORT] model.layers[1]" in ran.err
    assert "No module named" in ran.err and "did you mean" not in ran.err


@pytest.mark.parametrize(
    ("module", "said", "code"),
    [
        (*BROKEN["sys.exit"], "PLUGIN_IMPORT"),
        (*WRONG["another type"], "PLUGIN_API"),
        (
            "import os; os.write(1, b'loading'); import rnnkit_odd_missing",
            "No module named 'rnnkit_odd_missing' (update",
            "PLUGIN_IMPORT",
        ),
        ("import os; os._exit(9)", "its import ends the process (9): no message", "PLUGIN_IMPORT"),
        ("import os; os._exit(4)", "its import ends the process (4): no message", "PLUGIN_IMPORT"),
    ],
)
def test_check_tells_what_is_broken(
    site: Path, module: str, said: str, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(site, module)
    only_the_stub_is_checked(monkeypatch)
    ran = command("plugins", "--check", "--json")
    assert ran.code == 4
    shown = json.loads(ran.out)
    assert said in shown["plugins"][0]["check"]
    assert shown["error"]["problems"][0]["code"] == code
    assert f"[{code}] stub of rnnkit-odd 1.0 (rnnkit_odd:Stub)" in ran.err


def test_a_hanging_import(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(site, "import time; time.sleep(60)")
    monkeypatch.setattr(verb, "SECONDS", 0.5)
    found = verb.failure(next(p for p in installed() if p.name == "stub"))
    assert isinstance(found, Problem) and "its import takes more than 0.5 s" in found.message


def test_what_an_import_prints_is_no_result(site: Path, tmp_path: Path) -> None:
    install(site, "print('hello')\n" + cell())
    ran = done("check", spec_with(tmp_path, "stub"), "--json")
    assert json.loads(ran.out)["errors"] == []
    assert "hello" in ran.err


def test_two_that_offer_one_name(site: Path, tmp_path: Path) -> None:
    for distribution in ("rnnkit-odd-a", "rnnkit-odd-b"):
        install(site, "raise SystemExit('imported')", distribution=distribution)
    sentence = (
        "layer 'stub' is offered by rnnkit-odd-a 1.0 and by rnnkit-odd-b 1.0 "
        "(uninstall all but one)"
    )
    assert done("plugins").out.splitlines()[-1] == sentence
    assert json.loads(done("plugins", "--json").out)["clashes"] == [sentence]
    ran = command("check", spec_with(tmp_path, "stub"))
    assert ran.code == 4 and "[PLUGIN_AMBIGUOUS]" in ran.err and sentence in ran.err
    done("check", spec_with(tmp_path, "lstm"))


def test_a_clash_fails_a_check(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for distribution in ("rnnkit-odd-a", "rnnkit-odd-b"):
        install(site, cell(), distribution=distribution)
    only_the_stub_is_checked(monkeypatch)
    ran = command("plugins", "--check")
    assert ran.code == 4 and ran.err.startswith("[PLUGIN_AMBIGUOUS] layer 'stub' is offered by")


def test_a_group_that_rnnkit_does_not_read_fails_a_check(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(site, cell(), group="rnnkit.layer")
    only_the_stub_is_checked(monkeypatch)
    assert "rnnkit.layer," not in done("plugins").out
    ran = command("plugins", "--check")
    assert ran.code == 4
    assert ran.err.startswith(
        "[PLUGIN_GROUP] 'stub' of rnnkit-odd is in rnnkit.layer, which rnnkit does not read "
        "(its groups: rnnkit.layers, rnnkit.losses, "
    )


def test_a_name_of_rnnkit_itself(site: Path, tmp_path: Path) -> None:
    install(site, cell("lstm"), name="lstm")
    ran = command("check", spec_with(tmp_path, "lstm"))
    assert ran.code == 4
    assert "[PLUGIN_SHADOWS_BUILTIN]" in ran.err
    assert "layer 'lstm' is offered by rnnkit 0.1.0 and by rnnkit-odd 1.0" in ran.err
    done("check", spec_with(tmp_path, "gru"))


def test_an_unknown_name(tmp_path: Path) -> None:
    ran = command("check", spec_with(tmp_path, "lsmt"))
    assert ran.code == 4
    assert "[PLUGIN_NOT_FOUND]" in ran.err and "did you mean 'lstm'? installed: affine, " in ran.err


def test_a_checkpoint_knows_what_to_install(site: Path, tmp_path: Path) -> None:
    install(site, cell())
    run = tmp_path / "run"
    done("run", spec_with(tmp_path, "stub"), "--out", run, "--max-steps", 5)
    done("sample", run, "--length", 3)
    (site / "rnnkit_odd-1.0.dist-info" / "entry_points.txt").unlink()
    before = sorted(p.name for p in run.rglob("*"))
    for line in (["sample", run], ["eval", run], ["resume", run]):
        ran = command(*line)
        assert ran.code == 4
        assert "[PLUGIN_NOT_FOUND] 'stub' came from rnnkit-odd 1.0, which is not" in ran.err
        assert "pip install 'rnnkit-odd==1.0'" in ran.err
    assert sorted(p.name for p in run.rglob("*")) == before
    shown = done("show", run).out.splitlines()
    assert ["stub", "rnnkit-odd", "1.0"] in [line.split() for line in shown]


def test_a_plugin_as_a_phrase() -> None:
    plugin = Plugin("rnnkit.layers", "x", "dist", "2.0", "a:B")
    assert (plugin.kind, str(plugin)) == ("layer", "x of dist 2.0 (a:B)")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("np.random.seed(3)", "seeds the global random generator at import, or draws from it"),
        ("np.seterr(all='raise')", "calls np.seterr at import, which is undone"),
        ("import os; os.chdir('/')", "changes the working directory at import, which is undone"),
        ("import os; os.umask(0o777)", "changes the umask at import, which is undone"),
        (
            "import sys; sys.setrecursionlimit(900)",
            "sets the recursion limit at import, which is u",
        ),
        (
            "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)",
            "changes what signals do at import, which is undone",
        ),
    ],
)
def test_what_a_plugin_does_to_the_process_is_told(
    site: Path, tmp_path: Path, line: str, said: str
) -> None:
    install(site, cell().replace("import numpy as np\n", f"import numpy as np\n{line}\n"))
    settings = [setting.read() for setting in SETTINGS]
    np.random.random()  # else the seed of another test may stand there already
    ran = done("check", spec_with(tmp_path, "stub"))
    assert f"stub of rnnkit-odd 1.0 (rnnkit_odd:Stub) {said}" in ran.err
    assert [setting.read() for setting in SETTINGS] == settings


@pytest.mark.parametrize("line", ["sys.stderr.close()", "sys.stderr = None", "sys.stdout.close()"])
def test_an_import_takes_no_output_away(site: Path, tmp_path: Path, line: str) -> None:
    install(site, f"import sys\n{line}\nraise ValueError('no more')\n")
    ran = command("check", spec_with(tmp_path, "stub"))
    assert ran.code == 4 and "failed to import: ValueError: no more" in ran.err


def test_what_goes_on_after_a_command_changes_no_result(site: Path, tmp_path: Path) -> None:
    module = (
        "import atexit, threading, time\n"
        "def late(): raise ValueError('at the end')\n"
        "def fails(): raise ValueError('beside')\n"
        "atexit.register(print, 'bye')\natexit.register(late)\n"
        "threading.Thread(target=fails).start()\n"
    )
    install(site, module + cell())
    ran = process(["check", spec_with(tmp_path, "stub"), "--json"], PYTHONPATH=str(site))
    assert ran.returncode == 0 and json.loads(ran.stdout) and "Traceback" not in ran.stderr
    assert "[WARNING] ValueError: beside, in line 3 of rnnkit_odd, rnnkit-odd 1.0\n" in ran.stderr
    assert "[WARNING] ValueError: at the end, in line 2 of rnnkit_odd" in ran.stderr
    assert ran.stderr.endswith("bye\n")


def test_a_thread_that_never_ends_holds_no_command(site: Path, tmp_path: Path) -> None:
    module = (
        "import threading, time\n"
        "def forever():\n    while True: time.sleep(0.05)\n"
        "threading.Thread(target=forever).start()\n"
        "from rnnkit.cli import streams\nstreams.THREAD_SECONDS = 0.1\n"
    )
    install(site, module + cell())
    ran = process(["check", spec_with(tmp_path, "stub")], PYTHONPATH=str(site))
    assert ran.returncode == 0
    assert ran.stderr.endswith("[WARNING] a thread of a plugin goes on; it is ended\n")


def test_an_import_that_catches_its_end_ends_the_command(site: Path, tmp_path: Path) -> None:
    module = (
        "import signal, time\nfrom rnnkit.core import time_limit\ntime_limit.PATIENCE = 2\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)\n"
        "while True:\n    try: time.sleep(1)\n    except BaseException: pass\n"
    )
    install(site, module)
    ran = process(["check", spec_with(tmp_path, "stub")], PYTHONPATH=str(site))
    assert ran.returncode == 4
    said = "[PLUGIN_TIMEOUT] an import catches what would end it (uninstall the plugin)\n"
    assert ran.stderr.endswith(said)


def test_an_import_that_ends_the_process_well_is_no_plugin_that_loads(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(site, "import os; os._exit(0)")
    only_the_stub_is_checked(monkeypatch)
    monkeypatch.setenv("PYTHONPATH", str(site))
    assert "its import ends the process (0)" in command("plugins", "--check").err


def test_an_endless_import_is_left_out_by_its_name(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(
        site,
        "with open('imported', 'a') as f: f.write('x')\nwhile True:\n    try:\n        pass\n"
        "    except Exception:\n        pass",
    )
    with (site / "rnnkit_odd-1.0.dist-info" / "entry_points.txt").open("a") as points:
        points.write("second = rnnkit_odd:Stub\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("rnnkit.contracts.registry.IMPORT_SECONDS", 0.2)
    said = "(rnnkit_odd:Stub): its import takes more than 0.2 s (update or uninstall it)"
    ran = done("schema")
    assert "lstm" in ran.out and ran.err.count(f"of rnnkit-odd 1.0 {said}") == 2
    assert Path("imported").read_text() == "x"
    assert signal.getsignal(signal.SIGALRM) == signal.SIG_DFL
    ran = command("check", spec_with(tmp_path, "stub"))
    assert ran.code == 4
    assert "[PLUGIN_TIMEOUT] model.layers[1].type: stub of rnnkit-odd 1.0 " + said in ran.err


def test_ctrl_c_ends_an_endless_import(site: Path, tmp_path: Path) -> None:
    install(site, "import time\nopen('imported', 'w').close()\nwhile True: time.sleep(0.01)")
    line = [sys.executable, "-m", "rnnkit.cli", "schema"]
    place = {**os.environ, "PYTHONPATH": str(site)}
    child = subprocess.Popen(line, cwd=tmp_path, env=place, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "imported").exists():
        assert child.poll() is None
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    assert child.communicate(timeout=30)[1] == "" and child.returncode == 130


def test_what_a_plugin_prints_is_no_result(site: Path, tmp_path: Path) -> None:
    prints = "print('a step'); import sys; sys.stdout.close()"
    install(site, cell(forward=prints))
    spec, run = spec_with(tmp_path, "stub"), tmp_path / "run"
    text = spec.with_name("text.txt")
    prompt = text.read_text()[:3]
    done("run", spec, "--out", run, "--max-steps", 2)
    for line in (
        ("resume", run),
        ("eval", run),
        ("predict", run, text),
        ("score", run, text),
        ("sample", run, "--length", 3),
        ("neurons", run, text),
        ("gradients", spec),
        ("explain", spec),
    ):
        ran = done(*line, "--json")
        assert json.loads(ran.out) and "a step" in ran.err, line
    ran = done("sample", run, "--length", 3, "--prompt", prompt)
    assert ran.out.startswith(prompt) and "a step" not in ran.out and "a step" in ran.err


@pytest.mark.parametrize(
    "write",
    [
        "os.write(1, b'past Python')",
        "ctypes.CDLL(None).puts(b'past Python')",
        "sys.__stdout__.write('past Python')",
    ],
)
def test_what_a_library_writes_to_the_descriptor_is_no_result(
    site: Path, tmp_path: Path, write: str
) -> None:
    install(site, cell(forward=f"import ctypes, os, sys; {write}"))
    spec = spec_with(tmp_path, "stub")
    ran = process(["explain", spec, "--json"], PYTHONPATH=str(site))
    assert ran.returncode == 0 and json.loads(ran.stdout)
    assert "past Python" in ran.stderr
    run = tmp_path / "run"
    done("run", spec, "--out", run, "--max-steps", 1)
    text = spec.with_name("text.txt")
    ran = process(["predict", run, text, "--out", "/dev/stdout"], PYTHONPATH=str(site))
    assert ran.returncode == 0 and "past Python" not in ran.stdout
    assert ran.stdout.splitlines() == done("predict", run, text).out.splitlines()


DECLARED = {
    "output": ["None", "5", "Signal(-3)", "Signal(4.0)", "Signal('4')", "Signal(True)"],
    "state_sizes": ["None", "2", "[2]", "(-1,)", "(2.0,)", "(True,)"],
    "params": [
        "None",
        "[1]",
        "{1: ParamSpec((2,), Zeros())}",
        "{'W': (2, 3)}",
        "{'W': ParamSpec((2,), None)}",
    ],
    "resolve": ["None"],
}
LAYER = """
from typing import Literal
from rnnkit import Layer, ParamSpec, Signal, Zeros


class Stub(Layer):
    type: Literal["stub"] = "stub"

    def output(self, inputs):
        return inputs

    def {method}(self, inputs, *more):
        return {value}
"""


@pytest.mark.parametrize(
    ("method", "value"), [(name, value) for name in DECLARED for value in DECLARED[name]]
)
def test_what_a_layer_declares_is_looked_at(
    site: Path, tmp_path: Path, method: str, value: str
) -> None:
    install(site, LAYER.format(method=method, value=value))
    spec = plain_spec()
    spec["model"]["layers"].insert(1, {"type": "stub"})
    ran = command("run", write(tmp_path, spec), "--out", tmp_path / "run")
    assert ran.code == 4, ran.err
    assert f"stub of rnnkit-odd 1.0 (rnnkit_odd:Stub): {method}: expected " in ran.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("method", ["output", "params"])
def test_a_layer_inside_another_is_named_for_what_it_declares(
    site: Path, tmp_path: Path, method: str
) -> None:
    install(site, LAYER.format(method=method, value="None"))
    spec = plain_spec()
    spec["model"]["layers"].insert(1, {"type": "residual", "layer": {"type": "stub"}})
    ran = command("check", write(tmp_path, spec))
    assert ran.code == 4 and "model.layers[1]: " in ran.err
    assert "stub of rnnkit-odd 1.0 (rnnkit_odd:Stub)" in ran.err


@pytest.mark.parametrize("start", ["1.0", "np.zeros(4)", "np.full(3, np.nan)", "None"])
def test_a_start_that_does_not_fill_a_parameter(site: Path, tmp_path: Path, start: str) -> None:
    declared = f"{{'W': ParamSpec((3,), lambda *given: {start})}}"
    install(site, "import numpy as np" + LAYER.format(method="params", value=declared))
    spec = plain_spec()
    spec["model"]["layers"].insert(1, {"type": "stub"})
    ran = command("run", write(tmp_path, spec), "--out", tmp_path / "run")
    said = "[PLUGIN_CONTRACT] layer 1.stub: the start of W is no 3 of finite numbers, but "
    assert ran.code == 4 and said in ran.err


@pytest.mark.parametrize("shape", ["(2.0,)", "(-1,)", "(0,)", "('n',)", "(True,)", "2", "9 * (1,)"])
def test_a_shape_that_no_parameter_has(site: Path, tmp_path: Path, shape: str) -> None:
    extra = (
        "    def extra(self, inputs):\n        from rnnkit import ParamSpec, Zeros\n"
        f"        return {{'odd': ParamSpec({shape}, Zeros())}}\n\n    def mix("
    )
    install(site, cell().replace("    def mix(", extra))
    ran = command("check", spec_with(tmp_path, "stub"))
    assert ran.code == 4 and "[PLUGIN_CONTRACT]" in ran.err
    assert "a parameter's shape: expected at most 8 integers >= 1, received " in ran.err


@pytest.mark.parametrize("shape", [[2, 3], np.array([2, 3]), (n for n in (2, 3))], ids=str)
def test_a_shape_is_a_tuple_whatever_it_was_made_of(shape: Any) -> None:
    assert ParamSpec(shape, Zeros()).shape == (2, 3)
