"""What a partner's node asks of ours about deliveries: our statements, its own, and its receipts.

1. A collection that the partner may not read has no statements; hidden and absent are alike (invariant 1).
2. A broken text is answered by why it is broken, and kept on our side (`checking`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from cert_exchange.errors import (
    EnvelopeInvalid,
    NotFound,
    ReadRefused,
    ReceivingSuspended,
    SharingFrozen,
    SignatureBroken,
    WriteRefused,
)
from cert_exchange.messages.deliveries import Way, number_of, pairs_of
from cert_exchange.node import Node
from cert_exchange.services import signing
from cert_exchange.services.deliveries.checking import Expected, take_statement
from cert_exchange.services.deliveries.doubting import set_aside_differing
from cert_exchange.services.deliveries.receipting import take_receipt
from cert_exchange.services.deliveries.settling import settle
from cert_exchange.services.deliveries.stating import (
    Span,
    Told,
    tell_again,
    tell_long,
    tell_next,
    went_back,
)
from cert_exchange.services.partners import Caller
from cert_exchange.store import branches, rights
from cert_exchange.store import deliveries as rows
from cert_exchange.store.rights import Grant
from cert_exchange.store.statement_rows import StatementRow

_UUID: Final = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


def answer_statement(node: Node, caller: Caller, question: Mapping[str, Any]) -> Mapping[str, Any]:
    """The statement after the one that a partner has of a collection that it polls, or one of ours `again`.

    {"collection": id or alias, "has": {stream: [number, digest]}, "after": micros} or {"collection", "again": number,
    "named": whether with ids}; {"statement": null} where there is none, with "lacks" and "last" where the partner has more
    than we ever made. Raises NotFound, ReadRefused, SharingFrozen, EnvelopeInvalid.
    """
    grant = _grant(node, caller, question)
    _check_read(grant)
    _check_frozen(caller)
    try:
        has = pairs_of(question.get("has", {}))
        after = number_of(question.get("after", 0))
        again = question.get("again")
        number = None if again is None else number_of(again)
    except (ValueError, TypeError, AttributeError):
        raise EnvelopeInvalid("`has`, `after` or `again` cannot be read.") from None
    span = Span(caller.partner, grant.collection, grant.uuid, Way.SERVED, grant.uuid, after)
    if number is None:
        said = has.get(span.stream)
        told = tell_next(node, span, said)
        if told is None and said is not None:
            return {"statement": None, **(went_back(node, span, said) or {})}
    else:
        with node.database.reading() as tx:
            row = rows.numbered(tx, span.place, number)
        told = _again(node, row, named=question.get("named") is True)
    return {"statement": None} if told is None else told.document()


def answer_delivered(node: Node, caller: Caller, query: Mapping[str, str]) -> Mapping[str, Any]:
    """How far the caller's statements of what it pushed have come: `collection` and `stream`; {"has": [number, digest]}.

    {"has": null}: there is none. Raises NotFound, WriteRefused, EnvelopeInvalid.
    """
    grant = _grant(node, caller, query)
    if not grant.can_write:
        raise WriteRefused
    with node.database.reading() as tx:
        ends = branches.ends(tx, caller.partner, Way.PUSHED)
    end = ends.get(query.get("stream", ""))
    return {"has": None if end is None else [end[0], end[1].hex()]}


def answer_delivery(node: Node, caller: Caller, question: Mapping[str, Any]) -> Mapping[str, Any]:
    """Take a partner's statement of what it pushed into a collection, and answer our receipt.

    {"collection", "statement", "entries", "signed": its list of keys}. Raises NotFound, WriteRefused, EnvelopeInvalid.
    """
    grant = _grant(node, caller, question)
    if not grant.can_write:
        raise WriteRefused
    if not caller.receiving:
        raise ReceivingSuspended(detail=f"receiving from partner {caller.partner} is suspended")
    expected = Expected(caller.partner, Way.PUSHED, grant.collection)
    try:
        taken = take_statement(node, expected, question)
        set_aside_differing(node, taken)
        row = settle(node, taken, handed_over=True)
    except SignatureBroken as broken:
        raise EnvelopeInvalid(broken.public) from None
    return {"receipt": row.receipt, **signing.our_list(node)}


def answer_receipt(node: Node, caller: Caller, question: Mapping[str, Any]) -> Mapping[str, Any]:
    """Take a partner's receipt: {"receipt", "signed": its list of keys}. Raises EnvelopeInvalid.

    A partner that was restored, and signed a receipt anew, is answered the one that stands: it takes it back.
    """
    try:
        taken = take_receipt(node, caller.partner, question)
    except SignatureBroken as broken:
        raise EnvelopeInvalid(broken.public) from None
    said: dict[str, Any] = {"taken": taken.receipt.seq}
    return said if taken.stands is None else {**said, "receipt": taken.stands}


def _again(node: Node, row: StatementRow | None, *, named: bool) -> Told | None:
    if row is None:
        return None
    return tell_long(node, row) if named else tell_again(node, row)


def _check_read(grant: Grant) -> None:
    if not grant.can_read:
        raise ReadRefused


def _check_frozen(caller: Caller) -> None:
    if caller.frozen:
        raise SharingFrozen(detail=f"what goes out to partner {caller.partner} is frozen")


def _grant(node: Node, caller: Caller, question: Mapping[str, Any]) -> Grant:
    name = question.get("collection")
    if not isinstance(name, str):
        raise EnvelopeInvalid("`collection` is missing.")
    if not name.isprintable():
        raise NotFound
    wanted = name.lower() if _UUID.fullmatch(name) else name
    with node.database.raw_reader() as connection:
        grant = rights.find(
            node.database.dialect, connection, caller.partner, caller.audience, wanted, caller.scope
        )
    if grant is None:
        raise NotFound
    return grant
