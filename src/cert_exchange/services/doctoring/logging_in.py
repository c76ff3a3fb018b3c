"""What `doctor` says of how a partner logs in: credentials that end, lie idle or came from elsewhere, and suspensions.

1. A credential whose successor is in use ends without a word.
2. What may be theft is wrong, what an administrator forgets is a note.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cert_exchange.services.doctoring.findings import Finding
from cert_exchange.services.partners import Life, Listed
from cert_exchange.stix.instants import format_micros

DAY: Final = 24 * 3600 * 1_000_000
ENDS_SOON: Final = 14 * DAY
UNUSED: Final = 90 * DAY
RECENT: Final = 7 * DAY


def logging_in(row: Listed, *, now: int) -> Iterator[Finding]:
    """Findings about a partner's credentials, and about a direction that is suspended alone."""
    if row.partner.suspended_at is None:
        yield from _one_way(row)
    followers = {one.replaces: one for one in row.credentials}
    for one in row.credentials:
        yield from _one(row.partner.name, one, followers.get(one.id), now=now)


def _one_way(row: Listed) -> Iterator[Finding]:
    name = row.partner.name
    for way, since, rest in (
        ("sending", row.partner.sending_suspended_at, "what it sends is taken"),
        ("receiving", row.partner.receiving_suspended_at, "what it reads is served"),
    ):
        if since is not None:
            yield Finding(
                "note",
                f"partner {name}",
                f"{way} is suspended since {format_micros(since)}; {rest}",
                f"partner resume {name} --{way} says what would go out then",
            )


def _one(name: str, one: Life, follower: Life | None, *, now: int) -> Iterator[Finding]:
    about = f"partner {name}"
    used = follower is not None and follower.last_used_at is not None
    if one.expires_at is not None and one.expires_at - now < ENDS_SOON and not used:
        said = f"credential {one.id} ends {format_micros(one.expires_at)}"
        step = f"partner rotate {name} {one.id}"
        if follower is not None:
            said += f", and {follower.id}, which replaces it, was not used yet"
            step = f"ask {name} to change over; if it was lost: partner rotate {name} {follower.id}"
        yield Finding("note", about, said, step)
    seen = one.last_used_at or one.issued_at
    if follower is None and now - seen > UNUSED:
        yield Finding(
            "note",
            about,
            f"credential {one.id} was not used since {format_micros(seen)}",
            f"if nobody needs it: partner revoke {one.id}",
        )
    if one.refused_at is not None and now - one.refused_at < RECENT:
        yield Finding(
            "wrong",
            about,
            f"its credential {one.id} came from {one.refused_network} at {format_micros(one.refused_at)}, which is none"
            " of its networks, and was refused",
            f"ask {name} whether that was its own machine; if not: partner rotate {name} {one.id} --overlap 0",
        )
