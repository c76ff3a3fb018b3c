"""Whether one object may go into an output, and the reason where it may not.

1. What an exercise brought never does, nor what our desk does not detect by, nor what its terms or markings make
   unreadable. What a partner disagrees with stays in until our people have looked: its word must not end our detection.
2. PAP and an IEP's permitted actions bind what is done with it (`Use`); a purpose binds it to outputs that name it. A
   machine cannot judge a purpose: unless all of an object's are named, it stays out.
3. TLP: of what is marked, the strictest; RED is for named persons and goes into no output that does not ask for it. What is
   not marked counts as amber+strict: a definition or an identity of that kind goes in below it only beside what names it as
   its marking or its creator (`completing`), and is looked at like all else before.
4. Outside `valid_from` and `valid_until`, outside an IEP's dates, and past the retention that was agreed with who sent it,
   it stays out. `due` is when the answer next changes by itself.
5. What cannot be told denies: a marking whose definition we do not hold may say anything. One that we hold and that is no
   scheme of ours, such as a statement of copyright, is for people and keeps nothing out.
6. What its creator revoked only takes back: no date and no confidence keeps it out where it may be said (`making`).
7. A feed below amber+strict is for constituents: what its terms keep to some, until a day or from going on is not in it. A
   feed for our own tools may use what it may not pass on. Nor is a whole object that names a source which may not be named.
8. Where machines block, what our own warnings would hold from our desk (benign, own, private, too broad, listed) and a partner
   sent stays out, unless the feed says otherwise: nobody makes us block ourselves. What a person let in is not asked anew
   about what it was held for.
9. What partners say to our desk about objects (sightings, opinions, notes) is for our people and goes into no feed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

import orjson

from cert_exchange.intake.findings import Kind
from cert_exchange.intake.patterns import pattern_of
from cert_exchange.outputs.entries import UNMARKED
from cert_exchange.policy.cautions import Of
from cert_exchange.policy.screening import Screen, UnreadableScreen
from cert_exchange.policy.sharing_terms import NO_TERMS, SharingTerms, terms_of
from cert_exchange.services.exercises import Exercises, Mark, exercises
from cert_exchange.services.feeding.bounds import (
    NO_MORE,
    NOT_YET,
    Beside,
    Dates,
    carried,
    stays,
    terms_beside,
)
from cert_exchange.services.feeding.choosing import Choice, Format, Use
from cert_exchange.services.markings import held_under
from cert_exchange.services.overriding import not_for_detection
from cert_exchange.services.publishing.screening import screen_now
from cert_exchange.services.releasing.bindings import promises_of
from cert_exchange.services.releasing.evaluating import plans_for
from cert_exchange.stix.handling import (
    Definition,
    Handling,
    Pap,
    needs_more,
    pap_of_text,
    read_handling,
)
from cert_exchange.stix.instants import format_micros
from cert_exchange.stix.markings import Tlp, read_markings, squeezed
from cert_exchange.store import releases
from cert_exchange.store import screening as screen_rows
from cert_exchange.store import terms as term_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.screening import State
from cert_exchange.store.tables import OWN

_PERMITS: Final[Mapping[Pap, Use]] = {
    Pap.CLEAR: Use.BLOCK,
    Pap.GREEN: Use.BLOCK,
    Pap.AMBER: Use.MONITOR,
    Pap.RED: Use.LOGS,
}
_ACTIONS: Final[Mapping[str, Use | None]] = {
    "none": None,
    "contactforinstruction": None,
    "internallyvisibleactions": Use.LOGS,
    "externallyvisibleindirectactions": Use.MONITOR,
    "externallyvisibledirectactions": Use.BLOCK,
}
_LONGEST_NAME: Final = 200
"""Characters of a marking's name."""
PASS: Final = frozenset({"marking-definition", "identity", "extension-definition"})
"""Needed to read the others; they state nothing that a machine acts upon."""
HELPER: Final = "not marked, and nothing that goes in names it"
"""The reason of what goes in only beside what names it."""
OBJECTS: Final = frozenset({Format.STIX, Format.MISP})
"""Formats of whole objects."""
_DOUBTS: Final = frozenset({Of.BENIGN, Of.PRIVATE, Of.DOCUMENTATION, Of.OWN, Of.BROAD, Of.GENERIC})
"""Warnings about what is looked for. Of a person's mailbox or a date is told elsewhere."""
_ANSWERS: Final = frozenset({"sighting", "opinion", "note"})


