"""How terms may name a partner changed: the country that it is in, the identities that it speaks for.

1. What terms, consents or the originators' own words say of it is decided again in one transaction: what it may no
   longer see goes at once.
2. What a consent about all of a partner newly lets pass follows in parts.
"""

from __future__ import annotations

from collections.abc import Callable

from cert_exchange.errors import NotFound
from cert_exchange.node import Node
from cert_exchange.services import partners, retention
from cert_exchange.services.releasing import Releasing
from cert_exchange.services.releasing.orders import in_one_line, reconsider_many
from cert_exchange.stix.references import TERMS_EXTENSION
from cert_exchange.store import consents as consent_rows
from cert_exchange.store import partners as partner_rows
from cert_exchange.store import policies as policy_rows
from cert_exchange.store import terms as rows
from cert_exchange.store.database import Transaction


def locate(node: Node, partner: str, country: str, *, by: str) -> int:
    """Say in which country a partner is; `none` for not known. How many lines were written by it.

    What it may no longer see goes with this. Raises NotFound, ConfigurationInvalid.
    """
    where = None if country.strip().casefold() == "none" else partners.country_of(country)
    return _name_anew(
        node, partner, "partner.locate", by=by, country=where or "",
        change=lambda tx, number: partner_rows.set_country(tx, number, where),
    )  # fmt: skip


def name_anew(node: Node, partner: str, *, by: str) -> int:
    """Decide again what terms and consents are about, because who a partner is changed; how many lines were written.

    Raises NotFound.
    """
    return _name_anew(node, partner, "partner.named", by=by, change=lambda _tx, _number: None)


def _name_anew(
    node: Node,
    partner: str,
    kind: str,
    *,
    by: str,
    change: Callable[[Transaction, int], None],
    country: str | None = None,
) -> int:
    allowing: set[int] = set()

    def work(tx: Transaction) -> int:
        number = policy_rows.partner_ids(tx).get(partner)
        if number is None:
            raise NotFound(f"there is no partner {partner!r}; see `partner list`")

        def order(releasing: Releasing) -> None:
            change(tx, number)
            releasing.reload()
            allowing.update(one[1] for one in releasing.pool.bindings.said.consents)
            idents = rows.idents_about(tx, carrying=TERMS_EXTENSION)
            for one in allowing:
                idents.update(consent_rows.live_idents_of(tx, one))
            audiences = {
                plan.audience.id for plan in releasing.plans if number in plan.audience.members
            }
            reconsider_many(releasing, sorted(idents), audiences=audiences)

        _, releasing = in_one_line(
            tx, node, kind, by, order, partner=partner, country=country or ""
        )
        return releasing.released

    done = node.database.transact(work)
    return done + sum(retention.look_again(node, one, kind=kind, by=by) for one in sorted(allowing))
