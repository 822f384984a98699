"""What ends the process by `os._exit` is told, in main thread, rnnkit's threads and others."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from helpers import command, plain_spec, process, steps_kept, write_spec
from stubs import cell, install

from rnnkit.compute.parallel import run
from rnnkit.core.process_end import ends_are_errors

SAID = r"os._exit\(9\) would end the command"


def test_a_late_step_that_ends_the_process(site: Path, tmp_path: Path) -> None:
    install(site, cell(forward="import os\n        if ctx.step > 6: os._exit(9)"))
    value = plain_spec(every={"save": 5})
    value["model"]["layers"][1]["type"] = "stub"
    ran = command("run", write_spec(tmp_path, value), "--out", tmp_path / "run")
    said = "[PLUGIN_FAILED] SystemExit: os._exit(9) would end the command, in line 15 of rnnkit_odd"
    assert (ran.code, steps_kept(tmp_path / "run")[-1]) == (4, 5)
    assert ran.err.splitlines()[-1].startswith(f"{said}, rnnkit-odd 1.0 (tell its author")


def test_threads_of_ours_raise_and_those_of_others_are_told() -> None:
    told: list[str] = []
    other = threading.Thread(target=lambda: os._exit(9), name="watch")
    with ends_are_errors(told.append):
        with pytest.raises(SystemExit, match=SAID):
            run([lambda: None, lambda: os._exit(9)])
        other.start()
        other.join()
    assert told == ["SystemExit: os._exit(9) would end the command, in the thread watch"]


def test_a_thread_of_a_plugin_ends_the_process_in_words(site: Path, tmp_path: Path) -> None:
    thread = (
        "import os, threading; threading.Thread(target=os._exit, args=[0], name='watch').start()"
    )
    install(site, f"{thread}\nimport time; time.sleep(30)")
    value = plain_spec()
    value["model"]["layers"][1]["type"] = "stub"
    ran = process(["check", write_spec(tmp_path, value)], PYTHONPATH=str(site))
    assert ran.returncode == 4
    assert ran.stderr == (
        "[PLUGIN_FAILED] SystemExit: os._exit(0) would end the command, in the thread watch "
        "(tell its author)\n"
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a child is forked")
def test_a_forked_child_ends_as_ever() -> None:
    with ends_are_errors(pytest.fail):
        if (child := os.fork()) == 0:
            os._exit(9)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
