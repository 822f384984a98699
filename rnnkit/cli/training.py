"""What run and resume share: options into settings, and the last lines of a run."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rnnkit.cli.common import emit, finite_or_none, number, table, tell
from rnnkit.cli.results import terminal_width
from rnnkit.compute.numerics import limited_threads
from rnnkit.compute.ranks import Ranks
from rnnkit.contracts.dataset import Split
from rnnkit.contracts.registry import Registry
from rnnkit.contracts.target_info import meaning_of
from rnnkit.core.machine import processors
from rnnkit.errors import ResourceError
from rnnkit.inference.evaluate import protocol
from rnnkit.inference.model import load
from rnnkit.network.memory import default_budget
from rnnkit.reporting.reporters import reporter
from rnnkit.training.loop import RunLimits
from rnnkit.training.reporter import Silent
from rnnkit.training.signals import catching_signals
from rnnkit.training.start import Outcome, RunOptions


@dataclass(frozen=True)
class Settings:
    """The options of the command line that do not belong to the spec."""

    root: Path | None
    max_steps: int | None
    max_time: float | None
    max_memory: float | None
    threads: int | None
    exact: bool
    strict: bool = False
    from_best: bool = False

    @contextmanager
    def options(self, ranks: Ranks) -> Iterator[RunOptions]:
        """Give the options of a run, with signals caught, threads set and a reporter drawn.

        The ranks of a machine divide its processors and its memory, and the first one reports.
        """
        memory = self.max_memory
        if memory is None and ranks.neighbours > 1:
            memory = default_budget() / ranks.neighbours
        with (
            self.limited(ranks),
            catching_signals() as stop,
            reporter() if ranks.first else nullcontext(Silent()) as report,
        ):
            yield RunOptions(
                data_root=self.root,
                max_memory=None if memory is None else int(memory),
                exact=self.exact,
                strict=self.strict,
                from_best=self.from_best,
                limits=RunLimits(self.max_steps, self.max_time),
                reporter=report,
                stop=stop,
                tell=tell if ranks.first else lambda message: None,
                ranks=ranks,
            )

    def limited(self, ranks: Ranks) -> AbstractContextManager[None]:
        """Limit the threads to those asked for, or to this rank's part of the processors."""
        part = max(1, processors() // ranks.neighbours) if ranks.neighbours > 1 else None
        return limited_threads(self.threads or part)

    def finish(self, outcome: Outcome, registry: Registry, ranks: Ranks) -> None:
        """Measure the model on the test split and print the end of a run.

        Without a test split the remarks on the validation split are printed. Raises ResourceError
        where the time was up before the end.
        """
        run, progress = outcome.run, outcome.progress
        if outcome.reason == "time":
            then = f"continue with: rnnkit resume {shlex.quote(str(run.path))}"
            message = f"saved at step {progress.step}; {then}"
            raise ranks.agreed(ResourceError.of("TIME_LIMIT", message, run.path))
        if not ranks.first:
            return
        model = run.best if run.best.exists() else run.step_file(progress.step)
        tested = FinalResult()
        if outcome.reason == "finished":
            with self.limited(ranks):
                tested = _tested(outcome, model, registry)
        _print_end(outcome, model, tested)


class FinalResult(NamedTuple):
    """Metrics of the test split, how they were measured, and remarks on a split."""

    metrics: Mapping[str, float] = {}
    how: Mapping[str, object] = {}
    remarks: Sequence[str] = ()
    remarked: Split = "test"

    def lines(self, width: int | None) -> list[str]:
        """Return them in a line, or on a terminal of `width` as a table above the protocol."""
        how = [f"{name} {number(value)}" for name, value in self.how.items()]
        found = {name: number(value) for name, value in self.metrics.items()}
        if width is None:
            both = [*(f"{name} {value}" for name, value in found.items()), *how]
            return ["test  " + "  ".join(both)] if both else []
        names = {name: name.replace("_", " ") for name in found}
        sizes = [max(len(names[name]), len(value)) for name, value in found.items()]
        parts = _parted([*found], sizes, width - len("test") - 2)
        blocks = [
            table([("test", *(found[n] for n in part))], ("", *(names[n] for n in part)))
            for part in parts
        ]
        rest = _parted(how, [len(each) for each in how], width - len("test") - 2)
        return [*blocks, *(" " * len("test") + "  " + "  ".join(part) for part in rest)]


def _parted(items: Sequence[str], sizes: Sequence[int], width: int) -> list[list[str]]:
    """Return items in lists that fit a line, two spaces apart."""
    lines: list[list[str]] = []
    room = 0
    for item, size in zip(items, sizes, strict=True):
        if not lines or size + 2 > room:
            lines.append([])
            room = width + 2
        lines[-1].append(item)
        room -= size + 2
    return lines


def _print_end(outcome: Outcome, model: Path, tested: FinalResult) -> None:
    """Print the best result with its protocol, the model's path and the next command."""
    run, progress = outcome.run, outcome.progress
    best = progress.best
    lines = [
        f"best {best.metric} {number(best.value)} at step {best.step}"
        if best
        else f"step {progress.step}"
    ]
    lines += tested.lines(terminal_width())
    lines += [f"{tested.remarked}  {remark}" for remark in tested.remarks]
    lines.append(f"model  {model}")
    then = run.next_command()
    lines.append(f"next   {then}")
    result = {
        "run": str(run.path),
        "reason": outcome.reason,
        "step": progress.step,
        "best": best.model_dump() if best else None,
        "test": finite_or_none({**tested.metrics, **tested.how}) or None,
        "remarks": [*tested.remarks],
        "model": str(model),
        "next": then,
    }
    emit(result, "\n".join(lines))


def _tested(outcome: Outcome, path: Path, registry: Registry) -> FinalResult:
    """Measure the best model on the test split, or a forecast, for remarks, where it was chosen."""
    source, evaluates = outcome.source, outcome.spec.train.every.evaluate is not None
    split: Split = "test" if "test" in source.splits() else "valid"
    # What is no forecast was measured in the run, and nothing remains to be said of it.
    chosen = evaluates and "valid" in source.splits() and meaning_of(source).naive
    if split == "valid" and not chosen:
        return FinalResult()
    model = load(path, registry, tell)
    layout, asked = model.layout(source, split), model.spec.evaluate.metrics
    found = model.measure(split, source, layout, asked)
    if split == "valid":  # its metrics are told where they were measured
        return FinalResult(remarks=found.remarks, remarked=split)
    how = protocol(model.spec.data, layout, source.size(split))
    return FinalResult(found.metrics, how, found.remarks)
