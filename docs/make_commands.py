"""Write docs/guide/commands.md from the commands themselves: python docs/make_commands.py"""

from __future__ import annotations

from pathlib import Path

import click

from rnnkit.cli import COMMANDS, group

PAGE = Path(__file__).parent / "guide" / "commands.md"

HEAD = """# Commands

*Written by `python docs/make_commands.py`; a test compares it with the commands.*

Results go to stdout and everything else to stderr. Every command takes `--json`, which prints one
JSON object and nothing else to stdout, also where the command fails:
`{"error": {"exit": 3, "problems": [{"where": ..., "code": ..., "message": ...}]}}`; `-v`, which
shows where in the code an error arose; and `--help`. A command that takes a checkpoint takes a run
directory too, and then its best model, else its newest, and of its folder `checkpoints` the newest.
A reader that closes the pipe early, such as `head`, ends a command quietly.

`--out` and `--state-out` replace a file whole or not at all, through a symbolic link the file
behind it; a FIFO or a device such as /dev/stdout is written to as it is. What cannot be written, or
is a file that the command reads, is refused before the work begins.
"""

EXITS = """## Exit codes

| exit | meaning |
|---|---|
| 0 | done, also when nothing was left to do, or `--max-steps` was reached |
| 1 | internal error: a bug in rnnkit, or in a plugin that gave it something odd |
| 2 | wrong command line |
| 3 | spec invalid, or missing |
| 4 | plugin missing, broken, failing or clashing, when that is all that is wrong |
| 5 | data missing, undecodable or too small |
| 6 | checkpoint missing, also where a command that reads one is given no run; corrupt, not finite \
or incompatible |
| 7 | training diverged, the state before it is in `crash/`; or a model gives what is not finite |
| 8 | refused: there is no run to resume or plot, the run directory is in use or holds another \
run, a change on resume that is not allowed, or `--exact` cannot be had |
| 9 | a threshold was missed |
| 10 | more memory than the budget, or `--max-time` reached (after a save) |
| 74 | disk full, or another error of reading or writing a file of rnnkit (what a \
plugin opens itself: 4) |
| 75 | another rank of `--mpi` was lost; the last checkpoint is good |
| 129, 130, 143 | stopped by SIGHUP (unless nohup ignores it), SIGINT or SIGTERM, after a valid \
checkpoint where there was something to save |

Every error is one line, `where [CODE] what was received (what to do)`, and in a spec
`file:line:column` is where. A command that finds several says how many.
"""

SHARED = {"as_json", "verbose", "help"}


def page() -> str:
    """Return the page."""
    return "\n".join([HEAD, *map(section, COMMANDS), EXITS])


def section(name: str) -> str:
    """Return what a command does, and its options in a table; so for each of a group."""
    command = group.get_command(click.Context(group), name)
    assert command is not None
    if isinstance(command, click.Group):
        inner = [
            part
            for each in command.commands
            for part in described(f"{name} {each}", command.commands[each])
        ]
        return "\n".join([*described(name, command), *inner])
    return "\n".join(described(name, command))


def described(name: str, command: click.Command) -> list[str]:
    """Return the lines of one command."""
    arguments = [p for p in command.params if isinstance(p, click.Argument)]
    names = [(p.name or "").upper() if p.required else f"[{p.name}]".upper() for p in arguments]
    text = "\n\n".join(" ".join(part.split()) for part in (command.help or "").split("\n\n"))
    lines = [f"## rnnkit {' '.join([name, *names])}", "", text, ""]
    options = [p for p in command.params if isinstance(p, click.Option) and p.name not in SHARED]
    if options:
        lines += ["| option | meaning |", "|---|---|", *map(row, options), ""]
    return lines


def row(option: click.Option) -> str:
    """Return the line of an option."""
    names = ", ".join(f"`{name}`" for name in option.opts)
    kind, value = option.type, option.metavar or option.type.name.split()[0].upper()
    if isinstance(kind, click.Choice):
        value = r"\|".join(kind.choices)
    shown = "" if option.is_flag else f" {value}"
    # What was not given is of a type of click's own.
    given = isinstance(option.default, str | int | float) and not option.is_flag
    default = f" (default: {option.default})" if given and option.default != "" else ""
    text = f"{option.help}{default}".replace("<", r"\<")
    return f"| {names}{shown} | {text} |"


if __name__ == "__main__":
    PAGE.write_text(page())
