"""Commands that read what the node holds: search, received, export; `show` is beside them."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cert_exchange.cli import outputs, printing
from cert_exchange.cli.files import whole, writing_to
from cert_exchange.cli.options import AsJson, Home, Limit, opened
from cert_exchange.cli.showing import drill, hit_document, show
from cert_exchange.errors import InputRefused
from cert_exchange.stix.instants import InstantInvalid, parse_micros

if TYPE_CHECKING:
    from cert_exchange.services.feeding import Choice
    from cert_exchange.services.hits import Hit

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
    taken_back: Annotated[
        bool,
        typer.Option(
            "--taken-back",
            help="Also what its sender took back, where intake.yaml hides that; by its id it is always found.",
        ),
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
            hidden=taken_back,
            limit=limit,
        )
    _print_hits(hits, as_json=as_json)
    if len(hits) == limit:
        printing.verdict(f"the first {limit}; --limit shows more")


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
                "kept": [hit_document(hit) for hit in kept],
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
    file: Annotated[Path, typer.Argument(help="Where to write it; - is standard output.")],
    *,
    form: outputs.Format = "stix",
    kind: outputs.Kinds = None,
    use: outputs.Use = None,
    tlp: outputs.Level = None,
    purpose: outputs.Purposes = None,
    confidence: outputs.Confidence = None,
    simple: outputs.Simple = False,
    subdomains: outputs.Subdomains = False,
    doubtful: outputs.Doubtful = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file that is there already.")
    ] = False,
    tests: Annotated[
        bool, typer.Option("--tests", help="Also what is marked TEST: it belongs to an exercise.")
    ] = False,
    own_use: Annotated[
        bool,
        typer.Option(
            "--own-use", help="For our own people, not to be passed on: no freeze stops it."
        ),
    ] = False,
    home: Home = None,
) -> None:
    """Write what an audience sees in a collection: as one STIX bundle, or in a format of defenders' tools.

    The objects of a bundle are the bytes that the view serves. A file that is there is replaced only with --force. What is marked TEST is
    left out, for a cyber-observable cannot say so itself, and who blocks what stands in the file takes it for real.

    A file for partners goes out as their polls do: while what goes to one of the audience is frozen, or sending to it
    suspended, nothing is written (exit code 1). What our own defenders load stays in the house: --own-use. Then what our
    desk does not detect by (`override`) is left out.

    In another format each indicator stands as its values. What no list can say, and what its terms, PAP or IEP do not permit
    for that use, is left out and counted with its ids. The options from --kind to --doubtful are for those formats.
    """
    from cert_exchange.services import bundling

    if str(file) != "-" and file.exists() and not force:
        raise InputRefused(f"{file} is there already; name a new file, or replace it with --force.")
    if form != "stix":
        if tests:
            raise InputRefused(
                "--tests is for a bundle: a list cannot say that a value is of an exercise."
            )
        choice = outputs.chosen(
            form, kinds=kind, use=use, tlp=tlp, purposes=purpose, simple=simple, subdomains=subdomains,
            doubtful=doubtful, confidence=confidence,
        )  # fmt: skip
        _export_as(view, file, choice, own_use=own_use, home=home)
        return
    options = (kind, use, tlp, purpose, simple, subdomains, doubtful)
    if any(options) or confidence is not None:
        raise InputRefused(
            "--kind, --use, --tlp, --purpose, --confidence, --simple, --subdomains and --doubtful are for other formats than a"
            " bundle; name one with --format."
        )
    with opened(home) as node, printing.progress(f"exporting {view}") as progress:
        if str(file) == "-":
            done = bundling.export(
                node, view, sys.stdout.buffer, tests=tests, own_use=own_use, progress=progress
            )
            sys.stdout.buffer.flush()
        else:
            with writing_to(file), whole(file) as out:
                done = bundling.export(
                    node, view, out, tests=tests, own_use=own_use, progress=progress
                )
    printing.verdict(f"{printing.count(done.written, 'object')} written to {file}")
    if done.left_out:
        printing.verdict(f"{done.left_out:,} of an exercise left out; --tests writes them as well")
    if done.not_detected:
        printing.verdict(
            f"{done.not_detected:,} left out that our desk does not detect by: cert-exchange override list"
        )
    if done.frozen:
        printing.verdict(
            f"not to be passed on: what goes out to {', '.join(done.frozen)} is frozen"
        )


def _export_as(view: str, file: Path, choice: Choice, *, own_use: bool, home: Path | None) -> None:
    from cert_exchange.services import feeding

    with opened(home) as node, printing.progress(f"exporting {view}") as progress:
        output, frozen = feeding.export_as(node, view, choice, own_use=own_use, progress=progress)
    outputs.write(output, file)
    if frozen:
        printing.verdict(f"not to be passed on: what goes out to {', '.join(frozen)} is frozen")


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


def _print_hits(hits: tuple[Hit, ...], *, as_json: bool) -> None:
    if as_json:
        printing.document([hit_document(hit) for hit in hits])
        return
    printing.table(
        ["id", "version", "from", "status", "label"],
        [(h.stix_id, h.version, h.origin, _state(h), h.label) for h in hits],
    )


def _state(hit: Hit) -> str:
    """A revocation that does not count, such as a proposal of one, is not called revoked."""
    revoked = "revoked" if hit.status == "accepted" else f"{hit.status} (revoked)"
    return f"{revoked if hit.revoked else hit.status}{drill(hit)}"
