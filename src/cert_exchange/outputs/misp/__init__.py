"""MISP out: events and the manifest of a feed (`write_events`)."""

from cert_exchange.outputs.misp.events import Event, Events, Organisation, write_events

__all__ = ["Event", "Events", "Organisation", "write_events"]
