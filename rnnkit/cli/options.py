"""The arguments and options that several commands take, and how a command is made."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rnnkit.cli.paths import OUTPUT, PATH, SafeCommand
from rnnkit.cli.results import AS_JSON, results, results_alone
from rnnkit.core.names import ABSENT, BY_THREADS, KEYS
from rnnkit.errors import printable

if TYPE_CHECKING:
    from rnnkit.contracts.registry import Registry
    from rnnkit.inference.model import Model

F = TypeVar("F", bound=Callable[..., object])

SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
BYTES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
LARGEST = 1e18
"""Where a time or a size is a slip: 30 billion years, a thousand petabytes."""


def together(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Return what adds all these options, in their order."""

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def make_command(name: str) -> Callable[[Callable[..., object]], click.Command]:
    """Make a command that also takes --json and -v, and shows its defaults."""
    settings = {"help_option_names": ["-h", "--help"], "show_default": True}
    shared: Callable[..., Callable[..., object]] = together(
        kept_option("--json", "as_json", AS_JSON, "Print one JSON object."),
        click.option("-v", "--verbose", is_flag=True, expose_value=False, help=VERBOSE),
    )
    return lambda function: click.command(name, Command, context_settings=settings)(
        shared(function)
    )


class Command(SafeCommand):
    """A command that says how a key of the spec is changed where it is taken for an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments; raises UsageError."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            asked = error.option_name
            name = asked.lstrip("-").replace("-", "_")
            key, absent = KEYS.get(name, ""), ABSENT.get(name)
            begun = [name for o in self.params for name in o.opts if name.startswith(asked)]
            if "." in key and self._has("overrides"):
                message = f"there is no option {asked} (give -s {key}=VALUE)"
            elif absent and (absent != BY_THREADS or self._has("threads")):
                message = f"there is no option {asked} ({absent})"
            elif begun:
                message = f"there is no option {asked} (did you mean {' or '.join(begun)}?)"
            else:
                raise
            raise click.UsageError(message, ctx) from None

    def _has(self, name: str) -> bool:
        return any(option.name == name for option in self.params)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, whose results alone go to stdout."""
        with results_alone(ctx):
            return super().invoke(ctx)


def quantity(name: str, units: Mapping[str, int], form: str) -> Callable[[str], float]:
    """Return what reads a number with a unit; the number is above 0, in the smallest unit."""

    def convert(text: str) -> float:
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", text)
        value = float(match[1]) * units.get(match[2], 0) if match else 0.0
        if not 0 < value < LARGEST:
            raise click.BadParameter(f"expected {form}, received {printable(repr(text))}")
        return value

    convert.__name__ = name  # the help shows it
    return convert


class Number(click.FloatRange):
    """A number of a range; NaN, which no bound keeps out, is none."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number."""
        found = float(super().convert(value, param, ctx))
        if math.isnan(found):
            self.fail("expected a number, received nan", param, ctx)
        return found


def wants_colour(asked: bool | None = None) -> bool:
    """Tell whether to write colours: as asked, else on a terminal unless NO_COLOR forbids it."""
    return results().isatty() and not os.environ.get("NO_COLOR") if asked is None else asked


def _colour(context: click.Context, option: click.Parameter, asked: bool | None) -> bool:
    """Decide on colours; where they are wanted, click leaves them in for a pipe too."""
    context.color = wants_colour(asked) or None
    return bool(context.color)


ACCEPTS = "rnnkit.accepts_others"


def kept_option(flag: str, name: str, key: str, text: str) -> Callable[[F], F]:
    """Return a flag that the context keeps under a key, and no command needs to know of."""

    def keep(context: click.Context, option: click.Parameter, asked: bool) -> None:
        context.meta[key] = asked

    return click.option(flag, name, is_flag=True, expose_value=False, callback=keep, help=text)


def registry() -> Registry:
    """Return what finds types, for a checkpoint as the options of the command accept them."""
    from rnnkit.contracts.registry import Registry

    return Registry(accepts_others=click.get_current_context().meta.get(ACCEPTS, False))


def with_weights(model: Model, weights: str) -> Model:
    """Return the model with its matrices as WEIGHTS says."""
    return model.quantized() if weights == "int8" else model


VERBOSE = "Show where an error arose."
ACCEPT_PLUGIN: Callable[..., Callable[..., object]] = kept_option(
    "--accept-plugin",
    "accept_plugin",
    ACCEPTS,
    "Take a type from another package than the checkpoint's.",
)
CHECKPOINT: Callable[..., Callable[..., object]] = together(
    click.argument("checkpoint", type=PATH), ACCEPT_PLUGIN
)
WEIGHTS = click.option(
    "--weights",
    default="float32",
    type=click.Choice(["float32", "int8"]),
    help="Take matrices as they are, or in 8 bits.",
)
SPEC = click.argument("spec", type=PATH)
OVERRIDES = click.option(
    "-s", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a value of the spec."
)
SPLITS = click.Choice(["train", "valid", "test"])
SEED = click.IntRange(0, 2**63 - 1)
COLOR = click.option(
    "--color/--no-color", default=None, callback=_colour, help="Default: on a terminal."
)
THREADS = click.option(
    "--threads",
    type=click.IntRange(1, 1024),
    help="Threads of matrix products (default: BLAS decides).",
)


def data_root_option(start: str = "") -> Callable[[F], F]:
    """Return the option that says where relative data paths begin, else at `start`."""
    default = f" (default: {start})" if start else ""
    text = f"Where relative data paths start{default}."
    return click.option("--data-root", "root", type=PATH, help=text)


def run_options(start: str) -> Callable[[F], F]:
    """Return the options that run and resume share; relative data paths begin at `start`."""
    return together(
        OVERRIDES,
        data_root_option(start),
        click.option(
            "--max-steps",
            type=click.IntRange(min=0),
            help="Stop once the run has done so many steps in all.",
        ),
        click.option(
            "--max-time",
            type=quantity("time", SECONDS, "a time such as 90s, 30m or 2h"),
            help="Save and stop after this time (exit 10).",
        ),
        click.option(
            "--max-memory",
            type=quantity("size", BYTES, "a size such as 500MB or 4GB"),
            help="Refuse to need more (default: 80 % of what is free).",
        ),
        THREADS,
        click.option(
            "--exact",
            is_flag=True,
            help="Refuse to continue where bits would differ from the checkpoint's.",
        ),
        click.option(
            "--mpi",
            is_flag=True,
            help="Train one model with all processes that mpiexec or srun started.",
        ),
    )


STATES: Callable[..., Callable[..., object]] = together(
    click.option("--state-in", type=PATH, help="Start from the hidden states in this file."),
    click.option("--state-out", type=OUTPUT, help="Write the hidden states at the end to it."),
)
