"""Commands of a bad night: recall what went out by mistake, and see who fetched it."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cert_exchange.cli import freezing, printing
from cert_exchange.cli.exits import ExitCode
from cert_exchange.cli.notices import print_receipts, receipt_document
from cert_exchange.cli.options import AsJson, Home, Reason, opened, operator, original_of
from cert_exchange.errors import ConfigurationInvalid

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cert_exchange.services.recalling import Holder, Recalled
    from cert_exchange.services.receipts import Receipt
    from cert_exchange.services.releasing import Withdrawal

StixId = Annotated[
    str, typer.Argument(metavar="ID", help="The object's STIX id, or a derivative's.")
]
_HAS: Final = ("fetched", "maybe", "not fetched")


class Reach(StrEnum):
    """Whose outbound a recall freezes."""

    AUDIENCE = "audience"
    ALL = "all"
    NONE = "none"


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    for command in (recall, fetched):
        app.command()(command)
    freezing.register(app)


def recall(
    stix_id: StixId,
    *,
    reason: Reason,
    partner: Annotated[
        str | None,
        typer.Option(
            "--partner",
            help="Freeze, tell about and take back from this partner's audience only, until `free`.",
        ),
    ] = None,
    freeze: Annotated[
        Reach,
        typer.Option(
            "--freeze",
            help="Stop what goes out to the audiences that could see it, to all, or none.",
        ),
    ] = Reach.AUDIENCE,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Something went out by mistake: say who has it, stop what goes out, take it back from everyone.

    Receiving goes on. What a partner fetched cannot be recalled; the answer says who has which bytes since when, and what
    to do next. Exit code 1 when it could not be taken back (what goes out is frozen all the same).
    """
    from cert_exchange.services import recalling

    def tell(holders: tuple[Holder, ...]) -> None:
        printing.verdict(f"before: {counted(holders)}")

    with opened(home) as node:
        about = original_of(node, stix_id)
        done = recalling.recall(
            node,
            about,
            by=operator(),
            reason=reason,
            partner=partner,
            freeze=freeze.value,
            tell=tell,
        )
    if as_json:
        printing.document(
            {
                "holders": [_as_document(one) for one in done.holders],
                "frozen": done.frozen,
                "withdrawn_from": [] if done.withdrawal is None else done.withdrawal.audiences,
                "versions": 0 if done.withdrawal is None else done.withdrawal.versions,
                "trouble": done.trouble,
                "notices": done.notices,
            }
        )
    else:
        _print_holders(about, done.holders)
    _print_recall(about, done)
    if done.trouble:
        raise typer.Exit(ExitCode.REFUSED)


