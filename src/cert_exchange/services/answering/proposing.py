"""Proposing a change to an object that is a partner's: its next version, in a note to its owner.

1. Nobody writes another's object (DESIGN invariant 4): what we send is a note of ours. A node of this program makes a
   proposal of it (`proposals list` over there); any other reader finds the changes in words.
2. What is proposed is whole and valid: the object as we hold it, with the changes. Its id, type, creator and first instant
   stay; markings that it has stay, so that a proposal never loosens.
3. It quotes the object, and is marked as the object is.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Final
from uuid import uuid4

from cert_exchange.errors import InputRefused
from cert_exchange.messages import answers as messages
from cert_exchange.messages.answers import LONGEST, MOST_WORDS
from cert_exchange.node import Node
from cert_exchange.services.answering.giving import Given, Manner, dress, give, recipients
from cert_exchange.services.answering.subjects import Subject, subject_of
from cert_exchange.stix.canonical import canonical_bytes, parse_json
from cert_exchange.stix.envelopes import examine_objects
from cert_exchange.stix.instants import format_micros, parse_micros
from cert_exchange.stix.markings import read_markings
from cert_exchange.stix.references import is_observable_id

FIXED: Final = frozenset({"id", "type", "spec_version", "created", "created_by_ref", "modified"})
"""What no proposal changes."""
_NOT_PROPOSED: Final = frozenset({"marking-definition", "bundle"})
_SHOWN: Final = 200


def propose(
    node: Node,
    stix_id: str,
    *,
    by: str,
    changes: Mapping[str, Any] | None = None,
    without: Collection[str] = (),
    whole: bytes | None = None,
    revoke: bool = False,
    because: str = "",
    manner: Manner = Manner(),  # noqa: B008 - a frozen value
) -> Given:
    """Propose a version: the object with `changes` and without some properties, or `whole`, or its revocation.

    Raises NotFound, InputRefused with what is wrong, ConfigurationInvalid where there is no return collection.
    """
    subject = subject_of(node, stix_id)
    if not subject.senders:
        raise InputRefused(
            f"{stix_id} is our own: publish its next version, nobody has to accept it."
        )
    if is_observable_id(stix_id) or subject.content.get("type") in _NOT_PROPOSED:
        raise InputRefused(
            "Of cyber-observables and marking definitions there are no versions to propose; use `note` or `opine`."
        )
    if len(because.strip()) > MOST_WORDS:
        raise InputRefused(f"The reason is longer than {MOST_WORDS:,} characters; say it shorter.")
    to = recipients(node, subject, manner)
    now = node.now()
    standing = dict(subject.content)
    made = _read(whole, node) if whole is not None else dict(standing)
    made |= dict(changes or {})
    for name in without:
        if name not in made:
            raise InputRefused(f"the object has no property {name!r} to leave out.")
        del made[name]
    if revoke:
        made["revoked"] = True
    _keep_fixed(standing, made)
    differences = _differences(standing, made)
    if not differences:
        raise InputRefused(
            "Nothing of it would change; say with --set, --unset, --file or --revoke what."
        )
    made["modified"] = format_micros(max(now, parse_micros(subject.version) + 1))
    content = messages.write_proposal(
        messages.Proposal(subject.stix_id, subject.version, _text(node, made)),
        differences, because.strip(),
        stix_id=f"note--{uuid4()}", creator=node.identity, now=now,
    )  # fmt: skip
    answer, said = dress(node, _with_markings(subject, made), content, manner, to, quotes=True)
    return give(node, [answer], said, manner, to, by=by)


def _read(whole: bytes, node: Node) -> dict[str, Any]:
    found: Any = parse_json(whole, depth=node.limits.depth + 2)
    if isinstance(found, dict) and isinstance(found.get("objects"), list):
        found = found["objects"][0] if len(found["objects"]) == 1 else None
    if not isinstance(found, dict):
        raise InputRefused("The file must hold one STIX object: the version that you propose.")
    return found


def _keep_fixed(standing: Mapping[str, Any], made: dict[str, Any]) -> None:
    for name in FIXED - {"modified"}:
        if made.get(name) != standing.get(name):
            raise InputRefused(f"{name} is its owner's: a proposal leaves it as it is.")
    marks = [*standing.get("object_marking_refs", ())]
    if not set(marks) <= set(made.get("object_marking_refs", ())):
        raise InputRefused("A proposal keeps all markings of the object; it may add some.")


def _differences(standing: Mapping[str, Any], made: Mapping[str, Any]) -> list[str]:
    """Each property that would change, in words."""
    return [
        f"{name}: {_shown(standing.get(name))} -> {_shown(made.get(name))}"
        for name in sorted({*standing, *made} - FIXED)
        if standing.get(name) != made.get(name)
    ]


def _shown(value: Any) -> str:
    if value is None:
        return "(not there)"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _text(node: Node, made: dict[str, Any]) -> str:
    (examined,) = examine_objects([made], limits=node.limits).items
    if examined.item is None:
        raise InputRefused(f"What you propose is no valid object: {examined.refusal}")
    text = canonical_bytes(made).decode("utf-8", "strict")
    if len(text) > LONGEST:
        raise InputRefused(
            f"What you propose has {len(text):,} characters, more than {LONGEST:,}: describe the change in a `note`."
        )
    return text


def _with_markings(subject: Subject, made: Mapping[str, Any]) -> Subject:
    levels = [one for one in (subject.tlp, read_markings(made).tlp) if one is not None]
    marks = tuple(made.get("object_marking_refs", ()))
    return replace(subject, markings=marks, tlp=max(levels, default=None))
