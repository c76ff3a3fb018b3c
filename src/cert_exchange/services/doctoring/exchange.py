"""The exchange itself: why nothing arrives at a partner or from it.

1. Every finding about a partner names it, so that a look at one partner is a choice among all findings.
2. Policies are asked about the newest objects only, whether they answer at all: what is withheld by which rule is what
   `policies.withheld` says.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cert_exchange.errors import NotFound
from cert_exchange.services import (
    freezing,
    partners,
    policies,
    reaching,
    receipts,
    retention,
    screening,
)
from cert_exchange.services.doctoring import certificates, introductions
from cert_exchange.services.doctoring.findings import Finding
from cert_exchange.services.doctoring.logging_in import logging_in
from cert_exchange.services.gating import partnering
from cert_exchange.stix.instants import format_micros
from cert_exchange.store import checkups, figures, freezes
from cert_exchange.store import policies as policy_rows

if TYPE_CHECKING:
    from cert_exchange.node import Node
    from cert_exchange.services.partners import Listed

DAY: Final = 86_400 * 1_000_000
REFUSED_WINDOW: Final = 7 * DAY


def examine(node: Node) -> list[Finding]:
    """Look at all partners, policies, sources and targets."""
    listed = partners.listing(node)
    found = [
        *_freezes(node),
        *_notices(node),
        *_policies(node),
        *_way_in(node),
        *_about_partners(node, listed),
        *_channels(node),
    ]
    return found or [
        Finding("note", "partners", "there is no partner yet", "cert-exchange partner add")
    ]


def examine_partner(node: Node, name: str) -> list[Finding]:
    """Look at one partner. Raises NotFound."""
    listed = [row for row in partners.listing(node) if row.partner.name == name]
    if not listed:
        raise NotFound(f"There is no partner {name}; `cert-exchange partner list` names them.")
    mine = {f"partner {name}"}
    found = [one for one in _about_partners(node, listed) if one.about in mine]
    found += list(_channels(node, partner=name))
    return found or [
        Finding(
            "ok", f"partner {name}", "nothing is wrong", f"cert-exchange policy withheld {name}"
        )
    ]


def _about_partners(node: Node, listed: list[Listed]) -> Iterator[Finding]:
    unreached = reaching.without_channel(node)
    for row in listed:
        yield from _access(row, now=node.now(), unreached=row.partner.name in unreached)
    names = {row.partner.name for row in listed}
    with node.database.reading() as tx:
        rights = checkups.rights(tx)
        shared = checkups.shared(tx)
        noted = checkups.noted(tx)
        refused = checkups.refused_since(tx, node.now() - REFUSED_WINDOW)
        proposed = checkups.proposals(tx)
        stopped = [row.partner.name for row in listed if freezes.freeze_stands(tx, row.partner.id)]
    for partner in stopped:
        yield _note(
            partner, "what goes out to it is frozen", "cert-exchange frozen says since when and why"
        )
    for partner, shut in partnering.shut_partners(node).items():
        if partner in names:
            yield Finding(
                "wrong", f"partner {partner}",
                f"nothing that it posts is taken in: {shut.words}; nothing is lost, its node sends it again later",
                f"cert-exchange partner gate {partner}, and a call to its people",
            )  # fmt: skip
    yield from certificates.about_partners(node)
    yield from introductions.about_partners(node)
    governed = {partner for partner, _ in shared}
    for right in rights:
        if (
            right.may_read
            and right.partner in governed
            and (right.partner, right.collection) not in shared
        ):
            yield _note(
                right.partner, f"may read {right.collection}, but its policy does not name that collection",
                "it finds the collection empty: name it in the policy, or end the right",
            )  # fmt: skip
    readable = {(right.partner, right.collection) for right in rights if right.may_read}
    for partner, collection in sorted(shared - readable):
        yield _note(
            partner, f"its policy shares {collection}, but the collection's file does not let it read",
            f"add {partner} to `read` in that file, or take the collection out of the policy",
        )  # fmt: skip
    for note in noted:
        yield _note(
            note.partner, f"{note.note} (since {format_micros(note.first_at)})", "tell its operator"
        )
    for (partner, kind), number in refused.items():
        yield _note(
            partner, f"{number:,} {kind} in the last 7 days", f"cert-exchange received {partner}"
        )
    for partner, number in proposed.items():
        if partner in names:
            yield _note(
                partner, f"versions kept as proposals: {number:,}; it may not speak for their creators",
                f"cert-exchange proposals list --from {partner}; if it may, partner amend --relays",
            )  # fmt: skip
    for agreed in policies.agreements(node):
        if agreed.overdue and agreed.partner in names:
            yield _note(
                agreed.partner, agreed.warning,
                f"review it together, write the next day into {agreed.file}, then policy apply",
            )  # fmt: skip
    for partner, number in sorted(retention.count_passed(node).items()):
        if partner in names:
            yield _note(
                partner,
                f"{number:,} versions from it are past their agreed retention: they are out of use, and still stored",
                f"cert-exchange erasures passed --from {partner}, then --yes; or agree on a longer retention",
            )


def _access(row: Listed, *, now: int, unreached: bool) -> Iterator[Finding]:
    name, about = row.partner.name, f"partner {row.partner.name}"
    before = len(row.credentials)
    if row.partner.suspended_at is not None:
        yield Finding(
            "note",
            about,
            f"is suspended since {format_micros(row.partner.suspended_at)}",
            f"partner resume {name}",
        )
    if not before:
        said = "has no credential in force: it cannot log in"
        step = f"partner issue {name}"
        if unreached and row.audience is not None:
            said += "; nor is anything pushed to it: no channel brings it what its policy allows"
            step += ", target add, or send it files: cert-exchange export AUDIENCE/COLLECTION"
        yield Finding("note", about, said, step)
    yield from logging_in(row, now=now)
    if row.audience is None:
        yield Finding("note", about, "sees nothing: no policy names it", "policy apply")
    for lockout in row.lockouts:
        if lockout.locked_until > now:
            yield Finding(
                "wrong", about,
                f"is locked out of {lockout.network} until {format_micros(lockout.locked_until)}"
                f" after {lockout.failures} failed logins",
                f"check its credential with it; partner issue {name} lifts the lock",
            )  # fmt: skip
    if row.audience is not None and before and row.partner.suspended_at is None:
        yield Finding("ok", about, "can log in, and a policy names it", f"policy withheld {name}")


def _freezes(node: Node) -> Iterator[Finding]:
    for one in freezing.frozen(node):
        name = one.audience or "everyone"
        yield Finding(
            "wrong", f"freeze of {name}",
            f"what goes out is frozen since {format_micros(one.frozen_at)}, by {one.frozen_by}",
            f"cert-exchange unfreeze {one.audience or '--all'} --reason ..., when the cause is gone",
        )  # fmt: skip


def _notices(node: Node) -> Iterator[Finding]:
    late: dict[str, int] = {}
    for one in receipts.receipts(node, only_open=True):
        if one.due_at is not None and one.due_at < node.now():
            late[one.partner] = late.get(one.partner, 0) + 1
    for partner, count in sorted(late.items()):
        yield _note(
            partner,
            f"has not answered {count:,} of our notices by the time that they name",
            "cert-exchange notices list --open; then call its duty officer",
        )


def _way_in(node: Node) -> Iterator[Finding]:
    """What waits for a person at the way in, and whether its file says what is in force."""
    if waiting := screening.count_held(node):
        yield Finding(
            "note", "the way in",
            f"{waiting:,} version{'' if waiting == 1 else 's'} held until a person lets them in",
            "cert-exchange intake list, then release or refuse",
        )  # fmt: skip
    file = node.settings.path(node.settings.policies_directory) / screening.FILE_NAME
    if not screening.is_in_force(node, file):
        yield Finding(
            "note", "the way in", f"{file.name} is not what is in force",
            f"intake check {file}, then intake apply",
        )  # fmt: skip


def _policies(node: Node) -> Iterator[Finding]:
    with node.database.reading() as tx:
        active = policy_rows.in_force(tx)
    for policy in active:
        if policy.gains_after is not None:
            yield Finding(
                "note", f"policy {policy.name}", "what it newly allows is still being released",
                "the worker goes on with it: `cert-exchange serve` or `work`",
            )  # fmt: skip
        else:
            yield Finding("ok", f"policy {policy.name}", f"version {policy.version} is in force")
    for failing in policies.failing(node):
        yield Finding(
            "wrong", f"policy {failing.policy}",
            f"{failing.reason}: denied for {failing.objects:,} of the {failing.asked:,} newest objects",
            f"cert-exchange policy explain {failing.example} {failing.partner}; policy check says where values do not"
            " go together",
        )  # fmt: skip
    folder = node.settings.path(node.settings.policies_directory)
    for one in policies.drift(node, folder):
        if one.state not in ("same", "no file"):
            yield Finding(
                "note",
                "policies",
                f"{Path(one.file).name} is not what is in force: {one.remark}",
                f"policy check {one.file}, policy preview, then apply; policy drift shows all",
            )


def _channels(node: Node, *, partner: str | None = None) -> Iterator[Finding]:
    with node.database.reading() as tx:
        channels = figures.channels(tx)
    for channel in channels:
        if partner is not None and channel.partner != partner:
            continue
        about = f"{'source' if channel.direction == 'pull' else 'target'} {channel.name}"
        last = format_micros(channel.last_success_at) if channel.last_success_at else "never"
        if channel.shut is not None:
            yield Finding(
                "wrong", about,
                f"shut by its gate: {channel.shut}; nothing of it is lost, it waits there",
                f"cert-exchange source gate {channel.name}, sync preview {channel.name}, and a call to {channel.partner}",
            )  # fmt: skip
        elif channel.paused:
            yield Finding(
                "note", about, f"is paused; last success {last}", "resume it when the cause is gone"
            )
        elif channel.attempts:
            yield Finding(
                "wrong", about,
                f"failed in a row: {channel.attempts}; last success {last}; {channel.last_outcome or ''}",
                f"cert-exchange sync now {channel.name}",
            )  # fmt: skip
        else:
            yield Finding("ok", about, f"last success {last}")


def _note(partner: str, finding: str, step: str) -> Finding:
    return Finding("note", f"partner {partner}", finding, step)
