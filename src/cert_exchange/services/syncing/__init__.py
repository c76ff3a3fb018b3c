"""Exchange with TAXII servers elsewhere: what they offer is pulled, what our policy released to them is pushed."""

from cert_exchange.remote.discovery import Offer
from cert_exchange.services.syncing.arranging import (
    add_source,
    add_target,
    change_secret,
    look_around,
    pause,
    remove,
    restart_at,
    resume,
)
from cert_exchange.services.syncing.reporting import Refused, RunReport
from cert_exchange.services.syncing.resending import Again, resend, why_not_resent
from cert_exchange.services.syncing.running import AT_ONCE, due_channels, run_channel, sync_once

__all__ = [
    "AT_ONCE",
    "Again",
    "Offer",
    "Refused",
    "RunReport",
    "add_source",
    "add_target",
    "change_secret",
    "due_channels",
    "look_around",
    "pause",
    "remove",
    "resend",
    "restart_at",
    "resume",
    "run_channel",
    "sync_once",
    "why_not_resent",
]
