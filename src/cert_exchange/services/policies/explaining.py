"""Why a partner sees an object or not, the whole decision as a tree (CASES M03).

1. The tree is what `looking` finds at one instant: nothing here decides.
2. Its steps stand in the order in which they are decided: audience, origin, ceiling, agreement, rules, other versions
   of the object, redaction, holds, references; then the bytes that are served and since when.
3. A derivative is explained with its original: its own id asks about that.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Final

from cert_exchange.errors import NotFound
from cert_exchange.node import Node
from cert_exchange.policy.decide import Allow, Redact
from cert_exchange.policy.tracing import Step
from cert_exchange.policy.wording import without
from cert_exchange.services.policies.looking import Answer, Look
from cert_exchange.services.releasing import issuer_of
from cert_exchange.services.releasing.evaluating import plans_for
from cert_exchange.stix.instants import format_micros
from cert_exchange.store import answers, blocks, freezes, objects, releases, sights
from cert_exchange.store import policies as policy_rows
from cert_exchange.store import versions as version_rows
from cert_exchange.store.database import Transaction
from cert_exchange.store.sights import EndedHold, ReleaseLine, StandingHold

NOT_SHARED: Final = "no version of it stands in a collection that the policy shares"


@dataclass(frozen=True, slots=True)
class Explained:
    """One version in one collection: the answer and how it came about."""

    version: str
    origin: str
    """own, or the partner that it came from"""
    collection: str
    answer: str
    """visible | held | denied | waiting"""
    rule: str
    reason: str
    since: str | None
    """when it became visible, UTC"""
    policy_version: int | None
    """the policy version that released it"""
    digest: str | None
    """SHA-256 of the bytes that the view serves, in hexadecimal"""
    size: int | None
    waits_for: tuple[str, ...]
    shown_as: str | None
    """the id of the derivative that is served in its place"""
    withheld: tuple[str, ...]
    """the kinds of what was taken away from that; empty where only references were rewritten"""
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What one partner sees of one object."""

    stix_id: str
    partner: str
    audience: str | None
    policy: str | None
    policy_version: int | None
    """the version in force now"""
    versions: tuple[Explained, ...]
    remark: str
    """what stands above all versions: no policy, a block, sent by the partner itself"""


def explain(node: Node, stix_id: str, *, partner: str) -> Explanation:
    """The whole decision for one object and partner. Raises NotFound for an unknown partner or object.

    The id of a derivative asks about its original.
    """
    with node.database.reading() as conn:
        look = look_of(node, conn, partner)
        ident = ident_of(conn, stix_id)
        asked, stix_id = stix_id, answers.original_of(conn, stix_id) or stix_id
        if look is None:
            return Explanation(stix_id, partner, None, None, None, (), ungoverned(conn, partner))
        audience = look.plan.audience
        found = explained(look, ident)
        sent = version_rows.sent_by(conn, [ident], audience.members.keys())
        blocked = blocks.since(conn, ident, blocks.EVERYONE)
        gone = taken_back(look, ident)
        active = policy_rows.active(conn, audience.policy)
        frozen = freezes.frozen(conn, policy_rows.partner_ids(conn)[partner])
    remark = ""
    if sent:
        remark = "it sent us this object itself; its own versions never go back to it"
    elif blocked is not None:
        since = format_micros(blocked)
        remark = f"our desk blocked this id in every view {since}, until `free`"
    elif not found:
        remark = gone or NOT_SHARED
    if asked != stix_id:
        remark = (
            f"{asked} is what an audience is shown in place of it{'; ' if remark else ''}{remark}"
        )
    if frozen:
        remark += f"{'; ' if remark else ''}what goes out to it is frozen: it gets nothing until that is lifted"
    number = active.version if active is not None else None
    return Explanation(stix_id, partner, audience.name, audience.policy, number, found, remark)


def look_of(node: Node, conn: Transaction, partner: str) -> Look | None:
    """A look at the audience of a partner; None where no policy governs it. Raises NotFound for an unknown one."""
    if partner not in policy_rows.partner_ids(conn):
        raise NotFound(f"there is no partner {partner!r}; see `partner list`")
    sharing = releases.read_sharing(conn)
    for plan in plans_for(conn, sharing):
        if partner in plan.audience.members.values() and plan.policy is not None:
            return Look(conn, sharing, plan, node.now(), issuer_of(node))
    return None


def ungoverned(conn: Transaction, partner: str) -> str:
    """Say why nothing can be asked about a partner for which `look_of` gives nothing."""
    for audience in releases.read_sharing(conn).audiences:
        if partner in audience.members.values() and audience.policy_text is not None:
            return f"its policy {audience.policy} cannot be read any more: it sees nothing"
    return "no policy names this partner: it sees nothing"


