"""The training loop: update, evaluate, schedule and stopper, best, metrics line, save."""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np

from rnnkit.checkpoint.journal import Journal, digested
from rnnkit.checkpoint.progress import BestEvaluation, Progress
from rnnkit.checkpoint.run_directory import RunDir, make_private
from rnnkit.checkpoint.samples import append_sample
from rnnkit.compute.ranks import Ranks
from rnnkit.contracts.checked_dataset import windows_of
from rnnkit.contracts.dataset import Batch, Source
from rnnkit.contracts.loss import metrics_of
from rnnkit.errors import (
    DataError,
    DivergedError,
    InterruptedRun,
    PluginError,
    Problem,
    StorageError,
)
from rnnkit.files.atomic import write_atomic
from rnnkit.inference.evaluate import EvaluationStopped, evaluate
from rnnkit.inference.model import Model
from rnnkit.spec.model import Cadence
from rnnkit.training.reporter import Reporter
from rnnkit.training.samples import sample_of
from rnnkit.training.signals import StopRequest
from rnnkit.training.step import Training, Update


@dataclass
class RunLimits:
    """Where a run stops before its end: after so many steps in all, or so many seconds.

    A reporter that has seen `enough` ends the run, which is then finished.
    """

    max_steps: int | None = None
    max_seconds: float | None = None
    started: float = field(default_factory=time.monotonic)
    enough: bool = False

    def out_of_steps(self, step: int) -> bool:
        """Tell whether the run has done its steps."""
        return self.max_steps is not None and step >= self.max_steps

    def out_of_time(self) -> bool:
        """Tell whether the time is up."""
        return self.max_seconds is not None and time.monotonic() - self.started >= self.max_seconds


