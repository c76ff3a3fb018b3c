"""What our desk is told before it publishes: of each object, what is doubtful in it and what will follow.

1. Nothing is stored. What holds or refuses is asked again when the object is taken in, by the same file of the way in.
2. What a partner sent is compared by value; which partner it was is for our own people only.
3. Time is an argument, in microseconds since 1970 UTC.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from cert_exchange.errors import InputRefused
from cert_exchange.node import Node
from cert_exchange.policy.cautions import Caution, Of, Warned
from cert_exchange.policy.lives import LIVES
from cert_exchange.policy.lookups import address_range
from cert_exchange.policy.screening import Life, Screen, UnreadableScreen
from cert_exchange.services.pairing import TOLD_ONLY
from cert_exchange.services.publishing.meeting import catch_up, met
from cert_exchange.services.publishing.screening import screen_now
from cert_exchange.stix.confidence import value_of, words_of
from cert_exchange.stix.instants import format_micros

_HASH: Final = re.compile(r"[0-9a-f]{32,128}")
_SECRET: Final = frozenset(
    {Of.OWN.value, Of.PRIVATE.value, "concerns own", "concerns protected", "mentions own", "mentions protected"}
)  # fmt: skip


def look(
    node: Node, objects: Iterable[Mapping[str, Any]], *, at: int, context: Collection[str] = ()
) -> tuple[Warned, ...]:
    """The warnings about these validated objects, in their order; an object without any has none.

    `act` says what follows: `warn` nothing, `hold` it is stored and shared with nobody until `intake release`, `refuse`
    it is not stored. `context`: STIX ids of observables that are told of only; to hold them, `publish` must be told.
    """
    instant = format_micros(at)
    screen = _screen(node)
    contents = list(objects)
    catch_up(node)
    with node.database.reading() as conn:
        held = met(conn, contents) if _asks_of_others(screen) else {}
    told: list[Warned] = []
    for content in contents:
        told.extend(screen.warned(content, at=instant))
        told.extend(_of_others(screen, content, held))
        act = screen.warnings[Of.CONTEXT]
        if content.get("id") in context and act != "silent":
            told.append(Warned(str(content["id"]), Of.CONTEXT.value, act, "", TOLD_ONLY))
    return tuple(told)


def _asks_of_others(screen: Screen | UnreadableScreen) -> bool:
    return any(screen.warnings[one] != "silent" for one in (Of.KNOWN, Of.CONTRADICTED))


def _of_others(
    screen: Screen | UnreadableScreen,
    content: Mapping[str, Any],
    held: Mapping[str, Iterable[Caution]],
) -> Iterable[Warned]:
    stix_id = str(content.get("id", ""))
    for one in held.get(stix_id, ()):
        if screen.warnings[one.of] != "silent":
            yield Warned(stix_id, one.of.value, screen.warnings[one.of], one.value, one.said)


def lives(node: Node, collection: str) -> Mapping[str, int]:
    """How long an indicator holds whose author says nothing: kind of value -> micros; what is not in it has no end.

    `collection` is an alias or UUID; where the file of the way in leaves it out, the lives are those built in.
    """
    screen = _screen(node)
    return screen.life.lives if screen.covers([collection]) else LIVES


def life(node: Node) -> Life:
    """What the node chose about the life of what it publishes."""
    return _screen(node).life


def confidence(node: Node, text: str) -> int:
    """A person's confidence, in words of the scale that the node chose, from 0 to 100. Raises InputRefused."""
    scale = life(node).scale
    value = value_of(text, scale)
    if value is None:
        raise InputRefused(f"{text!r} is no confidence here; write {words_of(scale)}.")
    return value


def kept_back(
    node: Node,
    names: Collection[str],
    listed: bool,  # noqa: FBT001 - one of two ways to ask
    *,
    at: int,
) -> frozenset[str]:
    """Which of these hosts, addresses, URLs, mailboxes and hashes our desk would not share as a value, whoever names them.

    What is ours, of private networks or protected; with `listed` also what a list of the way in holds. Not what is merely
    no use to look for: a public name server is no secret.
    """
    screen, instant = _screen(node), format_micros(at)
    return frozenset(
        name
        for name in names
        if any(
            one.act in ("hold", "refuse") and _is_kept_back(one.of, listed=listed)
            for one in screen.warned(_stating(name), at=instant)
        )
    )


def _is_kept_back(of: str, *, listed: bool) -> bool:
    return any(
        word in _SECRET or (listed and word.startswith("listed ")) for word in of.split(", ")
    )


def _stating(name: str) -> Mapping[str, Any]:
    """An observable of what a text names, as far as its values are asked for."""
    if _HASH.fullmatch(name) is not None:
        return {"type": "file", "hashes": {"SHA-256": name}}
    try:
        version = address_range(name).version
    except ValueError:
        stix_type = "email-addr" if "@" in name else "url" if "/" in name else "domain-name"
    else:
        stix_type = f"ipv{version}-addr"
    return {"type": stix_type, "value": name}


def _screen(node: Node) -> Screen | UnreadableScreen:
    with node.database.reading() as conn:
        return screen_now(conn)


__all__ = ["Life", "Warned", "confidence", "kept_back", "life", "lives", "look"]
