"""An output, made of what this node may use: from rows in force to the bytes that a tool reads.

1. One read transaction: an output is one state of the node.
2. What does not go in is counted by its reason, with its id; nothing is left out in silence.
3. The same entries make the same bytes. What counts up (`serial`) and what rules are called (their numbers) is asked for.
4. What its creator revoked is said where the format can say it, as to be removed: in STIX and MISP. In the others it is
   gone, as each file is whole and takes the place of the one before (CASES O06).
5. At most `MOST_ENTRIES` and `MOST_BYTES`: beyond that the oldest stored are left out, and it is said.
"""

from __future__ import annotations

import hmac
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import orjson
import structlog

from cert_exchange.intake.findings import Kind
from cert_exchange.node import Node
from cert_exchange.outputs import lists, passing, rules, tables, zones
from cert_exchange.outputs.entries import UNMARKED, Entry, Level, Written
from cert_exchange.outputs.expressing import Unsaid, Value, express
from cert_exchange.outputs.misp.events import Organisation, write_events
from cert_exchange.services.feeding.choosing import HOLDS, Choice, Format, Use
from cert_exchange.services.feeding.fitting import HELPER, OBJECTS, PASS, Fit, Fitting
from cert_exchange.services.feeding.gathering import NOTHING, Gathered, Source, Taken, fold
from cert_exchange.stix.markings import Tlp
from cert_exchange.stix.references import OBSERVABLE_TYPES
from cert_exchange.store import feeds as rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.tables import OWN

log = structlog.get_logger(__name__)

MOST_ENTRIES: Final = 1_000_000
MOST_BYTES: Final = 64 * 1024 * 1024
_NAMESPACE: Final = uuid.UUID("7f7e1f5e-1d0c-5b63-9f0a-6f1b3f0c2a41")
_CUT: Final = "older than as many as an output holds"
_SHARE: Final = 0.9
ODD: Final = (
    ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError, AssertionError
)  # fmt: skip
"""What odd content makes of a fault of ours. What the database raises is none of these: it ends the whole answer."""
MAIN: Final = ""
"""The name of the file that stands at a feed's own address."""

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class Output:
    """The bytes by file name (`MAIN` stands at the address itself), and what they hold.

    `tlp`: the strictest level of what went in, clear to red; empty where nothing did. Lists and zones have no other place.
    """

    files: Mapping[str, bytes]
    held: int
    left_out: Mapping[str, list[str]]
    due: int | None = None
    tlp: str = ""


def gather(
    sources: Iterable[Source], fitting: Fitting, *, progress: Progress | None = None
) -> Gathered:
    """Choose and take apart. A type that the format does not hold is passed over without a word."""
    return fold(_told(sources, fitting, progress))


def take(one: Source, fitting: Fitting) -> Taken:
    """What goes in of one object. It depends on the object, on what is said beside it, and until `due` on nothing else.

    Never raises for what an object says: one that cannot be taken apart must not end the feed of all others.
    """
    try:
        return _take(one, fitting)
    except ODD as error:
        reason = f"taking it apart failed with {type(error).__name__}"
        log.error("an object could not be taken apart for an output", id=one.stix_id, reason=reason)  # noqa: TRY400 - a traceback may quote it
        return Taken(unsaid=(Unsaid(one.stix_id, reason),))


def _take(one: Source, fitting: Fitting) -> Taken:
    choice = fitting.choice
    whole = choice.format in OBJECTS
    if not whole and one.type != "indicator":
        return NOTHING
    content = orjson.loads(one.body)
    fit = fitting.fit(content, origin=one.origin, body=one.body, stored_at=one.stored_at)
    if fit.reason:
        helper = one.body if whole and fit.reason == HELPER else None
        return Taken(unsaid=(Unsaid(one.stix_id, fit.reason),), due=fit.due, helper=helper)
    if whole:
        if one.type == "note" and content.get("extensions"):
            return Taken(unsaid=(Unsaid(one.stix_id, "a message between desks"),))
        level = None if one.type in PASS else (one.stix_id, _level(fit, choice))
        unflagged = tuple(_unflagged(one, content, fitting))
        if unflagged and level is not None:
            level = (level[0], replace(level[1], flagged=False))
        hangs = one.origin != OWN and one.type in OBSERVABLE_TYPES
        return Taken(body=one.body, due=fit.due, level=level, unsaid=unflagged, hangs=hangs)
    if content.get("revoked") is True:
        return Taken(unsaid=(Unsaid(one.stix_id, "its creator revoked it"),))
    said = express(content, simple=choice.simple)
    unsaid: tuple[Unsaid, ...] = () if said.unsaid is None else (said.unsaid,)
    wanted = choice.kinds or HOLDS.get(choice.format)
    values = [value for value in said.values if wanted is None or value.kind in wanted]
    if said.values and not values:
        unsaid += (Unsaid(one.stix_id, f"what is {said.values[0].kind} does not go in here"),)
    doubts = {
        value: fitting.doubt(one.stix_id, one.origin, value.kind, value.text) for value in values
    }
    values = [value for value, doubt in doubts.items() if not doubt]
    reasons = dict.fromkeys(doubt for doubt in doubts.values() if doubt)
    unsaid += tuple(Unsaid(one.stix_id, reason, in_part=bool(values)) for reason in reasons)
    source = fitting.source(one.origin)
    entry = partial(_entry, content=content, source=source, audience=fitting.audience, fit=fit)
    entries = tuple(map(entry, values))
    return Taken(entries, unsaid=unsaid, due=fit.due)


