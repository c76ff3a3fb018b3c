"""What a partner's server shows of an object now, and why what is there is not here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote

from cert_exchange import errors
from cert_exchange.node import Node
from cert_exchange.remote.connection import Options, decode_options
from cert_exchange.services.arriving.knowing import Step
from cert_exchange.services.syncing import remaining
from cert_exchange.services.syncing.arranging import connect
from cert_exchange.services.syncing.breaking import GATE
from cert_exchange.stix.instants import order_key
from cert_exchange.stix.references import is_observable_id
from cert_exchange.store.channels import Channel

BEHIND: Final = "waits there, not asked for"


@dataclass(frozen=True, slots=True)
class Closed:
    """Why nothing is pulled by a source now."""

    rule: str
    words: str
    step: str


@dataclass(frozen=True, slots=True)
class Here:
    """What the manifest of a partner's server is held against."""

    stix_id: str
    versions: frozenset[str]
    """what is held of the partner's, by its order key; of a cyber-observable whether anything is"""
    unkept: bool
    """whether something of it came that is not held"""


def closed_of(source: Channel, *, confined: bool) -> Closed | None:
    """Why a source pulls nothing now, None where it does."""
    partner = source.partner_name
    shut = (source.counters.get(GATE) or {}).get("shut")
    if shut:
        return Closed(
            "gate",
            f"the source is shut: {shut['words']}",
            f"cert-exchange source gate {source.name}",
        )
    if source.paused:
        return Closed(
            "paused",
            "the source is paused: nothing is pulled",
            f"cert-exchange source resume {source.name}",
        )
    if source.suspended:
        return Closed(
            "suspended",
            "receiving from its partner is suspended",
            f"cert-exchange partner resume {partner}",
        )
    if confined:
        return Closed(
            "stage",
            "its partner is in stage test: only the TEST collection is exchanged",
            f"cert-exchange partner check {partner}",
        )
    return None


def shown_by(
    node: Node, source: Channel, closed: Closed | None, here: Here, *, ask: bool
) -> Iterator[Step]:
    """What a source has to do with an id; with `ask` also what its server shows of it now."""
    where, stix_id = f"source {source.name}", here.stix_id
    options = decode_options(source.options)
    if closed is not None:
        yield Step(None, where, "", "not asked for", closed.rule, closed.words, closed.step)
    filtered = _filtered(stix_id, options)
    if filtered:
        yield Step(None, where, "", "filtered", "match", filtered)
    if not ask:
        return
    try:
        entries = _shown(node, source, stix_id)
    except errors.CertExchangeError as error:
        yield Step(None, where, "", "not known", "", f"its server was asked now: {error.public}")
        return
    if not entries:
        yield Step(
            node.now(), where, "", "not there", "",
            f"its server shows no such object in {source.remote_collection} to our credential",
        )  # fmt: skip
    for date, version in entries:
        if is_observable_id(stix_id) and here.versions:
            # Its version is each server's own instant: the two are never compared.
            yield Step(
                node.now(),
                where,
                version,
                "there, and here",
                "",
                _observable(source, options, date),
            )
        elif _key(version) in here.versions:
            yield Step(
                node.now(), where, version, "there, and here", "", f"its server added it at {date}"
            )
        elif filtered:
            yield Step(
                node.now(), where, version, "there, filtered", "match",
                f"its server added it at {date}; {filtered}",
                f"cert-exchange source show {source.name}",
            )  # fmt: skip
        else:
            yield _missing(
                Step(node.now(), where, version, "", "", ""), source, options, date, closed, here
            )


def _is_beyond(source: Channel, options: Options, date: str) -> bool:
    """Whether what was added then comes yet, where the source stands."""
    after = source.cursor or options.start
    return not after or remaining.instant(date, -1) > remaining.instant(after, 0)


def _observable(source: Channel, options: Options, date: str) -> str:
    said = f"its server added it at {date}"
    if _is_beyond(source, options, date):
        return (
            f"{said}, which our source has not reached: if it says something else now, that comes"
        )
    return said


def _missing(
    step: Step, source: Channel, options: Options, date: str, closed: Closed | None, here: Here
) -> Step:
    """Why a version that is there is not here."""
    after = source.cursor or options.start
    if _is_beyond(source, options, date):
        place = f"after our cursor {after}" if after else "nothing was pulled yet"
        rule = "cursor" if after else ""
        if closed is not None:
            reason = f"added at {date}, {place}, and {closed.words}"
            return replace(step, decision=BEHIND, rule=closed.rule, reason=reason, step=closed.step)
        reason = f"added at {date}, {place}: it comes with the next run"
        return replace(
            step, decision="waits there", rule=rule, reason=reason,
            step=f"cert-exchange sync now {source.name}",
        )  # fmt: skip
    why = (
        "what came of it is not kept"
        if here.unkept
        else "its server added it late under an old date, or refused it to us then"
    )
    again = f"source reset {source.name} --since {date}"
    return replace(
        step, decision="passed over", rule="cursor", step=f"cert-exchange {again}",
        reason=f"added at {date}, before our cursor {after}: {why}; `{again}` asks for it again",
    )  # fmt: skip


def _shown(node: Node, source: Channel, stix_id: str) -> list[tuple[str, str]]:
    connection = connect(node, source)
    url = f"{connection.root}collections/{quote(source.remote_collection, safe='')}/manifest/"
    params = {"match[id]": stix_id, "match[version]": "all", "limit": "100"}
    return remaining.entries_of(connection.fetch("GET", url, params=params), stix_id)


def _filtered(stix_id: str, options: Options) -> str:
    wanted = options.match.get("type")
    if wanted and stix_id.partition("--")[0] not in wanted.split(","):
        return f"the source asks for the type {wanted} only (option match)"
    ids = options.match.get("id")
    if ids and stix_id not in ids.split(","):
        return "the source asks for other ids only (option match)"
    return ""


def _key(version: str) -> str:
    try:
        return order_key(version)
    except ValueError:
        return version
