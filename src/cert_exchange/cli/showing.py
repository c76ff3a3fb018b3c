"""The command `show`: all of one object, and how one version of it looks in a document and in a list."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.options import AsJson, Home, opened

if TYPE_CHECKING:
    from cert_exchange.services.derivatives import Answer, Stand
    from cert_exchange.services.hits import Hit
    from cert_exchange.services.holdings import Story


def show(
    stix_id: Annotated[str, typer.Argument(metavar="ID", help="The object's STIX id.")],
    *,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Show all of one object: versions, content, collections, terms, who sees it since when by which rule, what it waits for."""
    from cert_exchange.services import holdings, terms

    with opened(home) as node:
        stories = holdings.show(node, stix_id)
        said = terms.sentences(node, stix_id)
    if as_json:
        printing.document([_story_document(story) | {"terms": said} for story in stories])
        return
    if all(story.hit.status == "proposal" for story in stories):
        printing.verdict("no version of it is in force here: it was only proposed")
    for story in stories:
        _print_story(story, first=story is stories[0])
    if said:
        printing.table(["terms"], [(one,) for one in said])


def hit_document(hit: Hit) -> dict[str, Any]:
    """One object version as JSON."""
    document = asdict(hit)
    document["id"] = document.pop("stix_id")
    document["stored_at"] = printing.instant(hit.stored_at)
    return document


def drill(hit: Hit) -> str:
    """What to add to a version's state where it is of an exercise, or where that cannot be told."""
    if hit.unreadable:
        return ", its terms cannot be read"
    return ", TEST" if hit.test else ""


def _story_document(story: Story) -> dict[str, Any]:
    return hit_document(story.hit) | {
        "content": story.content,
        "blocked": story.blocked,
        "kept_from": list(story.kept_from),
        "collections": [
            {
                "collection": m.collection,
                "added_at": printing.instant(m.added_at),
                "taken_back_at": printing.instant(m.taken_back_at) or None,
            }
            for m in story.memberships
        ],
        "markings": list(story.markings),
        "stands_for": None if story.stands_for is None else _stand_document(story.stands_for),
        "shown_as": [_stand_document(stand) for stand in story.shown_as],
        "answers": [_answer_document(answer) for answer in story.answers],
        "given": [_answer_document(answer) for answer in story.given],
        "counted": asdict(story.tally)
        | {"last_seen": printing.instant(story.tally.last_seen) or None},
        "visible_to": [
            {
                "audience": line.audience,
                "collection": line.collection,
                "since": printing.instant(line.position),
                "rule": line.rule,
                "policy_version": line.policy_version,
                "carried": line.carried,
                "last": line.is_last,
            }
            for line in story.visible
        ],
        "waiting": [
            {
                "audience": row.audience,
                "collection": row.collection,
                "held_by": row.rule or None,
                "until": printing.instant(row.due_at) or None,
                "then": row.then,
                "approvals": row.approvals if row.rule else None,
                "approved_by": list(row.approved_by),
                "for_object": row.target,
            }
            for row in story.pending
        ],
    }


def _answer_document(answer: Answer) -> dict[str, Any]:
    return hit_document(answer.hit) | {
        "about": answer.about,
        "what": answer.what,
        "says": answer.says,
    }


def _stand_document(stand: Stand) -> dict[str, Any]:
    document = asdict(stand)
    document["id"] = document.pop("stix_id")
    document["places"] = [
        {"collection": collection, "since": printing.instant(since), "rule": rule}
        for collection, since, rule in stand.places
    ]
    return document


def _print_stands(story: Story) -> None:
    """Tell what a derivative stands for, what is shown in an original's place, and what was said about either."""
    hit = story.hit
    if story.stands_for is not None:
        stand = story.stands_for
        stands, now = (
            ("stands", "") if stand.places or stand.revoked else ("stood", "; it does not any more")
        )
        printing.result(
            f"  {stands} for {stand.original} before {stand.audience}{_withheld(stand)}{_places(stand)}{now}"
        )
    for stand in story.shown_as:
        shown, now = (
            ("is", "") if stand.places or stand.revoked else ("was", "; it is not any more")
        )
        printing.result(
            f"  {stand.audience} {shown} shown {stand.stix_id} version {stand.version} in its place"
            f"{_withheld(stand)}{_places(stand)}{now}"
        )
    if story.tally.words:
        printing.result(f"  partners said of it: {'; '.join(story.tally.words)}")
    for answer in (*story.answers, *story.given):
        said = answer.hit
        about = "" if answer.about == hit.stix_id else f" about {answer.about}"
        whose = "ours" if said.origin == "own" else said.origin
        label = f": {answer.says or said.label}" if answer.says or said.label else ""
        printing.result(
            f"  {answer.what} of {whose}{about}, {said.status}{drill(said)}, {said.stix_id}{label}"
        )


def _withheld(stand: Stand) -> str:
    if stand.revoked:
        return ", revoked: it stands for nothing any more"
    return f", without {', '.join(stand.withheld)}" if stand.withheld else ", references rewritten"


def _places(stand: Stand) -> str:
    return "".join(
        f", in {collection} since {printing.instant(since)} by rule {rule}"
        for collection, since, rule in stand.places
    )


def _print_story(story: Story, *, first: bool) -> None:
    """Tell one version; those in force come first, and what was only proposed begins with saying so."""
    from cert_exchange.services.holding import ended_by

    hit = story.hit
    proposed = hit.status == "proposal"
    whose = f"only proposed by {hit.origin}, not in force: " if proposed else ""
    printing.result(f"{whose}{hit.stix_id}  version {hit.version}")
    revoked = " of a revocation, which does not count" if proposed else ", revoked"
    printing.result(
        f"  from {hit.origin}, {hit.status}{revoked if hit.revoked else ''}{drill(hit)}"
    )
    printing.result(f"  stored {printing.instant(hit.stored_at)}")
    for said in story.markings:
        printing.result(f"  marked: {said}")
    for member in story.memberships:
        gone = (
            f", taken back by {'its sender' if member.taken_back_by else 'our desk'}"
            f" {printing.instant(member.taken_back_at)}"
            if member.taken_back_at
            else ""
        )
        printing.result(f"  in {member.collection} since {printing.instant(member.added_at)}{gone}")
    if story.blocked:
        printing.result("  blocked by our desk in every view; `cert-exchange free` lifts it")
    for audience in story.kept_from:
        printing.result(f"  kept from {audience} by our desk; `cert-exchange free` lifts it")
    for line in story.visible:
        how = "carried along with what needs it" if line.carried else f"by rule {line.rule}"
        printing.result(
            f"  seen by {line.audience} in {line.collection} since {printing.instant(line.position)}, {how}"
        )
    for row in story.pending:
        if row.target is not None:
            printing.result(
                f"  waits before {row.audience}: it refers to {row.target}, which is not visible there"
            )
        else:
            printing.result(
                f"  held before {row.audience} in {row.collection} by rule {row.rule}, until {ended_by(row)}"
            )
    if not proposed or first:  # else it is told above, of what is in force
        _print_stands(story)
    in_place = any(stand.places for stand in story.shown_as)
    if proposed:
        printing.result("  seen by nobody; `cert-exchange proposals list` shows whether it waits")
    elif not story.visible and not story.pending and not in_place:
        printing.result("  seen by nobody; `cert-exchange policy explain` says why")
    printing.result(json.dumps(story.content, ensure_ascii=False, indent=2))
