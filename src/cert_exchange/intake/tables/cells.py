"""One cell to the values that stand in it.

1. What a column or a word beside the cell states is never overruled: a cell that is none of the stated kinds is trouble.
2. People write more than the value: `1.2.3.4:443`, `evil.example (compromised)`, `hash1, hash2`. Port and talk become a
   note; several values become several. Where one part of them is no value, none is taken: the pieces of a formula
   look like mail addresses.
3. Three readings are taken as guesses where a cell cannot be what is stated: a name or address alone where a URL is
   stated, for without a path it is none; an address where a host is stated; and where only the word beside a cell calls
   a URL with its scheme a host (`own_word`), since the input says both: that URL, or the host where it has no path.
4. `*.evil.example` says names below a domain: that is a pattern, not the domain.
5. An address with a netmask is a network; a range is not its ends, and is trouble.
6. Without a statement every part of a cell must look like a value; a sentence that names one is talk.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from cert_exchange.intake.findings import Kind
from cert_exchange.intake.own_words import OwnWords, own_words
from cert_exchange.intake.top_level_domains import TOP_LEVEL_DOMAINS
from cert_exchange.intake.values import normalise, read, refang
from cert_exchange.policy.reading import shown
from cert_exchange.stix.hosts import hosts_of, ipv4_readings

MOST_VALUES: Final = 1_000
"""Values of one cell."""
_WHOLE: Final = frozenset(
    {
        *(Kind.FILE_NAME, Kind.FILE_PATH, Kind.REGISTRY_KEY, Kind.MUTEX, Kind.USER_AGENT),
        *(Kind.PATTERN, Kind.SNORT, Kind.SIGMA, Kind.YARA),
    }
)
"""Kinds whose values hold blanks, commas and brackets."""
_SHORTEST_ADDRESS: Final = 7
"""Characters: a shorter number is a number."""
_TALK: Final = re.compile(r"(\S++)\s++(\([^()]{0,400}\)|\[[^\[\]]{4,400}\]|[#/-][#/-]?\s.{0,400})")
_PORT: Final = re.compile(r"(.{1,260}?)(?:\[:\]|:)([0-9]{1,5})")
_BETWEEN: Final = re.compile(r"[\s,;|]+")
_BETWEEN_URLS: Final = re.compile(r"[\s,;|]\s*(?=\s*(?:h(?:tt|xx)ps?|ftp)[:\[])", re.IGNORECASE)
_HOSTS_FILE: Final = re.compile(r"(?:0\.0\.0\.0|127\.0\.0\.1|::1?)\s+(\S+)(?:\s+#.*)?")
_REMARK: Final = re.compile(r"([^\s;,|]{1,4096})\s*[;,|\t](.{1,400})")
_WORDS: Final = re.compile(r"(\S{1,4096})\s+(\S.{0,400})")
_FOUR: Final = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}"
_RANGE: Final = re.compile(
    rf"{_FOUR}\s{{0,3}}(?:-|\u2013|\u2014|\.\.)\s{{0,3}}(?:{_FOUR}|[0-9]{{1,3}})"
)
_MASKED: Final = re.compile(
    rf"({_FOUR})(?:\s{{0,3}}/\s{{0,3}}|\s{{1,3}})(255(?:\.[0-9]{{1,3}}){{3}})"
)
_JOINS: Final = re.compile(r"255|[-\u2013\u2014]|\.\.")
_NEUTRAL: Final = re.compile(r"'(?=[=+\-@])")
_HOLE: Final = re.compile(r"<[a-z0-9_ -]{1,60}>|\{[a-z0-9_ -]{1,60}\}", re.IGNORECASE)


class Value(NamedTuple):
    """One value of a cell."""

    kind: Kind
    text: str  # normalised
    guessed: bool = False


class Cell(NamedTuple):
    """What stands in a cell. `bad` are its parts that are no value, each with the reason."""

    values: tuple[Value, ...] = ()
    note: str = ""
    bad: tuple[tuple[str, str], ...] = ()


def unneutralised(text: str) -> str:
    """A cell without the apostrophe by which a table for people keeps a formula from running (CASES I14)."""
    return text[1:] if _NEUTRAL.match(text) else text


def read_stated(text: str, kinds: Sequence[Kind], *, said: str, own_word: bool = False) -> Cell:
    """The values of a cell that holds values of `kinds`, called `said` in reasons.

    `own_word`: the row itself says so beside the cell, not a person or a header.
    """
    if Kind.IPV4 in kinds and (networks := _networks(text)) is not None:
        return networks
    if own_word and Kind.URL not in kinds and (one := _url_for_host(text, kinds)) is not None:
        return one
    if Kind.URL in kinds and "://" in text:
        parts = [part for part in _BETWEEN_URLS.split(text.strip(" ,;|")) if part]
        if (
            1 < len(parts) <= MOST_VALUES
        ):  # a URL may hold commas: several are told by their schemes
            return _several(parts, kinds, said)
    one = _one(text, kinds)
    if one is not None:
        return one
    if not set(kinds) <= _WHOLE:
        talk = _TALK.fullmatch(text.strip())
        if talk is not None and (one := _one(talk[1], kinds)) is not None:
            return one._replace(note="; ".join(filter(None, (one.note, talk[2].strip("()[]#/- ")))))
        parts = [part for part in _BETWEEN.split(text.strip(" ,;|")) if part]
        if "://" in text and Kind.URL in kinds and not all("://" in refang(one) for one in parts):
            return Cell(bad=((text, "is no URL: a blank or a comma stands in it"),))
        if 1 < len(parts) <= MOST_VALUES:
            return _several(parts, kinds, said)
        if len(parts) > MOST_VALUES:
            return Cell(bad=((text, f"more than {MOST_VALUES} values in one cell"),))
    return Cell(bad=((text, _reason(text, said)),))


def read_by_look(text: str) -> Cell:
    """The values of a cell of which nobody says what it holds."""
    if (networks := _networks(text)) is not None:
        return networks
    one = _by_look(text)
    if one is not None:
        return one
    talk = _TALK.fullmatch(text)
    if talk is not None and (one := _by_look(talk[1])) is not None:
        return one._replace(note="; ".join(filter(None, (one.note, talk[2].strip("()[]#/- ")))))
    parts = [part for part in _BETWEEN.split(text.strip(" ,;|")) if part]
    if 1 < len(parts) <= MOST_VALUES:
        found = [_by_look(part) for part in parts]
        cells = [cell for cell in found if cell is not None]
        if len(cells) == len(parts):
            return Cell(
                tuple(value for cell in cells for value in cell.values),
                "; ".join(cell.note for cell in cells if cell.note),
            )
    return Cell(bad=((text, _reason(text, "value that we know by its look")),))


def read_line(text: str) -> Cell:
    """The values of a line of a list: as `read_by_look`, a line of a hosts file, or a value and a score or remark."""
    found = _HOSTS_FILE.fullmatch(text)
    if found is not None and (name := normalise(Kind.DOMAIN, found[1])) is not None:
        return Cell((Value(Kind.DOMAIN, name),))
    if (networks := _networks(text)) is not None:
        return networks
    cell = read_by_look(text)
    remark = None if cell.values else _REMARK.fullmatch(text) or _WORDS.fullmatch(text)
    if remark is not None and (one := _by_look(remark[1])) is not None and _may_follow(remark, one):
        return one._replace(note="; ".join(filter(None, (one.note, remark[2].strip()))))
    return cell


def _may_follow(remark: re.Match[str], cell: Cell) -> bool:
    """Whether what stands behind a value is a remark on it. Behind a blank only: a live name may begin a sentence."""
    if remark.re is _REMARK or own_words(remark[2]) != OwnWords():
        return True
    sure = all(value.kind is not Kind.DOMAIN and not value.guessed for value in cell.values)
    return sure or refang(remark[1]) != remark[1]


def _networks(text: str) -> Cell | None:
    """A network by its mask, or why addresses joined by a hyphen are none; None for all else."""
    if not text[:1].isdigit() or not _JOINS.search(text):
        return None
    plain = refang(text.strip())
    if _RANGE.fullmatch(plain) is not None:
        return Cell(bad=((text, "is a range, which is not its ends: write it as networks (CIDR)"),))
    found = _MASKED.fullmatch(plain)
    if found is None:
        return None
    try:
        network = ipaddress.IPv4Network(f"{found[1]}/{found[2]}")
    except ValueError:
        return Cell(bad=((text, "is no network whose host bits are zero, and no mask of one"),))
    value = normalise(Kind.IPV4, str(network))
    return None if value is None else Cell((Value(Kind.IPV4, value),))


def _several(parts: list[str], kinds: Sequence[Kind], said: str) -> Cell:
    values: list[Value] = []
    notes: list[str] = []
    bad: list[tuple[str, str]] = []
    for part in parts:
        one = _one(part, kinds)
        if one is None:
            bad.append((part, _reason(part, said)))
            continue
        values += one.values
        notes += [one.note] if one.note else []
    if bad:  # what is left between the parts of a formula or a sentence may look like a value and be none
        whole = " ".join(parts)
        reason = _reason(whole, said)
        if values:
            reason = f"has a part that is no {said}, {shown(bad[0][0])}: none of it is taken"
        return Cell(bad=((whole, reason),))
    return Cell(tuple(values), "; ".join(notes))


def _one(text: str, kinds: Sequence[Kind]) -> Cell | None:
    if _HOLE.search(text) is not None and Kind.URL in kinds:
        return None
    for kind in kinds:
        value = normalise(kind, text)
        if value is not None:
            return Cell((Value(kind, value),))
    if Kind.DOMAIN in kinds and (pattern := _below(text)) is not None:
        return Cell((Value(Kind.PATTERN, pattern),))
    named = Kind.URL in kinds or Kind.DOMAIN in kinds
    if not named and not {Kind.IPV4, Kind.IPV6} & set(kinds):
        return None
    wanted = {Kind.DOMAIN, Kind.IPV4, Kind.IPV6} if Kind.URL in kinds else set(kinds)
    host = _host(text, wanted)
    if host is None:
        return None
    alone, port = host
    stated = alone.kind in kinds
    if not stated and alone.kind is Kind.DOMAIN and not _in_dns(alone.text):
        return None  # a word with a dot, or a file
    return Cell((alone._replace(guessed=not stated),), f"port {port}" if port else "")


def _url_for_host(text: str, kinds: Sequence[Kind]) -> Cell | None:
    """A URL with its scheme where a name or an address is stated."""
    wanted = {Kind.DOMAIN, Kind.IPV4, Kind.IPV6} & set(kinds)
    scheme, mark, rest = refang(text.strip()).partition("://")
    if not (wanted and mark and scheme.isalnum()) or _HOLE.search(text) is not None:
        return None
    url = normalise(Kind.URL, text)
    if url is None:
        return None
    host = None if set(rest.strip("/")) & {*"/?#@"} else _host(rest.strip("/"), wanted)
    if host is None:
        return Cell((Value(Kind.URL, url, guessed=True),))
    return Cell((host[0]._replace(guessed=True),), f"port {host[1]}" if host[1] else "")


def _in_dns(name: str) -> bool:
    return name.rpartition(".")[2] in TOP_LEVEL_DOMAINS


def _host(text: str, wanted: set[Kind]) -> tuple[Value, str] | None:
    """A name or an address, perhaps with a port."""
    found = _PORT.fullmatch(text.strip())
    bare, port = (found[1], found[2]) if found is not None else (text, "")
    if port and not 0 < int(port) < 65_536:
        return None
    for kind in (Kind.IPV4, Kind.IPV6, Kind.DOMAIN):
        # An IPv6 address ends in what looks like a port; with one it stands in brackets.
        if kind not in wanted or (kind is Kind.IPV6 and port and not bare.startswith("[")):
            continue
        value = normalise(kind, bare)
        if value is not None and not (port and "/" in value):
            return Value(kind, value), port
    return None


def _by_look(text: str) -> Cell | None:
    reading = read(text)
    if reading is not None and reading.kind is Kind.URL and _HOLE.search(text) is not None:
        return None
    if reading is not None:
        return Cell((Value(reading.kind, reading.value, reading.guessed),))
    if (pattern := _below(text)) is not None:
        return Cell((Value(Kind.PATTERN, pattern, guessed=True),))
    host = _host(text, {Kind.IPV4, Kind.IPV6})
    if host is None:
        found = _PORT.fullmatch(text.strip())
        name = None if found is None else read(found[1])
        if found is None or name is None or name.kind is not Kind.DOMAIN or int(found[2]) > 65_535:
            return None
        host = Value(Kind.DOMAIN, name.value, name.guessed), found[2]
    found_value, port = host
    return Cell((found_value,), f"port {port}" if port else "")


def _below(text: str) -> str | None:
    """The pattern of all names below a domain that `*.domain` says, or None."""
    plain = refang(text.strip())
    if not plain.startswith("*."):
        return None
    domain = normalise(Kind.DOMAIN, plain[2:])
    if domain is None or "_" in domain:  # a sign of its own in LIKE
        return None
    return f"[domain-name:value LIKE '%.{domain}']"


def _reason(text: str, said: str) -> str:
    if not text.isascii() and "\ufffd" in text:
        return "has characters that do not fit the file's encoding"
    reading = read(text)
    if _HOLE.search(text) is not None and (reading is None or reading.kind is Kind.URL):
        return "is a template with a hole in it, not a value"
    if reading is not None:
        return f"is no {said}; it looks like one of kind {reading.kind}"
    hosts = hosts_of(text) if "://" in text else (text,)
    meant = [str(ipaddress.IPv4Address(one)) for host in hosts for one in ipv4_readings(host)]
    if meant and len(text) >= _SHORTEST_ADDRESS:
        return f"is no {said}, but an odd spelling of {' or '.join(meant[:2])} to some programs: write which one is meant"
    return f"is no {said}"
