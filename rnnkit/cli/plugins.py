"""rnnkit plugins: every type that a spec may name, and the distribution it comes from."""

from __future__ import annotations

import re
import subprocess
import sys

import click

from rnnkit.cli.common import emit, table
from rnnkit.cli.options import make_command
from rnnkit.core.distributions import offers
from rnnkit.core.installed import IMPORT_SECONDS, Plugin, clashes, installed, misplaced
from rnnkit.errors import PluginError, Problem, printable

CHILD = """
import sys
from rnnkit.errors import PluginError
from rnnkit.core.distributions import offers
from rnnkit.core.installed import Plugin
from rnnkit.contracts.registry import load_plugin
try:
    load_plugin(Plugin(*sys.argv[1:]))
    print("", "LOADED", sep="\\n", flush=True)
except PluginError as error:
    print("", error.problems[0].code + " " + error.problems[0].message, sep="\\n")
    sys.exit(4)
"""
SECONDS = IMPORT_SECONDS + 30
"""The child keeps the limit of an import itself, unless no alarm reaches it."""


@make_command("plugins")
@click.option("--check", is_flag=True, help="Import each, in a process of its own (exit 4).")
def command(check: bool) -> None:
    """List every type with its distribution and version; nothing is imported without --check."""
    plugins = installed()
    problems = {p: found for p in plugins if (found := failure(p))} if check else {}
    rows = [[p.kind, p.name, p.distribution, p.version] for p in plugins]
    if check:
        for plugin, row in zip(plugins, rows, strict=True):
            row.append(problems[plugin].message if plugin in problems else "ok")
    head = ["kind", "type", "distribution", "version"] + ["check"] * check
    shared = [Problem("", code, text) for code, text in clashes(plugins)]
    if check:
        shared += [Problem("", "PLUGIN_GROUP", text) for text in misplaced()]
        shared += [Problem("", "PLUGIN_ENTRY_POINT", text) for text in offers().malformed]
    sentences = list(dict.fromkeys([*(each.message for each in shared), *offers().unused]))
    listed = [dict(zip(head, row, strict=True)) for row in rows]
    result = {"plugins": listed, "clashes": sentences}
    text = "\n".join([table(rows, head), *(printable(said, 500) for said in sentences)])
    broken = [*problems.values(), *shared] if check else []
    emit(result, text, PluginError(*broken) if broken else None)


def failure(plugin: Plugin) -> Problem | None:
    """Return why a plugin cannot be used, if it cannot; a crash or a hang is a reason too."""
    arguments = (plugin.group, plugin.name, plugin.distribution, plugin.version, plugin.target)
    try:
        done = subprocess.run(
            [sys.executable, "-c", CHILD, *arguments],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return Problem("", "PLUGIN_TIMEOUT", f"{plugin}: its import takes more than {SECONDS:g} s")
    if done.returncode == 0 and "LOADED" in done.stdout.splitlines():
        return None
    told = re.search(r"^(PLUGIN_\w+) (.*)", done.stdout, re.MULTILINE)  # amid what others print
    if done.returncode == 4 and told:
        code, message = told.groups()
        return Problem("", code, printable(message, 500))
    said = (done.stderr.strip().splitlines() or ["no message"])[-1]
    message = f"{plugin}: its import ends the process ({done.returncode}): {printable(said, 200)}"
    return Problem("", "PLUGIN_IMPORT", message)
