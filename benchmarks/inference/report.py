"""Measurements of inference as tables."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.inference.rows import FORWARD, SCORED, kind_of, lengths, needed
from benchmarks.measure import Measured, Plan, measure
from benchmarks.report import Page, digits, megabytes, speeds, spread
from benchmarks.side import TITLES, installed
from benchmarks.workloads import Workload


def inference(page: Page, names: Sequence[str], plan: Plan) -> None:
    """Measure and write the rows with these names."""
    if forward := [FORWARD[name] for name in names if name in FORWARD]:
        forward_head(page)
        for row in forward:
            forward_row(page, row, measure(kind_of(row), row, plan))
    if SCORED.name in names:
        score_head(page)
        score_row(page, SCORED, measure("Score", SCORED, plan))


def forward_head(page: Page) -> None:
    """Begin the table of forward alone."""
    titles = [TITLES[library] for library in installed("Forward")]
    page.head(
        "Inference, ms a window",
        "LSTM, forward alone, the hidden state carried from window to window; `step` is "
        "`Model.step`, the others `Model.forward`. ONNX Runtime runs what `rnnkit export` wrote. "
        "Ratios of time, round by round: lower is better. MB: the peak of the process over what it "
        "held once the model was loaded and had run one step; in brackets that and the parameters, "
        "over parameters and outputs (1 is the least that holds both).",
        "workload",
        *titles,
        *(f"rnnkit / {title}" for title in titles[1:]),
        *(f"{title} MB" for title in titles),
    )


def forward_row(page: Page, row: Workload, measured: Measured) -> None:
    """Write the row of one model and window; lower is better."""
    _, *peers = measured.rounds
    parameters, outputs = needed(row)
    page.row(
        f"{row.name} ({row.title})",
        *(spread(measured.time(library), 1e3) for library in measured.rounds),
        *(spread(measured.ratio(peer)) for peer in peers),
        *(
            f"{megabytes(grown)} ({digits((parameters + grown) / (parameters + outputs))})"
            for grown in measured.grown.values()
        ),
    )


def score_head(page: Page) -> None:
    """Begin the table of scored lines."""
    titles = [TITLES[library] for library in installed("Score")]
    page.head(
        "Scoring lines, tokens a second",
        "LSTM, each line from a zero hidden state, from its text: `Model.scores`; PyTorch reads "
        "lines of like length in padded batches of 64. MB as above.",
        "lines",
        *titles,
        *(f"rnnkit / {title}" for title in titles[1:]),
        *(f"{title} MB" for title in titles),
    )


def score_row(page: Page, row: Workload, measured: Measured) -> None:
    """Write the row of one model and its lines; higher is better."""
    found, (_, *peers) = lengths(row), measured.rounds
    sizes = f"{row.batch:,} of {found.min()} to {found.max()} characters"
    page.row(
        f"{sizes}, {row.layers} x {row.units}, V {row.vocabulary}",
        *(speeds(seconds, int(found.sum())) for seconds in measured.rounds.values()),
        *(f"{1 / measured.ratio(peer).median:.2f}" for peer in peers),
        *map(megabytes, measured.grown.values()),
    )
