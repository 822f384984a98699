"""What a caller in Python is told of after each evaluation, and how it stops a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from rnnkit.contracts.dataset import Source
from rnnkit.training.loop import RunLimits
from rnnkit.training.reporter import Reporter
from rnnkit.training.step import Training, Update

Callback: TypeAlias = Callable[[dict[str, Any]], object]
"""Gets the metrics of an evaluation by name; where it returns True the run stops, saved."""


class CallingBack:
    """A reporter that tells callbacks of each evaluation, and all of it to another reporter.

    Where nothing is evaluated, they hear of each line of metrics. What one of them raises is kept
    in `error`, to be raised once the state is saved.
    """

    def __init__(
        self, reporter: Reporter, callbacks: Sequence[Callback], limits: RunLimits
    ) -> None:
        self._reporter, self._callbacks, self._limits = reporter, callbacks, limits
        self._evaluates = False
        self.error: BaseException | None = None

    def begins(self, training: Training, source: Source) -> None:
        """Remember whether there are evaluations."""
        every = training.spec.train.every.evaluate
        self._evaluates = every is not None and "valid" in source.splits()
        self._reporter.begins(training, source)

    def stepped(self, training: Training, update: Update, seconds: float) -> None:
        """Pass it on."""
        self._reporter.stepped(training, update, seconds)

    def line(self, metrics: Mapping[str, Any]) -> None:
        """Call back where the line holds an evaluation; then stop where one asks for it."""
        self._reporter.line(metrics)
        evaluated = any(name.startswith("valid_") for name in metrics)
        if not evaluated and self._evaluates:
            return
        try:
            stops = [callback(dict(metrics)) is True for callback in self._callbacks]
        except BaseException as error:
            self.error, stops = error, [True]
        if any(stops):
            self._limits.max_steps = int(metrics["step"])

    def sampled(self, sample: Mapping[str, Any]) -> None:
        """Pass it on."""
        self._reporter.sampled(sample)

    def saved(self, path: Path, best: bool) -> None:
        """Pass it on."""
        self._reporter.saved(path, best)
