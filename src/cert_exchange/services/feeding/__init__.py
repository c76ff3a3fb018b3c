"""What defenders' tools may read of this node: feeds at stable addresses, and exports in their formats."""

from cert_exchange.services.feeding.administering import (
    Feed,
    add,
    change,
    issue,
    listing,
    remove,
    revoke,
)
from cert_exchange.services.feeding.choosing import Choice, Format, Use, choose, read_choice, said
from cert_exchange.services.feeding.exporting import export_as
from cert_exchange.services.feeding.keeping import Served, Shelf, look, preview
from cert_exchange.services.feeding.making import MAIN, Output, reasons_of
from cert_exchange.services.feeding.opening import Reader, recognise
from cert_exchange.services.feeding.watching import Watched, watch

__all__ = [
    "MAIN", "Choice", "Feed", "Format", "Output", "Reader", "Served", "Shelf", "Use", "Watched", "add", "change", "choose",
    "export_as", "issue", "listing", "look", "preview", "read_choice", "reasons_of", "recognise", "remove", "revoke", "said",
    "watch",
]  # fmt: skip
