"""Heartbeats: a TEST object goes to each partner every hour, and an alarm comes where it, or anything, does not arrive.

What goes out to partners is in `sending`, which `status` and its like need not load.
"""

from cert_exchange.services.beating.alarming import Alarm, Pulse, alarms, pulses
from cert_exchange.services.beating.arranging import arrange
from cert_exchange.services.beating.beats import beat_id

__all__ = ["Alarm", "Pulse", "alarms", "arrange", "beat_id", "pulses"]