def fetched(
    stix_id: Annotated[
        str | None,
        typer.Argument(metavar="ID", help="The object's STIX id; not needed with --open."),
    ] = None,
    *,
    partner: Annotated[
        str | None, typer.Option("--partner", help="Only this partner; all if not given.")
    ] = None,
    only_open: Annotated[
        bool,
        typer.Option(
            "--open",
            help="What was taken back from partners who fetched it and have not answered the notice.",
        ),
    ] = False,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Tell who could fetch an object, who did, and which bytes, also where it was taken back, and what they answered.

    `not fetched` is certain. `fetched` counts a page that broke off as well, and one of which a filter left the object out.
    `maybe` is what neither marks nor ledger can place before or after the taking back.
    """
    from cert_exchange.services import recalling, receipts

    if stix_id is None:
        _check_open(only_open=only_open)
        with opened(home) as node:
            found = receipts.receipts(node, only_open=True)
        _print_open(tuple(one for one in found if partner in (None, one.partner)), as_json=as_json)
        return
    with opened(home) as node:
        about = original_of(node, stix_id)
        holders = recalling.fetched(node, about, partner=partner)
        told = receipts.receipts(node, about=about, only_open=only_open)
    told = tuple(one for one in told if partner in (None, one.partner))
    if only_open:
        _print_open(told, as_json=as_json)
        return
    if as_json:
        printing.document([_as_document(one) for one in holders])
        return
    _print_holders(about, holders)
    for one in told:
        heard = "fetched" if one.fetched else "not fetched yet"
        printing.verdict(
            f"{one.partner}: {one.notice} asks it to {one.action}; notice {heard};"
            f" answer: {one.answer or 'open'}"
        )


def _check_open(*, only_open: bool) -> None:
    if not only_open:
        raise ConfigurationInvalid("Of which object? Give its id, or --open for all open receipts.")


def _print_open(found: tuple[Receipt, ...], *, as_json: bool) -> None:
    if as_json:
        printing.document([receipt_document(one) for one in found])
        return
    print_receipts(found)


def _as_document(one: Holder) -> dict[str, Any]:
    instants = {
        name: printing.instant(getattr(one, name)) or None
        for name in ("since", "until", "noted_at")
    }
    return asdict(one) | {"has": str(one.has)} | instants


def _print_holders(about: str, holders: tuple[Holder, ...]) -> None:
    printing.table(
        [
            "partner", "has it", "collection", "version", "visible since", "taken back",
            "fetched before", "bytes", "sha-256", "why",
        ],
        [
            (
                one.partner,
                str(one.has),
                one.collection,
                one.version,
                printing.instant(one.since),
                printing.instant(one.until),
                printing.instant(one.noted_at),
                one.size if one.digest else "erased",
                one.digest or "erased",
                "; ".join(_words(about, one)),
            )
            for one in holders
        ],
    )  # fmt: skip


def _words(about: str, one: Holder) -> list[str]:
    words = [f"pushed by {one.target}" if one.target else one.why]
    if one.stix_id != about:
        words.insert(0, f"shown as {one.stix_id}")
    return words


def _by_partner(holders: Iterable[Holder]) -> tuple[set[str], set[str], set[str]]:
    """Who has any version of it, who may have one, and who certainly has none; each partner once, at its worst."""
    has = {word: {one.partner for one in holders if one.has == word} for word in _HAS}
    having, maybe, without = (has[word] for word in _HAS)
    return having, maybe - having, without - having - maybe


def counted(holders: tuple[Holder, ...]) -> str:
    """How many partners have it, may have it, and do not: each once."""
    having, maybe, without = (len(names) for names in _by_partner(holders))
    told = [
        f"{printing.count(having, 'partner')} fetched it",
        f"{printing.count(maybe, 'partner')} may have fetched it",
        f"{printing.count(without, 'partner')} could fetch it and did not",
    ]
    numbers = (having, maybe, without)
    said = [words for words, number in zip(told, numbers, strict=True) if number]
    return ", ".join(said) or "nobody could see it"


def _print_others(known: set[str], done: Withdrawal) -> None:
    """What else changed for an audience: each under the name that the audience has for it."""
    carried = {line.stix_id for line in done.gone if line.rule == "carried"} - known
    gone = {line.stix_id for line in done.gone} - carried - known
    anew = {line.stix_id for line in done.lines if line.kind == "withdrawal" and line.anew}
    for words, ids in (
        ("with it went what needs it", gone),
        ("and what only came along with it", carried),
        ("shown anew, without it", anew - gone - known),
    ):
        if ids:
            printing.verdict(f"{words}: {', '.join(sorted(ids))}")


def _print_recall(stix_id: str, done: Recalled) -> None:
    """Say how it stands and what to do next, the worst first."""
    if done.trouble:
        printing.verdict(f"NOT TAKEN BACK: {done.trouble}")
    having, maybe, _ = _by_partner(done.holders)
    for name in sorted(having):
        printing.verdict(f"{name}: already fetched, cannot be recalled")
    for name in sorted(maybe):
        printing.verdict(f"{name}: may have fetched it, cannot be recalled")
    if not having | maybe:
        printing.verdict("nobody fetched it")
    if done.withdrawal is not None:
        if done.withdrawal.audiences:
            printing.verdict(f"taken back from {', '.join(done.withdrawal.audiences)}")
        else:
            gone = max((one.until or 0 for one in done.holders), default=0)
            before = f"it was taken back {printing.instant(gone)}" if gone else "it never went out"
            printing.verdict(f"nothing was left to take back: {before}, and nobody sees it now")
        _print_others({stix_id} | {one.stix_id for one in done.holders}, done.withdrawal)
    printing.verdict(f"frozen: {', '.join(done.frozen) or 'nothing'}; receiving goes on")
    known_as: dict[str, set[str]] = {}
    for one in done.holders:
        if one.has in ("fetched", "maybe"):
            known_as.setdefault(one.partner, set()).add(one.stix_id)
    steps = [
        f"call {name} and ask it to delete {', '.join(sorted(ids))}"
        for name, ids in sorted(known_as.items())
    ]
    if done.notices:
        waits = ", which the freeze keeps back until it is lifted" if done.frozen else ""
        printing.verdict(f"{printing.count(done.notices, 'notice')} made{waits}")
    steps += [f"watch who has it and what they answer: cert-exchange fetched {stix_id}"]
    if done.trouble:
        steps.insert(0, f"mend that, then cert-exchange withdraw {stix_id} --reason ...")
    if done.frozen:
        named = "--all" if "everyone" in done.frozen else " ".join(done.frozen)
        steps.append(
            "find out which rule let it out: cert-exchange policy explain; mend the policy"
        )
        steps.append(f"then cert-exchange unfreeze {named} --reason ...")
    for step in steps:
        printing.verdict(f"next: {step}")
