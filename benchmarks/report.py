"""Measurements as lines of Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from benchmarks.measure import Measured, Spread
from benchmarks.side import BY_HAND, TITLES, installed
from benchmarks.workloads import TARGETS, Workload


class Page:
    """Lines that are shown as they are written, and kept."""

    def __init__(self, show: Callable[[str], object]) -> None:
        self.lines: list[str] = []
        self._show = show

    def add(self, *lines: str) -> None:
        """Write lines."""
        for line in lines:
            self.lines.append(line)
            self._show(line)

    def row(self, *cells: str) -> None:
        """Write a row of a table."""
        self.add(f"| {' | '.join(cells)} |")

    def head(self, title: str, explanation: str, *columns: str) -> None:
        """Begin a section with a table."""
        self.add("", f"## {title}", "", explanation, "")
        self.row(*columns)
        self.add("|" + "---|" * len(columns))

    def facts(self, facts: Mapping[str, str]) -> None:
        """Write one fact a line."""
        self.add(*(f"- {name}: {value}" for name, value in facts.items()))

    def text(self) -> str:
        """Return the whole page."""
        return "\n".join(self.lines) + "\n"


def spread(values: Spread, scale: float = 1.0) -> str:
    """Return median, smallest and largest with three digits."""
    median, low, high = (digits(scale * v) for v in (values.median, values.low, values.high))
    return f"{median} ({low}–{high})"


def training_head(page: Page) -> None:
    """Begin the table of training steps."""
    titles = [TITLES[library] for library in installed("Train")]
    page.head(
        "Training, ms a step",
        "Median of the rounds (smallest–largest). Ratio: rnnkit / the best peer, round by round; "
        "the aim was set on another processor, on which PyTorch multiplies at half our speed. "
        "Bound: the matrix products of the step at the machine's SGEMM peak; then how many times "
        "that rnnkit takes. By hand: rnnkit / NumPy by hand (aim: below 0.5). "
        "Memory: the peak of the process, libraries included.",
        *("workload", "cell", *titles, "ratio", "aim", "by hand", "bound", "times bound"),
        *(f"{title} MB" for title in titles),
    )


def training_row(page: Page, workload: Workload, measured: Measured, peak: float) -> None:
    """Write the row of one workload and cell."""
    best = measured.best_peer()
    bound = workload.operations() / peak
    times = measured.time("rnnkit").median / bound
    page.row(
        f"{workload.name} ({workload.title})",
        workload.cell,
        *(spread(measured.time(library), 1e3) for library in measured.rounds),
        spread(measured.ratio(best)) if best else "no peer",
        f"{TARGETS[workload.name][workload.cell]:.2f}",
        spread(measured.ratio(BY_HAND)),
        digits(1e3 * bound),
        f"{times:.2f}",
        *(f"{size / 1e6:.0f}" for size in measured.peaks.values()),
    )


def sampling_head(page: Page) -> None:
    """Begin the table of sampling."""
    libraries = installed("Sample")
    page.head(
        "Sampling one stream, tokens a second",
        "LSTM layers; each id is drawn from the softmax at temperature 1 and fed back. MB: the "
        "peak of the process over what it held once the model was loaded.",
        "layers",
        *(TITLES[library] for library in libraries),
        *(f"rnnkit / {TITLES[library]}" for library in libraries[1:]),
        *(f"{TITLES[library]} MB" for library in libraries),
    )


def sampling_row(page: Page, workload: Workload, measured: Measured, tokens: int) -> None:
    """Write the row of one network; higher is better."""
    ours, *peers = measured.rounds
    page.row(
        workload.name,
        *(speeds(measured.rounds[library], tokens) for library in (ours, *peers)),
        *(f"{1 / measured.ratio(peer).median:.2f}" for peer in peers),
        *map(megabytes, measured.grown.values()),
    )


def startup_table(page: Page, found: Mapping[str, Spread]) -> None:
    """Write how long the commands take."""
    page.head(
        "Start-up, ms",
        "From the start of the process to its first output, caches warm. The four questions are "
        "asked of a new `char_lstm.json`, on a text of twenty lines.",
        "command",
        "time",
    )
    for title, values in found.items():
        page.row(f"`{title}`", spread(values, 1e3))


def shards_head(page: Page, counts: Sequence[int]) -> None:
    """Begin the table of what shards cost."""
    page.head(
        "Shards in one process",
        "LSTM. ms of a step without shards, then times as much for so many shards. One thread: "
        "time of the processor; more: time that passes. A shard is learned on its own, so its "
        "products have fewer rows.",
        *("workload", "threads"),
        *(f"{count} shards" for count in counts),
    )


def shards_row(
    page: Page, row: Workload, threads: int, found: Mapping[int, tuple[Spread, Spread]]
) -> None:
    """Write the row of one workload and number of threads."""
    (first, _), *others = found.values()
    ratios = (spread(ratio) for _, ratio in others)
    page.row(f"{row.name} ({row.title})", str(threads), spread(first, 1e3), *ratios)


def sums_table(page: Page, found: Mapping[int, Mapping[str, Spread]]) -> None:
    """Write the time of a sum over two ranks of one machine."""
    page.head(
        "Sum over two ranks, ms",
        "The fixed tree, against MPI.Allreduce, by how many float32 values.",
        *("values", *next(iter(found.values()))),
    )
    for size, each in found.items():
        page.row(f"{size:,}", *(spread(values, 1e3) for values in each.values()))


def speeds(seconds: Sequence[float], tokens: int) -> str:
    """Return how many tokens a second such times are."""
    values = Spread.of([tokens / each for each in seconds])
    return f"{values.median:,.0f} ({values.low:,.0f}–{values.high:,.0f})"


def megabytes(size: int) -> str:
    """Return bytes as MB, to a tenth."""
    return f"{size / 1e6:.1f}"


def digits(value: float) -> str:
    """Return three significant digits, never an exponent."""
    return f"{value:.0f}" if value >= 100 else f"{value:#.3g}"
