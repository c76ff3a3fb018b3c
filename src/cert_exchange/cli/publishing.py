"""The command of the desk that gives objects out: publish."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cert_exchange.cli import outcomes, printing, taking
from cert_exchange.cli.exits import ExitCode
from cert_exchange.cli.files import read_packed, with_feeds
from cert_exchange.cli.options import AsJson, Home, opened, operator
from cert_exchange.cli.terms import Embargo, Exercise, NotTo, OnlyTo, Onward, Purpose
from cert_exchange.errors import ConfigurationInvalid

if TYPE_CHECKING:
    from cert_exchange.node import Node
    from cert_exchange.services.taking import Source, Understanding
    from cert_exchange.services.terms import SharingTerms


CollectionOption = Annotated[
    str | None,
    typer.Option(
        "--collection", help="Alias or UUID of the collection; not needed when there is only one."
    ),
]


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.command()(publish)


def publish(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="STIX 2.1, MISP events or a feed's folder, CSV, TSV, lists, reports (text, Markdown, AsciiDoc, HTML, PDF),"
            " also gzip; - is standard input."
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
    yes: Annotated[
        bool,
        typer.Option(
            "--yes",
            help="A format or columns that were guessed are right, and a list that names nothing is meant: go on.",
        ),
    ] = False,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="What the files are: stix, stix-lines, misp, csv, tsv, list, text, markdown, asciidoc, html, pdf or openioc.",
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option("--profile", help="How a table is read: a profile's name or its file."),
    ] = None,
    save_profile: Annotated[
        str | None,
        typer.Option(
            "--save-profile", help="Keep how the table is read as a profile of this name."
        ),
    ] = None,
    tlp: Annotated[
        str | None,
        typer.Option(
            "--tlp",
            help="Mark everything: clear, green, amber, amber+strict or red; of it and the input's own the stricter.",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", help="What the report around it is called; else as the file."),
    ] = None,
    confidence: Annotated[
        str | None,
        typer.Option(
            "--confidence", help="How sure we are where the input does not say, on your scale."
        ),
    ] = None,
    valid_for: Annotated[
        str | None,
        typer.Option(
            "--valid-for", help="How long it counts where the input does not say, such as 30 days."
        ),
    ] = None,
    around: Annotated[
        str | None,
        typer.Option(
            "--around",
            help="What names it all: report, grouping or none; else a grouping for tables and lists.",
        ),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Also share what was withdrawn here before.")
    ] = False,
    observables: Annotated[
        bool,
        typer.Option(
            "--observables/--no-observables",
            help="Also make the observables that indicators are based on.",
        ),
    ] = True,
    losses: Annotated[
        Path | None,
        typer.Option("--losses", help="Write all places that could not be used to this new file."),
    ] = None,
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
        bool | None,
        typer.Option(
            "--carry/--no-carry",
            help="Write the terms into the objects, too: receivers are told and bound. Without it, what is made of other"
            " formats says how far it may go, and names no other partner. --test is always written.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Publish STIX objects and what becomes STIX: events, tables, lists, reports; and say what became of it.

    The format is recognised, and what was understood is shown before anything is stored; where it is a guess, on a terminal
    nothing is stored until you say --yes or --format, and the exit code is 1. The same input again adds nothing. Each object is accepted, a
    duplicate, or refused with its reason. All files are read and understood before anything is stored. Who gets to see the objects is what your policies
    say, and what is given here stands beside the objects and binds them besides (`terms`). Exit code 1 when an object was
    not accepted; the others are published all the same.
    """
    from cert_exchange.services import taking as services
    from cert_exchange.services import terms
    from cert_exchange.services.terms import SharingTerms

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
        if carry and said is None:
            raise ConfigurationInvalid(
                "Carry what? Give --only-to, --not-to, --onward or another term."
            )
        where = collection or _only_collection(node)
        order = services.order_of(
            node, form=form, profile=profile, tlp=tlp, name=name, confidence=confidence,
            valid_for=valid_for, around=around, observables=observables, again=again,
        )  # fmt: skip
        files = with_feeds(files)
        with taking.sources(files) as inputs:
            told = [(source, services.understand(source, order)) for source in inputs]
            if save_profile is not None:
                _save_profile(node, [how for _, how in told], save_profile)
            bodies = _bodies(node, told, files)
            others = [(source, how) for source, how in told if not how.is_stix]
            if bodies and others and as_json:
                raise ConfigurationInvalid(
                    "With --json, publish STIX and other formats by one command each."
                )
            if bodies and order != services.Order(form=order.form):
                _understand_all(node, bodies)  # what is no STIX at all is told first
                raise ConfigurationInvalid(
                    "STIX is published as it is: --tlp, --name, --confidence, --valid-for, --around and --profile are for"
                    " other formats. `terms` and `mark` bind what is STIX already."
                )
            refused = 0
            if bodies:
                if carry or test:
                    bodies = _carrying(node, bodies, said, whole=bool(carry))
                if len(bodies) > 1:
                    _understand_all(node, bodies)
                deed = outcomes.preview if dry_run else outcomes.publish
                alone = next(iter(bodies)) if len(bodies) == 1 else None
                with services.naming(alone) if alone else nullcontext():
                    refused += deed(node, bodies, where, said, quiet=quiet, as_json=as_json)
            if others:
                refused += taking.take(
                    node,
                    taking.Job(
                        others, order, where, operator(), said,
                        carried=_carried(node, said, carry=carry),
                        only_look=dry_run, yes=yes, stated=form is not None, losses=losses, as_json=as_json,
                    ),
                )  # fmt: skip
            if said is not None:
                _say_what_nobody_is_told(said, [
                    *((SharingTerms(test=said.test) if not carry else said,) if bodies else ()),
                    *((_carried(node, said, carry=carry) or SharingTerms(),) if others else ()),
                ])  # fmt: skip
    if refused:
        raise typer.Exit(ExitCode.REFUSED)