@dataclass
class Loop:
    """Trains to the end, a limit or a signal, and writes the run directory.

    `saved` is the progress that the newest checkpoint holds; None for a new run, and for one that a
    resume changed, which is saved at once so that the change outlives a kill. `confirm` raises
    where the folder is no longer this process's to write to. `unmeasured` is whether it was told
    that the best metric is no number.
    """

    run: RunDir
    training: Training
    source: Source
    journal: Journal
    encode: Callable[[Training], memoryview]
    reporter: Reporter
    limits: RunLimits
    stop: StopRequest
    confirm: Callable[[], None]
    busy: float = 0.0
    targets: float = 0.0
    saved: Progress | None = None
    unmeasured: bool = False
    tell: Callable[[str], None] = lambda message: None

    @property
    def ranks(self) -> Ranks:
        """The processes that train together; the first one writes for all."""
        return self.training.workers.ranks

    def go(self) -> str:
        """Return why it ended: "finished", "steps", "time"; raises InterruptedRun on a signal."""
        # What overflows is looked for after each step; NumPy need not warn of it as well.
        try:
            with np.errstate(all="ignore"):
                return self._go()
        except DivergedError as error:
            raise self.ranks.agreed(self._diverged(error)) from error

    def _go(self) -> str:
        training = self.training
        if self.saved is None and training.progress.step:
            self._save()
        if training.progress.finished:
            return "finished"
        self.reporter.begins(training, self.source)
        if training.progress.pending:
            self._after_update()
        while not training.progress.finished:
            if reason := self._epoch():
                self._save()
                return reason
        return "finished"

    def _epoch(self) -> str:
        """Train to the end of the epoch; return the limit that was met before, if any."""
        training = self.training
        layout = training.spec.train.layout()
        batches = windows_of(self.source, "train", layout, training.progress.cursor)
        while some := self.ranks.together(lambda: [*islice(batches, training.windows_at_once())]):
            if reason := self._limit():
                return reason
            started = time.perf_counter()
            update = self._guarded_step(some)
            seconds = time.perf_counter() - started
            self.busy += seconds
            self.targets += sum(batch.weights.size for batch in some)
            self.reporter.stepped(training, update, seconds)
            self._after_update()
            if training.progress.finished or training.progress.window == 0:
                return ""
        raise DataError.of(
            "DATA_WINDOWS",
            f"the data ended after window {training.progress.window} of the {training.windows} of "
            "an epoch that it promised (the checkpoint or the dataset is at fault)",
        )

    def _guarded_step(self, batches: Sequence[Batch]) -> Update:
        try:
            return self.ranks.together(lambda: self.training.step(*batches))
        except DivergedError:
            # Whatever else is wrong here, the first error says more.
            with suppress(DivergedError, PluginError, StorageError):
                self.training.gather()
                self.ranks.share(self._keep_crash)
            raise

    def _keep_crash(self) -> None:
        image = self.encode(self.training)
        make_private(self.run.crash)
        name = self.run.step_file(self.training.progress.step).name
        write_atomic(self.run.crash / name, image)

    def _diverged(self, error: DivergedError) -> DivergedError:
        """Add to what is not finite in which run, where the state before lies, and what to do."""
        step = self.training.progress.step
        before = self.run.crash / self.run.step_file(step).name
        kept = f"; the state before it is {before}" if before.exists() else ""
        resume, *options = self.way_on()
        advice = f"go on with: {shlex.join(['rnnkit', resume, str(self.run.path), *options])}"
        messages = (f"{problem.message}{kept}; {advice}" for problem in error.problems)
        where, codes = str(self.run.path), (problem.code for problem in error.problems)
        return DivergedError(*(Problem(where, *each) for each in zip(codes, messages, strict=True)))

    def way_on(self) -> list[str]:
        """Return the command that goes on after a divergence, and what follows the run in it."""
        lr = f"train.optimizer.lr={self.training.spec.train.optimizer.lr / 10:g}"
        # What the newest checkpoint holds may be ruined already, though every number is finite.
        back = self.training.progress.best and self.run.best.exists()
        return ["resume", *(["--from", "best"] if back else []), "-s", lr]

    def _limit(self) -> str:
        number, late = self._agree(self.limits.out_of_time())
        if number:
            raise self._interrupted(number)
        if self.limits.enough:
            self.training.progress = self.training.progress.changed(finished=True)
            return "finished"
        if self.limits.out_of_steps(self.training.progress.step):
            return "steps"
        return "time" if late else ""

    def _agree(self, late: bool = False) -> tuple[int, bool]:
        """Return the signal that any rank received, 0 for none, and whether one is `late`.

        A signal that comes meanwhile stays in the request, for the next time.
        """
        numbers, lates = zip(*self.ranks.collect((self.stop.number, late)), strict=True)
        return max(numbers), any(lates)

    def _after_update(self) -> None:
        """Do what is due after a step; also what a signal left pending, before the next step."""
        training, every = self.training, self.training.spec.train.every
        ended = training.progress.epoch >= training.spec.train.epochs
        metrics: dict[str, float] = {}
        improved = False
        if training.progress.pending or self._evaluates(ended):
            metrics = self._evaluation()
            improved = self._observe(metrics)
        training.progress = training.progress.changed(finished=training.ended())
        if metrics or self._due(every.log) or training.progress.finished:
            self._write_line(metrics)
        if every.sample is not None and (self._due(every.sample) or training.progress.finished):
            self._write_sample()
        if self._due(every.save) or improved or training.progress.finished:
            self._save(best=improved)

    def _evaluates(self, ended: bool) -> bool:
        every = self.training.spec.train.every.evaluate
        if every is None or "valid" not in self.source.splits():
            return False
        return ended or self._due(every)

    def _due(self, cadence: Cadence) -> bool:
        progress = self.training.progress
        return progress.window == 0 if cadence == "epoch" else progress.step % cadence == 0

    def _evaluation(self) -> dict[str, float]:
        training = self.training
        training.progress = training.progress.changed(pending="evaluation")
        training.pool = training.pool.another()  # evaluation has scratch memory of its own
        found = self.ranks.share(self._evaluate)
        if found is None:
            raise self._interrupted(self._agree()[0])
        training.progress = training.progress.changed(pending=None)
        return {f"valid_{name}": value for name, value in found.items()}

    def _evaluate(self) -> dict[str, float] | None:
        """Return the metrics of the validation split; None where a signal cut it short."""
        training, spec = self.training, self.training.spec
        try:
            return evaluate(
                training.network,
                training.store.values,
                self.source,
                "valid",
                spec.evaluation_layout(self.source, "valid"),
                lambda: bool(self.stop.number),
                spec.train.recompute,
                spec.evaluate.metrics,
                spec.train.shards,
                finite=False,
            ).metrics
        except EvaluationStopped:
            return None

    def _observe(self, metrics: Mapping[str, float]) -> bool:
        """Tell schedule, stopper and best of an evaluation; return whether it is the best yet."""
        training, best = self.training, self.training.spec.train.best
        schedule = training.spec.train.schedule
        value = metrics.get(best.metric, math.nan)
        previous = training.progress.best
        sign = 1 if best.mode == "min" else -1
        if not math.isfinite(value) and not self.unmeasured:
            self.unmeasured = True
            self.tell(
                f"step {training.progress.step}: {best.metric} is {value}, so no model can be the "
                "best by it, and stop counts no evaluation (choose another train.best.metric)"
            )
        improved = math.isfinite(value) and (
            previous is None or sign * value < sign * previous.value
        )
        state = training.progress.schedule
        training.progress = training.progress.changed(
            schedule=schedule.observe(metrics["valid_loss"], state) if schedule else state,
            best=BestEvaluation(step=training.progress.step, metric=best.metric, value=value)
            if improved
            else previous,
            stale=0 if improved else training.progress.stale + math.isfinite(value),
        )
        return improved

    def _write_line(self, evaluated: Mapping[str, float]) -> None:
        training, progress = self.training, self.training.progress
        line: dict[str, float | None] = {
            "step": progress.step,
            "epoch": progress.epoch + progress.window / training.windows,
            "lr": progress.lr,
            "gradient_norm": progress.gradient_norm,
        }
        if progress.weight:
            mean = progress.total / progress.weight
            found = metrics_of(training.network.loss, mean, self.source.unit)
            line |= {f"train_{name}": value for name, value in found.items()}
        if progress.decided:
            line["train_accuracy"] = progress.right / progress.decided
        line |= evaluated
        line = {k: v if v is None or math.isfinite(v) else None for k, v in line.items()}
        speed = self.targets / self.busy if self.busy else None
        now = {"step": progress.step, "time": time.time(), "targets_per_second": speed}
        written = self.ranks.share(lambda: self.journal.append(line, now))
        self.busy = self.targets = 0.0
        digest = digested([written], progress.lines_digest)
        sums = dict.fromkeys(("total", "weight", "right", "decided"), 0.0)
        training.progress = progress.changed(**sums, lines=progress.lines + 1, lines_digest=digest)
        self.reporter.line(line)

    def _write_sample(self) -> None:
        training, progress = self.training, self.training.progress
        parts = training.spec, training.network, training.store, self.source.vocabulary
        epoch = progress.epoch + progress.window / training.windows

        def write() -> tuple[dict[str, Any], Progress]:
            text = sample_of(Model(self.run.path, *parts), self.source)
            sample = {"step": progress.step, "epoch": epoch, **text}
            return sample, append_sample(self.run, sample, progress)

        sample, training.progress = self.ranks.share(write)
        self.reporter.sampled(sample)

    def _save(self, best: bool = False) -> None:
        progress = self.training.progress
        if progress == self.saved:
            return
        self.training.gather()
        self.ranks.share(lambda: self._write(progress, best))
        self.saved = progress

    def _write(self, progress: Progress, best: bool) -> None:
        self.confirm()
        for note in self.journal.flush():
            self.tell(note)
        image = self.encode(self.training)
        path = self.run.save(progress.step, image, self.training.spec.train.keep)
        self.reporter.saved(path, best=False)
        if best:
            write_atomic(self.run.best, image)
            self.reporter.saved(self.run.best, best=True)

    def _interrupted(self, number: int) -> InterruptedRun:
        """Save, and return what ends the run."""
        self._save()
        message = (
            f"saved at step {self.training.progress.step}; continue with: "
            f"rnnkit resume {shlex.quote(str(self.run.path))}"
        )
        problem = Problem(str(self.run.path), "INTERRUPTED", message)
        return self.ranks.agreed(InterruptedRun(number, problem))
