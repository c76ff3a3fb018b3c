"""The log: one JSON object a line, to stderr.

1. Ids, numbers and reasons; never content, never a secret.
2. Of an exception only its type and where it was: its text may quote what a partner sent.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Callable, MutableMapping
from typing import Any

import structlog

from cert_exchange.stix.instants import format_micros


def configure(now: Callable[[], int]) -> None:
    """Send structlog's and the standard library's messages to stderr. `now`: the node's clock, micros."""

    def stamped(
        _logger: Any, _name: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        return {"at": format_micros(now()), "event": event.pop("event", ""), **event}

    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            without_texts,
            stamped,
            structlog.processors.JSONRenderer(serializer=_line),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_Onward()]
    root.setLevel(logging.WARNING)


def place_of(error: BaseException) -> str:
    """Say where an exception was raised, without its text."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    return " < ".join(
        f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in reversed(frames)
    )


def without_texts(
    _logger: Any, _name: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Leave of an exception its type and its place (rule 2)."""
    given = event.pop("exc_info", None)
    error = given if isinstance(given, BaseException) else sys.exc_info()[1] if given else None
    if error is not None:
        event["error"] = type(error).__name__
        event["where"] = place_of(error)
    return event


def _line(event: Any, **_options: Any) -> str:
    return json.dumps(event, default=repr, ensure_ascii=True, separators=(",", ":"))


class _Onward(logging.Handler):
    """What libraries say through `logging` goes the same way."""

    def emit(self, record: logging.LogRecord) -> None:
        # The template only: a library's arguments may be anything that was sent.
        structlog.get_logger(record.name).log(
            record.levelno, str(record.msg), source=record.name, exc_info=bool(record.exc_info)
        )
