"""Commands of the desk: publish, withdraw, free."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.exits import ExitCode
from cert_exchange.cli.files import read_packed
from cert_exchange.cli.options import AsJson, Home, Reason, opened, operator
from cert_exchange.cli.terms import Embargo, Exercise, NotTo, OnlyTo, Onward, Purpose
from cert_exchange.errors import ConfigurationInvalid, InputRefused

if TYPE_CHECKING:
    from cert_exchange.node import Node
    from cert_exchange.services.holdings import Story
    from cert_exchange.services.publishing import Outcome, PublishPreview
    from cert_exchange.services.releasing import Withdrawal
    from cert_exchange.services.terms import SharingTerms


_GOOD: Final = ("accepted", "duplicate")
CollectionOption = Annotated[
    str | None,
    typer.Option(
        "--collection", help="Alias or UUID of the collection; not needed when there is only one."
    ),
]


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    for command in (publish, withdraw, free):
        app.command()(command)


def publish(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="STIX 2.1 bundles, envelopes, lists or single objects, also gzip; - is standard input."
        ),
    ],
    *,
    collection: CollectionOption = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Store nothing: say what would be accepted and who would see it."
        ),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="List only what was not accepted.")
    ] = False,
    only_to: OnlyTo = None,
    not_to: NotTo = None,
    embargo: Embargo = None,
    purpose: Purpose = None,
    onward: Onward = None,
    test: Exercise = False,
    carry: Annotated[
        bool,
        typer.Option(
            "--carry", help="Write the terms into the objects, too: receivers are told and bound."
        ),
    ] = False,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Publish STIX objects, and say of each what became of it.

    Each is accepted, a duplicate, or refused with its reason. All files are read and understood before anything is stored. Who gets to see the objects is what your policies
    say, and what is given here stands beside the objects and binds them besides (`terms`). Exit code 1 when an object was
    not accepted; the others are published all the same.
    """
    from cert_exchange.services import terms

    with opened(home) as node:
        said = terms.read_terms(
            node,
            only_to=only_to or (),
            not_to=not_to or (),
            embargo=embargo,
            purpose=purpose,
            onward=onward,
            test=test,
        )
        where = collection or _only_collection(node)
        bodies = {
            str(file): read_packed(file, limit=node.publish_limits.body_bytes) for file in files
        }
        if carry:
            bodies = _carrying(node, bodies, said)
        _understand_all(node, bodies)
        if dry_run:
            refused = _preview(node, bodies, where, said, quiet=quiet, as_json=as_json)
        else:
            refused = _publish(node, bodies, where, said, quiet=quiet, as_json=as_json)
    if refused:
        raise typer.Exit(ExitCode.REFUSED)


