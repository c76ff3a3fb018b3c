"""Which objects make which event.

1. A report or grouping is an event, and holds what it names. Those that came from one MISP event (its RED part, its second
   thousand) are one event again; what it says of itself is what its least strict part says, and nothing of a stricter one.
2. What no report names stands in one event more, so that nothing is left out.
3. An observable of an indicator, and the folder of a file, stand with it and not by themselves, whoever names them.
4. Nobody speaks in another's event: a UUID that several creators state is kept by us, else by none of them, and an observable
   is an indicator's only where the indicator's creator says so.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cert_exchange.intake.misp.events import is_uuid
from cert_exchange.outputs.misp.attributes import REFERENCE
from cert_exchange.stix.markings import read_markings

Held = Mapping[str, Mapping[str, Any]]

REPORTS: Final = frozenset({"report", "grouping"})
SILENT: Final = frozenset(
    {"identity", "marking-definition", "extension-definition", "relationship"}
)
"""What helps others to be said and has no words of its own in MISP."""
EVENT: Final = "misp"
"""The source of the UUID of an event, among external references."""
_UNMARKED: Final = 5


@dataclass(frozen=True, slots=True)
class Draft:
    """An event to be: its UUID, what it says of itself, and the ids of what it holds."""

    uuid: str
    title: str
    report: Mapping[str, Any] = field(repr=False)
    members: tuple[str, ...]
    text: str = field(default="", repr=False)


def gather(held: Held, owners: Owners, spare: str, title: str) -> list[Draft]:
    """The events of these objects, by UUID. `spare` and `title`: of the event for what no report names."""
    folders = {str(one.get("parent_directory_ref")) for one in held.values()}
    within = folders | {seen for them in beside(held).values() for seen in them}
    reports: dict[str, list[Mapping[str, Any]]] = {}
    for stix_id, one in sorted(held.items()):
        if one.get("type") in REPORTS:
            stated = [uuid for uuid in external_ids(one, EVENT) if owners.may(one, uuid)]
            uuid = stated[0] if stated else stix_id.rpartition("--")[2]
            reports.setdefault(uuid, []).append(one)
    standing = held.keys() - within
    drafts = [_draft(uuid, some, standing, title) for uuid, some in sorted(reports.items())]
    named = {member for draft in drafts for member in draft.members}
    loose = [
        stix_id
        for stix_id, one in sorted(held.items())
        if stix_id in standing and stix_id not in named and one.get("type") not in REPORTS | SILENT
    ]
    if loose:
        drafts.append(Draft(spare, title, {}, tuple(loose)))
    return drafts


class Owners:
    """Whose word counts about a UUID of MISP's: our own, else the only creator's who states it (rule 4)."""

    def __init__(self, held: Held, own: str) -> None:
        self._own = own
        self._creators: dict[str, set[str]] = {}
        for one in held.values():
            for reference in one.get("external_references", ()):
                source, text = str(reference.get("source_name")), str(reference.get("external_id"))
                if source == EVENT or source.startswith(REFERENCE):
                    self._creators.setdefault(text, set()).add(str(one.get("created_by_ref")))

    def may(self, content: Mapping[str, Any], uuid: str) -> bool:
        """Whether an object keeps the UUID that it states."""
        creator = str(content.get("created_by_ref"))
        return is_uuid(uuid) and (creator == self._own or self._creators[uuid] == {creator})


def _draft(
    uuid: str, reports: list[Mapping[str, Any]], standing: Container[str], title: str
) -> Draft:
    reports = sorted(
        reports, key=lambda one: (_level(one), len(str(one.get("name"))), str(one["id"]))
    )
    first = reports[0]
    alike = [one for one in reports if _level(one) == _level(first)]
    texts = dict.fromkeys(str(one["description"]) for one in alike if one.get("description"))
    members = dict.fromkeys(
        str(ref) for one in reports for ref in one.get("object_refs", ()) if ref in standing
    )
    name = str(first.get("name") or title)
    return Draft(uuid, name, first, tuple(members), "\n\n".join(texts))


def beside(held: Held) -> dict[str, list[str]]:
    """The observables of each indicator, by its id, as its own creator joined them."""
    found: dict[str, list[str]] = {}
    for one in held.values():
        if one.get("type") == "relationship" and one.get("relationship_type") == "based-on":
            indicator = held.get(str(one["source_ref"]), {})
            if indicator.get("created_by_ref") == one.get("created_by_ref"):
                found.setdefault(str(one["source_ref"]), []).append(str(one["target_ref"]))
    return found


def external_ids(content: Mapping[str, Any], source: str) -> Iterator[str]:
    """What a source calls the object."""
    for one in content.get("external_references", ()):
        if one.get("source_name") == source and one.get("external_id"):
            yield str(one["external_id"])


def _level(content: Mapping[str, Any]) -> int:
    tlp = read_markings(content).tlp
    return _UNMARKED if tlp is None else int(tlp)
