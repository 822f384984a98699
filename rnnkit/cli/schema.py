"""rnnkit schema: what an editor needs to complete and check a spec."""

from __future__ import annotations

import json
from pathlib import Path

import click

from rnnkit.cli.common import print_json, tell, write_named
from rnnkit.cli.options import make_command
from rnnkit.cli.paths import OUTPUT
from rnnkit.cli.results import json_asked, print_result


@make_command("schema")
@click.option("--out", type=OUTPUT, help="Write to this file instead of stdout.")
def command(out: Path | None) -> None:
    """Write the JSON Schema of specs, with every type that is installed.

    A spec names the file by "$schema"; plugins that cannot be imported are left out and named.
    """
    from rnnkit.contracts.registry import Registry
    from rnnkit.spec.schema import json_schema

    schema, broken = json_schema(Registry())
    for problem in broken:
        tell(str(problem))
    text = json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
    if out is None:
        print_result(text, nl=False)
        return
    write_named(out, text.encode())
    if json_asked():
        print_json({"schema": str(out)})