def withdraw(
    stix_id: Annotated[str, typer.Argument(metavar="ID", help="The object's STIX id.")],
    *,
    reason: Reason,
    version: Annotated[
        str | None, typer.Option("--version", help="Only this version; all if not given.")
    ] = None,
    collection: Annotated[
        str | None, typer.Option("--collection", help="Only from this collection.")
    ] = None,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Take an object of ours back from everyone who may see it. It stays stored; the log keeps both lines.

    Exit code 1 when there was nothing to take back.
    """
    from cert_exchange.services import holdings, noticing, releasing

    with opened(home) as node:
        stories = holdings.show(node, stix_id)
        if stories[0].blocked and version is None and collection is None:
            raise InputRefused(
                f"{stix_id} was withdrawn already: it is blocked in every view until `cert-exchange free {stix_id}`."
            )
        done = releasing.withdraw(
            node, stix_id, version=version, collection=collection, by=operator(), reason=reason
        )
        told = noticing.tell_now(node)
    if not done.versions:
        raise InputRefused(_nothing_to_take_back(stix_id, stories, collection))
    _print_withdrawal(done, as_json=as_json)
    printing.verdict(
        f"{printing.count(done.versions, 'version')} taken back from {', '.join(done.audiences) or 'nobody: no audience saw it'}"
    )
    if told:
        printing.verdict(f"{printing.count(told, 'notice')} to who fetched it")


def free(
    stix_id: Annotated[str, typer.Argument(metavar="ID", help="The object's STIX id.")],
    *,
    reason: Reason,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Lift the block that `recall`, or `withdraw` of a cyber-observable, put on an id. Exit code 1 when there is none.

    Publish it again to release what was taken back as well.
    """
    from cert_exchange.services import holdings, releasing
    from cert_exchange.stix.references import is_observable_id

    with opened(home) as node:
        story = holdings.show(node, stix_id)[0]
        if not story.blocked and not story.kept_from:
            raise InputRefused(
                f"{stix_id} is not blocked; nothing was changed. `cert-exchange show {stix_id}` says who sees it."
                if is_observable_id(stix_id)
                else f"{stix_id} is not blocked; nothing was changed. What was withdrawn comes back by publishing it"
                " again, or a newer version of it."
            )
        done = releasing.free(node, stix_id, by=operator(), reason=reason)
    _print_withdrawal(done, as_json=as_json)
    printing.verdict(f"free again: {printing.count(len(done.lines), 'line')} written")


def _nothing_to_take_back(stix_id: str, stories: Iterable[Story], collection: str | None) -> str:
    """Say why a withdrawal found nothing."""
    places = [place for story in stories for place in story.memberships]
    if not places:
        return (
            f"{stix_id} is in no collection, so there is nothing to take back: it is carried along with what needs it"
            " and leaves with it. Withdraw the objects that refer to it."
        )
    standing = sorted({place.collection for place in places if place.taken_back_at is None})
    if standing and collection is not None:
        return f"{stix_id} is not in {collection}, or was taken back there; it is in {', '.join(standing)}."
    return f"{stix_id} was withdrawn already; `cert-exchange show {stix_id}` says when."


def _print_withdrawal(done: Withdrawal, *, as_json: bool) -> None:
    if as_json:
        lines = [asdict(line) | {"kind": str(line.kind)} for line in done.lines]
        printing.document({"versions": done.versions, "lines": lines})
        return
    printing.table(
        ["audience", "id", "version", "line", "rule"],
        [
            (line.audience, line.stix_id, line.version, str(line.kind), line.rule)
            for line in done.lines
        ],
    )


def _publish(
    node: Node,
    bodies: dict[str, bytes],
    collection: str,
    terms: SharingTerms | None,
    *,
    quiet: bool,
    as_json: bool,
) -> int:
    from cert_exchange.services import publishing

    outcomes: list[Outcome] = []
    gained: Counter[tuple[str, str, str]] = Counter()
    for name, body in bodies.items():
        with printing.progress(f"publishing {name}") as progress:
            done = publishing.publish(
                node, body, collection=collection, by=operator(), terms=terms, progress=progress
            )
        outcomes.extend(done.outcomes)
        gained.update((line.audience, str(line.kind), line.rule) for line in done.lines)
    if as_json:
        printing.document({"outcomes": [asdict(o) for o in outcomes], "lines": _counted(gained)})
    else:
        _print_outcomes(outcomes, {}, quiet=quiet)
    for (audience, kind, rule), number in sorted(gained.items()):
        printing.verdict(f"{audience}: {printing.count(number, kind)} by {rule}")
    if not gained:
        printing.verdict("no audience sees anything new; `cert-exchange policy explain` says why")
    return _verdict(outcomes, "published")


def _preview(
    node: Node,
    bodies: dict[str, bytes],
    collection: str,
    terms: SharingTerms | None,
    *,
    quiet: bool,
    as_json: bool,
) -> int:
    from cert_exchange.services import publishing

    preview = publishing.preview_publish(
        node, *bodies.values(), collection=collection, by=operator(), terms=terms
    )
    outcomes = list(preview.outcomes)
    answers = Counter((s.audience, s.answer, s.rule) for s in preview.sighted)
    if as_json:
        printing.document(
            {
                "outcomes": [asdict(outcome) for outcome in outcomes],
                "seen": [asdict(sighted) for sighted in preview.sighted],
                "lines": _counted(answers),
            }
        )
    else:
        _print_outcomes(outcomes, _seen_by(preview), quiet=quiet)
    for (audience, answer, rule), number in sorted(answers.items()):
        printing.verdict(f"{audience}: {printing.count(number, 'object')} {answer} by {rule}")
    return _verdict(outcomes, "looked at; nothing was stored")


def _seen_by(preview: PublishPreview) -> dict[str, str]:
    words: dict[str, list[str]] = {}
    for sighted in preview.sighted:
        why = f" ({sighted.reason})" if sighted.reason and sighted.answer != "released" else ""
        words.setdefault(sighted.stix_id, []).append(
            f"{sighted.audience}: {sighted.answer} by {sighted.rule}{why}"
        )
    return {stix_id: "; ".join(sorted(set(said))) for stix_id, said in words.items()}


def _print_outcomes(outcomes: list[Outcome], seen: dict[str, str], *, quiet: bool) -> None:
    shown = [outcome for outcome in outcomes if not quiet or outcome.result not in _GOOD]
    if quiet and not shown:
        return
    columns = ["result", "id", "version", "reason"]
    rows: list[tuple[Any, ...]] = [(o.result, o.id, o.version, o.message) for o in shown]
    if seen:
        columns.append("who would see it")
        rows = [
            (*row, seen.get(row[1], "nobody: no policy covers this collection")) for row in rows
        ]
    printing.table(columns, rows)


def _counted(counter: Counter[tuple[str, str, str]]) -> list[dict[str, Any]]:
    return [
        {"audience": audience, "answer": answer, "rule": rule, "objects": number}
        for (audience, answer, rule), number in sorted(counter.items())
    ]


def _verdict(outcomes: list[Outcome], done: str) -> int:
    counts = Counter(outcome.result for outcome in outcomes)
    told = ", ".join(f"{number:,} {result}" for result, number in sorted(counts.items()))
    printing.verdict(f"{printing.count(len(outcomes), 'object')} {done}: {told}")
    return sum(number for result, number in counts.items() if result not in _GOOD)


def _carrying(node: Node, bodies: dict[str, bytes], terms: SharingTerms | None) -> dict[str, bytes]:
    from cert_exchange.services import publishing

    if terms is None:
        raise ConfigurationInvalid(
            "Carry what? Give --only-to, --not-to, --onward or another term."
        )
    return {name: publishing.carry_terms(node, body, terms) for name, body in bodies.items()}


def _only_collection(node: Node) -> str:
    from cert_exchange.services import holdings

    names = [row.collection for row in holdings.status(node).collections]
    if len(names) == 1:
        return names[0]
    raise ConfigurationInvalid(
        f"Into which collection? Give --collection with one of: {', '.join(names)}."
        if names
        else "This node has no collection yet: put a file into collections/ and run `cert-exchange collection load`."
    )


def _understand_all(node: Node, bodies: dict[str, bytes]) -> None:
    """With several files, find the one that is no STIX before the first is stored; one alone fails whole by itself."""
    from cert_exchange.stix.envelopes import examine

    for name, body in bodies.items() if len(bodies) > 1 else ():
        try:
            examine(body, limits=node.publish_limits)
        except InputRefused as error:
            raise type(error)(f"{name}: {error.public}", detail=error.detail) from error