@dataclass(frozen=True, slots=True)
class Fit:
    """The answer about one object: `reason` is empty where it goes in."""

    reason: str = ""
    tlp: Tlp | None = None
    due: int | None = None
    pap: Pap | None = None
    use: Use = Use.BLOCK
    """the most that PAP and IEP permit to do with it"""
    markings: tuple[
        str, ...
    ] = ()  # what else binds it: names of markings, the terms that it carries


@dataclass(slots=True)
class Fitting:
    """What a transaction knows for its answers. Made by `fitting`."""

    tx: Transaction
    choice: Choice
    now: int
    audience: str
    is_feed: bool
    own_use: bool
    drills: Exercises
    undetected: frozenset[str]
    beside: Beside
    retention: Mapping[int, int]
    partners: Mapping[int, str]
    screen: Screen | UnreadableScreen
    let_in: frozenset[tuple[str, str]]  # STIX id and whose: what a person let in at the way in
    _definitions: dict[tuple[int, str], Sequence[Definition]] = field(default_factory=dict)

    def fit(
        self, content: Mapping[str, Any], *, origin: int, body: str, stored_at: int | None = None
    ) -> Fit:
        """Whether this stored version goes in. `stored_at` in micros, where the retention is to be looked at."""
        stix_id = str(content["id"])
        mark = self.drills.mark(stix_id, origin, body)
        if mark is not Mark.REAL:
            return Fit("of an exercise" if mark is Mark.TEST else "its terms cannot be read")
        if stix_id in self.undetected:
            return Fit("our desk does not detect by it")
        dates = Dates(self.now)
        if stored_at is not None and (kept := self.retention.get(origin)) is not None:
            dates.ends(stored_at + kept, "kept longer than was agreed with its sender")
        if self.is_feed and origin != OWN and content.get("type") in _ANSWERS:
            return Fit("said to our desk by a partner")
        terms = self._terms(content, stix_id, origin)
        if terms is None:
            return Fit("its terms cannot be read")
        if self.is_feed and origin != OWN and content.get("type") == "location" and terms.only_to:
            return Fit("said to our desk by a partner")  # where something was sighted
        if missing := [one for one in terms.purposes if one not in self.choice.purposes]:
            return Fit(f"for a purpose that is not named here ({len(missing)})")
        if self.for_constituents and stays(terms, dates):
            return Fit("its terms do not let it go on", due=dates.due)
        marked = self._markings(content, origin, terms, dates)
        reason = marked.reason
        if not reason and content.get("revoked") is not True:
            dates.starts_with(content.get("valid_from"), NOT_YET)
            dates.ends_with(content.get("valid_until"), NO_MORE)
            reason = dates.reason or self._confidence(content)
        # Of terms only what the object carries itself: what our desk says beside it is not for who reads an export.
        named = () if reason else (*self._names(content, origin), *carried(content).said)
        return replace(marked, reason=reason, due=dates.due, markings=named)

    def fit_beside(self, body: str, *, origin: int, stored_at: int | None) -> Fit:
        """Whether a definition or identity goes in beside what names it."""
        fit = self.fit(orjson.loads(body), origin=origin, body=body, stored_at=stored_at)
        return replace(fit, reason="") if fit.reason == HELPER else fit

    @property
    def for_constituents(self) -> bool:
        """Whether it is a feed for others than our own organisation."""
        return self.is_feed and self.choice.tlp < Tlp.AMBER_STRICT

    def source(self, origin: int) -> str:
        """Who sent it, in outputs for our own organisation alone: who gets another learns no partner, not even that it was one."""
        is_ours = self.own_use and not self.for_constituents
        return self.partners.get(origin, str(origin)) if is_ours else ""

    def _names(self, content: Mapping[str, Any], origin: int) -> Iterator[str]:
        """The markings besides TLP and PAP, by their names."""
        for stix_id in sorted(read_markings(content).ids):
            names = [one.content.get("name") for one in self._held(origin, stix_id)]
            name = next((one for one in names if isinstance(one, str) and one.strip()), stix_id)
            if pap_of_text(name) is None:
                yield name[:_LONGEST_NAME]

    def _terms(self, content: Mapping[str, Any], stix_id: str, origin: int) -> SharingTerms | None:
        found = NO_TERMS
        said = self.beside.get(stix_id, {})
        for whose in (origin, term_rows.EVERY):
            if whose in said:
                one = said[whose]
                if one is None:
                    return None
                found &= one
        try:
            carried = terms_of(content)
        except ValueError:
            return None
        return found if carried is None else found & carried

    def _markings(
        self, content: Mapping[str, Any], origin: int, terms: SharingTerms, dates: Dates
    ) -> Fit:
        marks = read_markings(content)
        handling = Handling()
        if needs_more(content, marks):
            target = None if content.get("type") != "language-content" else ()
            handling = read_handling(content, marks, partial(self._held, origin), target)
        levels = [one for one in (marks.tlp, handling.tlp, terms.tlp) if one is not None]
        tlp = max(levels, default=None)
        permitted = _permitted(handling)
        unknown = (marks.ids | handling.ids) - handling.understood
        reason = ""
        if handling.unreadable:
            reason = "its markings cannot be read"
        elif any(not self._held(origin, one) for one in unknown):
            reason = "a marking that is not here"
        elif (UNMARKED if tlp is None else tlp) > self.choice.tlp:
            helps = tlp is None and content.get("type") in PASS
            reason = HELPER if helps else "marked above what goes in here"
        elif self.for_constituents and self.choice.format in OBJECTS and handling.names_source:
            reason = "it names its source, which may not be named"
        elif permitted is None:
            reason = "its IEP permits no action"
        elif permitted < self.choice.use:
            reason = f"its PAP or IEP does not permit to {self.choice.use.name.lower()}"
        else:
            if handling.begins is not None:
                dates.starts(handling.begins, "its IEP has not begun")
            if handling.ends is not None:
                dates.ends(handling.ends, "its IEP has ended")
        return Fit(reason, tlp, None, handling.pap, Use.LOGS if permitted is None else permitted)

    def _held(self, origin: int, stix_id: str) -> Sequence[Definition]:
        key = (origin, stix_id)
        if key not in self._definitions:
            self._definitions[key] = held_under(self.tx, origin, stix_id)
        return self._definitions[key]

    def _confidence(self, content: Mapping[str, Any]) -> str:
        least = self.choice.least_confidence
        if least is None or content.get("type") != "indicator":
            return ""
        confidence = content.get("confidence")
        if isinstance(confidence, int) and confidence >= least:
            return ""
        return "less confidence than is asked for, or none said"

    def doubt(self, stix_id: str, origin: int, kind: Kind, text: str) -> str:
        """Why no machine blocks this value on a partner's word (rule 8); empty where it may."""
        choice = self.choice
        # What MISP flags becomes block lists, unless it is said to watch only.
        blocks = choice.use is Use.BLOCK or (
            choice.format is Format.MISP and choice.use is not Use.MONITOR
        )
        if choice.doubtful or not blocks or origin == OWN:
            return ""
        if isinstance(self.screen, UnreadableScreen):
            return "what our own warnings would hold cannot be read"
        pattern = pattern_of([(kind, text)])
        if pattern is None:
            return ""
        # Value by value: of an indicator only so many warnings are told, and who wrote it may have written many.
        asked = {"type": "indicator", "id": stix_id, "pattern": pattern, "pattern_type": "stix", "pattern_version": "2.1"}  # fmt: skip
        is_let_in = (stix_id, self.partners.get(origin, "")) in self.let_in
        for one in self.screen.warned(asked, at=format_micros(self.now)):
            for word in one.of.split(", ") if one.act in ("hold", "refuse") else ():
                found = word.startswith(("listed ", "concerns ")) and not is_let_in
                if found or word in _DOUBTS:
                    return f"from a partner, and our own warnings would hold it ({word})"
        return ""


