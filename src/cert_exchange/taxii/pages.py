"""A page as TAXII 2.1 writes it: envelope, manifest or versions, and the two date headers.

1. Bytes are put together, never parsed: objects are served as they are stored.
2. An empty list is never sent, its key is left out (section 2); one switch per partner sends `objects: []` all the same.
3. `more` is true exactly when `next` is there.
4. Both dates are those of this answer's first and last object (section 3.2).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, assert_never

from cert_exchange.services.polling import RECORD, UNIT, Page, Part
from cert_exchange.stix.instants import EARLIEST, LATEST, format_micros
from cert_exchange.taxii.negotiation import STIX
from cert_exchange.taxii.wire import Header

_SAFE: Final = re.compile(r'[^"\\\x00-\x1d\x7f]*')
"""Of a whole page: RECORD and UNIT are in it, and are gone when it is cut up."""
_UNSAFE: Final = re.compile(r'["\\\x00-\x1f\x7f]')


def body(page: Page, *, empty_list: bool) -> bytes:
    """Write the page as an envelope (3.7), a manifest (5.3.1) or a list of versions (5.8.1)."""
    match page.part:
        case Part.BODY:
            key, items = b"objects", page.text
        case Part.RECORD:
            key, items = b"objects", _records(page.text)
        case Part.VERSION:
            key, items = b"versions", _texts(page.text)
        case _:
            assert_never(page.part)
    if not page.count:
        shown = empty_list and page.part is Part.BODY
        return b'{"more":false,"objects":[]}' if shown else b'{"more":false}'
    if page.next is None:
        return b'{"more":false,"%s":[%s]}' % (key, items)
    return b'{"more":true,"next":"%s","%s":[%s]}' % (page.next.encode("ascii"), key, items)


def dates(page: Page) -> tuple[Header, Header]:
    """Write the headers X-TAXII-Date-Added-First and -Last."""
    first = _instant(page.first)
    last = first if page.last == page.first else _instant(page.last)
    return (
        (b"x-taxii-date-added-first", first.encode("ascii")),
        (b"x-taxii-date-added-last", last.encode("ascii")),
    )


def _instant(micros: int) -> str:
    seconds, rest = divmod(min(max(micros, EARLIEST), LATEST), 1_000_000)
    return f"{_second(seconds)}.{rest:06d}Z"


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    """Write a whole second: what is added together shares it."""
    return format_micros(seconds * 1_000_000)[:19]


def _records(text: bytes) -> bytes:
    """Write manifest records from id, version and position."""
    if not text:
        return b""
    decoded = text.decode()
    quoted = _plain if _SAFE.fullmatch(decoded) else _quoted
    records = []
    for record in decoded.split(RECORD):
        stix_id, version, position = record.split(UNIT)
        records.append(
            f'{{"date_added":"{_instant(int(position))}","id":{quoted(stix_id)},'
            f'"media_type":"{STIX}","version":{quoted(version)}}}'
        )
    return ",".join(records).encode()


def _texts(text: bytes) -> bytes:
    return ",".join(
        [_quoted(each) for each in text.decode().split(RECORD)] if text else ()
    ).encode()


def _plain(text: str) -> str:
    return f'"{text}"'


def _quoted(text: str) -> str:
    """Write a JSON string. Ids and versions are plain; should one ever not be, it still is a string."""
    return f'"{_UNSAFE.sub(lambda found: f"{chr(92)}u{ord(found[0]):04x}", text)}"'
