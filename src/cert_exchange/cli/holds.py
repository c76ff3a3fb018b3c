"""Commands for what rules hold back: list and count it, let it go one by one or by rule, reopen what expired."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.options import AsJson, Home, Reason, opened, operator
from cert_exchange.errors import ConfigurationInvalid

if TYPE_CHECKING:
    from cert_exchange.node import Node
    from cert_exchange.services.holding import (
        HeldCount,
        HeldDay,
        HeldObject,
        Released,
        Wanted,
    )

app = typer.Typer(
    help="What a rule holds back until its time or a person comes.", no_args_is_help=True
)

DAYS_SHOWN = 14
Audience = Annotated[
    str | None, typer.Option("--audience", help="Only before this audience; all if not given.")
]
RuleName = Annotated[str | None, typer.Option("--rule", help="Only what this rule holds.")]
HeldFor = Annotated[
    str | None, typer.Option("--held-for", help="Only what is held for this reason of a rule.")
]


@app.command("list")
def list_(
    *,
    audience: Audience = None,
    rule: RuleName = None,
    held_for: HeldFor = None,
    by_reason: Annotated[
        bool,
        typer.Option("--by-reason", help="Count by audience, rule and reason, the most first."),
    ] = False,
    daily: Annotated[
        bool,
        typer.Option(
            "--daily", help="Count by day: what was held, let go, and expired into a denial."
        ),
    ] = False,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """List what waits before whom, by which rule, whose it is, until when, and what happens then."""
    from cert_exchange.services import holding

    wanted = holding.Wanted(audience, rule, held_for)
    with opened(home) as node:
        if daily:
            _print_days(holding.count_by_day(node, days=DAYS_SHOWN), as_json=as_json)
        elif by_reason:
            _print_counts(holding.count_by_reason(node, wanted), as_json=as_json)
        else:
            _print_held(holding.list_holds(node, wanted), as_json=as_json)


@app.command()
def release(
    stix_ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID...", help="STIX ids of held objects.")
    ] = None,
    *,
    audience: Audience = None,
    rule: RuleName = None,
    held_for: HeldFor = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Change nothing: list what would be let go.")
    ] = False,
    reason: Reason,
    home: Home = None,
) -> None:
    """Let held objects go: these, or all that a rule or a reason holds. The ceiling and every denial still stand.

    Where the rule asks for several persons, each must have another name (CERT_EXCHANGE_OPERATOR, else the account's).
    """
    from cert_exchange.services import holding

    wanted = holding.Wanted(audience, rule, held_for)
    if bool(stix_ids) == (rule is not None or held_for is not None):
        raise ConfigurationInvalid("What? Give ids, or --rule or --held-for to mean all of those.")
    with opened(home) as node:
        if dry_run:
            _dry_run(node, stix_ids, wanted)
            return
        if stix_ids:
            done = holding.release_hold(
                node, stix_ids, audience=audience, by=operator(), reason=reason
            )
        else:
            done = holding.release_many(node, wanted, by=operator(), reason=reason)
    _print_released(done)


@app.command()
def reopen(
    stix_ids: Annotated[
        list[str], typer.Argument(metavar="ID...", help="STIX ids of objects whose hold expired.")
    ],
    *,
    audience: Audience = None,
    reason: Reason,
    home: Home = None,
) -> None:
    """Hold anew what expired into a denial, so that persons can let it go after all."""
    from cert_exchange.services import holding

    with opened(home) as node:
        done = holding.reopen(node, stix_ids, audience=audience, by=operator(), reason=reason)
    printing.verdict(f"{printing.count(done, 'hold')} reopened")


def _dry_run(node: Node, stix_ids: list[str] | None, wanted: Wanted) -> None:
    from cert_exchange.services import holding

    if stix_ids:
        found = [one for one in holding.list_holds(node, wanted) if one.stix_id in stix_ids]
        _print_held(found, as_json=False)
        number = len(found)
    else:
        counted = holding.count_by_reason(node, wanted)
        _print_counts(counted, as_json=False)
        number = sum(row.held for row in counted)
    printing.verdict(f"{printing.count(number, 'hold')} would be let go; nothing was changed")


def _print_released(done: Released) -> None:
    if done.released or not done.waiting:
        printing.verdict(f"{printing.count(done.released, 'hold')} released")
    if done.waiting:
        others = "another person" if done.missing == 1 else f"{done.missing} other persons"
        printing.verdict(
            f"{printing.count(done.waiting, 'hold')} approved; {others} must approve as well"
        )


def _print_held(found: list[HeldObject], *, as_json: bool) -> None:
    from cert_exchange.services import holding

    if as_json:
        printing.document(
            [
                asdict(row)
                | {
                    "held_at": printing.instant(row.held_at),
                    "due_at": printing.instant(row.due_at) or None,
                }
                for row in found
            ]
        )
        return
    printing.table(
        ["id", "version", "audience", "collection", "rule", "owner", "until", "reason"],
        [
            (
                row.stix_id,
                row.version,
                row.audience,
                row.collection,
                row.rule,
                row.owner or "",
                holding.ended_by(row),
                row.reason,
            )
            for row in found
        ],
    )


def _print_counts(found: list[HeldCount], *, as_json: bool) -> None:
    if as_json:
        printing.document(
            [
                asdict(row)
                | {
                    "oldest": printing.instant(row.oldest),
                    "next_due": printing.instant(row.next_due) or None,
                }
                for row in found
            ]
        )
        return
    printing.table(
        ["audience", "rule", "reason", "owner", "held", "today", "oldest", "next ends"],
        [
            (
                row.audience,
                row.rule,
                row.reason,
                row.owner or "",
                row.held,
                row.today,
                printing.instant(row.oldest),
                printing.instant(row.next_due),
            )
            for row in found
        ],
    )
    held = sum(row.held for row in found)
    today = sum(row.today for row in found)
    printing.verdict(f"{printing.count(held, 'hold')}, {today:,} since midnight UTC")


def _print_days(found: list[HeldDay], *, as_json: bool) -> None:
    shown: list[dict[str, Any]] = [
        asdict(row) | {"day": printing.instant(row.day)[:10]} for row in found
    ]
    if as_json:
        printing.document(shown)
        return
    printing.table(["day", "held", "let go", "denied"], [tuple(row.values()) for row in shown])
