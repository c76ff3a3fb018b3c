"""What is said of the objects of an input may name only what its readers get from the same input.

1. Every text that an input puts on an object is judged: description, labels, name of a report, external references, rules.
2. A description or a label goes out whole or not at all: when it names anything (`intake.naming`) that is not published to be
   looked for under the same markings, or that is held or refused, it is left out, and a loss says so.
3. Names of reports and external references name their sources, so only what is known to be kept back is looked for in
   them: values of this input that are held, refused or marked more strictly, and what is ours, of private networks or
   protected wherever it comes from. A report gets another name, a reference is left out.
4. What cannot be left out - a rule, a label or a name that binds, a value with another one inside (a URL with a mailbox
   of a victim) - is held with its object.
5. An object's own values may stand in its text. What a published address shows (the host in a URL) is published with it.
6. A stream is judged chunk by chunk: what a later one will publish is not known, and is taken for not shared; what a
   later one holds is not known to a rule.
7. At most `REMEMBERED` values are remembered; a text that names a later one of an earlier chunk is left out. What has no
   name that `intake.naming` sees, or is spelled oddly, is looked for besides (`sought`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import unquote

from cert_exchange.intake.batches import TAIL, Built, strictest
from cert_exchange.intake.findings import Kind, Loss
from cert_exchange.services.taking.settling import Settled
from cert_exchange.services.taking.sought import SEEN, Sought, hides, markings_of, names_in
from cert_exchange.stix.markings import read_markings

REMEMBERED: Final = 200_000
WHY: Final = "the text around a value names it, and it is not shared alike: the text is left out"
LABEL: Final = "a label names it, and it is not shared alike: the label is left out"
REFERENCE: Final = "a reference names it, and it is kept back: the reference is left out"
NAME: Final = "the name of the report names it, and it is kept back: partners read another name; --name gives one"
UNNAMED: Final = "values without a name of their own"
_SHOWN: Final = 120
_SHOWING: Final = frozenset({Kind.URL, Kind.PATTERN, Kind.USER_AGENT, Kind.FILE_PATH})
_PLAIN: Final = SEEN - {Kind.URL, Kind.EMAIL}
"""Kinds of values inside of which nothing else stands."""
_CONTAINERS: Final = frozenset({"report", "grouping"})
_NEW: Final = object()

KeptBack = Callable[[frozenset[str], bool], frozenset[str]]
"""Which of these names are kept back wherever they come from; with True, what lists name too."""


@dataclass(frozen=True, slots=True)
class Unfit:
    """One object that says more than it may. `built` is without what is left out; `hold` says why it must be held."""

    settled: Settled
    built: Built
    losses: tuple[Loss, ...]
    hold: str = ""


@dataclass(slots=True)
class _Judged:
    """What is found of one object so far."""

    content: dict[str, Any]
    losses: list[Loss] = field(default_factory=list)
    holds: list[str] = field(default_factory=list)


class Shared:
    """What one input has published so far, by value: under which markings."""

    def __init__(self, kept_back: KeptBack, usual: tuple[str, ...] | None) -> None:
        """Begin with nothing. `usual`: the markings that everything in the input bears at least, if they are known."""
        self._kept_back = kept_back
        self._before: dict[int, tuple[str, ...] | None] = {}
        self._now: dict[str, tuple[str, ...] | None] = {}
        self._sought = Sought(usual)
        self._told: set[tuple[str, str]] = set()

    def unfit(
        self,
        settled: Iterable[Settled],
        out: frozenset[str],
        told_of: frozenset[str] = frozenset(),
    ) -> list[Unfit]:
        """Which of these say more than they may, and what is left of them.

        `out`: ids that are held or not taken; `told_of`: those among them that are held for nothing but being told of.
        """
        settled = list(settled)
        self._remember(settled, out, told_of)
        inside = {one.id: names for one in settled if (names := self._inside(one))}
        # What is held for what stands inside of it is kept back itself.
        self._remember((one for one in settled if one.id in inside), frozenset(inside))
        found = [
            judged
            for one in settled
            if (judged := self._judge(one, inside.get(one.id, ()))) is not None
        ]
        for value, kept in self._now.items():
            if len(self._before) < REMEMBERED or hash(value) in self._before:
                self._before[hash(value)] = kept
        self._now = {}
        return found

    def _remember(
        self,
        settled: Iterable[Settled],
        out: frozenset[str],
        told_of: frozenset[str] = frozenset(),
    ) -> None:
        for one in settled:
            markings = None if one.id in out else markings_of(one.content)
            for value in _values(one.built):
                before = self._of(value, markings)
                # Of one value under two markings the stricter counts, and what is held stays so.
                self._now[value] = (
                    None if before is None or markings is None else strictest(before, markings)
                )
            if one.built.named:
                self._sought.add(
                    one.built, markings_of(one.content) if one.id in told_of else markings
                )

    def _of(self, name: str, default: Any) -> Any:
        """The markings under which a name is published, None for nobody; `default` where nothing is known."""
        return self._now.get(name, self._before.get(hash(name), default))

    def _inside(self, one: Settled) -> tuple[str, ...]:
        """What stands inside of a value that goes out, is kept back from its readers, and is not what the value is about."""
        markings = markings_of(one.content)
        found: set[str] = set()
        for kind, value in one.built.sought:
            if kind in _PLAIN or kind is Kind.PATTERN:
                continue
            host = _host_of(value)
            for name in names_in(unquote(value)) - {value.casefold()}:
                of = self._of(name, _NEW)
                # What lies on a service that is held may be bad though the service is not.
                if of is not _NEW and hides(of, markings) and not (of is None and name == host):
                    found.add(name)
            found |= self._sought.within(unquote(value), one, held=False)
        return tuple(sorted(found))

    def _judge(self, one: Settled, inside: tuple[str, ...]) -> Unfit | None:
        content = one.built.content
        judged = _Judged(dict(content), holds=list(inside))
        text = str(content.get("description", ""))
        if text and (names := self._more_than_shared(text, one)):
            del judged.content["description"]
            judged.losses += _losses(one, names, WHY)
        if labels := content.get("labels"):
            self._judge_labels(one, labels, judged)
        if content["type"] in _CONTAINERS:
            self._judge_name(one, str(content.get("name", "")), judged)
        if references := content.get("external_references"):
            self._judge_references(one, references, judged)
        if content.get("pattern_type", "stix") != "stix":
            names = self._kept(str(content["pattern"]), one, own=frozenset())
            judged.holds += names
        if not (judged.losses or judged.holds):
            return None
        hold = (
            f"it names {', '.join(_without_hosts(judged.holds)[:3])}, kept back here"
            if judged.holds
            else ""
        )
        losses = [
            loss
            for loss in judged.losses
            if loss.place or (loss.what, loss.reason) not in self._told
        ]
        self._told |= {(loss.what, loss.reason) for loss in losses if not loss.place}
        return Unfit(
            one,
            replace(one.built, content=judged.content),
            tuple(replace(loss, place=loss.place or f"the {content['type']}") for loss in losses),
            hold,
        )

    def _judge_labels(self, one: Settled, labels: Iterable[str], judged: _Judged) -> None:
        kept = []
        for label in labels:
            names = self._more_than_shared(label, one)
            if names and _binds(label):
                judged.holds += self._kept(label, one, own=_own(one))
                names = ()
            if names:
                judged.losses += _losses(one, names, LABEL)
            else:
                kept.append(label)
        if kept:
            judged.content["labels"] = kept
        else:
            del judged.content["labels"]

    def _judge_name(self, one: Settled, name: str, judged: _Judged) -> None:
        names = self._kept(name, one, own=frozenset())
        if not names:
            return
        if _binds_as_name(name):
            judged.holds += names
            return
        tail = TAIL.search(name)
        judged.content["name"] = UNNAMED + (tail[0] if tail else "")
        judged.losses += _losses(one, names, NAME)

    def _judge_references(
        self, one: Settled, references: Iterable[Mapping[str, Any]], judged: _Judged
    ) -> None:
        kept = []
        for reference in references:
            said = "\n".join(str(text) for text in reference.values() if isinstance(text, str))
            names = self._kept(said, one, own=_own(one), listed=False)
            if names:
                judged.losses += _losses(one, names, REFERENCE)
            else:
                kept.append(reference)
        if kept:
            judged.content["external_references"] = kept
        else:
            del judged.content["external_references"]

    def _more_than_shared(self, text: str, one: Settled) -> tuple[str, ...]:
        """What a text of this object names and should not (rule 2), sorted."""
        named = names_in(text)
        sought = self._sought.within(text, one)
        if not (named or sought):
            return ()
        markings = markings_of(one.content)
        own = _own(one)
        return tuple(
            sorted(
                {name for name in named - own if self._of(name, _NEW) != markings} | (sought - own)
            )
        )

    def _kept(
        self, text: str, one: Settled, *, own: frozenset[str], listed: bool = True
    ) -> tuple[str, ...]:
        """What a text of this object names and is known to be kept back from its readers (rule 3), sorted."""
        named = (names_in(text) | names_in(unquote(text))) - own
        markings = markings_of(one.content)
        found = {
            name
            for name in named
            if (of := self._of(name, _NEW)) is not _NEW and hides(of, markings)
        }
        found |= self._sought.within(text, one) - own
        rest = frozenset(named - found)
        return tuple(sorted(found | (self._kept_back(rest, listed) if rest else frozenset())))


def _host_of(value: str) -> str:
    """The host of a URL or a mailbox."""
    host = value.partition("://")[2] if "://" in value else value
    return host.partition("/")[0].partition("?")[0].rpartition("@")[2].partition(":")[0].casefold()


def _own(one: Settled) -> frozenset[str]:
    """The names that an object's own values have."""
    return frozenset(
        name for value in one.built.own for name in (value.casefold(), *names_in(value))
    )


def _binds(label: str) -> bool:
    """Whether a label limits who may see its object, or what may be done with it."""
    marks = read_markings({"type": "indicator", "labels": [label]})
    return marks.tlp is not None or bool(marks.tags)


def _binds_as_name(name: str) -> bool:
    marks = read_markings({"type": "report", "name": name})
    return marks.tlp is not None or bool(marks.tags)


def _losses(one: Settled, names: Iterable[str], why: str) -> Iterator[Loss]:
    """What a person is told of a text that is left out."""
    for name in _without_hosts(names):
        yield Loss(one.built.place, name[:_SHOWN], why)


def _without_hosts(names: Iterable[str]) -> list[str]:
    """These names without the hosts of addresses and mailboxes that are among them."""
    names = list(names)
    longer = [one for one in names if "/" in one or "@" in one]
    return [one for one in names if not any(one != other and one in other for other in longer)]


def _values(one: Built) -> set[str]:
    found = {value.casefold() for _, value in one.sought}
    for kind, value in one.sought:
        if kind in _SHOWING:
            found |= names_in(value)
    return found
