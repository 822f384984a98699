"""The ranks of run and resume: this process, or those of --mpi, of which one talks to the user."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click

from rnnkit.compute.ranks import LAUNCHED, Ranks, is_first_launched
from rnnkit.errors import RefusedError, RnnkitError

PATIENCE = 1.0
"""Seconds that a rank waits for the first one to tell an error that both have."""


@contextmanager
def started_ranks(mpi: bool) -> Iterator[Ranks]:
    """Give the ranks that train together; an error that all of them know is told by the first.

    Raises RefusedError (MPI_FORGOTTEN) where a launcher started several processes that would each
    train a model of its own.
    """
    if not mpi:
        check_alone()
        yield Ranks()
        return
    from rnnkit.cli import error_in_words
    from rnnkit.compute.mpi import MpiRanks

    ranks = MpiRanks(error_in_words)
    click.get_current_context().obj.append(ranks.end)
    try:
        with ranks:
            yield ranks
    except Exception as error:
        if isinstance(error, RnnkitError) and ranks.knows(error):
            if ranks.first:
                raise
            raise click.exceptions.Exit(error.exit_code) from error
        # Where the others raise it too, the first one tells it and ends them meanwhile.
        time.sleep(0 if ranks.first else PATIENCE)
        raise


def check_alone() -> None:
    """Raise RefusedError where this is one of several processes that nobody told of the others.

    The first one tells it; the others end a little later, with the same code.
    """
    for name, number in LAUNCHED.items():
        count = os.environ.get(name, "1")
        if count.isdecimal() and int(count) > 1:
            if not is_first_launched(number):
                time.sleep(PATIENCE)
                raise click.exceptions.Exit(RefusedError.exit_code)
            raise RefusedError.of(
                "MPI_FORGOTTEN",
                f"{count} processes were started ({name}), and each would train a model of its own "
                "(add --mpi to train one model together)",
            )
