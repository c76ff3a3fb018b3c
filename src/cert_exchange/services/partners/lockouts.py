"""What every login has in common, a partner's and a feed's: what is compared, and what follows of a failure.

1. A wrong credential costs what a right one costs and is answered alike; why is in the log only.
2. Failures are counted by whose credential it is and by network: the fifth locks out there, each further one for twice as
   long. Who is locked out waits, also with what is right: else guessing would go on behind the lock.
3. What is no credential's form is counted as nobody's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from cert_exchange.errors import TooManyRequests
from cert_exchange.store import credentials as rows
from cert_exchange.store.database import Transaction

FREE_FAILURES: Final = 5
FIRST_LOCK_SECONDS: Final = 15
LONGEST_LOCK_SECONDS: Final = 900
FORGET_AFTER: Final = timedelta(hours=1)
"""Without a failure for so long, counting starts anew."""
NO_DIGEST: Final = bytes(32)
"""What is compared with where there is no credential."""

_SECOND: Final = 1_000_000
_FORM: Final = re.compile(r"[a-z2-7]{12}")


@dataclass(frozen=True, slots=True)
class Counted:
    """How many failures in a row there are, and until when they lock out: micros, in the past where they do not."""

    failures: int
    until: int


def known_form(credential_id: str) -> str:
    """The id as it was typed, or nothing where no credential has such a one: what a stranger types is not carried on."""
    return credential_id if _FORM.fullmatch(credential_id) else ""


def reason_against(
    whose: str, *, right: bool, revoked_at: int | None, expires_at: int | None, now: int
) -> str | None:
    """Why what is known does not log in, for our log; None: it does. `whose`: `partner b`, `feed names`."""
    if not right:
        return f"wrong secret for {whose}"
    if revoked_at is not None:
        return f"revoked credential of {whose}"
    if expires_at is not None and expires_at <= now:
        return f"expired credential of {whose}"
    return None


def refuse_while_locked(until: int, *, now: int, detail: str) -> None:
    """Raises TooManyRequests as long as a lock stands."""
    if until > now:
        raise TooManyRequests(
            -(-(until - now) // _SECOND),
            "Too many failed logins from your network; wait as Retry-After says.",
            detail=detail,
        )


def count_failure(tx: Transaction, counted: int, place: str, *, now: int) -> Counted:
    """Count a failed login of whom it is counted for, from a network."""
    rows.forget_failures(tx, before=now - 24 * 3_600 * _SECOND)
    before, last, locked = rows.failures(tx, counted, place)
    if locked > now:
        return Counted(before, locked)
    fresh = now - last > FORGET_AFTER / timedelta(microseconds=1)
    failures = 1 if fresh else before + 1
    until = now + lock_seconds(failures) * _SECOND if failures >= FREE_FAILURES else 0
    rows.put_failures(tx, counted, place, count=failures, at=now, locked_until=until)
    return Counted(failures, until)


def lock_seconds(failures: int) -> int:
    """How long the failure of this number locks out."""
    if failures < FREE_FAILURES:
        return 0
    doublings = min(failures - FREE_FAILURES, 10)
    return min(LONGEST_LOCK_SECONDS, FIRST_LOCK_SECONDS << doublings)
