"""The object that a self-test sends: it says of itself that it is a test, and is about nothing that exists.

1. Marked TEST by our declared extension, TLP:GREEN, about a name that nobody can register (RFC 2606), valid for an hour.
2. One id for each partner, a new version each time: what would be left behind is one object, and the next test finds it.
3. It holds what servers spoil: microseconds, writing in several scripts, a sign outside the basic plane, letters composed
   of two, markings of the object and of a part of it, an extension.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID, uuid5

from cert_exchange.policy.sharing_terms import EXTENSION, SharingTerms, as_extension
from cert_exchange.services.beating.beats import CREATED, GREEN
from cert_exchange.services.selftest.steps import Found
from cert_exchange.stix.instants import InstantInvalid, format_micros, parse_micros

HOUR: Final = 3_600_000_000
CLEAR: Final = "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487"
LETTERS: Final = "Żółć Łódź — Проверка — 検証 — בדיקה — e\u0301 — \U0001f512"
_NAMES: Final = UUID("6f0a1f0e-3a64-4c7b-9f38-2b1f5e0d7c55")


def specimen_id(identity: str, partner: str) -> str:
    """The id of our self-test's object for a partner."""
    return f"indicator--{uuid5(_NAMES, f'{identity} {partner}')}"


def specimen(identity: str, partner: str, now: int) -> dict[str, Any]:
    """The object, in the version of this instant; its microseconds never end in 000."""
    at = now if now % 1000 else now + 1
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": specimen_id(identity, partner),
        "created": CREATED,
        "modified": format_micros(at),
        "created_by_ref": identity,
        "name": "TEST of an exchange: please ignore",
        "description": f"Letters that must come back as they went: {LETTERS}",
        "labels": ["test"],
        "pattern": "[domain-name:value = 'selftest.invalid']",
        "pattern_type": "stix",
        "valid_from": format_micros(at),
        "valid_until": format_micros(at + HOUR),
        "object_marking_refs": [GREEN],
        "granular_markings": [{"marking_ref": CLEAR, "selectors": ["name"]}],
        "extensions": {EXTENSION: as_extension(SharingTerms(test=True))},
    }


def microseconds(sent: Mapping[str, Any], back: Mapping[str, Any]) -> Found:
    """Whether its version came back as it went."""
    text = str(back.get("modified", ""))
    if text == sent["modified"]:
        return Found(f"{text} came back as it went")
    try:
        same = parse_micros(text) == parse_micros(str(sent["modified"]))
    except InstantInvalid:
        same = False
    if same:
        return Found(
            f"{sent['modified']} came back as {text[:40]}: the same instant, written otherwise"
        )
    return Found(
        f"{sent['modified']} came back as {text[:40]}", "wrong",
        "its people must keep all digits: two versions within one unit of what it keeps are one there, and the later is lost",
    )  # fmt: skip


def letters(sent: Mapping[str, Any], back: Mapping[str, Any]) -> Found:
    """Whether its text came back as it went."""
    went, came = str(sent["description"]), str(back.get("description", ""))
    if went == came:
        return Found(
            "letters of five scripts, a composed one and a sign beyond the basic plane came back as they went"
        )
    if unicodedata.normalize("NFC", went) == unicodedata.normalize("NFC", came):
        return Found(
            "its server composes letters: the words are the same, the bytes and digests are not", "note",
            "its people should store text as it comes; signatures over it break otherwise",
        )  # fmt: skip
    spoiled = sum(one not in came for one in LETTERS.split(" — "))
    return Found(
        f"of {len(LETTERS.split(' — '))} texts {spoiled} came back otherwise", "wrong",
        "its people must store UTF-8 (on MySQL utf8mb4); until then names and patterns are spoiled there",
    )  # fmt: skip


def markings(sent: Mapping[str, Any], back: Mapping[str, Any]) -> Found:
    """Whether its markings and its extension came back as they went."""
    lost = [
        words
        for name, words in (
            ("object_marking_refs", "the marking of the object"),
            ("granular_markings", "the marking of a part of it"),
            ("extensions", "its extension, which says TEST"),
            ("created_by_ref", "who made it"),
        )
        if back.get(name) != sent[name]
    ]
    if lost:
        return Found(
            f"lost or changed: {', '.join(lost)}", "wrong",
            "send it nothing that a marking protects until its people have mended that: share what is TLP:CLEAR at most",
        )  # fmt: skip
    return Found("markings, extension and creator came back as they went")
