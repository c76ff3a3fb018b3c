"""Heartbeats: a TEST object goes to each partner every hour, and an alarm comes where it, or anything, does not arrive."""

from cert_exchange.services.beating.alarming import Alarm, Pulse, alarms, pulses
from cert_exchange.services.beating.arranging import arrange
from cert_exchange.services.beating.beats import beat_id
from cert_exchange.services.beating.sending import beat_due, beat_now, look

__all__ = [
    "Alarm",
    "Pulse",
    "alarms",
    "arrange",
    "beat_due",
    "beat_id",
    "beat_now",
    "look",
    "pulses",
]
