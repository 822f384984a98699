"""Ranks that mpiexec started: the bytes of one process, and one end for all of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import command, done, results, told, write_stub
from rank_cases import CASES, LONG, MPIEXEC, RNNKIT, endless, wait_for_checkpoint, written

from rnnkit.compute.ranks import LAUNCHED

pytest.importorskip("mpi4py", reason="needs mpi4py (pip install 'rnnkit[mpi]')")

TESTS = Path(__file__).parents[1]
FEW = ["dropout", "two_layers", "averaged_ragged", "true_guesses"]
"""Cases of 5 and of 8 shards, of one model and of several."""

if not MPIEXEC.exists():
    pytest.skip("needs mpiexec beside Python (pip install 'rnnkit[mpi]')", allow_module_level=True)


def mpiexec(ranks: int, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command on some ranks to its end."""
    line = [MPIEXEC, "-n", str(ranks), *arguments]
    return subprocess.run(
        list(map(str, line)),
        capture_output=True,
        text=True,
        timeout=LONG,
        env={**os.environ, **environment},
    )


def started(ranks: int, *arguments: object) -> subprocess.Popen[str]:
    """Start a command on some ranks."""
    line = [MPIEXEC, "-n", str(ranks), *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(list(map(str, line)), stdout=pipe, stderr=pipe, text=True)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Train every case in one process."""
    folder = tmp_path_factory.mktemp("alone")
    write_stub(folder / "site")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder / "site")
        runs = {}
        for name, spec in CASES.items():
            path = written(folder / name, spec)
            done("run", path, "--out", folder / name / "run", "--threads", 1)
            runs[name] = folder / name / "run"
        yield runs


# Three ranks divide 5 and 8 shards unevenly: what a case computes does not ask how many they are.
@pytest.mark.parametrize(("ranks", "names"), [(2, FEW), (3, list(CASES)), (4, FEW)], ids=[2, 3, 4])
def test_any_number_of_ranks_gives_equal_bytes(
    ranks: int, names: list[str], alone: dict[str, Path], tmp_path: Path
) -> None:
    for name in names:
        written(tmp_path / name, CASES[name])
    site = alone["plugin"].parents[1] / "site"
    path = os.pathsep.join(map(str, (TESTS, site)))
    ran = mpiexec(ranks, sys.executable, TESTS / "rank_cases.py", tmp_path, *names, PYTHONPATH=path)
    assert ran.returncode == 0, ran.stderr
    for name in names:
        assert results(tmp_path / name / "run") == results(alone[name]), name


def test_ranks_may_have_threads_of_their_own(alone: dict[str, Path], tmp_path: Path) -> None:
    path, run = written(tmp_path, CASES["two_layers"]), tmp_path / "run"
    line = [RNNKIT, "run", path, "--out", run, "--mpi", "--threads", 2]
    ran = mpiexec(2, *line, OPENBLAS_NUM_THREADS="2")
    assert ran.returncode == 0, ran.stderr
    assert results(run) == results(alone["two_layers"])


def test_a_resume_may_have_other_ranks(alone: dict[str, Path], tmp_path: Path) -> None:
    path, run = written(tmp_path, CASES["true_guesses"]), tmp_path / "run"
    first = mpiexec(3, RNNKIT, "run", path, "--out", run, "--mpi", "--max-steps", 3)
    assert first.returncode == 0, first.stderr
    assert first.stdout.count("next   rnnkit resume") == 1
    assert first.stderr.count("run directory:") == 1
    done("resume", run, "--max-steps", 7)
    last = mpiexec(2, RNNKIT, "resume", run, "--mpi")
    assert last.returncode == 0, last.stderr
    assert results(run) == results(alone["true_guesses"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_mpiexec_saves_first(number: signal.Signals, tmp_path: Path) -> None:
    path, run = endless(tmp_path), tmp_path / "run"
    ran = started(2, RNNKIT, "run", path, "--out", run, "--mpi")
    wait_for_checkpoint(run)
    ran.send_signal(number)
    _, err = ran.communicate(timeout=LONG)
    assert ran.returncode == 128 + number, err
    assert err.count("[INTERRUPTED] saved at step") == 1
    done("resume", run, "-s", "train.epochs=1")


def test_a_killed_rank_ends_all_and_the_checkpoint_is_good(tmp_path: Path) -> None:
    path, run = endless(tmp_path), tmp_path / "run"
    whole = tmp_path / "whole"
    done("run", path, "--out", whole, "--max-steps", 40)
    ran = started(3, RNNKIT, "run", path, "--out", run, "--mpi")
    wait_for_checkpoint(run)
    victims = subprocess.run(
        ["pgrep", "-f", "--", f"--out {run} --mpi"], capture_output=True, text=True
    )
    os.kill(int(victims.stdout.split()[-1]), signal.SIGKILL)
    ran.communicate(timeout=LONG)
    assert ran.returncode != 0
    steps = sorted((run / "checkpoints").iterdir())[-1].name
    done("resume", run, "--max-steps", max(40, int(steps[5:17])))
    done("resume", whole, "--max-steps", max(40, int(steps[5:17])))
    assert results(run) == results(whole)


def test_a_rank_that_is_silent_is_given_up(tmp_path: Path) -> None:
    # mpiexec kills the silent one and may answer with that signal: the ranks' own codes count.
    script, codes = tmp_path / "silent.py", tmp_path / "codes"
    script.write_text(
        "import os, signal, sys\n"
        "from rnnkit.cli import error_in_words\n"
        "from rnnkit.compute.mpi import MpiRanks\n"
        "leave = os._exit\n"
        "def noted(code):\n"
        "    with open(sys.argv[1], 'a') as file:\n"
        "        file.write(f'{code} ')\n"
        "    leave(code)\n"
        "os._exit = noted\n"
        "with MpiRanks(error_in_words, patience=3.0) as ranks:\n"
        "    ranks.collect(0)\n"
        "    if ranks.rank == 2:\n"
        "        os.kill(os.getpid(), signal.SIGSTOP)\n"
        "    ranks.collect(1)\n"
    )
    ran = mpiexec(3, sys.executable, script, codes)
    assert ran.returncode in (75, signal.SIGKILL), ran.stderr
    assert set(codes.read_text().split()) == {"75"}
    assert "[RANKS_LOST] nothing was heard of rank 2 on" in ran.stderr
    assert "for 3 seconds (the last checkpoint is good; resume with any number of" in ran.stderr


SUMS = """
import numpy as np
from rnnkit.cli import error_in_words
from rnnkit.compute import rank_sum
from rnnkit.compute.mpi import MpiRanks
from rnnkit.compute.shard_tree import add_subtrees, even_ranges, subtrees

rank_sum.CHUNK = 7
with MpiRanks(error_in_words) as ranks:
    for shards in (3, 5, 8):
        for size in (0, 1, 6, 7, 8, 200):
            draws = np.random.default_rng(size).standard_normal((shards, size), dtype=np.float32)
            def added(node):
                return {n: draws[n[0]:n[1]].sum(axis=0) for n in node}
            nodes = [subtrees(own, (0, shards)) for own in even_ranges(shards, ranks.size)]
            all_sums = {node: total for each in nodes for node, total in added(each).items()}
            wanted, own = add_subtrees((0, shards), all_sums), added(nodes[ranks.rank])
            found = next(iter(own.values()))
            ranks.sum(own, shards, found)
            assert found.tobytes() == wanted.tobytes(), (shards, size)
"""


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_ranks_add_up_many_chunks_as_the_tree_says(ranks: int, tmp_path: Path) -> None:
    script = tmp_path / "sums.py"
    script.write_text(SUMS)
    ran = mpiexec(ranks, sys.executable, script)
    assert ran.returncode == 0, ran.stderr


BROKEN = """
import sys
from rnnkit.checkpoint.run_directory import RunDir
from rnnkit.cli import main
from rnnkit.compute.mpi import MpiRanks
from rnnkit.errors import StorageError
from rnnkit.training.learning import Learner

before = {target}

def fail(self, *rest):
    {failure}
    return before(self, *rest)

{target} = fail
main(sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("ranks", "target", "failure", "code", "said"),
    [
        (2, "RunDir.save", 'raise StorageError.of("IO_NO_SPACE", "no room")', 74, "[IO_NO_SPACE]"),
        (2, "Learner._learn", 'raise ValueError("boo")', 1, "[INTERNAL] ValueError: boo"),
        (
            3,
            "Learner._learn",
            "if part.ctx.shard == 4: raise StorageError.of('IO_ERROR', 'gone')",
            74,
            "[IO_ERROR] gone",
        ),
    ],
)
def test_an_error_of_one_rank_ends_all_with_its_code(
    ranks: int, target: str, failure: str, code: int, said: str, tmp_path: Path
) -> None:
    path, script = endless(tmp_path), tmp_path / "broken.py"
    failure = failure.replace("part.", "rest[0].")
    script.write_text(BROKEN.format(target=target, failure=failure))
    ran = mpiexec(ranks, sys.executable, script, "run", path, "--out", tmp_path / "run", "--mpi")
    assert ran.returncode == code, ran.stderr
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.stderr.count(said) == 1


def test_ranks_without_a_shard_are_refused_once(tmp_path: Path) -> None:
    path = endless(tmp_path, shards=1)
    ran = mpiexec(2, RNNKIT, "run", path, "--out", tmp_path / "run", "--mpi")
    said = "[RANKS_IDLE] 2 ranks need as many shards, but train.shards is 1 (start fewer ranks, or"
    assert ran.returncode == 8
    assert ran.stderr.count(said) == 1
    assert not (tmp_path / "run").exists()


def test_ranks_with_other_data_are_refused(tmp_path: Path) -> None:
    path, other = endless(tmp_path / "one"), endless(tmp_path / "two").parent
    (other / "text.txt").write_text((other / "text.txt").read_text()[:-40])
    line = [RNNKIT, "run", path, "--out", tmp_path / "run", "--mpi"]
    ran = mpiexec(1, *line, ":", "-n", 1, *line, "--data-root", other)
    assert ran.returncode == 8
    assert ran.stderr.count("[RANKS_DIFFER] rank 1 on ") == 1
    assert "data " in ran.stderr
    assert "(give all ranks the same)" in ran.stderr


def test_a_spec_that_is_wrong_is_told_once(tmp_path: Path) -> None:
    path = endless(tmp_path)
    ran = mpiexec(2, RNNKIT, "run", path, "--mpi", "-s", "train.window=x")
    assert ran.returncode == 3
    assert ran.stderr.count("[SPEC_TYPE] train.window") == 1


@pytest.mark.parametrize("name", ["PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS"])
def test_a_launcher_without_mpi_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = endless(tmp_path)
    monkeypatch.setenv(name, "4")
    said = f"[MPI_FORGOTTEN] 4 processes were started ({name}), and each would train a model of"
    told(command("run", path, "--out", tmp_path / "run"), 8, said, "(add --mpi to train one model")
    told(command("resume", tmp_path / "run"), 8, said)
    monkeypatch.setenv(LAUNCHED[name], "2")
    monkeypatch.setattr("rnnkit.cli.ranks.PATIENCE", 0)
    other = command("run", path, "--out", tmp_path / "run")
    assert (other.code, other.out, other.err) == (8, "", "")


def test_a_launcher_without_mpi_is_told_once(tmp_path: Path) -> None:
    ran = mpiexec(2, RNNKIT, "run", endless(tmp_path), "--out", tmp_path / "run")
    assert ran.returncode == 8
    assert ran.stderr.count("[MPI_FORGOTTEN] 2 processes were started") == 1


def test_without_mpi4py_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    ran = command("run", endless(tmp_path), "--out", tmp_path / "run", "--mpi")
    told(ran, 8, "[MPI_MISSING] --mpi needs mpi4py and an MPI library (pip install 'rnnkit[mpi]')")
