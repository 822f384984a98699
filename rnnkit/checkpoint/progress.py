"""The progress of a run: what a checkpoint saves beside the arrays, and the trainer advances."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from rnnkit.contracts.schedule import Moment
from rnnkit.core.block import Record
from rnnkit.core.context import Tally
from rnnkit.types import JSON

Digest = Annotated[str, Field(pattern=r"^([0-9a-f]{64})?\z")]
Count = Annotated[int, Field(ge=0, lt=2**53)]


class BestEvaluation(Record):
    """The best evaluation so far."""

    step: Count
    metric: str
    value: float


class Progress(Record):
    """Counters, the data cursor, and the state of schedule and stopper.

    `step` counts updates done, `epoch` whole epochs done, `window` windows done in this epoch;
    `scheduled` is the step after which the schedule began: 0, or where a resume brought another.
    `total` and `weight` sum the training loss since the last metrics line, `right` and `decided`
    what was decided right of what weight; `lines` counts the lines of metrics.jsonl, `lines_digest`
    is what `journal.digested` gives of them, and so `samples` and `samples_digest`; `pending` tells
    that a signal cut an evaluation short, which a resume does first.
    """

    step: Count = 0
    epoch: Count = 0
    window: Count = 0
    cursor: JSON = None
    schedule: JSON = None
    scheduled: int = 0
    total: float = 0.0
    weight: float = 0.0
    right: float = 0.0
    decided: float = 0.0
    lr: float | None = None
    gradient_norm: float | None = None
    best: BestEvaluation | None = None
    stale: Count = 0
    lines: Count = 0
    lines_digest: Digest = ""
    samples: Count = 0
    samples_digest: Digest = ""
    pending: Literal["evaluation"] | None = None
    finished: bool = False

    def moment(self, windows: int, epochs: int) -> Moment:
        """Return the place in the run for a schedule, counted from where the schedule began.

        An epoch has `windows` steps.
        """
        steps = windows * epochs - self.scheduled
        epoch, window = divmod(self.step - self.scheduled, windows)
        return Moment(self.step - self.scheduled, epoch + window / windows, steps, steps / windows)

    def stepped(
        self,
        windows: int,
        cursor: JSON,
        total: float,
        weight: float,
        tally: Tally,
        lr: float,
        norm: float,
    ) -> Progress:
        """Return the progress after one more update on a window with these sums."""
        ended = self.window + 1 == windows
        return self.changed(
            step=self.step + 1,
            epoch=self.epoch + ended,
            window=0 if ended else self.window + 1,
            cursor=cursor,
            total=self.total + total,
            weight=self.weight + weight,
            right=self.right + tally.right,
            decided=self.decided + tally.weight,
            lr=lr,
            gradient_norm=norm,
        )

    def changed(self, **fields: object) -> Progress:
        """Return a copy with some fields replaced."""
        return self.model_copy(update=fields)
