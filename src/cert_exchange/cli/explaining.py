"""Commands that say why: one object and partner as a tree, what a partner sees, who sees an object, what is withheld."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.options import AsJson, Home, opened, original_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cert_exchange.services.policies import Around, Explained, Explanation, Seer, Step

PartnerName = Annotated[str, typer.Argument(metavar="PARTNER", help="The partner's name.")]
ObjectId = Annotated[str, typer.Argument(metavar="ID", help="The object's STIX id.")]


def register(app: typer.Typer) -> None:
    """Add these commands to `policy`."""
    for command in (explain, sees, who, withheld, agreements):
        app.command()(command)


def explain(
    stix_id: ObjectId,
    partner: PartnerName,
    *,
    brief: Annotated[
        bool, typer.Option("--brief", help="Only the answers, without the questions below them.")
    ] = False,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Say why a partner sees an object or not, as a tree.

    For every version in every collection: the answer, then each question that was asked in the order of deciding
    (audience, origin, ceiling with each marking, agreement, each rule with what was found at each key, holds,
    references to the bottom), and the bytes that are served.
    """
    from cert_exchange.services import policies

    with opened(home) as node:
        told = policies.explain(node, stix_id, partner=partner)
    if as_json:
        printing.document(asdict(told))
        return
    _print_explanation(told, brief=brief)


