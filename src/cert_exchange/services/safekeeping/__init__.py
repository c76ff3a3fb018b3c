"""Backup and restore of a whole node, and what partners are told after a restore."""

from cert_exchange.services.safekeeping.backing_up import backup
from cert_exchange.services.safekeeping.packing import LIST, Listing, check
from cert_exchange.services.safekeeping.putting_back import Restored, rehearse, restore

__all__ = ["LIST", "Listing", "Restored", "backup", "check", "rehearse", "restore"]
