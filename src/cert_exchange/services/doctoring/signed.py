"""What is signed between us and our partners: statements and receipts that are open, wrong or broken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from cert_exchange.services import deliveries, signing
from cert_exchange.services.doctoring.findings import Finding
from cert_exchange.stix.instants import format_micros

if TYPE_CHECKING:
    from cert_exchange.node import Node

DAY: Final = 86_400 * 1_000_000
WINDOW: Final = 7 * DAY
ENDING: Final = 14 * DAY


def examine(node: Node, *, partner: str | None = None) -> list[Finding]:
    """Look at all partners, or at one."""
    found = [*_forks(node), *_silent(node), *_deliveries(node), *_keys(node)]
    return [one for one in found if partner is None or one.about == f"partner {partner}"]


def _forks(node: Node) -> Iterator[Finding]:
    for one in deliveries.forks(node):
        yield Finding(
            "wrong", f"partner {one.partner}",
            f"its statements forked, {one.way.value} {one.stream} (found {format_micros(one.found_at)}): no statement"
            " of it counts until a person settles it",
            "call its people; cert-exchange statements forks, then statements settle"
            f" {one.partner} --reason ...",
        )  # fmt: skip


def _silent(node: Node) -> Iterator[Finding]:
    for one in deliveries.fallen_silent(node):
        yield Finding(
            "wrong", f"partner {one.partner}",
            f"it signed all that it served until {format_micros(one.until)}, and nothing since: objects that came"
            f" unsigned: {one.objects:,}",
            "call its people: its disk was put back, a copy of it runs, or somebody stands between; then"
            f" cert-exchange sync now {one.source}; option statements=require keeps unsigned objects out",
        )  # fmt: skip


def _deliveries(node: Node) -> Iterator[Finding]:
    for one in deliveries.troubles(node, since=node.now() - WINDOW):
        about = f"partner {one.partner}"
        see = f"cert-exchange statements list {one.partner}"
        if one.broken:
            yield Finding(
                "wrong", about,
                f"{one.broken:,} statements or receipts in its name were broken in the last 7 days",
                "call its people: somebody signs in its name, or its history was changed; the texts are in"
                f" the quarantine: cert-exchange received {one.partner}",
            )  # fmt: skip
        if one.wrong:
            yield Finding(
                "wrong", about,
                f"{one.wrong:,} objects of the last 7 days did not end as they were signed",
                f"{see}; compare with its people what it holds",
            )  # fmt: skip
        if one.late:
            yield Finding(
                "wrong", about,
                f"{one.late:,} statements have had no receipt for more than a day",
                f"{see} --open; ask whether its node runs",
            )  # fmt: skip


def _keys(node: Node) -> Iterator[Finding]:
    now = node.now()
    counting: dict[str, int | None] = {}
    for one in signing.pinned(node):
        until = one.key.until
        if one.key.holds_at(now):
            longest = counting.get(one.partner, 0)
            counting[one.partner] = (
                None if until is None or longest is None else max(until, longest)
            )
        else:
            counting.setdefault(one.partner, 0)
    for partner, until in sorted(counting.items()):
        if until is not None and until < now + ENDING:
            said = (
                "no key of it counts any more: nothing that it signs is taken"
                if until == 0
                else f"its last key ends at {format_micros(until)}"
            )
            yield Finding(
                "wrong" if until == 0 else "note", f"partner {partner}", said,
                f"compare its new key by voice: cert-exchange keys pin {partner}",
            )  # fmt: skip
