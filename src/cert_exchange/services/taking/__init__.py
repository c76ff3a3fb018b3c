"""What analysts have goes in: recognised, understood and shown, then taken in by the way of everything that we publish.

`understand` says how an input would be read, `look` what is in it, `take` publishes it.
"""

from cert_exchange.intake.building import Around
from cert_exchange.intake.findings import Loss
from cert_exchange.intake.misp import read_manifest as events_of_feed
from cert_exchange.intake.recognising import Format
from cert_exchange.services.taking.reading import (
    Order,
    Understanding,
    naming,
    read_through,
    understand,
)
from cert_exchange.services.taking.sources import Source
from cert_exchange.services.taking.stating import order_of, save_profile
from cert_exchange.services.taking.storing import Taken, take
from cert_exchange.services.taking.together import Together
from cert_exchange.services.taking.understanding import Found, look, look_at_stix
from cert_exchange.services.warning import Warned

__all__ = [
    "Around",
    "Format",
    "Found",
    "Loss",
    "Order",
    "Source",
    "Taken",
    "Together",
    "Understanding",
    "Warned",
    "events_of_feed",
    "look",
    "look_at_stix",
    "naming",
    "order_of",
    "read_through",
    "save_profile",
    "take",
    "understand",
]
