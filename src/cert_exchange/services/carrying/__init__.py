"""The channel by hand: files for a partner whose link is out, and files from one."""

from cert_exchange.services.carrying.bringing_in import Brought, Looked, Standing, bring_in, look
from cert_exchange.services.carrying.listing import Listed, listing, next_number
from cert_exchange.services.carrying.starting import MOST_OBJECTS, Wanted
from cert_exchange.services.carrying.taking_out import Made, take_out

__all__ = [
    "MOST_OBJECTS",
    "Brought",
    "Listed",
    "Looked",
    "Made",
    "Standing",
    "Wanted",
    "bring_in",
    "listing",
    "look",
    "next_number",
    "take_out",
]
