"""MISP: events, answers of its API and feeds, read into findings (`read_misp`)."""

from cert_exchange.intake.misp.events import Event, Reference, is_misp, read_manifest
from cert_exchange.intake.misp.reading import read_misp

__all__ = ["Event", "Reference", "is_misp", "read_manifest", "read_misp"]
