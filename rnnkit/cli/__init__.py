"""The command `rnnkit`: one command a file, each loaded when it is called."""

from __future__ import annotations

try:
    import errno
    import importlib
    import keyword
    import os
    import re
    import sys
    import threading
    import traceback
    import warnings
    from collections.abc import Callable
    from contextlib import suppress
    from dataclasses import dataclass
    from typing import Any, NoReturn

    import click

    from rnnkit.cli.common import Shown, Stopped, as_object, print_json, tell, unknown
    from rnnkit.cli.streams import drop, end_threads, keep_results_apart, replace_closed, unread
    from rnnkit.core.process_end import ends_are_errors
    from rnnkit.core.time_limit import give_up
    from rnnkit.errors import (
        PluginError,
        ResourceError,
        RnnkitError,
        StorageError,
        printable,
        raised,
    )
except KeyboardInterrupt:  # Ctrl-C before there is a command
    raise SystemExit(130) from None

TRACEBACK = re.compile(r"Traceback \(most recent call last\):\n(?:[ \t].*\n)*")
MORE = "the same command with -v shows where"
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

COMMANDS = {
    "run": "Train the model of a spec.",
    "sweep": "Train many models of one spec, and find the best.",
    "resume": "Continue a run exactly where it stopped.",
    "eval": "Measure a model on a split or a file.",
    "sample": "Generate text.",
    "score": "Give the log-probability of text, line by line.",
    "decode": "Write what a decoder gives for sources.",
    "predict": "Label, tag or forecast the sequences of a file.",
    "forecast": "Forecast a series many steps ahead.",
    "export": "Write a model for ONNX, PyTorch, Keras or C.",
    "import": "Make a checkpoint of weights of another program.",
    "neurons": "Show what a hidden unit reads.",
    "attention": "Show where a decoder looks in its source.",
    "check": "Report every error of a spec.",
    "explain": "Show layers, shapes, parameters, memory and streams.",
    "show": "Show what a checkpoint or a run holds, or how two differ.",
    "ls": "List runs with their best scores.",
    "plot": "Draw the curves of runs.",
    "gradients": "Draw how far back in time gradients reach.",
    "plugins": "List every type and where it comes from.",
    "schema": "Write the JSON Schema of specs.",
    "doctor": "Report what decides results and speed here.",
}

ELSEWHERE = {
    "train": "run",
    "fit": "run",
    "continue": "resume",
    "evaluate": "eval",
    "test": "eval",
    "generate": "sample",
    "translate": "decode",
    "validate": "check",
    "summary": "explain",
    "info": "show",
    "list": "ls",
    "infer": "predict",
    "inference": "predict",
    "tune": "sweep",
    "version": "--version",
    "help": "--help",
}
"""What other programs call these commands."""


class CommandGroup(click.Group):
    """Lists the commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of a first day."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the file of a command."""
        if cmd_name not in COMMANDS:
            return None
        module = f"{cmd_name}_" if keyword.iskeyword(cmd_name) else cmd_name
        command: click.Command = importlib.import_module(f"rnnkit.cli.{module}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of a line; raises UsageError for what is none."""
        if args[0] in COMMANDS or args[0].startswith("-"):
            return super().resolve_command(ctx, args)
        raise unknown("command", args[0], list(COMMANDS), ELSEWHERE)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands with a line each."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(
    cls=CommandGroup,
    subcommand_metavar="COMMAND ...",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="rnnkit", prog_name="rnnkit")
def group() -> None:
    """Recurrent networks from a JSON file.

    Trained from the shell, stopped and resumed exactly, extended by a pip package.
    Start with: rnnkit run SPEC. Every command has --help; results go to stdout, the rest to stderr.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run a command line and exit with its code; see the table in the guide."""
    code = 130
    # Pydantic looks for plugins in the metadata of every distribution, and one of them may be
    # damaged. None of them is needed here.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    with suppress(KeyboardInterrupt):
        replace_closed()
        warnings.showwarning = _show_warning  # type: ignore[assignment]
        sys.unraisablehook = threading.excepthook = _show_ignored
        give_up.append(_give_up)
        if "_RNNKIT_COMPLETE" in os.environ:
            group.main(prog_name="rnnkit")  # answers the shell that asks for completions, and exits
        keep_results_apart()
        code = run_command(sys.argv[1:] if arguments is None else arguments)
    drop()
    sys.stdout = sys.stderr  # what is written from here on is no result
    end_threads(code)
    sys.exit(code)


def _show_ignored(failed: Any) -> None:
    """Tell in one line of what fails where nobody waits: in a thread, or as the process ends."""
    if failed.exc_value is not None and not isinstance(failed.exc_value, SystemExit):
        place = _blame(failed.exc_value)
        tell(f"[WARNING] {raised(failed.exc_value, 400)}{place and f', in {place}'}")


def _give_up() -> None:
    """End the process, since code of a plugin goes on whatever it is told."""
    _end("[PLUGIN_TIMEOUT] an import catches what would end it (uninstall the plugin)")


