"""One trial: a run that reports its evaluations, and ends early where the pruner says so."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rnnkit.checkpoint.run_directory import RunDir
from rnnkit.contracts.registry import Registry
from rnnkit.errors import DivergedError, PluginError, ResourceError, SpecError
from rnnkit.sweep.model import Sweep
from rnnkit.sweep.read import trial_root, trial_spec
from rnnkit.sweep.study import Study, Taken
from rnnkit.training.loop import RunLimits
from rnnkit.training.reporter import Silent
from rnnkit.training.resume import resume
from rnnkit.training.start import Outcome, RunOptions, start


@dataclass
class Judge(Silent):
    """Reports each evaluation to the study, and asks the run to end where it is no use."""

    trial: Any
    metric: str
    limits: RunLimits

    def line(self, metrics: Mapping[str, Any]) -> None:
        """Report the metric of an evaluation; one that is no number is None, and says nothing."""
        value = metrics.get(self.metric)
        if value is None:
            return
        self.trial.report(value, metrics["step"])
        self.limits.enough = self.trial.should_prune()


def run_trial(
    study: Study, taken: Taken, path: Path, options: RunOptions, registry: Registry
) -> None:
    """Train a trial of the sweep in `path` to its end, from its checkpoint where it has one.

    A trial that cannot be trained, or that diverges, has failed. Raises what ends the
    sweep: InterruptedRun, errors of the data and of the disk.
    """
    sweep, folder = study.sweep, RunDir(study.folder.run(taken.number))
    limits = replace(options.limits)
    options = replace(options, limits=limits, reporter=Judge(taken.trial, sweep.metric, limits))
    try:
        document = trial_spec(sweep, path, taken.overrides, registry)
        root = trial_root(sweep, path, options.data_root)
        if folder.holds_run():
            outcome = resume(folder.path, registry, options)
        else:
            given = document.spec, document.source, folder.path, root
            with document.placing():
                outcome = start(*given, registry, options)
    except (DivergedError, PluginError, ResourceError, SpecError) as error:
        study.finish(taken, None, pruned=False, error=str(error))
        return
    value = best_of(folder, sweep)
    reason = "" if value is not None else f"{sweep.metric} was never measured"
    study.finish(taken, value, was_pruned(outcome), reason)


def was_pruned(outcome: Outcome) -> bool:
    """Tell whether a finished run would have gone on: also one that a killed worker had pruned."""
    return not outcome.spec.train.ended(outcome.progress.epoch, outcome.progress.stale)


def best_of(run: RunDir, sweep: Sweep) -> float | None:
    """Return the best value of the sweep's metric in a run; None where it has none."""
    lines = (json.loads(line) for line in run.metrics.read_text().splitlines())
    return sweep.best(line[sweep.metric] for line in lines if line.get(sweep.metric) is not None)
