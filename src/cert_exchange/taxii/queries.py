"""The query string of a page or a DELETE, read once: what comes out is valid (TAXII 2.1 sections 3.4, 3.5).

1. A filter that we know is never dropped silently: malformed, repeated, or written in other letter case, it is 400.
2. What we do not know may be ignored (3.4); its name is handed on, so that it can be shown to the operator.
3. What can match nothing (no STIX id, no type, a foreign spec_version) matches nothing and is no error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_to_bytes

from cert_exchange.errors import QueryInvalid
from cert_exchange.services.polling import Filters, PageQuery, Resource, Versions
from cert_exchange.stix.instants import InstantInvalid, format_micros, order_key, parse_micros

MOST_IDS: Final = 200
MOST_VALUES: Final = 100
"""types or versions in one filter"""
ID: Final = re.compile(
    r"[a-z][a-z0-9-]{0,249}--[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
)
_TYPE: Final = re.compile(r"[a-z0-9-]{3,250}")
_SPEC: Final = re.compile(r"[0-9]+\.[0-9]+")
_DIGITS: Final = re.compile(r"[0-9]+")
_LOST_PLUS: Final = re.compile(r"(.*[0-9]) ([0-9]{2}:[0-9]{2})", re.DOTALL)
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_.\-\[\]]{1,40}")
"""Of an ignored parameter that is written down. Shorter than a credential, should one be there by mistake."""
_OURS: Final = "2.1"
_HUGE: Final = 10**9
"""What a limit beyond every limit of ours is cut to at once."""

_PAGING: Final = frozenset({"added_after", "limit", "next"})
_MATCHES: Final = frozenset({"match[id]", "match[type]", "match[version]", "match[spec_version]"})
_KNOWN: Final = _PAGING | _MATCHES
_TAKEN: Final = {
    Resource.OBJECTS: _KNOWN,
    Resource.MANIFEST: _KNOWN,
    Resource.OBJECT: _PAGING | {"match[version]", "match[spec_version]"},
    Resource.VERSIONS: _PAGING | {"match[spec_version]"},
}
_DELETE: Final = frozenset({"match[version]", "match[spec_version]"})
_NEWEST: Final = Filters()
_EVERY_VERSION: Final = Filters(versions=Versions(last=False, every=True))


@dataclass(frozen=True, slots=True)
class Asked:
    """A page query, and the names of parameters that were ignored."""

    page: PageQuery
    ignored: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Deletion:
    """Which versions a DELETE takes back: "first", "last" and timestamps; none means all of them."""

    versions: tuple[str, ...]
    ignored: tuple[str, ...]
    nothing: bool = False
    """whether the spec_version asked for is none of ours"""


def page_query(raw: bytes, resource: Resource, stix_id: str = "") -> Asked:
    """Read the query string of a page. Raises QueryInvalid with what is wrong and what would be right."""
    if not raw:
        return Asked(PageQuery(resource, stix_id, filters=_default(resource)), ())
    taken, ignored = _parameters(raw, _TAKEN[resource])
    after = limit = None
    if "added_after" in taken:
        after = _instant(taken["added_after"])
    if "limit" in taken:
        limit = _limit(taken["limit"])
    filtered = not taken.keys().isdisjoint(_MATCHES)
    filters = _filters(taken, resource) if filtered else _default(resource)
    token = taken.get("next") or None  # an empty one counts as absent
    return Asked(PageQuery(resource, stix_id, after, limit, token, filters, filtered), ignored)


def deletion(raw: bytes) -> Deletion:
    """Read the query string of a DELETE. Raises QueryInvalid."""
    taken, ignored = _parameters(raw, _DELETE)
    nothing = "match[spec_version]" in taken and not _is_ours(taken["match[spec_version]"])
    if "match[version]" not in taken or _versions(taken["match[version]"]).every:
        return Deletion((), ignored, nothing)
    words = tuple(
        word if word in ("first", "last") else _in_utc(word)
        for word in taken["match[version]"].split(",")
    )
    return Deletion(words, ignored, nothing)


def ignored_names(raw: bytes) -> tuple[str, ...]:
    """Name the parameters of a resource that takes none. Raises QueryInvalid for undecodable ones."""
    return _parameters(raw, frozenset())[1] if raw else ()


def _parameters(raw: bytes, wanted: frozenset[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Decode the parameters: those wanted here, and the names of the others."""
    taken: dict[str, str] = {}
    ignored: list[str] = []
    seen: set[str] = set()
    for name, value in _pairs(raw):
        if name in seen and (name in _KNOWN or name.startswith("match[")):
            raise QueryInvalid(f"{name} is there more than once; give it once.")
        seen.add(name)
        if name in wanted:
            taken[name] = _text(value, name)
        elif name not in _KNOWN and name.lower() in _KNOWN:
            raise QueryInvalid(f"{name} is unknown; did you mean {name.lower()}? Case counts.")
        else:
            plain = _PLAIN_NAME.fullmatch(name)
            ignored.append(name if plain else "a parameter with an unusual name")
    return taken, tuple(ignored)


