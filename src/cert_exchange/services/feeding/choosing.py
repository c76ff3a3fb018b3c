"""What a feed or an export gives: its format, and what of the node goes into it.

1. What is not named does not restrict, but for use and TLP: they begin at what a machine may do with any object.
2. What is written down is read again as it was, or not at all: a choice of another release gives nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from enum import IntEnum, StrEnum
from typing import Any, Final

import orjson

from cert_exchange.errors import ConfigurationInvalid, InputRefused
from cert_exchange.intake.findings import Kind
from cert_exchange.policy.reading import nearest
from cert_exchange.policy.spellings import tlp_named
from cert_exchange.stix.markings import Tlp

NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?")


class Format(StrEnum):
    """How it is written."""

    CSV = "csv"  # exact, for machines
    CSV_PEOPLE = "csv-people"  # for spreadsheets: no cell is a formula
    LIST = "list"
    STIX = "stix"
    MISP = "misp"
    RPZ = "rpz"
    SURICATA = "suricata"
    SIGMA = "sigma"
    YARA = "yara"


class Use(IntEnum):
    """What whoever reads it does with it; a greater number does more. PAP and IEP say which of them they permit."""

    LOGS = 0  # search in own logs, which nobody notices
    MONITOR = 1  # watch, alert
    BLOCK = 2


MEDIA: Final[Mapping[Format, str]] = {
    Format.CSV: "text/csv; charset=utf-8; header=present",
    Format.CSV_PEOPLE: "text/csv; charset=utf-8; header=present",
    Format.LIST: "text/plain; charset=utf-8",
    Format.STIX: "application/stix+json;version=2.1",
    Format.MISP: "application/json",
    Format.RPZ: "text/dns; charset=us-ascii",
    Format.SURICATA: "text/plain; charset=utf-8",
    Format.SIGMA: "application/yaml",
    Format.YARA: "text/plain; charset=utf-8",
}
HOLDS: Final[Mapping[Format, frozenset[Kind]]] = {
    Format.LIST: frozenset(Kind) - {Kind.SNORT, Kind.SIGMA, Kind.YARA, Kind.PATTERN},
    Format.RPZ: frozenset({Kind.DOMAIN, Kind.IPV4, Kind.IPV6}),
    Format.SURICATA: frozenset(
        {Kind.DOMAIN, Kind.IPV4, Kind.IPV6, Kind.URL, Kind.USER_AGENT, Kind.SNORT}
    ),
    Format.SIGMA: frozenset({Kind.SIGMA}),
    Format.YARA: frozenset({Kind.YARA}),
}
"""The kinds that a format can hold; one that is not named holds all."""
USED_FOR: Final[Mapping[Format, Use]] = {
    Format.CSV_PEOPLE: Use.LOGS,
    Format.STIX: Use.LOGS,
    Format.MISP: Use.LOGS,
    Format.SURICATA: Use.MONITOR,
    Format.SIGMA: Use.LOGS,
    Format.YARA: Use.MONITOR,
}
"""What is done with a format where nobody says; with the others, blocking. STIX and MISP carry PAP with the object."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What goes into an output. Names as people write them; a tuple that is empty does not restrict."""

    format: Format
    use: Use
    tlp: Tlp = Tlp.AMBER_STRICT  # the highest that goes in; unmarked counts as that
    kinds: tuple[Kind, ...] = ()
    purposes: tuple[
        str, ...
    ] = ()  # an object that is for a purpose goes in where all of its are here
    origins: tuple[str, ...] = ()  # `own` or partners' names
    collections: tuple[str, ...] = ()  # aliases or UUIDs
    least_confidence: int | None = None
    simple: bool = False
    subdomains: bool = False
    doubtful: bool = False  # also what our own warnings would hold, of what partners sent


