"""What was not taken in: listed, shown, let in after all, discarded, or made an object of our own (docs/quarantine.md)."""

from cert_exchange.services.quarantine.adopting import Adoption, adopt, adoption
from cert_exchange.services.quarantine.keeping import (
    Shown,
    discard,
    forget_old,
    listed,
    show,
)
from cert_exchange.services.quarantine.replaying import Replayed, preview, replay
from cert_exchange.store.quarantine import Kept

__all__ = [
    "Adoption",
    "Kept",
    "Replayed",
    "Shown",
    "adopt",
    "adoption",
    "discard",
    "forget_old",
    "listed",
    "preview",
    "replay",
    "show",
]
