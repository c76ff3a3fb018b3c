"""PostgreSQL for the benchmark: a server of this run that syncs its data to disk, as in service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.engine import URL
from tests import engines


@contextmanager
def server() -> Iterator[URL]:
    """The address of a running, durable server. Raises engines.NoServer."""
    running = engines.Server(engines.find_binaries())
    try:
        running.start(durable=True)
        yield running.url
    finally:
        running.remove()


def database(at: URL, template: URL | None = None) -> URL:
    """A fresh database, empty or copied from another that nobody is connected to."""
    return engines.make_database(at, template.database if template else None)


def text(url: URL) -> str:
    """The URL as a setting takes it."""
    return url.render_as_string(hide_password=False)