def choose(form: Format, **given: Any) -> Choice:
    """A choice with what the format is used for. Raises InputRefused for what does not go together."""
    use = given.pop("use", None)
    chosen = Choice(form, USED_FOR.get(form, Use.BLOCK) if use is None else use, **given)
    holds = HOLDS.get(form)
    wrong = [] if holds is None else [one for one in chosen.kinds if one not in holds]
    if wrong:
        assert holds is not None
        raise InputRefused(
            f"{form} holds no {', no '.join(wrong)}; it holds {', '.join(sorted(holds))}."
        )
    if form in (Format.STIX, Format.MISP) and chosen.kinds:
        raise InputRefused(f"{form} holds whole objects; --kind is for lists of values.")
    if chosen.subdomains and form is not Format.RPZ:
        raise InputRefused("--subdomains is for a zone (rpz) alone.")
    flags = form is Format.MISP and chosen.use is not Use.MONITOR
    if chosen.doubtful and not flags and (chosen.use is not Use.BLOCK or form is Format.STIX):
        raise InputRefused(
            "--doubtful is for lists of values that block; with this one it goes in anyway."
        )
    if chosen.least_confidence is not None and not 0 <= chosen.least_confidence <= 100:
        raise InputRefused("A confidence is a whole number from 0 to 100.")
    return chosen


def read_choice(
    form: str,
    *,
    kinds: Iterable[str] = (),
    use: str | None = None,
    tlp: str | None = None,
    purposes: Iterable[str] = (),
    origins: Iterable[str] = (),
    collections: Iterable[str] = (),
    least_confidence: int | None = None,
    simple: bool = False,
    subdomains: bool = False,
    doubtful: bool = False,
) -> Choice:
    """A choice from words that a person typed. Raises InputRefused with the words that there are."""
    level = None if tlp is None else tlp_named(tlp)
    if tlp is not None and level is None:
        raise InputRefused(
            f"{tlp!r} is no TLP level; write clear, green, amber, amber+strict or red."
        )
    return choose(
        Format(_among(form, [str(one) for one in Format], "format")),
        kinds=tuple(Kind(_among(one, [str(kind) for kind in Kind], "kind")) for one in kinds),
        use=None if use is None else Use[_among(use, _USES, "use").upper()],
        tlp=Tlp.AMBER_STRICT if level is None else level,
        purposes=tuple(" ".join(one.split()) for one in purposes),
        origins=tuple(origins),
        collections=tuple(collections),
        least_confidence=least_confidence,
        simple=simple,
        subdomains=subdomains,
        doubtful=doubtful,
    )


def said(choice: Choice) -> dict[str, str]:
    """What a choice is, in words for people: only what is not as it begins, but for format, use and TLP."""
    found = {
        "format": str(choice.format),
        "use": choice.use.name.lower(),
        "up to": f"TLP:{choice.tlp.name.replace('_', '+')}",
        "kinds": ", ".join(choice.kinds),
        "for": "; ".join(choice.purposes),
        "from": ", ".join(choice.origins),
        "collections": ", ".join(choice.collections),
        "confidence": ""
        if choice.least_confidence is None
        else f"at least {choice.least_confidence}",
        "patterns": "single comparisons only" if choice.simple else "",
        "names": "with their subdomains" if choice.subdomains else "",
        "doubtful": "also what our own warnings would hold" if choice.doubtful else "",
    }
    return {name: words for name, words in found.items() if words}


def _among(word: str, known: Iterable[str], what: str) -> str:
    known = list(known)
    if word not in known:
        raise InputRefused(f"{word[:40]!r} is no {what}; {nearest(word, known)}")
    return word


_USES: Final = tuple(one.name.lower() for one in Use)
_WRITTEN: Final = frozenset(field.name for field in fields(Choice))


def to_text(choice: Choice) -> str:
    """As it is stored."""
    written = {field.name: getattr(choice, field.name) for field in fields(Choice)}
    written["use"] = choice.use.name.lower()
    written["tlp"] = choice.tlp.name.lower()
    return orjson.dumps(written, option=orjson.OPT_SORT_KEYS).decode()


def from_text(text: str) -> Choice:
    """What `to_text` wrote. Raises ConfigurationInvalid for anything else: then the feed gives nothing."""
    try:
        found = dict(orjson.loads(text))
        return Choice(
            format=Format(found["format"]),
            use=Use[found["use"].upper()],
            tlp=Tlp[found["tlp"].upper()],
            kinds=tuple(map(Kind, found["kinds"])),
            purposes=tuple(found["purposes"]),
            origins=tuple(found["origins"]),
            collections=tuple(found["collections"]),
            least_confidence=found["least_confidence"],
            simple=bool(found["simple"]),
            subdomains=bool(found.pop("subdomains")),
            doubtful=bool(found.get("doubtful", False)),
            **dict.fromkeys(found.keys() - _WRITTEN),  # a key that we do not know is no argument
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ConfigurationInvalid(
            "What this feed gives was written by another release; remove it and add it anew."
        ) from None
