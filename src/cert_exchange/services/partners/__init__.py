"""Partners: who they are, and how they prove it with every request."""

from cert_exchange.services.partners.administering import (
    Listed,
    Lockout,
    add,
    amend,
    country_of,
    listing,
)
from cert_exchange.services.partners.issuing import (
    IssuedSecret,
    Limits,
    Rotated,
    issue,
    revoke,
    rotate,
)
from cert_exchange.services.partners.lockouts import lock_seconds
from cert_exchange.services.partners.recognising import (
    Caller,
    authenticate,
    network_of,
    note_failure,
    recognise,
    split_token,
)
from cert_exchange.services.partners.suspending import (
    Backlog,
    Direction,
    Resumption,
    resume,
    suspend,
    would_resume,
)
from cert_exchange.services.partners.using import Uses
from cert_exchange.store.credential_lives import Life, Reach
from cert_exchange.store.partners import Authority

__all__ = [
    "Authority",
    "Backlog",
    "Caller",
    "Direction",
    "IssuedSecret",
    "Life",
    "Limits",
    "Listed",
    "Lockout",
    "Reach",
    "Resumption",
    "Rotated",
    "Uses",
    "add",
    "amend",
    "authenticate",
    "country_of",
    "issue",
    "listing",
    "lock_seconds",
    "network_of",
    "note_failure",
    "recognise",
    "resume",
    "revoke",
    "rotate",
    "split_token",
    "suspend",
    "would_resume",
]
