"""A page as TAXII 2.1 writes it: envelope, manifest or versions, and the two date headers.

1. Bytes are put together, never parsed: objects are served as they are stored.
2. An empty list is never sent, its key is left out (section 2); one switch per partner sends `objects: []` all the same.
3. `more` is true exactly when `next` is there.
4. Both dates are those of this answer's first and last object (section 3.2).
"""

from __future__ import annotations

import re
from typing import Final, assert_never

from cert_exchange.services.polling import RECORD, UNIT, Page, Part
from cert_exchange.stix.instants import EARLIEST, LATEST, format_micros
from cert_exchange.taxii.negotiation import STIX
from cert_exchange.taxii.wire import Header

_SAFE: Final = re.compile(r'[^"\\\x00-\x1f\x7f]*')
_UNSAFE: Final = re.compile(r'["\\\x00-\x1f\x7f]')
_MEDIA: Final = f'","media_type":"{STIX}","version":'


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
    return format_micros(min(max(micros, EARLIEST), LATEST))


def _records(text: bytes) -> bytes:
    """Write manifest records from id, version and position."""
    return ",".join(
        [_record(*record.split(UNIT)) for record in text.decode().split(RECORD)] if text else ()
    ).encode()


def _record(stix_id: str, version: str, position: str) -> str:
    added = _instant(int(position))
    return f'{{"date_added":"{added}","id":{_quoted(stix_id)[:-1]}{_MEDIA}{_quoted(version)}}}'


def _texts(text: bytes) -> bytes:
    return ",".join(
        [_quoted(each) for each in text.decode().split(RECORD)] if text else ()
    ).encode()


def _quoted(text: str) -> str:
    """Write a JSON string. Ids and versions are plain; should one ever not be, it still is a string."""
    if _SAFE.fullmatch(text):
        return f'"{text}"'
    return f'"{_UNSAFE.sub(lambda found: f"{chr(92)}u{ord(found[0]):04x}", text)}"'