def fitting(
    tx: Transaction,
    choice: Choice,
    *,
    now: int,
    own_use: bool = True,
    audience: str = "own",
    is_feed: bool = True,
) -> Fitting:
    """Read what the answers need. `now` in micros; what our own desk does not detect by is of no concern to others.

    `audience` is who the output is for, as each of its rows says. `is_feed` False: it is of a view, and policies have decided
    to whom that goes.
    """
    sharing = releases.read_sharing(tx)
    numbers = {name: number for number, name in sharing.partners.items()}
    retention = {
        numbers[name]: promise.retention
        for name, promise in promises_of(plans_for(tx, sharing)).items()
        if promise.retention is not None and name in numbers
    }
    return Fitting(
        tx,
        choice,
        now,
        audience,
        is_feed,
        own_use,
        exercises(tx),
        not_for_detection(tx) if own_use else frozenset(),
        terms_beside(tx),
        retention,
        {**sharing.partners, OWN: "own"},
        screen_now(tx),
        frozenset(
            (one.stix_id, one.origin) for one in screen_rows.listed(tx, states=[State.LET_IN])
        ),
    )


def _permitted(handling: Handling) -> Use | None:
    """The most that may be done with it; None: nothing."""
    permitted = Use.BLOCK if handling.pap is None else _PERMITS[handling.pap]
    for line in handling.terms:
        name, _, value = line.partition(": ")
        if name == "permitted actions":
            allowed = _ACTIONS.get(squeezed(value.casefold()))
            if allowed is None:
                return None
            permitted = min(permitted, allowed)
    return permitted
