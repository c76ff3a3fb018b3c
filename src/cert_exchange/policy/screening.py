"""What is looked for in whatever comes in, from our own desk or a partner: values of lists, hosts of our own people.

1. What is found is held at the way in with its reason: stored, released to nobody, until a person lets it in. `pass`
   takes a list or a territory out of that, `refuse` lets nobody in without a person asking for it.
2. What cannot be read wholly may state anything: it is held too, unless the file says `unread: pass`.
3. What stands in another object is left to that object: it is screened itself, and who refers to it waits for it.
4. A revocation only takes back, and is never held here.
5. Nothing raises for odd content: what fails while it is read is found.
6. What our own desk publishes is looked at for more (`warnings`), also where no file is in force: `weighed` joins what
   of that holds or refuses to what is found.

The format for people: docs/intake.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cert_exchange.policy.cautions import DEFAULTS, Act, Caution, Of, Warned
from cert_exchange.policy.companions import (
    NO_COMPANIONS,
    Companions,
    check_limits,
    digest_of,
    digest_of_text,
    take_companions,
)
from cert_exchange.policy.indicated import indicated_by
from cert_exchange.policy.lists import Lists
from cert_exchange.policy.lives import LIVES, with_lives
from cert_exchange.policy.mentions import mentioned_in
from cert_exchange.policy.reading import Document, fill_form, nearest, read_document, shown
from cert_exchange.policy.recalls import MARKED, Recalls
from cert_exchange.policy.screening_form import ADVICE, Action, ScreenForm
from cert_exchange.policy.surroundings import read_surroundings
from cert_exchange.policy.territories import NO_TERRITORIES, OWN, PROTECTED, Territories
from cert_exchange.policy.warnings import warnings_of
from cert_exchange.stix.confidence import NUMBERS

INTAKE: Final = "intake"
"""Stands in a rule's place where something is held at the way in, or a partner disputes it and nobody has looked; no rule of
a policy has this name."""
FILE_NAME: Final = "intake.yaml"
"""The one file of a policy folder that is no policy."""

_SAID: Final = 8
_SHORT: Final = 500
_OF_OUR_DESK: Final = frozenset(
    {"warnings", "lives", "confidence", "expired", "objections", "recalled"}
)
_HELD_ANYWAY: Final = "it cannot be told what is looked for at the way in"


@dataclass(frozen=True, slots=True)
class Life:
    """How long what our desk publishes is meant to hold, and what ends it."""

    lives: Mapping[str, int] = field(default_factory=lambda: LIVES)
    """kind of value -> micros from `valid_from`; a kind that is not in it has no end"""
    scale: str = NUMBERS
    """the scale of STIX on which our people say their confidence"""
    revokes_expired: bool = False
    """whether the worker revokes what is ours and has expired"""
    objections_hold: bool = True
    """whether a partner's disagreement holds further release"""


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
    warnings: Mapping[Of, Act] = field(default_factory=lambda: DEFAULTS)
    """what follows of each kind of warning about what our desk publishes"""
    life: Life = field(default_factory=Life)
    """how long what our desk publishes is meant to hold, and what ends it"""
    recalls: Recalls = MARKED
    """what is done here with what partners took back"""

    @property
    def asks_own(self) -> bool:
        """Whether a warning tells of our own hosts: else `concerns` does, or no territory of ours is named."""
        return OWN in self.territories.kinds() and OWN not in self.concerns

    def cautions(self, content: Mapping[str, Any], *, at: str) -> tuple[Caution, ...]:
        """What is to be said before our desk publishes this, at an instant (RFC 3339); silent kinds are left out."""
        own = self.territories if OWN in self.territories.kinds() else None
        found = warnings_of(content, at=at, own=own, answered=not self.asks_own)
        return tuple(one for one in found if self.warnings[one.of] != "silent")

    def warned(self, content: Mapping[str, Any], *, at: str) -> tuple[Warned, ...]:
        """The same with what follows, and what the way in finds of listed values, as `Warned` under the object's id."""
        stix_id = str(content.get("id", ""))
        found = self.find(content)
        told = [
            Warned(stix_id, one.of.value, self.warnings[one.of], one.value, one.said)
            for one in self.cautions(content, at=at)
        ]
        if found is not None:
            told.insert(
                0,
                Warned(
                    stix_id,
                    ", ".join(found.what),
                    "refuse" if found.action == "refuse" else "hold",
                    "",
                    found.said,
                ),
            )
        return tuple(told)

    def weighed(
        self, content: Mapping[str, Any], finding: Finding | None, *, at: str
    ) -> Finding | None:
        """A finding about what our desk publishes, together with the warnings that hold or refuse."""
        return joined(
            finding, [(one, self.warnings[one.of]) for one in self.cautions(content, at=at)]
        )

    def covers(self, names: Collection[str]) -> bool:
        """Whether a collection of these names (UUID and alias) is screened."""
        return self.collections is None or not self.collections.isdisjoint(names)

    def find(self, content: Mapping[str, Any]) -> Finding | None:
        """What a validated object is held for; None: it comes in. Never raises."""
        if self.idle or content.get("revoked") is True:
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

    @property
    def idle(self) -> bool:
        """Whether nothing is looked for in what partners send."""
        return not (self.lists.all or self.concerns or self.mentions) and self.unread == "pass"

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


