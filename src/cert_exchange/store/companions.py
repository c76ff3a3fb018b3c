"""The texts of the files that a policy version, or the file of the way in, names.

1. A text is kept once, by its digest, and never changed.
2. What is read back is what was kept: all digests are computed anew, and where one differs nothing is given.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import insert, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from cert_exchange.policy.companions import digest_of, digest_of_text
from cert_exchange.store.database import Transaction
from cert_exchange.store.tables import companion_texts, policy_companions


def keep(tx: Transaction, policy: int, texts: Mapping[str, str]) -> None:
    """Keep what belongs to a new policy version, by the id of its row."""
    digests = keep_texts(tx, texts)
    if digests:
        tx.execute(
            insert(policy_companions),
            [
                {"policy": policy, "name": name, "digest": digest}
                for name, digest in sorted(digests.items())
            ],
        )


def keep_texts(tx: Transaction, texts: Mapping[str, str]) -> dict[str, bytes]:
    """Keep texts that somebody names; their digests by name."""
    if not texts:
        return {}
    digests = {name: digest_of_text(text) for name, text in texts.items()}
    # Another version, also one that comes into force at this moment, may have the same text.
    fresh = sqlite_insert if tx.dialect.name == "sqlite" else postgresql_insert
    by_digest = {digests[name]: text for name, text in texts.items()}
    tx.execute(
        fresh(companion_texts)
        .values([{"digest": digest, "text": text} for digest, text in sorted(by_digest.items())])
        .on_conflict_do_nothing()
    )
    return digests


def read(conn: Transaction, policy: int, digest: bytes | None) -> dict[str, str] | None:
    """The texts of a policy version by name; None where they are not those whose `digest` its row has."""
    if digest is None:
        return {}
    rows = conn.execute(
        select(policy_companions.c.name, companion_texts.c.text)
        .join(companion_texts, companion_texts.c.digest == policy_companions.c.digest)
        .where(policy_companions.c.policy == policy)
    )
    texts = {row[0]: row[1] for row in rows}
    return texts if digest_of(texts) == digest else None
