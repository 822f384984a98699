"""A sign of life between ranks: a lost one is noticed even by those that wait for it.

Neither a signal nor an exception reaches a thread in a collective call, so another thread listens.
Every rank tells rank 0, and rank 0 every other, that it lives, or with which code all have to end.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from typing import Any

INTERVAL = 1.0
"""Seconds between two signs of life."""

ALIVE = -1
"""What is sent in place of an exit code."""

LOST = 75
"""The exit code: try again later (EX_TEMPFAIL of sysexits.h)."""


class Heartbeat:
    """Ends the process with exit code 75 where a rank was not heard for `patience` seconds.

    `comm` is a communicator of its own; the ranks run on `hosts`.
    """

    def __init__(self, comm: Any, hosts: Sequence[str], patience: float) -> None:
        self._comm, self._hosts, self._patience = comm, hosts, patience
        others = range(1, comm.size) if comm.rank == 0 else range(1)
        self._heard = {rank: 0.0 for rank in others if rank != comm.rank}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="rnnkit-ranks", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        now = time.monotonic()
        self._heard = dict.fromkeys(self._heard, now)
        self._thread.start()

    def stop(self) -> None:
        """Listen no more; every rank has come to its end."""
        self._stopped.set()
        self._thread.join()

    def end(self, code: int) -> None:
        """End this process and all others with an exit code."""
        self.stop()
        self._exit(code)

    def _watch(self) -> None:
        sent: list[Any] = []
        while not self._stopped.wait(INTERVAL):
            sent = [request for request in sent if not request.Test()]
            sent += [self._comm.isend(ALIVE, rank) for rank in self._heard]
            for rank in self._heard:
                while self._comm.iprobe(rank):
                    code = self._comm.recv(source=rank)
                    if code != ALIVE:
                        self._exit(code)
                    self._heard[rank] = time.monotonic()
            self._check()

    def _check(self) -> None:
        for rank, heard in self._heard.items():
            if time.monotonic() - heard > self._patience:
                message = (
                    f"[RANKS_LOST] nothing was heard of rank {rank} on {self._hosts[rank]} for "
                    f"{self._patience:g} seconds (the last checkpoint is good; resume with any "
                    "number of ranks)\n"
                )
                os.write(2, message.encode())
                self._exit(LOST)

    def _exit(self, code: int) -> None:
        """Tell the others, and leave them the time to end as well: the launcher would kill them."""
        for rank in self._heard:
            self._comm.isend(code, rank)
        time.sleep(2 * INTERVAL)
        os._exit(code)
