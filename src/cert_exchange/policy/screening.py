"""What is looked for in whatever comes in, from our own desk or a partner: values of lists, hosts of our own people.

1. What is found is held at the way in with its reason: stored, released to nobody, until a person lets it in. `pass`
   takes a list or a territory out of that, `refuse` lets nobody in without a person asking for it.
2. What cannot be read wholly may state anything: it is held too, unless the file says `unread: pass`.
3. What stands in another object is left to that object: it is screened itself, and who refers to it waits for it.
4. A revocation only takes back, and is never held here.
5. Nothing raises for odd content: what fails while it is read is found.

The format for people: docs/intake.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, PlainValidator, StrictStr

from cert_exchange.policy.companions import (
    NO_COMPANIONS,
    Companions,
    check_limits,
    digest_of,
    digest_of_text,
    take_companions,
)
from cert_exchange.policy.forms import FileNames, Plains
from cert_exchange.policy.indicated import indicated_by
from cert_exchange.policy.lists import Lists
from cert_exchange.policy.mentions import mentioned_in
from cert_exchange.policy.reading import Document, fill_form, nearest, read_document, shown
from cert_exchange.policy.spellings import refuse
from cert_exchange.policy.surroundings import read_surroundings
from cert_exchange.policy.territories import OWN, PROTECTED, Territories

INTAKE: Final = "intake"
"""Stands in a rule's place where something is held at the way in; no rule of a policy has this name."""
FILE_NAME: Final = "intake.yaml"
"""The one file of a policy folder that is no policy."""

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
}
_SAID: Final = 8
_SHORT: Final = 500
_HELD_ANYWAY: Final = "it cannot be told what is looked for at the way in"


@dataclass(frozen=True, slots=True)
class Finding:
    """What an object is held for. `said` is for our own people: it spells values of the object."""

    action: Action  # hold or refuse
    what: tuple[str, ...]  # such as "listed keep-out", "concerns protected", "unread"
    said: str


@dataclass(frozen=True, slots=True, eq=False)
class Screen:
    """The file of the way in, ready to be asked."""

    text: str = field(repr=False)
    digest: bytes  # over the text and the files that it names
    collections: frozenset[str] | None  # None: all
    listed: Mapping[str, Action]  # for every list that is named
    concerns: Mapping[str, Action]
    mentions: Mapping[str, Action]
    unread: Action
    territories: Territories
    lists: Lists

    def covers(self, names: Collection[str]) -> bool:
        """Whether a collection of these names (UUID and alias) is screened."""
        return self.collections is None or not self.collections.isdisjoint(names)

    def find(self, content: Mapping[str, Any]) -> Finding | None:
        """What a validated object is held for; None: it comes in. Never raises."""
        if content.get("revoked") is True:
            return None
        try:
            found = list(self._looked_up(content))
        except Exception as error:  # noqa: BLE001 - odd custom content: what cannot be read is held, and its batch goes on
            found = [("unread", f"reading it failed with {type(error).__name__}", "hold")]
        found = [one for one in found if one[2] != "pass"]
        if not found:
            return None
        said = "; ".join(dict.fromkeys(sentence for _, sentence, _ in found[:_SAID]))
        if len(found) > _SAID:
            said += f"; and {len(found) - _SAID} more"
        return Finding(
            "refuse" if any(action == "refuse" for *_, action in found) else "hold",
            tuple(dict.fromkeys(what for what, *_ in found)),
            said if len(said) <= _SHORT else said[: _SHORT - 1] + "…",
        )

    def _looked_up(self, content: Mapping[str, Any]) -> Iterator[tuple[str, str, Action]]:
        """(what, sentence, action) of everything that is found."""
        about = indicated_by(content)
        for name, sentence in self.lists.listing(about).found.items():
            yield f"listed {name}", sentence, self.listed[name]
        for hit in self.territories.concern(about).hits if self.concerns else ():
            if hit.territory is not None and hit.territory.kind in self.concerns:
                kind = hit.territory.kind
                yield f"concerns {kind}", str(hit), self.concerns[kind]
        if self.mentions:
            for mention in mentioned_in(content):
                for kind, hit in self.territories.holding(mention):
                    if kind in self.mentions:
                        yield f"mentions {kind}", f"in its text {hit}", self.mentions[kind]
        if self.unread != "pass":
            unread = about.unread
            if self.lists.all:
                unread += about.unread_words
            for what in unread:
                yield "unread", f"cannot be read: {what}", self.unread


@dataclass(frozen=True, slots=True, eq=False)
class UnreadableScreen:
    """What stands in place of a file that cannot be read any more: everything is held."""

    def covers(self, names: Collection[str]) -> bool:  # noqa: ARG002 - every collection
        """All of them."""
        return True

    def find(self, content: Mapping[str, Any]) -> Finding | None:
        """Hold whatever comes, revocations aside."""
        if content.get("revoked") is True:
            return None
        return Finding("hold", ("unread",), _HELD_ANYWAY)


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


def parse_screen(text: str, *, file: str, companions: Companions = NO_COMPANIONS) -> Screen:
    """Read the file of the way in. Raises PolicyInvalid with every mistake, line and column."""
    document = read_document(text, file=file)
    form = fill_form(document, ScreenForm, advice=ADVICE)
    check_limits(document, companions)
    taken = take_companions(document, companions, keys=("territories", "lists"))
    found = read_surroundings([document], taken["territories"], taken["lists"])
    names = [one.name for one in found.lists.all]
    kinds = found.territories.kinds()
    if not document.problems:
        _check(document, form, names, kinds)
    if document.problems:
        raise document.refuse()
    concerns: Mapping[str, Action] = form.concerns or {}
    if form.concerns is None and PROTECTED in kinds:
        concerns = {PROTECTED: "hold"}
    listed = form.listed
    return Screen(
        text=text,
        digest=hashlib.sha256(digest_of_text(text) + (digest_of(companions) or b"")).digest(),
        collections=None if form.collections is None else frozenset(form.collections),
        listed={
            name: listed.get(name, "hold") if isinstance(listed, dict) else listed for name in names
        },
        concerns=dict(concerns),
        mentions=dict(form.mentions or {}),
        unread=form.unread,
        territories=found.territories,
        lists=found.lists,
    )


def _check(
    document: Document, form: ScreenForm, names: Collection[str], kinds: Collection[str]
) -> None:
    """Complain of what asks for a list or a territory that is not named: it would never hold anything."""
    if not (form.territories or form.lists):
        document.complain(
            (), "neither territories nor lists are named, so nothing is ever found; name one"
        )
    for name in form.listed if isinstance(form.listed, dict) else ():
        if name not in names:
            document.complain(
                ("listed", name), f"unknown list {shown(name)}; {nearest(name, names)}", key=True
            )
    for key in ("concerns", "mentions"):
        for kind in getattr(form, key) or ():
            if kind not in kinds:
                document.complain(
                    (key, kind),
                    f"no territory of kind {kind} is named under territories, so nothing can match",
                    key=True,
                )


__all__ = ["FILE_NAME", "INTAKE", "Finding", "Screen", "UnreadableScreen", "parse_screen"]