def _unflagged(one: Source, content: Mapping[str, Any], fitting: Fitting) -> Iterator[Unsaid]:
    """Why what a partner sent is not flagged in MISP: lists and rules would not take it either."""
    if fitting.choice.format is not Format.MISP or one.type != "indicator" or one.origin == OWN:
        return
    for value in express(content).values:
        reason = fitting.doubt(one.stix_id, one.origin, value.kind, value.text)
        if not reason and value.kind is Kind.YARA:
            reason = next(
                (each.reason for each in passing.yara([Entry(value, one.stix_id)]).unsaid), ""
            )
        if not reason and value.kind is Kind.SNORT:
            reason = rules.why_not_handed_on(value.text)
        if reason:
            yield Unsaid(one.stix_id, f"not flagged to_ids: {reason}", in_part=True)
            return


def _told(
    sources: Iterable[Source], fitting: Fitting, progress: Progress | None
) -> Iterator[Taken]:
    for place, one in enumerate(sources):
        if progress is not None and place % 1_000 == 0:
            progress(place, None)
        yield take(one, fitting)


def write(
    node: Node, choice: Choice, found: Gathered, *, name: str, serial: Callable[[bytes], int]
) -> Output:
    """Write what was gathered. `serial` gives a zone its number for a digest of its entries; `name` is the output's."""
    entries, bodies = found.entries[-MOST_ENTRIES:], found.bodies[-MOST_ENTRIES:]
    left = {reason: list(ids) for reason, ids in found.left_out.items()}
    while True:
        made = replace(found, entries=entries, bodies=bodies)
        files, written = _written(node, choice, made, name=name, serial=1)
        size = sum(map(len, files.values()))
        if size <= MOST_BYTES:
            break
        share = _SHARE * MOST_BYTES / size
        entries, bodies = _newest(entries, share), _newest(bodies, share)
    if choice.format is Format.RPZ:
        # Last, since each digest that it is asked for counts up.
        number = serial(_digest(files[MAIN]))
        files, written = _written(node, choice, made, name=name, serial=number)
    cut = [one.stix_id for one in found.entries[: len(found.entries) - len(entries)]]
    cut += [orjson.loads(one)["id"] for one in found.bodies[: len(found.bodies) - len(bodies)]]
    for stix_id in cut:
        left.setdefault(_CUT, []).append(stix_id)
    for unsaid in written.unsaid:
        left.setdefault(unsaid.reason, []).append(unsaid.stix_id)
    return Output(files, written.held, left, found.due, _strictest(found))


def _strictest(found: Gathered) -> str:
    """The strictest level of what was gathered."""
    said = {one.tlp for one in found.entries} | {_word(one.tlp) for one in found.levels.values()}
    return max(said, key=[_word(one) for one in Tlp].index, default="")


def _level(fit: Fit, choice: Choice) -> Level:
    """What MISP flags becomes rules and block lists: unless its use is monitoring alone, only what may be blocked."""
    least = Use.MONITOR if choice.use is Use.MONITOR else Use.BLOCK
    return Level(UNMARKED if fit.tlp is None else fit.tlp, fit.pap, flagged=fit.use >= least)


def _word(tlp: Tlp) -> str:
    return tlp.name.lower().replace("_", "+")