def sees(
    partner: PartnerName,
    stix_id: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", help="One object: it, and what stands around it."),
    ] = None,
    *,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Show what a partner sees: counts by collection and type, or one object with all around it."""
    from cert_exchange.services import policies

    if stix_id is not None:
        with opened(home) as node:
            rows = policies.sees_around(node, stix_id, partner=partner)
        if as_json:
            printing.document([asdict(row) for row in rows])
            return
        printing.table(
            ["relation", "id", "answer", "collection", "rule", "reason", "since"],
            [
                (r.relation, r.stix_id, r.answer, r.collection, r.rule, _why(r), r.since)
                for r in rows
            ],
        )
        shown = sum(row.answer == "visible" for row in rows)
        if len(rows) > policies.NEIGHBOURS:
            printing.verdict(f"of each relation only the first {policies.NEIGHBOURS:,} are shown")
        printing.verdict(f"{partner} sees {shown:,} of {printing.count(len(rows), 'object')}")
        return
    with opened(home) as node:
        counts = policies.sees(node, partner=partner)
    if as_json:
        printing.document([asdict(row) for row in counts])
        return
    printing.table(
        ["collection", "type", "objects", "versions", "derived", "bytes", "first", "last"],
        [
            (
                r.collection, r.type, r.objects, r.versions, r.derived, r.bytes, r.first, r.last,
            )
            for r in counts
        ],
        empty=f"{partner} sees nothing",
    )  # fmt: skip
    total = sum(row.objects for row in counts)
    printing.verdict(
        f"{partner} sees {printing.count(total, 'object')}; `policy withheld {partner}` ranks the rest"
    )


def who(stix_id: ObjectId, *, as_json: AsJson = False, home: Home = None) -> None:
    """Show who sees an object, since when, and why the others do not.

    Partners that neither can log in nor have a target are named: what they may see reaches them by file alone.
    """
    from cert_exchange.services import policies, reaching

    with opened(home) as node:
        rows = policies.who(node, original_of(node, stix_id))
        unreached = reaching.without_channel(node)
    if as_json:
        printing.document([asdict(row) for row in rows])
        return
    printing.table(
        ["audience", "partners", "collection", "version", "answer", "rule", "reason", "since"],
        [
            (
                r.audience, ", ".join(r.partners), r.collection, r.version, r.answer, r.rule,
                f"waits for {', '.join(r.waits_for)}" if r.waits_for else _why(r), r.since,
            )
            for r in rows
        ],
        empty="no policy governs any partner",
    )  # fmt: skip
    by_answer = Counter(
        "sees it" if "visible" in answers else "does not see it"
        for answers in _answers_by_audience((r.audience, r.answer) for r in rows).values()
    )
    seeing, blind = by_answer["sees it"], by_answer["does not see it"]
    printing.verdict(
        f"{printing.count(seeing, 'audience')} {'sees' if seeing == 1 else 'see'} it,"
        f" {blind:,} {'does' if blind == 1 else 'do'} not"
    )
    mute = sorted({one for r in rows if r.answer == "visible" for one in r.partners} & unreached)
    if mute:
        printing.verdict(
            f"no channel to {', '.join(mute)}: no credential and no target; send a file"
            " (`cert-exchange export AUDIENCE/COLLECTION`)"
        )


def withheld(partner: PartnerName, *, as_json: AsJson = False, home: Home = None) -> None:
    """Rank what is withheld from a partner, or shown without something, by the rule that does it.

    With an example of each, which `policy explain` tells more about.
    """
    from cert_exchange.services import policies

    with opened(home) as node, printing.progress("asking the policy") as progress:
        found = policies.withheld(node, partner=partner, progress=progress)
    if as_json:
        printing.document([asdict(row) for row in found])
        return
    printing.table(
        ["collection", "versions", "answer", "rule", "reason", "example"],
        [
            (row.collection, row.versions, row.answer, row.rule, row.reason, row.example)
            for row in found
        ],
        empty="nothing is withheld",
    )


def agreements(*, as_json: AsJson = False, home: Home = None) -> None:
    """Show the agreements that policies in force name, and whose review is due."""
    from cert_exchange.services import policies

    with opened(home) as node:
        found = policies.agreements(node)
    if as_json:
        printing.document([asdict(one) for one in found])
        return
    printing.table(
        ["partner", "review", "policy", "file", "title"],
        [
            (a.partner, f"{a.review}{' overdue' if a.overdue else ''}", a.policy, a.file, a.title)
            for a in found
        ],
        empty="no policy in force names an agreement",
    )


def _why(row: Around | Seer) -> str:
    if row.shown_as is None:
        return row.reason
    shown = f"shown as {row.shown_as}{_without(row.withheld)}"
    return f"{row.reason}; {shown}" if row.reason else shown


def _without(withheld: Sequence[str]) -> str:
    return f", without {', '.join(withheld)}" if withheld else ", references rewritten"


def _answers_by_audience(rows: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for audience, answer in rows:
        found.setdefault(audience, set()).add(answer)
    return found


def _print_explanation(told: Explanation, *, brief: bool) -> None:
    version = "" if told.policy_version is None else f" version {told.policy_version}"
    printing.result(
        f"{told.stix_id} before {told.partner} (policy {told.policy or 'none'}{version})"
    )
    if told.remark:
        printing.result(f"  {told.remark}")
    for one in told.versions:
        _print_version(one, brief=brief)


def _print_version(one: Explained, *, brief: bool) -> None:
    since = f" since {one.since}" if one.since else ""
    came = "" if one.origin == "own" else f" from {one.origin}"
    printing.result(f"  version {one.version}{came} in {one.collection}: {one.answer}{since}")
    printing.result(f"    by {one.rule}{': ' if one.reason else ''}{one.reason}")
    if one.shown_as is not None:
        printing.result(f"    shown as {one.shown_as}{_without(one.withheld)}")
    for target in one.waits_for:
        printing.result(f"    waits for {target}")
    if not brief:
        _print_steps(one.steps, "    ")


def _print_steps(steps: Sequence[Step], indent: str) -> None:
    """Draw the questions of a decision below each other, with plain marks where the locale has no others."""
    drawn = "utf" in (sys.stdout.encoding or "").casefold()
    branch, corner, down = ("├ ", "└ ", "│ ") if drawn else ("+ ", "+ ", "| ")
    for number, step in enumerate(steps, 1):
        is_last = number == len(steps)
        found = f" ({step.found})" if step.found else ""
        printing.result(
            f"{indent}{corner if is_last else branch}{step.asked}: {step.answer}{found}"
        )
        _print_steps(step.steps, indent + ("  " if is_last else down))