def taken_back(look: Look, ident: int) -> str:
    """Who took an object back from the collections that the policy shares, and when; empty where nobody did."""
    numbers = [version.id for version in look.pool.by_ident[ident]]
    last: dict[str, tuple[int, str]] = {}
    for row in chain(*version_rows.memberships_of(look.conn, numbers).values()):
        if row.taken_back_at is not None and row.collection in look.plan.views:
            who = "its sender" if row.taken_back_by else "our desk"
            label = look.plan.labels[row.collection]
            last[label] = max(last.get(label, (0, "")), (row.taken_back_at, who))
    return "; ".join(
        f"{who} took it back from {collection} {format_micros(at)}"
        for collection, (at, who) in sorted(last.items())
    )


def ident_of(conn: Transaction, stix_id: str) -> int:
    """The number of an id that we hold in an accepted version, for a derivative's its original's. Raises NotFound."""
    asked = answers.original_of(conn, stix_id) or stix_id
    ident = objects.idents_of(conn, [asked]).get(asked)
    if ident is None or not version_rows.held(conn, [ident]):
        raise NotFound(f"we hold no object {stix_id}; see `search`")
    return ident


def explained(look: Look, ident: int) -> tuple[Explained, ...]:
    """Every version of an id in every collection, with its tree."""
    given = look.answers(ident)
    numbers = sorted({one.version.id for one in given})
    lines = sights.release_lines(
        look.conn, [(one.view, one.line.position) for one in given if one.line is not None]
    )
    audience = look.plan.audience.id
    ended: dict[tuple[int, int], list[EndedHold]] = {}
    for hold in sights.ended_holds(look.conn, audience, numbers):
        ended.setdefault((hold.object, hold.collection), []).append(hold)
    waits = policy_rows.waits_of(look.conn, audience, numbers)
    texts = version_rows.stix_ids(
        look.conn, {target for those in waits.values() for target in those}
    )
    found = []
    for one in given:
        line = None if one.line is None else lines.get((one.view, one.line.position))
        awaited = () if one.line is not None else waits.get(one.version.id, ())
        steps = look.decision_steps(one)
        key = (one.version.id, one.collection)
        steps += _hold_steps(one, ended.get(key, []), look.standing.get(key))
        if one.activating:
            steps += (Step("activation", "waiting", f"{one.reason}; its turn comes by itself"),)
        if isinstance(one.decision, Allow | Redact) or one.line is not None:
            steps += _references(look, one)
        if line is not None:
            steps += (_rendition(one, line),)
        found.append(
            Explained(
                version=one.version.version,
                origin=look.pool.subject(one.version).origin,
                collection=one.label,
                answer=one.answer,
                rule=one.rule,
                reason=one.why,
                since=format_micros(one.line.position) if one.line is not None else None,
                policy_version=line.policy_version if line is not None else None,
                digest=line.digest.hex() if line is not None else None,
                size=line.size if line is not None else None,
                waits_for=tuple(sorted(texts[target] for target in awaited)),
                shown_as=one.shown.stix_id if one.shown is not None else None,
                withheld=one.shown.withheld if one.shown is not None else (),
                steps=steps,
            )
        )
    return tuple(found)


def _hold_steps(
    one: Answer, ended: list[EndedHold], standing: StandingHold | None
) -> tuple[Step, ...]:
    steps = [
        Step(
            f"hold {hold.rule}",
            hold.outcome,
            f"by {hold.ended_by} at {format_micros(hold.ended_at)}",
        )
        for hold in ended
    ]
    if one.answer == "held":
        steps.append(Step(f"hold {one.rule}", "held", _held(one, standing)))
    return tuple(steps)


def _held(one: Answer, standing: StandingHold | None) -> str:
    if standing is None or standing.rule != one.rule:
        return one.why
    said = [one.why, f"since {format_micros(standing.held_at)}"]
    if standing.owner:
        said.append(f"owner {standing.owner}")
    if standing.approvals > 1:
        said.append(f"{standing.approved} of {standing.approvals} persons let it go")
    return "; ".join(said)


def _references(look: Look, one: Answer) -> tuple[Step, ...]:
    below = look.reference_steps(one)
    if not below:
        return (Step("references", "none", "it refers to nothing"),)
    missing = [step for step in below if step.answer in ("waits", "not held")]
    if missing and one.line is None:
        return (Step("references", "waiting", f"for {len(missing)} of {len(below)}", below),)
    return (Step("references", "visible", "", below),)


def _rendition(one: Answer, line: ReleaseLine) -> Step:
    assert one.line is not None
    by = f"rule {line.rule}" if not one.line.carried else "being carried along"
    version = f" of policy version {line.policy_version}" if line.policy_version is not None else ""
    since = f"in {one.label} since {format_micros(one.line.position)} by {by}{version}"
    last = "" if one.line.is_last else "; a newer version is shown by default"
    what = f"{line.size:,} bytes, SHA-256 {line.digest.hex()}"
    if one.shown is not None:
        what = f"as {one.shown.stix_id}, {without(one.shown.withheld)}: {what}"
    return Step("rendition", "visible", f"{since}: {what}{last}")