def _pairs(raw: bytes) -> Iterator[tuple[str, bytes]]:
    for pair in raw.split(b"&"):
        if pair:
            name, _, value = pair.partition(b"=")
            yield _name(name), value


@lru_cache(maxsize=256)
def _name(raw: bytes) -> str:
    return unquote_to_bytes(raw.replace(b"+", b" ")).decode("utf-8", "backslashreplace")


def _text(raw: bytes, name: str) -> str:
    try:
        return unquote_to_bytes(raw.replace(b"+", b" ")).decode("utf-8")
    except UnicodeDecodeError:
        raise QueryInvalid(f"{name} is not UTF-8.") from None


def _default(resource: Resource) -> Filters:
    return _EVERY_VERSION if resource is Resource.VERSIONS else _NEWEST


def _instant(text: str) -> int:
    try:
        return parse_micros(_with_plus(text))
    except InstantInvalid as wrong:
        raise QueryInvalid(f"added_after: {wrong}.") from None


def _with_plus(text: str) -> str:
    """Put back the plus of an offset that was sent unescaped and so came as a space."""
    lost = _LOST_PLUS.fullmatch(text)
    return f"{lost[1]}+{lost[2]}" if lost else text


def _limit(text: str) -> int:
    if _DIGITS.fullmatch(text):
        digits = text.lstrip("0")
        if digits:
            return int(digits) if len(digits) < len(str(_HUGE)) else _HUGE
    raise QueryInvalid("limit is a whole number greater than 0, like limit=100.")


def _filters(taken: dict[str, str], resource: Resource) -> Filters:
    ids = types = None
    nothing = False
    if "match[id]" in taken:
        values = _values(taken["match[id]"], "match[id]", MOST_IDS)
        ids = tuple(value for value in values if ID.fullmatch(value))
        nothing |= not ids
    if "match[type]" in taken:
        values = _values(taken["match[type]"], "match[type]", MOST_VALUES)
        types = tuple(value for value in values if _TYPE.fullmatch(value))
        nothing |= not types
    versions = _default(resource).versions
    if "match[version]" in taken:
        versions = _versions(taken["match[version]"])
    if "match[spec_version]" in taken:
        nothing |= not _is_ours(taken["match[spec_version]"])
    return Filters(ids, types, versions, nothing)


def _values(text: str, name: str, most: int) -> list[str]:
    """Split a list at its commas; sorted and each once, so that equal filters are equal."""
    values = text.split(",")
    if "" in values:
        raise QueryInvalid(f"{name} has an empty value; give one or more, divided by commas.")
    found = sorted(set(values))
    if len(found) > most:
        raise QueryInvalid(f"{name} has {len(found)} values; at most {most} are taken at once.")
    return found


def _versions(text: str) -> Versions:
    name = "match[version]"
    given = text.split(",")
    keys: list[str] = []
    words: list[str] = []
    for value in given:
        if value in ("last", "first", "all"):
            words.append(value)
        else:
            keys.append(_version_key(value))
    if len(set(words)) + len(set(keys)) < len(given):
        raise QueryInvalid(f"{name} names a version twice; name each once.")
    if "all" in words and len(given) > 1:
        raise QueryInvalid(f"{name}=all stands alone; leave the other values out.")
    if len(keys) > MOST_VALUES:
        raise QueryInvalid(f"{name} has {len(given)} values; at most {MOST_VALUES} are taken.")
    return Versions("last" in words, "first" in words, "all" in words, tuple(sorted(keys)))


def _version_key(text: str) -> str:
    try:
        return order_key(_in_utc(text))
    except InstantInvalid as wrong:
        raise QueryInvalid(
            f"match[version] takes last, first, all and timestamps of versions: {wrong}."
        ) from None


def _in_utc(text: str) -> str:
    """Write a timestamp with another offset in UTC, as versions are. Raises InstantInvalid."""
    given = _with_plus(text)
    return given if given.endswith("Z") else format_micros(parse_micros(given))


def _is_ours(text: str) -> bool:
    values = _values(text, "match[spec_version]", MOST_VALUES)
    if not all(_SPEC.fullmatch(value) for value in values):
        raise QueryInvalid("match[spec_version] takes versions like 2.1, divided by commas.")
    return _OURS in values