def _written(
    node: Node,
    choice: Choice,
    found: Gathered,
    *,
    name: str,
    serial: int,
) -> tuple[Mapping[str, bytes], Written]:
    entries, bodies = found.entries, found.bodies
    block = choice.use.name == "BLOCK"
    match choice.format:
        case Format.CSV:
            done = tables.for_machines(entries)
        case Format.CSV_PEOPLE:
            done = tables.for_people(entries)
        case Format.LIST:
            done = lists.write(entries)
        case Format.SIGMA:
            done = passing.sigma(entries)
        case Format.YARA:
            done = passing.yara(entries)
        case Format.SURICATA:
            done = rules.write(entries, number=_numbers(node, entries), block=block)
        case Format.RPZ:
            done = zones.write(entries, serial=serial, block=block, subdomains=choice.subdomains)
        case Format.STIX:
            done = Written(_bundle(name, bodies), len(bodies))
        case Format.MISP:
            return _events(node, name, found)
    return {MAIN: done.body}, done


def _events(node: Node, name: str, found: Gathered) -> tuple[Mapping[str, bytes], Written]:
    settings = node.settings
    organisation = Organisation(settings.title, settings.identity.removeprefix("identity--"))
    contents = map(orjson.loads, found.bodies)
    made = write_events(contents, organisation=organisation, title=name, levels=found.levels)
    listed = b",".join(one.body.strip() for one in made.events)
    files = {MAIN: b'{"response":[' + listed + b"]}\n", "manifest.json": made.manifest}
    files |= {f"{one.uuid}.json": one.body for one in made.events}
    return files, Written(files[MAIN], len(made.events), made.unsaid)


def _bundle(name: str, bodies: list[str]) -> bytes:
    joined = ",\n".join(bodies).encode("utf-8")
    stix_id = f"bundle--{uuid.uuid5(_NAMESPACE, f'{name}/{_digest(joined).hex()}')}"
    # STIX 2.1 knows no empty lists: a bundle of nothing has no `objects`.
    if not bodies:
        return f'{{"id":"{stix_id}","type":"bundle"}}\n'.encode()
    return f'{{"id":"{stix_id}","type":"bundle","objects":[\n'.encode() + joined + b"\n]}\n"


def _numbers(node: Node, entries: Iterable[Entry]) -> Callable[[Value], int]:
    """The number of each value, asked once for all; new ones are given in a transaction of their own."""
    keyed = {
        one.value: _key(node, one.value) for one in entries if one.value.kind is not Kind.SNORT
    }
    with node.database.reading() as tx:
        known = rows.numbers_of(tx, set(keyed.values()))
    missing = set(keyed.values()) - known.keys()

    def give(tx: Transaction) -> dict[bytes, int]:
        return rows.number_anew(tx, missing)

    if missing:
        known |= node.database.transact(give)
    return lambda value: known[keyed[value]]


def _key(node: Node, value: Value) -> bytes:
    # Keyed: a digest of an address alone can be guessed, and the row stays when the object is erased.
    text = f"cert-exchange rule 1\x00{value.kind}\x00{value.text}"
    return hmac.digest(node.secrets.credential_key, text.encode("utf-8"), "sha256")


def _digest(body: bytes) -> bytes:
    return hmac.digest(b"cert-exchange output 1", body, "sha256")


def _newest(some: list[Any], share: float) -> list[Any]:
    return some[len(some) - int(len(some) * share) :]


def _entry(
    value: Value, *, content: Mapping[str, Any], source: str, audience: str, fit: Fit
) -> Entry:
    confidence = content.get("confidence")
    return Entry(
        value,
        str(content["id"]),
        name=str(content.get("name", "")),
        description=str(content.get("description", "")),
        source=source,
        audience=audience,
        tlp=_word(UNMARKED if fit.tlp is None else fit.tlp),
        pap="" if fit.pap is None else fit.pap.name.lower(),
        markings=fit.markings,
        confidence=confidence if isinstance(confidence, int) else None,
        valid_from=str(content.get("valid_from", "")),
        valid_until=str(content.get("valid_until", "")),
        modified=str(content.get("modified", "")),
        labels=tuple(str(one) for one in content.get("labels", ()) if isinstance(one, str)),
    )


def reasons_of(left_out: Mapping[str, list[str]]) -> Iterator[tuple[str, int, list[str]]]:
    """(reason, how many, ids) of what did not go in, the most first."""
    for reason, ids in sorted(left_out.items(), key=lambda one: (-len(one[1]), one[0])):
        yield reason, len(ids), sorted(set(ids))


__all__ = ["MAIN", "Output", "gather", "reasons_of", "take", "write"]
