"""The guards that a test switches off, one at a time, to show that the harness finds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any


def _cursor_first() -> None:
    """A source's cursor moves in a transaction of its own, before its page is stored."""
    from cert_exchange.services.syncing import pulling

    store = pulling._store

    def early(run: Any, page: Any, vouching: Any) -> None:
        if page.envelope.count:
            token = page.envelope.next if page.envelope.more else None
            to = {"cursor": page.cursor, "next_token": token}
            run.moved(run.node.database.transact(lambda tx: run.move(tx, {}, **to)), {})
        store(run, page, vouching)

    pulling._store = early


def _no_dedupe() -> None:
    """What is held already is stored once more."""
    from cert_exchange.services.publishing import taking_in
    from cert_exchange.services.publishing.rulings import Step
    from cert_exchange.store.tables import OWN

    carry_out = taking_in._carry_out
    numbers = count(1)

    def again(
        intake: Any, ident: int, item: Any, version: str, key: str, ruling: Any, salt: bytes
    ) -> None:
        if ruling.step is Step.NOTHING and ruling.success and intake.sender.origin != OWN:
            ruling = replace(ruling, step=Step.STORE, about=None)
            key = f"{key}~{salt.hex()}{next(numbers)}"
        carry_out(intake, ident, item, version, key, ruling, salt)

    taking_in._carry_out = again


def _no_lease() -> None:
    """Every worker takes every channel, and moves its place whatever it is."""
    import json

    from sqlalchemy import update

    from cert_exchange.store import channels

    def take(tx: Any, channel: Any, *, owner: str, now: int, until: int) -> bool:
        return True

    def move(tx: Any, seen: Any, *, owner: str, lease_until: int, counters: Any, **to: Any) -> None:
        if "position" in to:
            to["cursor"] = to.pop("position")
        table = channels._TABLES[seen.direction]
        tx.execute(
            update(table).where(table.c.id == seen.id).values(counters=json.dumps(counters), **to)
        )

    channels.take_lease = take
    channels.move = move


GUARDS: dict[str, Callable[[], None]] = {
    "cursor": _cursor_first,
    "dedupe": _no_dedupe,
    "lease": _no_lease,
}


def switch_off(name: str) -> None:
    """Switch one guard off in this process, for as long as it lives."""
    GUARDS[name]()
