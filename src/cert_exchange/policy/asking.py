"""Whether these recipients may have an object, as terms, consents and agreements bind it.

1. What our desk said beside an object binds always. What its originator said, in the object or in the agreement, binds
   what came from it, and a consent of the originator that covers every member of the audience lifts that, for as long
   as it lasts.
2. A recipient whose country is not known is in none that terms name, and may be in any that they shut out.
3. Time is asked of `now`, also of what was released before: an embargo that was set later takes back, and a consent
   that has ended lets nothing stand.
4. What cannot be read binds most: it denies.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from cert_exchange.policy.binding import Binding, Recipient, Recipients
from cert_exchange.policy.rules import Deny, DenyKind, Hold
from cert_exchange.policy.sharing_terms import ANYONE, Onward, SharingTerms
from cert_exchange.stix.instants import format_micros
from cert_exchange.stix.markings import Tlp

TERMS: Final = "terms"
"""Stands in place of a rule's name where terms decided."""
_COUNTRY: Final = "country:"
_UNKNOWN: Final = Recipient()


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks for an object and when. Instants in micros."""

    members: Collection[str]
    recipients: Recipients
    now: int
    own: bool  # our desk published it
    stored_at: int
    ceiling: Tlp = Tlp.RED


def lifted(binding: Binding, asking: Asking) -> bool:
    """Whether the originator consented to every member of the audience, for now."""
    if asking.own or not binding.consents or not asking.members:
        return False
    standing = [one for one in binding.consents if one.until > asking.now]
    return all(
        any(
            one.recipient == ANYONE or _names(frozenset((one.recipient,)), member, asking)
            for one in standing
        )
        for member in asking.members
    )


def refusal(binding: Binding, asking: Asking) -> Deny | None:
    """The denial by terms, or None. The embargo is `holding`'s."""
    if binding.broken:
        return _deny(f"they cannot be read: {binding.broken}")
    if binding.beside.kept_here:
        return _deny(f"our desk's: not shared on: {binding.beside.kept_here}")
    if (said := _barred(binding.beside, asking)) is not None:
        return _deny(f"our desk's: {said}")
    marked = binding.marked
    free = lifted(binding, asking)
    if marked is not None and (
        marked > asking.ceiling or (marked > Tlp.GREEN and not asking.own and not free)
    ):
        above = marked > asking.ceiling
        what = f"above TLP:{_spelled(asking.ceiling)}" if above else "not for others"
        return Deny(
            "ceiling", f"our desk marked it TLP:{_spelled(marked)}: {what}", DenyKind.CEILING
        )
    if not free:
        if (said := _barred(binding.said, asking)) is not None:
            return _deny(f"its originator's: {said}")
        if not asking.own and (said := _kept(binding)) is not None:
            return _deny(said)
    promise = binding.promise
    if promise is not None and promise.retention is not None and not asking.own:
        ends = asking.stored_at + promise.retention
        if asking.now >= ends:
            return _deny(f"its retention ended on {format_micros(ends)}")
    return None


def holding(binding: Binding, asking: Asking) -> Hold | None:
    """The embargo that stands, or None."""
    until, whose = binding.beside.embargo_until or 0, "our desk's"
    if not lifted(binding, asking):
        if (binding.said.embargo_until or 0) > until:
            until, whose = binding.said.embargo_until or 0, "its originator's"
        promise = binding.promise
        if promise is not None and promise.embargo is not None and not asking.own:
            agreed = asking.stored_at + promise.embargo
            if agreed > until:
                until, whose = agreed, "the agreement's"
    return Hold(TERMS, f"{whose} embargo", until) if until > asking.now else None


def steps(binding: Binding, asking: Asking) -> Iterator[tuple[str, str]]:
    """(whose, what they say) of all that binds an object, for our own people."""
    if binding.beside.said:
        yield "our desk's", "; ".join(binding.beside.said)
    if binding.said.said:
        yield "its originator's", "; ".join(binding.said.said)
    promise = binding.promise
    if promise is not None and not asking.own:
        said = []
        if promise.onward is not Onward.FREE:
            said.append(f"onward: {promise.onward.name.lower()}")
        if promise.embargo is not None:
            said.append(f"embargo until {format_micros(asking.stored_at + promise.embargo)}")
        if promise.retention is not None:
            said.append(f"retention until {format_micros(asking.stored_at + promise.retention)}")
        if said:
            yield "the agreement's", "; ".join(said)
    for one in binding.consents:
        state = "until" if one.until > asking.now else "ended"
        yield f"consent {one.number}", f"to {one.recipient}, {state} {format_micros(one.until)}"


def _kept(binding: Binding) -> str | None:
    """Why an originator's object stays with us."""
    agreed = binding.promise.onward if binding.promise is not None else Onward.FREE
    onward = binding.said.onward or Onward.FREE
    whose = "its originator's" if onward >= agreed else "the agreement's"
    match max(onward, agreed):
        case Onward.NONE:
            return f"{whose}: it is not for others"
        case Onward.ASK:
            return f"{whose}: ask first; no consent stands"
        case _:
            return None


def _barred(terms: SharingTerms, asking: Asking) -> str | None:
    for allowed in terms.only_to:
        for member in sorted(asking.members):
            if not _names(allowed, member, asking):
                return f"only to {', '.join(sorted(allowed)) or 'nobody'}"
    if terms.not_to:
        for member in sorted(asking.members):
            if _names(terms.not_to, member, asking):
                return f"not to {', '.join(sorted(terms.not_to))}"
            if asking.recipients.get(member, _UNKNOWN).country is None and any(
                word.startswith(_COUNTRY) for word in terms.not_to
            ):
                return f"not to {', '.join(sorted(terms.not_to))}, and the country of {member} is not known"
    return None


def _names(words: frozenset[str], member: str, asking: Asking) -> bool:
    """Whether terms name this member of the audience."""
    recipient = asking.recipients.get(member, _UNKNOWN)
    return (
        member in words
        or not words.isdisjoint(recipient.identities)
        or (recipient.country is not None and f"{_COUNTRY}{recipient.country}" in words)
    )


def _deny(reason: str) -> Deny:
    return Deny(TERMS, reason, DenyKind.TERMS)


def _spelled(level: Tlp) -> str:
    return level.name.replace("_", "+")
