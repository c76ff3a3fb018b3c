"""Exchange with TAXII servers elsewhere: what they offer is pulled, what our policy released to them is pushed."""

from cert_exchange.remote.discovery import Offer
from cert_exchange.services.syncing.arranging import (
    add_source,
    add_target,
    change_secret,
    look_around,
    remove,
)
from cert_exchange.services.syncing.reporting import Refused, RunReport
from cert_exchange.services.syncing.resending import Again, resend, why_not_resent
from cert_exchange.services.syncing.running import (
    AT_ONCE,
    OF_ONE_PARTNER,
    due_channels,
    run_channel,
    sync_once,
)
from cert_exchange.services.syncing.standing import Stand, document, stand
from cert_exchange.services.syncing.steering import (
    Begun,
    pause,
    resend_since,
    reset,
    restart_at,
    resume,
)

__all__ = [
    "AT_ONCE",
    "OF_ONE_PARTNER",
    "Again",
    "Begun",
    "Offer",
    "Refused",
    "RunReport",
    "Stand",
    "add_source",
    "add_target",
    "change_secret",
    "document",
    "due_channels",
    "look_around",
    "pause",
    "remove",
    "resend",
    "resend_since",
    "reset",
    "restart_at",
    "resume",
    "run_channel",
    "stand",
    "sync_once",
    "why_not_resent",
]