def _end(said: str) -> NoReturn:
    """End the process for what a plugin does."""
    tell(said)
    drop()
    os._exit(PluginError.exit_code)


def _show_warning(message: Warning | str, category: type[Warning], *_: object) -> None:
    """Tell of a warning of Python or of a library in one line; only its author needs the place.

    Of a traceback in it, as numba quotes one for a variable that it cannot read, the error stays.
    """
    text = " ".join(TRACEBACK.sub("", str(message)).split())
    tell(f"[WARNING] {category.__name__}: {printable(text, 400)}")


def run_command(arguments: list[str]) -> int:
    """Run a command line and return its exit code; every error is reported, none as a traceback.

    What a command adds to `context.obj` is called with the exit code, once the error is reported.
    """
    endings: list[Callable[[int], None]] = []
    with ends_are_errors(lambda said: _end(f"[PLUGIN_FAILED] {said} (tell its author)")):
        code = _run(arguments, endings)
    for end in endings:
        end(code)
    return code


def _run(arguments: list[str], endings: list[Callable[[int], None]]) -> int:
    flags = Flags("--json" in arguments, any(flag in arguments for flag in ("-v", "--verbose")))
    # Not through group.main, which ends the process with 1 where a pipe is closed.
    try:
        with group.make_context("rnnkit", list(arguments), obj=endings) as context:
            group.invoke(context)
        sys.stdout.flush()
        return 0
    except Shown as shown:
        return flags.report(shown.error, shown=True)
    except RnnkitError as error:
        return flags.report(error)
    except (click.exceptions.Exit, click.ClickException, click.Abort) as error:
        if place := _blame(error):  # what ends its author's commands ends no run
            return flags.report(_plugin_failed(error, place))
        if isinstance(error, click.Abort):
            return flags.ended(130, "INTERRUPTED", "stopped by a signal")
        if isinstance(error, click.exceptions.Exit):
            return error.exit_code
        with suppress(OSError):
            error.show()
        return flags.ended(error.exit_code, "USAGE", error.format_message())
    except KeyboardInterrupt:
        return flags.ended(130, "INTERRUPTED", "stopped by a signal")
    except Stopped as stopped:
        return flags.ended(128 + stopped.number, "INTERRUPTED", "stopped by a signal")
    except BaseException as error:  # a plugin may raise any
        if isinstance(error, BrokenPipeError) and unread():
            drop()
            return 0
        return flags.report(error_in_words(error, f"rnnkit {arguments[0]}"))


def error_in_words(error: BaseException, command: str = "rnnkit") -> RnnkitError:
    """Return what is told of an error that is no user's: of memory, of a disk, of a plugin."""
    if isinstance(error, RnnkitError):
        return error
    if isinstance(error, MemoryError):
        what = ": ".join(filter(None, ("not enough memory", str(error))))
        message = f"{what} (fewer units, streams or steps in a window)"
        return ResourceError.of("MEM_ALLOC", message, command)
    if isinstance(error, OSError) and not _blame(error, itself=bool(error.filename)):
        # What rnnkit writes itself has a name; only results go to a file that has none here.
        where = error.filename or ("stdout" if error.errno in NO_ROOM else "")
        message = f"{error.strerror or error} (check the disk and the path)"
        return StorageError.of("IO_ERROR", message, where)
    if place := _blame(error):
        return _plugin_failed(error, place)
    message = f"{raised(error)} (a bug in rnnkit or in a plugin; {MORE})"
    return RnnkitError.of("INTERNAL", message)


def _plugin_failed(error: BaseException, place: str) -> PluginError:
    what = f"{raised(error)}, in {place}"
    return PluginError.of("PLUGIN_FAILED", f"{what} (tell its author; {MORE})")


def _blame(error: BaseException, itself: bool = False) -> str:
    """Return the line of a plugin that the error came through, or raised it `itself`, if any."""
    with suppress(Exception):  # what finds the plugins may be what failed
        from rnnkit.core.installed import blame

        return blame(error, itself)
    return ""


@dataclass(frozen=True)
class Flags:
    """What every command takes, and what is done of it once the command has ended."""

    as_json: bool
    verbose: bool

    def report(self, error: RnnkitError, shown: bool = False) -> int:
        """Write an error to stderr and, unless a result has `shown` it, as the JSON object."""
        if self.verbose:
            with suppress(OSError):
                traceback.print_exc()
        tell(str(error))
        if len(error.problems) > 1:
            tell(f"{sum(problem.count for problem in error.problems):,} errors")
        if not shown:
            self._print(as_object(error))
        return error.exit_code

    def ended(self, code: int, rule: str, message: str) -> int:
        """Give what is no error of rnnkit's own the same JSON object."""
        problem = {"where": "", "code": rule, "message": message}
        self._print({"error": {"exit": code, "problems": [problem]}})
        return code

    def _print(self, value: object) -> None:
        """Print the object where it was asked for; that nobody reads it changes no exit code."""
        if self.as_json:
            with suppress(OSError):
                print_json(value)
