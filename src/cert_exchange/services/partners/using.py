"""When a credential was last used, written beside requests and never for each.

1. A request costs one look into a dictionary. Each process writes at most once a minute for each credential, in a thread,
   so that what is shown is exact to a minute.
2. Only credentials that proved right are remembered, so that strangers fill nothing.
3. A right credential from outside its networks is remembered apart: `doctor` shows it, for it may be stolen.
4. What cannot be written is left out: it is written with a later use. No request fails for it.
"""

from __future__ import annotations

import contextlib
from concurrent.futures import Executor
from typing import Final

import structlog

from cert_exchange.errors import CertExchangeError
from cert_exchange.node import Node
from cert_exchange.services.partners.recognising import network_of
from cert_exchange.store import credential_lives as rows
from cert_exchange.store.database import Transaction

log = structlog.get_logger(__name__)

EVERY_SECONDS: Final = 60.0


class Uses:
    """The uses that one process saw. Safe in all threads: at worst one is written twice."""

    def __init__(self, node: Node, threads: Executor) -> None:
        self._node = node
        self._threads = threads
        self._written: dict[tuple[str, bool], float] = {}

    def note(
        self, credential_id: str, address: str, *, now: float, elsewhere: bool = False
    ) -> None:
        """Remember a use; `now` in monotonic seconds. `elsewhere`: it was refused, for it came from outside its networks."""
        key = (credential_id, elsewhere)
        last = self._written.get(key)
        if last is not None and now - last < EVERY_SECONDS:
            return
        self._written[key] = now
        with contextlib.suppress(RuntimeError):  # the server is closing, and takes no work any more
            self._threads.submit(self._write, credential_id, address, elsewhere=elsewhere)

    def _write(self, credential_id: str, address: str, *, elsewhere: bool) -> None:
        at = self._node.now()
        network = network_of(address)
        if elsewhere:
            log.warning(
                "a right credential came from elsewhere", credential=credential_id, network=network
            )

        def work(tx: Transaction) -> None:
            note = rows.note_refused if elsewhere else rows.note_use
            note(tx, credential_id, network=network, at=at)

        try:
            self._node.database.transact(work)
        except CertExchangeError as error:
            self._written.pop((credential_id, elsewhere), None)
            log.warning("a use was not written", credential=credential_id, detail=error.detail)


__all__ = ["EVERY_SECONDS", "Uses"]
