"""Commands that read what the node holds: search, show, received, export."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.files import whole, writing_to
from cert_exchange.cli.holds import ended_by
from cert_exchange.cli.options import AsJson, Home, Limit, opened
from cert_exchange.errors import InputRefused
from cert_exchange.stix.instants import InstantInvalid, parse_micros

if TYPE_CHECKING:
    from cert_exchange.services.derivatives import Stand
    from cert_exchange.services.hits import Hit
    from cert_exchange.services.holdings import Story

Since = Annotated[
    str | None,
    typer.Option(
        "--since",
        help="Only what was stored at or after this instant, such as 2026-11-25T00:00:00Z.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    for command in (search, show, received, export):
        app.command()(command)


def search(
    text: Annotated[
        str | None, typer.Argument(help="Text anywhere in an object, or a whole STIX id.")
    ] = None,
    *,
    type_: Annotated[
        str | None, typer.Option("--type", help="STIX type, such as indicator.")
    ] = None,
    collection: Annotated[str | None, typer.Option("--collection", help="Alias or UUID.")] = None,
    origin: Annotated[str | None, typer.Option("--from", help="'own' or a partner's name.")] = None,
    since: Since = None,
    proposals: Annotated[
        bool, typer.Option("--proposals", help="Only what is kept as a proposal.")
    ] = False,
    all_versions: Annotated[
        bool, typer.Option("--all-versions", help="Every version, not only the newest.")
    ] = False,
    limit: Limit = 100,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Find objects that this node holds, whoever they came from. The newest stored come first."""
    from cert_exchange.services import holdings

    with opened(home) as node:
        hits = holdings.search(
            node,
            text=text,
            type_=type_,
            collection=collection,
            origin=origin,
            status="proposal" if proposals else None,
            stored_since=instant_of(since),
            all_versions=all_versions,
            limit=limit,
        )
    _print_hits(hits, as_json=as_json)
    if len(hits) == limit:
        printing.verdict(f"the first {limit}; --limit shows more")


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
    for story in stories:
        _print_story(story)
    if said:
        printing.table(["terms"], [(one,) for one in said])


def received(
    partner: Annotated[str, typer.Argument(help="The partner's name.")],
    *,
    since: Since = None,
    limit: Limit = 100,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Show what a partner sent, and what was refused of it and why.

    What it posted and what we pulled from it.
    """
    from cert_exchange.services import holdings

    with opened(home) as node:
        kept, refused = holdings.received(
            node, partner, stored_since=instant_of(since), limit=limit
        )
    if as_json:
        printing.document(
            {
                "kept": [_hit_document(hit) for hit in kept],
                "refused": [asdict(row) | {"at": printing.instant(row.at)} for row in refused],
            }
        )
        return
    _print_hits(kept, as_json=False)
    if refused:
        printing.table(
            ["at", "kind", "id", "version", "reason"],
            [(printing.instant(r.at), r.kind, r.stix_id, r.version, r.reason) for r in refused],
            title="refused",
        )
    printing.verdict(f"{printing.count(len(kept), 'version')} kept, {len(refused):,} refused")


def export(
    view: Annotated[
        str, typer.Argument(help="AUDIENCE/COLLECTION, as `cert-exchange status` lists them.")
    ],
    file: Annotated[Path, typer.Argument(help="Where to write the bundle; - is standard output.")],
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file that is there already.")
    ] = False,
    tests: Annotated[
        bool, typer.Option("--tests", help="Also what is marked TEST: it belongs to an exercise.")
    ] = False,
    home: Home = None,
) -> None:
    """Write what an audience sees in a collection as one bundle.

    The objects are the bytes that the view serves. A file that is there is replaced only with --force. What is marked TEST is
    left out, for a cyber-observable cannot say so itself, and who blocks what stands in the file takes it for real.
    """
    from cert_exchange.services import holdings

    if str(file) != "-" and file.exists() and not force:
        raise InputRefused(f"{file} is there already; name a new file, or replace it with --force.")
    with opened(home) as node, printing.progress(f"exporting {view}") as progress:
        if str(file) == "-":
            done = holdings.export(node, view, sys.stdout.buffer, tests=tests, progress=progress)
            sys.stdout.buffer.flush()
        else:
            with writing_to(file), whole(file) as out:
                done = holdings.export(node, view, out, tests=tests, progress=progress)
    printing.verdict(f"{printing.count(done.written, 'object')} written to {file}")
    if done.left_out:
        printing.verdict(f"{done.left_out:,} of an exercise left out; --tests writes them as well")


def instant_of(text: str | None) -> int | None:
    """Read an instant that a person typed. Raises InputRefused with an example."""
    if text is None:
        return None
    try:
        return parse_micros(text)
    except InstantInvalid as error:
        raise InputRefused(
            f"{text!r} is no instant: write it like 2026-11-25T16:00:00Z."
        ) from error


def _hit_document(hit: Hit) -> dict[str, Any]:
    document = asdict(hit)
    document["id"] = document.pop("stix_id")
    document["stored_at"] = printing.instant(hit.stored_at)
    return document


def _print_hits(hits: tuple[Hit, ...], *, as_json: bool) -> None:
    if as_json:
        printing.document([_hit_document(hit) for hit in hits])
        return
    printing.table(
        ["id", "version", "from", "status", "label"],
        [(h.stix_id, h.version, h.origin, _state(h), h.label) for h in hits],
    )


def _state(hit: Hit) -> str:
    return f"{'revoked' if hit.revoked else hit.status}{_drill(hit)}"


def _drill(hit: Hit) -> str:
    return ", TEST" if hit.test else ""


def _story_document(story: Story) -> dict[str, Any]:
    return _hit_document(story.hit) | {
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
        "answers": [
            _hit_document(answer.hit) | {"about": answer.about} for answer in story.answers
        ],
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
        printing.result(
            f"  stands for {stand.original} before {stand.audience}{_withheld(stand)}{_places(stand)}"
        )
    for stand in story.shown_as:
        printing.result(
            f"  {stand.audience} is shown {stand.stix_id} version {stand.version} in its place"
            f"{_withheld(stand)}{_places(stand)}"
        )
    for answer in story.answers:
        said = answer.hit
        about = "" if answer.about == hit.stix_id else f" about {answer.about}"
        label = f": {said.label}" if said.label else ""
        printing.result(
            f"  {said.type} of {said.origin}{about}, {said.status}{_drill(said)}, {said.stix_id}{label}"
        )


def _withheld(stand: Stand) -> str:
    if stand.revoked:
        return ", revoked: it stands for nothing any more"
    return f", without {', '.join(stand.withheld)}" if stand.withheld else ", references rewritten"


def _places(stand: Stand) -> str:
    if not stand.places:
        return ", not in force"
    return "".join(
        f", in {collection} since {printing.instant(since)} by rule {rule}"
        for collection, since, rule in stand.places
    )


def _print_story(story: Story) -> None:
    hit = story.hit
    printing.result(f"{hit.stix_id}  version {hit.version}")
    printing.result(
        f"  from {hit.origin}, {hit.status}{', revoked' if hit.revoked else ''}{_drill(hit)}"
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
    _print_stands(story)
    in_place = any(stand.places for stand in story.shown_as)
    if not story.visible and not story.pending and not in_place:
        printing.result("  seen by nobody; `cert-exchange policy explain` says why")
    printing.result(json.dumps(story.content, ensure_ascii=False, indent=2))
