"""Partners: who they are, and how they prove it with every request."""

from cert_exchange.services.partners.administering import (
    IssuedSecret,
    Listed,
    Lockout,
    add,
    amend,
    country_of,
    issue,
    listing,
    resume,
    revoke,
    suspend,
)
from cert_exchange.services.partners.recognising import (
    Caller,
    authenticate,
    lock_seconds,
    network_of,
    note_failure,
    recognise,
    split_token,
)

__all__ = [
    "Caller",
    "IssuedSecret",
    "Listed",
    "Lockout",
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
    "split_token",
    "suspend",
]
