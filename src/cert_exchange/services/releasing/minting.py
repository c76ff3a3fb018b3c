"""Versions of derivatives become rows: objects of our own that no policy decides on, with what they stand for.

1. They are stored in the transaction that releases them, under its ledger line, and committed to there.
2. What they refer to is stored as the originals that they need, so that whoever asks what needs an id finds them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from cert_exchange.messages.evidence import object_commitment
from cert_exchange.policy.redaction import Rendered, essence_of
from cert_exchange.services.releasing.naming import Names
from cert_exchange.stix.canonical import canonical_bytes, sameness_digest
from cert_exchange.stix.instants import order_key
from cert_exchange.store import derivatives, objects
from cert_exchange.store import versions as version_rows
from cert_exchange.store.database import Transaction, reserve_each
from cert_exchange.store.derivatives import Derivative, Name
from cert_exchange.store.in_force import ENDED
from cert_exchange.store.objects import NewVersion, Version
from cert_exchange.store.tables import OWN, ObjectStatus, identifiers, renditions
from cert_exchange.store.tables import objects as object_table


@dataclass(slots=True)
class Made:
    """A version of a derivative that may become a row."""

    source: Version
    """the version of the original that it was made of"""
    name: Name
    rendered: Rendered
    version: str
    """its `modified`, and the version of an observable, which has none"""
    references: tuple[tuple[int, int], ...]
    """(target ident, role): originals"""
    trimmed: bytes
    content: bytes
    withheld: tuple[str, ...]
    keys: list[tuple[int, int]] = field(default_factory=list)
    """(view, source): where it is gained"""


def revoking(tx: Transaction, prior: Derivative, source: Version, name: Name, version: str) -> Made:
    """The last version under a name: as the one before, but revoked."""
    row = version_rows.numbered(tx, [prior.object])[prior.object]
    [(_, body)] = version_rows.ask_bodies(tx, [row.rendition])()
    content = {**orjson.loads(body), "revoked": True, "modified": version}
    rendered = Rendered(content, canonical_bytes(content))
    return Made(source, name, rendered, version, (), ENDED, ENDED, prior.withheld)


def mint(
    tx: Transaction,
    names: Names,
    made: Sequence[Made],
    *,
    ledger_line: int,
) -> tuple[dict[int, Version], list[bytes]]:
    """Store what was made: the rows by their place in `made`, and the commitments to them."""
    if not made:
        return {}, []
    bodies = {hashlib.sha256(one.rendered.body).digest(): one.rendered.body for one in made}
    texts = {one.name.stix_id for one in made}
    numbers = reserve_each(
        tx, {identifiers: len(texts), renditions: len(bodies), object_table: len(made)}
    )
    asked_ids, asked_bodies = objects.ask_idents(tx, texts), objects.ask_renditions(tx, bodies)
    idents, _, stored = objects.number_and_store(
        tx, texts, bodies, dict(asked_ids()), dict(asked_bodies()), (numbers[0], numbers[1])
    )
    names.number(idents)
    salts = [os.urandom(16) for _ in made]
    news = [
        _row(one, numbers[2][place], idents, stored, names.own, salts[place])
        for place, one in enumerate(made)
    ]
    objects.insert_versions(tx, news, stored_at=names.now, ledger_line=ledger_line)
    kept = [_kept(one, new, names) for one, new in zip(made, news, strict=True)]
    derivatives.keep(tx, kept, [essence_of(one.rendered.content) for one in made])
    names.note(kept)
    rows = version_rows.numbered(tx, [new.id for new in news])
    commitments = [
        object_commitment(
            salt, one.name.stix_id, one.version, OWN, hashlib.sha256(one.rendered.body).digest()
        )
        for one, salt in zip(made, salts, strict=True)
    ]
    return {place: rows[new.id] for place, new in enumerate(news)}, commitments


def _row(
    one: Made,
    number: int,
    idents: Mapping[str, int],
    stored: Mapping[bytes, int],
    own: int | None,
    salt: bytes,
) -> NewVersion:
    content = one.rendered.content
    return NewVersion(
        number,
        idents[one.name.stix_id],
        one.source.type,
        one.version,
        order_key(one.version),
        OWN,
        stored[hashlib.sha256(one.rendered.body).digest()],
        sameness_digest(content),
        own if "created_by_ref" in content else None,
        content.get("revoked") is True,
        one.source.observable,
        ObjectStatus.DERIVATIVE,
        salt,
        one.references,
    )


def _kept(one: Made, new: NewVersion, names: Names) -> Derivative:
    return Derivative(
        new.id, new.ident, one.name.stix_id, new.version, new.version_key, one.source.id,
        names.audience, one.source.ident, one.trimmed, one.content, one.withheld, names.now,
        new.revoked,
    )  # fmt: skip
