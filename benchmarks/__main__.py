"""Measure, print, and with --out write RESULTS.md and the plots."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import machine, plots, report
from benchmarks.inference import rows as questions
from benchmarks.inference.report import inference
from benchmarks.measure import DisagreementError, Plan, measure
from benchmarks.shards import SHARDS, Clock, shard_costs, sharded_rows
from benchmarks.side import TITLES, TOKENS, missing
from benchmarks.startup import startup
from benchmarks.sums import sum_times
from benchmarks.workloads import BY_STEPS, BY_UNITS, CELLS, ROWS, SAMPLED

PARTS = ("training", "sampling", "inference", "startup", "ranks", "plots")
INTRODUCTION = (
    "# Results",
    "",
    "*Written by `make bench`; docs/guide/speed.md says how it measures.*",
    "",
    "Times differ between machines: compare ratios within one run.",
    "",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line selects."""
    asked = _parser().parse_args(arguments)
    plan = Plan(asked.rounds, asked.seconds, asked.threads)
    parts = asked.parts or _parts(asked)
    if asked.quick:
        plan = replace(plan, rounds=2, seconds=0.2)
        asked.cells = asked.cells or ["lstm"]
        parts = [part for part in parts if part != "plots"]
    if asked.out:
        asked.out.mkdir(parents=True, exist_ok=True)
    page = report.Page(lambda line: print(line, flush=True))
    try:
        _report(page, parts, asked, plan)
    except DisagreementError as error:
        print(f"the libraries disagree: {error}", file=sys.stderr)
        return 1
    if asked.out:
        (asked.out / "RESULTS.md").write_text(page.text())
    return 0


def _report(page: report.Page, parts: Sequence[str], asked: argparse.Namespace, plan: Plan) -> None:
    page.add(*INTRODUCTION)
    page.facts(machine.facts(plan))
    page.facts({"before": machine.quiet(machine.load())})
    peak, about = machine.peak(plan)
    page.facts(about)
    page.facts({TITLES[name]: "not installed, not measured" for name in missing()})
    if "training" in parts:
        report.training_head(page)
        for name in _among(ROWS, asked.rows):
            for cell in asked.cells or CELLS:
                row = replace(ROWS[name], cell=cell)
                report.training_row(page, row, measure("Train", row, plan), peak)
    if "sampling" in parts:
        report.sampling_head(page)
        for network in SAMPLED:
            report.sampling_row(page, network, measure("Sample", network, plan), TOKENS)
    if "inference" in parts:
        inference(page, _among(questions.ROWS, asked.rows), plan)
    if "startup" in parts:
        report.startup_table(page, startup(plan.rounds, plan.threads))
    if "ranks" in parts:
        _ranks(page, plan)
    if "plots" in parts and asked.out:
        _plots(page, asked, plan)
    page.add("", f"After all of it: {machine.quiet(machine.load())}.")


def _parts(asked: argparse.Namespace) -> list[str]:
    """Return the parts that what was selected stands in."""
    if not asked.rows and not asked.cells:
        return list(PARTS)
    tables = {"training": ROWS, "inference": questions.ROWS}
    return [part for part, rows in tables.items() if set(rows) & set(asked.rows or ROWS)]


def _among(rows: Iterable[str], selected: Sequence[str] | None) -> list[str]:
    """Return the rows of one table that were selected; all where none was."""
    found = list(rows)
    return [name for name in found if name in selected] if selected else found


def _ranks(page: report.Page, plan: Plan) -> None:
    report.shards_head(page, SHARDS)
    for threads in sorted({1, plan.threads}):
        clock: Clock = "busy" if threads == 1 else "run"
        for row in sharded_rows():
            found = shard_costs(row, replace(plan, threads=threads), clock)
            report.shards_row(page, row, threads, found)
    if sums := sum_times(plan.rounds):
        report.sums_table(page, sums)


def _plots(page: report.Page, asked: argparse.Namespace, plan: Plan) -> None:
    page.add("", "## Step time against size", "", f"{ROWS['char128'].title}, one size varied.")
    short = replace(plan, rounds=min(3, plan.rounds), seconds=plan.seconds / 4)
    for workloads, key, label in (
        (BY_UNITS, "units", "hidden units"),
        (BY_STEPS, "steps", "steps in a window"),
    ):
        curves = plots.sweep(workloads, key, short, asked.cells or CELLS, _tell)
        file = asked.out / f"time_by_{key}.svg"
        plots.draw(curves, label, file)
        page.add("", f"![ms a step against {label}]({file.name})")


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("--rows", nargs="+", choices=[*ROWS, *questions.ROWS], help="of the tables")
    parser.add_argument("--cells", nargs="+", choices=CELLS, help="recurrent layers")
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, help="default: all; with --rows or --cells, theirs"
    )
    parser.add_argument("--rounds", type=int, default=5, help="turns of each library (5)")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a turn (1.0)")
    parser.add_argument("--threads", type=int, default=2, help="of every library (2)")
    parser.add_argument("--quick", action="store_true", help="a rough look in a minute or two")
    parser.add_argument("--out", type=Path, help="folder of RESULTS.md and the plots")
    return parser


if __name__ == "__main__":
    sys.exit(main())
