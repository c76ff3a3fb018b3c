"""The hash-chained record of what was published, received, released, fetched, pushed, withdrawn and decided."""

from cert_exchange.services.ledger.recording import begin_epoch, note_fetches, record, seal
from cert_exchange.services.ledger.verifying import Verification, verify

__all__ = ["Verification", "begin_epoch", "note_fetches", "record", "seal", "verify"]
