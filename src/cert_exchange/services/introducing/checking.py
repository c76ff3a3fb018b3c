"""The self-check of a channel: every question that two administrators would ask each other, asked by the machine.

1. It looks from here to there: that the server is theirs, that we are let in, that they take us for us, that a test of
   ours can be read, that theirs arrives. Both sides run it; `promote` asks for one without a `no`.
2. What it sends is one object that is marked TEST, about a name that nobody can register (RFC 2606).
3. A question that could not be asked is a `no`; one whose answer depends on the other side's next step is `not yet`.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid5

from cert_exchange import errors
from cert_exchange.errors import CertExchangeError, NotFound, SignatureBroken
from cert_exchange.messages.contact_cards import Card
from cert_exchange.messages.evidence import Line
from cert_exchange.messages.introductions import read_offer
from cert_exchange.messages.signatures import verify
from cert_exchange.node import Node
from cert_exchange.policy.sharing_terms import EXTENSION, SharingTerms, as_extension
from cert_exchange.remote import peering
from cert_exchange.remote.connection import Connection
from cert_exchange.services import publishing, recalling, signing, syncing
from cert_exchange.services.beating.alarming import judged_skew
from cert_exchange.services.introducing import answering, proving
from cert_exchange.services.introducing.cards import fetch_card, our_card
from cert_exchange.services.introducing.connecting import believe_again, source_name
from cert_exchange.services.introducing.inviting import our_offer
from cert_exchange.services.ledger import record
from cert_exchange.services.recalling import Has
from cert_exchange.services.selftest.knocking import skew_of
from cert_exchange.services.syncing.arranging import connect
from cert_exchange.stix.instants import format_micros
from cert_exchange.store import channels, partner_keys
from cert_exchange.store import introductions as rows
from cert_exchange.store import partners as partner_rows
from cert_exchange.store.channels import Channel
from cert_exchange.store.database import Transaction

_GREEN: Final = "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"
_NAMES: Final = UUID("c0a9a6e0-6d1f-4f0e-9a51-5f0e6a0b7b11")
_HOUR: Final = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Checked:
    """One question. `right` None: not yet, the other side has to do its part first."""

    question: str
    right: bool | None
    said: str


def check(node: Node, name: str, *, by: str = "administrator") -> tuple[Checked, ...]:
    """Check the channel to a partner from here; what is found is remembered for `promote`.

    Raises NotFound where there is no channel that was set up, StoreError.
    """
    found = our_offer(node, name)
    if found.opened_at is None or found.theirs is None:
        raise NotFound(
            f"The channel to {name} is not set up yet: accept their letter, send them the one that is written, and"
            " accept what they send back."
        )
    with node.database.reading() as tx:
        partner = partner_rows.find_partner(tx, name)
        sources = channels.channels(tx, only=source_name(name))
    if partner is None or not sources:
        raise NotFound(
            f"There is no source {source_name(name)} any more; accept their letter again."
        )
    collection = read_offer(found.theirs, node.now()).collection
    begun = found.accepted_at or found.offered_at
    believe_again(node)
    looked = _Look(node, name, partner.id, sources[0], collection, begun)
    done = tuple(looked.every())
    wrong = sum(one.right is not True for one in done)
    now = node.now()

    def work(tx: Transaction) -> None:
        rows.note(tx, name, checked_at=now, wrong=wrong)
        failed = [one.question for one in done if one.right is not True]
        facts: dict[str, str | int | list[str]] = {"partner": name, "wrong": wrong}
        if failed:
            facts["failed"] = failed
        record(tx, Line("introduction.check", now, by, facts=facts))

    node.database.transact(work)
    return done


class _Look:
    """The questions, in their order; the later ones need the earlier ones."""

    def __init__(
        self, node: Node, name: str, partner: int, source: Channel, collection: str, begun: int
    ) -> None:
        self._node = node
        self._name = name
        self._partner = partner
        self._source = source
        self._collection = collection
        self._begun = begun

    def every(self) -> Iterator[Checked]:
        """Ask; a server that does not answer ends it."""
        try:
            connection = connect(self._node, self._source)
            answer = connection.fetch("GET", connection.root)
        except CertExchangeError as error:
            yield Checked("their server is theirs, and lets us in", right=False, said=error.public)
            return
        yield Checked("their server is theirs, and lets us in", right=True, said=connection.root)
        yield self._clock(answer.headers.get("Date", ""))
        for question, ask in (
            ("they sign with the key that was compared", self._keys),
            ("their contact card is as we hold it", self._card),
            ("they take us for us", self._peer),
            ("their TEST collection is open to us", self._collections),
        ):
            yield _asked(question, lambda ask=ask: ask(connection))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        yield _asked("a test of ours is shown to them", self._publish)
        yield _asked("their tests arrive here", self._pull)
        yield _asked("they fetched a test of ours", self._fetched)

    def _clock(self, date: str) -> Checked:
        question = "their clock and ours agree"
        skew = skew_of(self._node, date)
        if skew is None:
            return Checked(question, right=False, said="their server says no Date")
        grade, said, _ = judged_skew(skew)
        return Checked(question, right=grade == "ok", said=said)

    def _keys(self, connection: Connection) -> tuple[bool | None, str]:
        document = peering.ask(connection, "keys")
        if document is None:
            return False, "their node does not show its keys"
        known = signing.follow(self._node, self._partner, document)
        now = self._node.now()
        return True, ", ".join(key.kid for key in known if key.holds_at(now))

    def _card(self, connection: Connection) -> tuple[bool | None, str]:
        card = fetch_card(self._node, connection, self._partner)
        with self._node.database.reading() as tx:
            held = rows.cards(tx).get(self._name)
        if card is None or held is None:
            return False, "their node shows no contact card"
        if card.encoded().decode() != held.card:
            return False, (
                "it says something else now: call the number that we hold, then"
                f" `cert-exchange partner verify {self._name}`"
            )
        return True, f"desk {card.desk}; {card.hours}"

    def _peer(self, connection: Connection) -> tuple[bool | None, str]:
        nonce = secrets.token_hex(16)
        document = peering.tell(connection, "check", {"nonce": nonce})
        if document is None:
            return False, "their node knows no self-check"
        now = self._node.now()
        with self._node.database.reading() as tx:
            keys = partner_keys.keys_of(tx, self._partner)
            identities = partner_rows.authority(tx, self._partner).speaks_for
        signed = document.get("signed")
        if not isinstance(signed, str):
            raise SignatureBroken("their answer is not signed.")
        content = verify(signed, keys, now).of_kind(answering.KIND)
        if content.get("nonce") != nonce or content.get("of") not in identities:
            raise SignatureBroken("their answer is not to our question.")
        card = our_card(self._node)
        troubles = [
            words
            for fits, words in (
                (self._node.identity in _list(content, "identities"), "they do not take us for our identity"),
                (self._node.secrets.signing_keys[0].kid in _list(content, "keys"), "our newest signing key is not pinned there"),
                (card is not None and content.get("card") == card.digest, "they hold another contact card of ours"),
                (content.get("certificate") is True, "they let us in without a certificate"),
                (content.get("governed") is True, "no policy of theirs names us"),
            )
            if not fits
        ]  # fmt: skip
        stage = "live" if content.get("stage") == "live" else "in stage test"
        return not troubles, "; ".join([*troubles, f"we are {stage} there"])

    def _collections(self, connection: Connection) -> tuple[bool | None, str]:
        url = f"{connection.root}collections/{self._collection}/"
        found = connection.fetch("GET", url).document()
        can = [word for word in ("can_read", "can_write") if found.get(word) is True]
        return len(can) == 2, ", ".join(can) or "we may neither read nor write it"

    def _publish(self) -> tuple[bool | None, str]:
        node = self._node
        now = node.now()
        stix_id = self._test_id()
        content = {
            "type": "indicator",
            "spec_version": "2.1",
            "id": stix_id,
            "created": format_micros(self._begun),
            "modified": format_micros(now),
            "created_by_ref": node.identity,
            "name": "TEST of a channel: please ignore",
            "labels": ["test"],
            "pattern": f"[domain-name:value = 'test-{secrets.token_hex(4)}.invalid']",
            "pattern_type": "stix",
            "valid_from": format_micros(now),
            "valid_until": format_micros(now + _HOUR),
            "object_marking_refs": [_GREEN],
            "extensions": {EXTENSION: as_extension(SharingTerms(test=True))},
        }
        # For this partner alone: others in stage test have tests of their own.
        held = publishing.publish(
            node, json.dumps(content).encode(), collection=proving.ground(node), by="node",
            terms=SharingTerms(only_to=(frozenset({self._name}),)),
        )  # fmt: skip
        (outcome,) = held.outcomes
        if not outcome.success:
            return False, outcome.message
        shown = [
            one
            for one in recalling.fetched(node, stix_id)
            if one.partner == self._name and one.until is None
        ]
        if not shown:
            return False, f"our policy for {self._name} shows it nothing that is marked TEST"
        return True, stix_id

    def _pull(self) -> tuple[bool | None, str]:
        (report,) = syncing.sync_once(self._node, only=self._source.name)
        if not report.ok:
            return False, report.outcome
        with self._node.database.reading() as tx:
            held = channels.reload(tx, self._source).counters.get("total", {}).get("received", 0)
        if not held:
            return None, "nothing came yet: they run the same check, then we once more"
        return True, f"{held} so far"

    def _fetched(self) -> tuple[bool | None, str]:
        holders = recalling.fetched(self._node, self._test_id(), partner=self._name)
        if any(one.has is Has.FETCHED for one in holders):
            return True, "they did"
        return None, "not yet: their worker does so within a minute, then we check once more"

    def _test_id(self) -> str:
        return f"indicator--{uuid5(_NAMES, f'{self._node.identity} {self._name} {self._begun}')}"


def _asked(question: str, ask: Callable[[], tuple[bool | None, str]]) -> Checked:
    try:
        right, said = ask()
    except (
        errors.RemoteError,
        errors.EvidenceBroken,
        errors.InputRefused,
        errors.AccessRefused,
    ) as error:
        return Checked(question, right=False, said=error.public)
    except errors.ConfigurationInvalid as error:
        return Checked(question, right=False, said=error.public)
    return Checked(question, right=right, said=said)


def _list(content: Any, name: str) -> list[Any]:
    value = content.get(name)
    return value if isinstance(value, list) else []


def card_from(node: Node, name: str) -> Card | None:
    """A partner's card as its node shows it now, over the channel; None where there is no channel or no card.

    Raises errors.Remote*, SignatureBroken.
    """
    with node.database.reading() as tx:
        partner = partner_rows.find_partner(tx, name)
        sources = channels.channels(tx, only=source_name(name))
    if partner is None or not sources:
        return None
    return fetch_card(node, connect(node, sources[0]), partner.id)
