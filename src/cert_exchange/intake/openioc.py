"""OpenIOC 1.0 and 1.1 to findings: only what can stand alone.

1. A term that is joined by OR all the way up is a finding of its own. What is joined by AND with others is a loss: alone it
   would find more than was meant (CASES I20).
2. A term that excludes, or asks for a part of a value, is a loss; a host that `contains` a name is that name.
3. XML is hostile: no document type, no entities of its own, `DEEPEST` levels, `MOST` terms; nothing outside is fetched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

from cert_exchange.errors import InputRefused
from cert_exchange.intake.findings import Finding, Kind, Loss
from cert_exchange.intake.own_words import marked_by_own_words
from cert_exchange.intake.values import normalise

DEEPEST: Final = 64
MOST: Final = 200_000
_LONGEST: Final = 8_192
_HOSTS: Final = (Kind.DOMAIN, Kind.IPV4, Kind.IPV6)
_IPS: Final = (Kind.IPV4, Kind.IPV6)
_KINDS: Final[Mapping[str, tuple[Kind, ...]]] = {
    "fileitem/md5sum": (Kind.MD5,),
    "fileitem/sha1sum": (Kind.SHA1,),
    "fileitem/sha256sum": (Kind.SHA256,),
    "fileitem/filename": (Kind.FILE_NAME,),
    "fileitem/fullpath": (Kind.FILE_PATH,),
    "fileitem/filepath": (Kind.FILE_PATH,),
    "processitem/path": (Kind.FILE_PATH,),
    "dnsentryitem/host": _HOSTS,
    "dnsentryitem/recordname": _HOSTS,
    "dnsentryitem/recorddata/host": _HOSTS,
    "network/dns": _HOSTS,
    "network/uri": (Kind.URL,),
    "network/useragent": (Kind.USER_AGENT,),
    "portitem/remoteip": _IPS,
    "routeentryitem/destination": _IPS,
    "urlhistoryitem/url": (Kind.URL,),
    "urlhistoryitem/hostname": _HOSTS,
    "email/from": (Kind.EMAIL,),
    "registryitem/path": (Kind.REGISTRY_KEY,),
    "registryitem/keypath": (Kind.REGISTRY_KEY,),
    "mutex/name": (Kind.MUTEX,),
}
_WHOLE: Final = frozenset({"is", "matches", ""})
_PARTS: Final = frozenset({"contains", "starts-with", "ends-with"})


@dataclass(slots=True)
class _Term:
    """One IndicatorItem while it is read."""

    name: str
    condition: str
    negated: bool
    alone: bool  # joined by OR all the way up
    search: str = ""
    text: str = ""


@dataclass(slots=True)
class _Reader:
    """What the parser tells, as terms."""

    terms: list[_Term] = field(default_factory=list)
    title: str = ""
    _path: list[str] = field(default_factory=list)
    _operators: list[str] = field(default_factory=list)
    _term: _Term | None = None

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        local = name.rpartition(":")[2]
        self._path.append(local)
        if len(self._path) > DEEPEST:
            raise InputRefused(f"This OpenIOC file is nested deeper than {DEEPEST} levels.")
        if local == "Indicator":
            self._operators.append(attributes.get("operator", "OR").upper())
        elif local == "IndicatorItem":
            if len(self.terms) >= MOST:
                raise InputRefused(f"This OpenIOC file has more than {MOST:,} terms; split it.")
            self._term = _Term(
                attributes.get("id", "")[:60] or str(len(self.terms) + 1),
                attributes.get("condition", "").lower(),
                attributes.get("negate", "false").lower() == "true",
                all(operator == "OR" for operator in self._operators),
            )
            self.terms.append(self._term)
        elif local == "Context" and self._term is not None:
            self._term.search = attributes.get("search", "")[:200]

    def text(self, text: str) -> None:
        """Text between two elements, perhaps in pieces."""
        where = self._path[-1] if self._path else ""
        if where == "Content" and self._term is not None and len(self._term.text) < _LONGEST:
            self._term.text += text
        elif where == "short_description" and self._term is None and len(self.title) < 500:
            self.title += text

    def end(self, name: str) -> None:
        """An element ends."""
        self._path.pop()
        local = name.rpartition(":")[2]
        if local == "Indicator":
            self._operators.pop()
        elif local == "IndicatorItem":
            self._term = None


def read_openioc(data: bytes) -> Iterator[Finding | Loss]:
    """The terms of a file. Raises InputRefused where it is no XML, declares entities, or is nested without end."""
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(data, True)  # noqa: FBT003 - expat takes no keyword
    except expat.ExpatError as error:
        raise InputRefused(
            f"This is no whole OpenIOC file: line {error.lineno}: {error}."
        ) from None
    context = " ".join(reader.title.split())[:500]
    terms = (_read(term, context) for term in reader.terms)
    yield from marked_by_own_words(terms, data.decode("utf-8", "replace"))


def _refuse_doctype(*_: object) -> None:
    raise InputRefused("This XML declares a document type; OpenIOC has none. It is not read.")


def _read(term: _Term, context: str) -> Finding | Loss:
    place = f"term {term.name}"
    text = term.text.strip()
    kinds = _KINDS.get(term.search.lower())
    part = term.condition in _PARTS and not (kinds == _HOSTS and term.condition == "contains")
    if not kinds:
        reason = f"asks for {term.search[:80] or 'nothing'}, which we do not take"
    elif not term.alone:
        reason = "is joined with others by AND: alone it would find more than was meant"
    elif term.negated or term.condition in {"isnot", "containsnot"}:
        reason = "excludes: it is no indicator"
    elif part or term.condition not in _WHOLE | _PARTS:
        reason = f"asks for a value by {term.condition[:20]!r}, not for a whole one"
    else:
        found = ((kind, normalise(kind, text)) for kind in kinds)
        for kind, value in found:
            if value is not None:
                return Finding(kind, value, place, context=context)
        reason = f"is no {' or '.join(kinds)}"
    shown = "".join(c if c.isprintable() else " " for c in text[:120])
    return Loss(place, shown, reason)
