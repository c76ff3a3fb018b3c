"""The file of the way in, key by key, and how its words are spelled; `screening` makes a screen of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, PlainValidator, StrictStr

from cert_exchange.policy.cautions import ACTS, Act, Of
from cert_exchange.policy.forms import FileNames, Plains
from cert_exchange.policy.lives import read_lives
from cert_exchange.policy.reading import nearest, shown
from cert_exchange.policy.recalls import MARKED, Recalls, read_recalls
from cert_exchange.policy.spellings import refuse
from cert_exchange.policy.territories import OWN, PROTECTED
from cert_exchange.stix.confidence import NAMES as SCALES

Action = Literal["hold", "refuse", "pass"]
KINDS: Final = (OWN, PROTECTED)
"""Kinds of territories that can be asked for here."""

ADVICE: Final[Mapping[str, str]] = {
    "description": "write a text",
    "territories": "write a list of files beside this one, such as [territories/protected.yaml]",
    "lists": "write a list of files beside this one, such as [lists/keep-out.txt]",
    "collections": "write a list of aliases or UUIDs; without the key every collection is meant",
    "listed": "write hold, refuse or pass, or a mapping of lists to one of them",
    "concerns": "write a mapping such as {protected: hold}; own and protected can be asked for",
    "mentions": "write a mapping such as {protected: hold}; own and protected can be asked for",
    "unread": "write hold or pass",
    "warnings": "write a mapping such as {benign: refuse, generic: silent}, each silent, warn, hold or refuse",
    "lives": "write a mapping such as {ipv4: 14 days, sha256: never}",
    "confidence": f"write one of: {', '.join(SCALES)}",
    "expired": "write keep, or revoke: then what is ours is revoked a day after its validity ended",
    "objections": "write hold, or note: then a partner's disagreement is listed and holds nothing",
    "recalled": "write hide, mark or keep, or a mapping of partners to one of them, such as {cert-b: keep, others: mark}",
}


def _action(value: Any) -> Action:
    if value not in ("hold", "refuse", "pass"):
        refuse(f"{shown(value)} is no answer; write hold, refuse or pass")
    answer: Action = value
    return answer


def _actions(value: Any) -> dict[str, Action]:
    if not isinstance(value, dict) or not value:
        refuse(f"{shown(value)} says nothing; write a mapping such as {{protected: hold}}")
    return {str(name): _action(action) for name, action in value.items()}


def _listed(value: Any) -> Action | dict[str, Action]:
    return _actions(value) if isinstance(value, dict) else _action(value)


def _kinds(value: Any) -> dict[str, Action]:
    found = _actions(value)
    for kind in found:
        if kind not in KINDS:
            refuse(f"{shown(kind)} cannot be asked for here; write {' or '.join(KINDS)}")
    return found


_Kinds = Annotated[dict[str, Action], PlainValidator(_kinds)]


def _warnings(value: Any) -> dict[Of, Act]:
    if not isinstance(value, dict) or not value:
        refuse(f"{shown(value)} says nothing; write a mapping such as {{benign: refuse}}")
    words = [one.value for one in Of]
    found: dict[Of, Act] = {}
    for name, act in value.items():
        if name not in words:
            refuse(f"nothing is warned of as {shown(name)}; {nearest(str(name), words)}")
        if act not in ACTS:
            refuse(f"{shown(act)} is no answer; write {', '.join(ACTS[:-1])} or {ACTS[-1]}")
        found[Of(name)] = act
    return found


def _scale(value: Any) -> str:
    if value not in SCALES:
        refuse(f"{shown(value)} is no scale; write one of: {', '.join(SCALES)}")
    return str(value)


class ScreenForm(BaseModel):
    """The file of the way in, key by key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    description: StrictStr | None = None
    territories: FileNames = ()
    lists: FileNames = ()
    collections: Plains | None = None
    listed: Annotated[Action | dict[str, Action], PlainValidator(_listed)] = "hold"
    concerns: _Kinds | None = None
    mentions: _Kinds | None = None
    unread: Literal["hold", "pass"] = "hold"
    warnings: Annotated[dict[Of, Act] | None, PlainValidator(_warnings)] = None
    lives: Annotated[dict[str, int | None] | None, PlainValidator(read_lives)] = None
    confidence: Annotated[str | None, PlainValidator(_scale)] = None
    expired: Literal["keep", "revoke"] = "keep"
    objections: Literal["hold", "note"] = "hold"
    recalled: Annotated[Recalls, PlainValidator(read_recalls)] = MARKED
