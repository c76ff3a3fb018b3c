"""Policy's answers become lines in the views: the only way into and out of a release log."""

from cert_exchange.services.releasing.appending import Line, Releasing
from cert_exchange.services.releasing.orders import (
    Withdrawal,
    free,
    list_holds,
    release_due,
    release_hold,
    withdraw,
    withdraw_submitted,
)
from cert_exchange.store.holds import HeldObject

__all__ = [
    "HeldObject",
    "Line",
    "Releasing",
    "Withdrawal",
    "free",
    "list_holds",
    "release_due",
    "release_hold",
    "withdraw",
    "withdraw_submitted",
]
