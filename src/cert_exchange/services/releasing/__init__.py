"""Policy's answers become lines in the views: the only way into and out of a release log."""

from cert_exchange.services.releasing.appending import Line, Releasing
from cert_exchange.services.releasing.naming import issuer_of
from cert_exchange.services.releasing.orders import (
    Withdrawal,
    free,
    withdraw,
    withdraw_from,
    withdraw_submitted,
)

__all__ = [
    "Line",
    "Releasing",
    "Withdrawal",
    "free",
    "issuer_of",
    "withdraw",
    "withdraw_from",
    "withdraw_submitted",
]
