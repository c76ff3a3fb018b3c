"""What there is of certificates, as a person looks at it, and what of it needs a hand soon.

1. An expired revocation list refuses everybody whom its authority certified: it is an alarm, days before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from cert_exchange.errors import ConfigurationInvalid
from cert_exchange.node import Node
from cert_exchange.policy.wording import lasting
from cert_exchange.remote import pki
from cert_exchange.services.pki.authorities import key_file, vault_of
from cert_exchange.services.pki.own import pairs
from cert_exchange.services.revocation_lists import DAY, Findable, about
from cert_exchange.store import partners as partner_rows
from cert_exchange.store import pki as rows
from cert_exchange.store.pki import AuthorityRow, CertificateRow

AUTHORITY_NOTE: Final = 365 * DAY
CERTIFICATE_NOTE: Final = 21 * DAY


@dataclass(frozen=True, slots=True)
class ListedAuthority:
    """An authority in force. `partner` None: ours, and `signs` says whether its key is here."""

    row: AuthorityRow
    described: pki.Described
    partner: str | None
    signs: bool


@dataclass(frozen=True, slots=True)
class Listing:
    """All of it. `own`: this node's own certificates by name; `required`: partner -> since when it must show one.

    `able`: partners of whom a certificate by name or an authority lets them in now. `orphans`: names of our own whose
    authority was retired.
    """

    authorities: tuple[ListedAuthority, ...]
    certificates: tuple[tuple[CertificateRow, str | None], ...]
    own: dict[str, pki.Described]
    required: dict[str, int]
    able: frozenset[str] = frozenset()
    orphans: tuple[str, ...] = ()


def listing(node: Node) -> Listing:
    """Everything that is in force, and every certificate that we gave or that was named."""
    vault = vault_of(node)
    with node.database.reading() as tx:
        names = {row.id: row.name for row in partner_rows.every_partner(tx)}
        authorities = tuple(
            ListedAuthority(
                row,
                pki.describe(
                    pki.read_certificate(row.certificate.encode("ascii"), what="an authority")
                ),
                None if row.partner is None else names[row.partner],
                row.partner is None and vault.exists(key_file(row.fingerprint)),
            )
            for row in rows.in_force(tx)
        )
        certificates = tuple(
            (row, None if row.partner is None else names[row.partner])
            for row in rows.every_certificate(tx)
        )
        required = rows.required_of(tx)
        named = {names[row.partner] for row in rows.standing(tx, node.now()) if row.partner}
        retired = {
            row.fingerprint
            for row in rows.every_authority(tx)
            if row.partner is None and row.ended_at is not None
        }
    own = {name: pki.describe(one) for name, one in pairs(node).items()}
    able = named | {one.partner for one in authorities if one.partner is not None}
    of_retired = {row.fingerprint for row, _ in certificates if row.authority in retired}
    orphans = tuple(name for name, one in own.items() if one.fingerprint in of_retired)
    return Listing(authorities, certificates, own, required, frozenset(able), orphans)


def findings(node: Node) -> Iterator[Findable]:
    """What is wrong or soon will be, and what was looked at."""
    now = node.now()
    try:
        found = listing(node)
    except ConfigurationInvalid as error:
        yield Findable("wrong", None, f"certificates cannot be read: {error.public}")
        return
    if not found.authorities and not found.required and not found.own:
        return
    for one in found.authorities:
        yield from _about_authority(node, one, now)
    for name, described in found.own.items():
        left = described.ends_at - now
        ours = any(row.fingerprint == described.fingerprint for row, _ in found.certificates)
        step = (
            "the worker renews it: is one running?" if ours else f"cert-exchange pki request {name}"
        )
        if left <= 0:
            yield Findable("wrong", None, f"our certificate {name} has expired", step)
        elif left < CERTIFICATE_NOTE:
            yield Findable("note", None, f"our certificate {name} ends in {lasting(left)}", step)
    for name in found.orphans:
        yield Findable(
            "wrong", None,
            f"our certificate {name} was signed by an authority of ours that is retired: nobody who follows us believes it",
            f"cert-exchange pki own {name}{''.join(f' --host {one}' for one in found.own[name].hosts)}",
        )  # fmt: skip
    for partner in found.required:
        if partner not in found.able:
            yield Findable(
                "note", partner, "must show a certificate, but none of it is in force: it cannot connect",
                f"cert-exchange pki issue {partner}, or pki pin {partner}",
            )  # fmt: skip
    yield from _about_certificates(found, now)


def _about_authority(node: Node, one: ListedAuthority, now: int) -> Iterator[Findable]:
    whose = "our authority" if one.partner is None else "its authority"
    named = f"{whose} {one.described.fingerprint[:16]}"
    yield from about(node, one.row, one.partner, now)
    if one.row.ends_at - now < AUTHORITY_NOTE:
        yield Findable(
            "note", one.partner, f"{named} ends in {lasting(one.row.ends_at - now)}",
            "cert-exchange pki init --another, and change over" if one.partner is None
            else "ask for its next one, and pin it beside this one",
        )  # fmt: skip


def _about_certificates(found: Listing, now: int) -> Iterator[Findable]:
    newest: dict[str, int] = {}
    for row, partner in found.certificates:
        if partner is not None and row.purpose == "client" and row.revoked_at is None:
            newest[partner] = max(newest.get(partner, 0), row.ends_at or 0)
    for partner, ends_at in sorted(newest.items()):
        if partner in found.required and 0 < ends_at - now < CERTIFICATE_NOTE:
            yield Findable(
                "note", partner, f"its last certificate ends in {lasting(ends_at - now)}",
                f"ask for a new request, then cert-exchange pki issue {partner}",
            )  # fmt: skip
