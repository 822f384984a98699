"""Names of files on a command line: a command writes over nothing that it reads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from rnnkit.checkpoint.run_directory import RunDir
from rnnkit.core.home import at_home
from rnnkit.files.missing import address
from rnnkit.files.outputs import check_output, overwritten

PathLike = str | bytes | os.PathLike[str]


class Input(click.Path):
    """A path; the empty text, which would be the working directory, is none."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> PathLike:
        """Return the path."""
        if value == "":
            self.fail("expected a path, received an empty text", param, ctx)
        if "://" in str(value) and not os.path.exists(value) and address(str(value)):
            advice = "download it, and give the path of the file"
            self.fail(f"expected a path, received the address {value} ({advice})", param, ctx)
        # A shell leaves it in --data=~/d.csv.
        path = at_home(value) if isinstance(value, str) else value
        return super().convert(path, param, ctx)


class Output(Input):
    """A path to write to; one that cannot be written is refused before the work begins."""

    def __init__(self, *suffixes: str) -> None:
        super().__init__(path_type=Path)
        self.suffixes = suffixes

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> PathLike:
        """Return the path; raises StorageError."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        check_output(path)
        if self.suffixes and path.suffix.lower() not in self.suffixes:
            expected = f"expected a name that ends in {' or '.join(self.suffixes)}"
            self.fail(f"{expected}, received {str(path)!r}", param, ctx)
        return path


PATH = Input(path_type=Path)
OUTPUT = Output()


class SafeCommand(click.Command):
    """A command that writes over nothing that it reads."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; raises UsageError where an output is an input or another output."""
        given = [(p, ctx.params.get(p.name or "")) for p in self.params]
        outputs = [(p, path) for p, path in given if isinstance(p.type, Output) and path]
        inputs = [(p, path) for p, value in given if p.type is PATH for path in _paths(value)]
        for number, (output, path) in enumerate(outputs):
            for source, read in inputs:
                # A conversation continues in the file that it came from.
                if (source.name, output.name) != ("state_in", "state_out"):
                    _keep(source, read, output, path)
            for other, name in outputs[:number]:
                is_file = path.is_file() or not path.exists()
                if is_file and os.path.realpath(path) == os.path.realpath(name):
                    raise click.UsageError(f"{_name(other)} and {_name(output)} are both {path}")
        return super().invoke(ctx)


def _paths(value: Any) -> tuple[Path, ...]:
    """Return the paths of a parameter that is missing, given once, or given often."""
    return () if value is None else value if isinstance(value, tuple) else (value,)


def _keep(source: click.Parameter, read: Path, output: click.Parameter, path: Path) -> None:
    """Raise UsageError where an output is what a parameter reads, or a file of a run it reads."""
    found = overwritten(path, RunDir(read).files() if read.is_dir() else [read])
    if found is not None:
        raise click.UsageError(
            f"{_name(output)} {path} is {'stdin' if str(found) == '-' else found}, which "
            f"{_name(source)} names: it would be lost (give another name)"
        )


def _name(parameter: click.Parameter) -> str:
    option = isinstance(parameter, click.Option)
    return parameter.opts[-1] if option else parameter.human_readable_name