def joined(finding: Finding | None, weighed: Collection[tuple[Caution, Act]]) -> Finding | None:
    """A finding together with those of these warnings that hold or refuse."""
    more = [(one, act) for one, act in weighed if act in ("hold", "refuse")]
    if not more:
        return finding
    what = [f"warned {one.of.value}" for one, _ in more]
    said = "; ".join(dict.fromkeys(one.said for one, _ in more[:_SAID]))
    refused = any(act == "refuse" for _, act in more)
    if finding is not None:
        what, said = [*finding.what, *what], f"{finding.said}; {said}"
        refused = refused or finding.action == "refuse"
    return Finding(
        "refuse" if refused else "hold",
        tuple(dict.fromkeys(what)),
        said if len(said) <= _SHORT else said[: _SHORT - 1] + "…",
    )


BUILT_IN: Final = Screen(
    text="", digest=b"", collections=None, listed={}, concerns={}, mentions={}, unread="pass",
    territories=NO_TERRITORIES, lists=Lists(()),
)  # fmt: skip
"""What is asked where no file of the way in is in force: the warnings, of what our own desk publishes."""


@dataclass(frozen=True, slots=True, eq=False)
class UnreadableScreen:
    """What stands in place of a file that cannot be read any more: everything is held."""

    warnings: Mapping[Of, Act] = field(default_factory=lambda: DEFAULTS)
    life: Life = field(default_factory=Life)
    recalls: Recalls = MARKED

    def weighed(
        self,
        content: Mapping[str, Any],  # noqa: ARG002 - it is held anyway
        finding: Finding | None,
        *,
        at: str,  # noqa: ARG002 - it is held at any time
    ) -> Finding | None:
        """The finding that holds it."""
        return finding

    def warned(self, content: Mapping[str, Any], *, at: str) -> tuple[Warned, ...]:  # noqa: ARG002 - of all alike
        """That it would be held."""
        if self.find(content) is None:
            return ()
        return (Warned(str(content.get("id", "")), "unread", "hold", "", _HELD_ANYWAY),)

    def covers(self, names: Collection[str]) -> bool:  # noqa: ARG002 - every collection
        """All of them."""
        return True

    def find(self, content: Mapping[str, Any]) -> Finding | None:
        """Hold whatever comes, revocations aside."""
        if content.get("revoked") is True:
            return None
        return Finding("hold", ("unread",), _HELD_ANYWAY)


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
        warnings={**DEFAULTS, **(form.warnings or {})},
        life=Life(
            with_lives(form.lives or {}),
            form.confidence or NUMBERS,
            revokes_expired=form.expired == "revoke",
            objections_hold=form.objections == "hold",
        ),
        recalls=form.recalled,
    )


def _check(
    document: Document, form: ScreenForm, names: Collection[str], kinds: Collection[str]
) -> None:
    """Complain of what asks for a list or a territory that is not named: it would never hold anything."""
    if not (form.territories or form.lists or form.model_fields_set & _OF_OUR_DESK):
        document.complain(
            (),
            "neither territories nor lists are named, nor anything said of what our desk publishes, so nothing is"
            " ever found; name one",
        )
    for name in form.listed if isinstance(form.listed, dict) else ():
        if name not in names:
            document.complain(
                ("listed", name), f"unknown list {shown(name)}; {nearest(name, names)}", key=True
            )
    if Of.OWN in (form.warnings or {}) and OWN not in kinds:
        document.complain(
            ("warnings", "own"),
            "no territory of kind own is named under territories, so nothing can match",
            key=True,
        )
    for key in ("concerns", "mentions"):
        for kind in getattr(form, key) or ():
            if kind not in kinds:
                document.complain(
                    (key, kind),
                    f"no territory of kind {kind} is named under territories, so nothing can match",
                    key=True,
                )


__all__ = [
    "BUILT_IN",
    "FILE_NAME",
    "INTAKE",
    "Finding",
    "Screen",
    "UnreadableScreen",
    "joined",
    "parse_screen",
]