def _bodies(
    node: Node, told: Sequence[tuple[Source, Understanding]], files: Sequence[Path]
) -> dict[str, bytes]:
    """What is STIX, by the names that a person gave. Of one object a line, a list is made."""
    limit = node.publish_limits.body_bytes
    found: dict[str, bytes] = {}
    for (source, how), file in zip(told, files, strict=True):
        if not how.is_stix:
            continue
        body = source.whole(limit=limit) if str(file) == "-" else read_packed(file, limit=limit)
        if how.form == "stix-lines":
            lines = [line for line in body.splitlines() if line.strip()]
            body = b"[" + b",".join(lines) + b"]"
        found[str(file)] = body
    return found


def _save_profile(node: Node, hows: Sequence[Understanding], name: str) -> None:
    from cert_exchange.services import taking as services

    if len(hows) != 1:
        raise ConfigurationInvalid("A profile is of one table: give one file with --save-profile.")
    printing.verdict(f"kept how it is read as {services.save_profile(node, hows[0], name)}")


def _carried(node: Node, terms: SharingTerms | None, *, carry: bool | None) -> SharingTerms | None:
    """What is written into what we make: all the terms, how far it may go, or only that it is an exercise."""
    from cert_exchange.services import publishing
    from cert_exchange.services.terms import SharingTerms

    if terms is None or carry:
        return terms
    if carry is None:
        return publishing.binding_receivers(node, terms)
    return SharingTerms(test=True) if terms.test else None


def _carrying(
    node: Node, bodies: dict[str, bytes], terms: SharingTerms | None, *, whole: bool
) -> dict[str, bytes]:
    """Write the terms into the objects; `whole` is false where they carry only that it is an exercise."""
    from cert_exchange.services import publishing
    from cert_exchange.services.terms import SharingTerms

    told = terms if whole else SharingTerms(test=True)
    assert told is not None
    return {name: publishing.carry_terms(node, body, told) for name, body in bodies.items()}


def _say_what_nobody_is_told(terms: SharingTerms, carried: Sequence[SharingTerms]) -> None:
    """Terms that a receiver would have to know, and does not unless they are carried; `carried`: what each kind of input carries."""
    told = {
        "--only-to": bool(terms.only_to)
        and any(not one.only_to and one.onward is None for one in carried),
        "--not-to": bool(terms.not_to)
        and any(not one.not_to and one.onward is None for one in carried),
        "--embargo": terms.embargo_until is not None
        and any(one.embargo_until is None for one in carried),
        "--purpose": bool(terms.purposes) and any(not one.purposes for one in carried),
        "--onward": terms.onward is not None and any(one.onward is None for one in carried),
    }
    untold = [name for name, stands in told.items() if stands]
    if untold:
        printing.verdict(
            f"receivers are not told of {', '.join(untold)}, and may give it on as their own rules allow; --carry tells them"
        )
    if terms.only_to or terms.not_to:
        printing.verdict(
            "cyber-observables carry no terms: receivers are told of none with them; --no-observables leaves them out"
        )


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
    """Find what is no STIX before the first of several files is stored; one alone fails whole by itself."""
    from cert_exchange.services.taking import naming
    from cert_exchange.stix.envelopes import examine

    for name, body in bodies.items():
        with naming(name):
            examine(body, limits=node.publish_limits)
