"""A channel renews itself: over the wire, with what it shows now and the signing key that was compared, and not otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update
from tests.conftest import Wall
from tests.scenes import B_IDENTITY, uid
from tests.taxii.conftest import started

from cert_exchange.errors import NotFound, RemoteRefused
from cert_exchange.messages.introductions import read_offer, write_offer
from cert_exchange.messages.keys import make_signing_key
from cert_exchange.node import Node, make_home, open_node
from cert_exchange.remote import peering
from cert_exchange.remote import pki as remote_pki
from cert_exchange.services import collections, introducing, pki, signing
from cert_exchange.services.introducing import renewing
from cert_exchange.services.introducing.cards import words_expected
from cert_exchange.services.introducing.connecting import source_of
from cert_exchange.services.syncing.arranging import connect
from cert_exchange.store import introductions as rows
from cert_exchange.store.tables import certificates, credentials

CARD = {
    "organisation": "CERT",
    "desk": "+372 1",
    "backup": "+372 2",
    "languages": ["et"],
    "hours": "always",
}


@pytest.fixture
def node(either_node: Node) -> Node:
    """One engine: what is looked at here is not SQL's."""
    return either_node


class Channel:
    """A's served node, and B's, which has a channel to it as to `cert-a`; A knows B as `cert-b`."""

    def __init__(self, a: Node, b: Node, port: int) -> None:
        self.a, self.b = a, b
        for node in (a, b):
            introducing.set_our_card(node, CARD, by="tester")
        first = introducing.invite(a, "cert-b", url=f"https://localhost:{port}/api/")
        back = introducing.accept(
            b, "cert-a", first.letter, heard=" ".join(first.words), url="https://localhost:1/api/"
        )
        more = introducing.accept(a, "cert-b", back.letter, heard=" ".join(back.words))
        assert introducing.accept(b, "cert-a", more.letter).ready

    @property
    def theirs(self) -> str:
        """B's offer as A has it."""
        with self.a.database.reading() as tx:
            found = rows.find(tx, "cert-b")
        assert found is not None
        assert found.theirs is not None
        return found.theirs

    def age(self) -> None:
        """B's offer was made two hours ago."""
        offer = read_offer(self.theirs, self.a.now())
        older = write_offer(
            replace(offer, at=offer.at - 2 * renewing.HOUR), self.b.secrets.signing_keys[0]
        )
        self.a.database.transact(lambda tx: rows.note(tx, "cert-b", theirs=older))

    def asks(self, offer: object) -> int:
        """The status that an offer gets over the channel, 200 for an answer."""
        source = source_of(self.b, "cert-a")
        assert source is not None
        try:
            peering.tell(connect(self.b, source), "renew", {"offer": offer})
        except RemoteRefused as refusal:
            return refusal.remote_status
        return 200

    def lets_in(self) -> bool:
        return introducing.check(self.b, "cert-a")[0].right is True

    def secrets(self) -> set[bytes]:
        files = self.b.secret_files
        return {files.read(name) for name in files.names() if name.startswith("remote-pull-")}

    def certificate(self) -> str:
        return pki.listing(self.b).own["to-cert-a"].fingerprint


@pytest.fixture
def channel(node: Node, tmp_path: Path, wall: Wall) -> Iterator[Channel]:
    pki.init(node)
    pki.issue_own(node, "server", hosts=["localhost"])
    with (node.settings.home / "node.yaml").open("a") as file:
        file.write("tls_certificate: secrets/pki/server.pem\ntls_key: secrets/pki/server.pem\n")
        file.write("port: 0\n")
    home = make_home(tmp_path / "node-other", identity=B_IDENTITY, title="CERT B")
    other = open_node(home, clock=wall.clock())
    with started(node.settings.home) as (port, _):
        yield Channel(node, other, port)
    other.close()


def test_a_new_certificate_comes_over_the_channel(channel: Channel) -> None:
    """Once an hour at most; the old one and the credential go on; the new one opens the connection."""
    before, secrets = channel.certificate(), channel.secrets()
    assert channel.lets_in()
    with pytest.raises(RemoteRefused, match="an hour newer"):
        introducing.renew(channel.b, "cert-a")
    assert channel.certificate() == before
    channel.age()
    introducing.renew(channel.b, "cert-a")
    assert channel.certificate() != before
    assert channel.secrets() == secrets
    assert channel.lets_in()
    with channel.a.database.reading() as tx:
        given = tx.execute(
            select(certificates.c.fingerprint).where(certificates.c.purpose == "client")
        ).scalars()
        assert set(given) == {before, channel.certificate()}
    with pytest.raises(NotFound):
        introducing.renew(channel.b, "nobody")


def test_a_credential_that_ends_soon_is_replaced_everywhere(channel: Channel) -> None:
    """Also in the sources that were added with it."""
    introducing.promote(channel.b, "cert-a", reason="agreed", unchecked=True)
    file = channel.b.settings.home / "collections" / "indicators.yaml"
    file.write_text(f"id: {uid('c')}\ntitle: i\nalias: indicators\nread: []\nwrite: []\n")
    collections.load_collections(channel.b)
    introducing.pull(channel.b, "cert-a", "indicators", into="indicators")
    (old,) = channel.secrets()
    soon = channel.a.now() + timedelta(days=10) // timedelta(microseconds=1)
    channel.a.database.transact(lambda tx: tx.execute(update(credentials).values(expires_at=soon)))
    channel.age()
    introducing.renew(channel.b, "cert-a")
    (new,) = channel.secrets()
    assert new != old
    assert channel.lets_in()


def test_only_a_compared_key_renews(channel: Channel) -> None:
    """Not another key, though the connection is right; not an older offer; a rotated key, once it was vouched for."""
    channel.age()
    good = read_offer(channel.theirs, channel.a.now())
    thief = make_signing_key(b"t" * 32, since=0)
    fresh = replace(good, at=channel.a.now())
    assert channel.asks(write_offer(replace(fresh, key=thief.public), thief)) == 400
    ours = channel.b.secrets.signing_keys[0]
    assert channel.asks(write_offer(replace(good, at=good.at - 1), ours)) == 400
    assert channel.asks(write_offer(replace(fresh, at=fresh.at + 2 * renewing.HOUR), ours)) == 400
    assert [channel.asks(wrong) for wrong in (None, "", "a.b.c", "\u00e9", 5)] == [400] * 5
    rotated = signing.rotate(channel.b, by="tester")
    assert channel.asks(write_offer(replace(fresh, key=rotated.public), rotated)) == 400
    with channel.a.database.reading() as tx:
        from cert_exchange.store.partners import find_partner

        partner = find_partner(tx, "cert-b")
    assert partner is not None
    signing.follow(channel.a, partner.id, signing.our_list(channel.b))
    assert channel.asks(write_offer(replace(fresh, key=rotated.public), rotated)) == 200


def test_the_worker_renews_when_it_is_due(
    channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the last part of a certificate's life, by the channel's own source and no other; a refusal is no fault."""
    source = source_of(channel.b, "cert-a")
    assert source is not None
    assert not introducing.renew_due(channel.b, source)
    monkeypatch.setattr(renewing, "RENEW_WITHIN", timedelta(days=400))
    assert not introducing.renew_due(channel.b, replace(source, id=source.id + 1))
    assert not introducing.renew_due(channel.b, source)  # it was made within the hour
    channel.age()
    before = channel.certificate()
    assert introducing.renew_due(channel.b, source)
    assert channel.certificate() != before


def test_partners_know_the_next_authority_before_the_server_changes_over(channel: Channel) -> None:
    """Made beside the old one it is told by a renewal, and only then may the server show what it signed."""

    def believed() -> list[str]:
        raw = (channel.a.settings.home / "trust" / "cert-b.pem").read_bytes()
        return [remote_pki.fingerprint(one) for one in remote_pki.read_bundle(raw, what="it")]

    (old, _), *_ = pki.describe_own(channel.b)
    assert introducing.unaware_of(channel.b, old.fingerprint) == ()
    assert believed() == [old.fingerprint]
    new = pki.init(channel.b, another=True)
    assert introducing.unaware_of(channel.b, new.fingerprint) == ("cert-a",)
    pki.renew_due(channel.b, at_once=True)
    assert pki.listing(channel.b).own["server"].issuer == old.subject
    channel.age()
    introducing.renew(channel.b, "cert-a")
    assert introducing.unaware_of(channel.b, new.fingerprint) == ()
    assert believed() == [old.fingerprint, new.fingerprint]
    assert pki.leaning_on(channel.b, old.fingerprint) == ("our server", "cert-a")
    pki.issue_own(channel.b, "server", hosts=["localhost"])
    assert pki.leaning_on(channel.b, old.fingerprint) == ("cert-a",)
    assert pki.listing(channel.b).own["server"].issuer == new.subject
    channel.age()
    introducing.renew(channel.b, "cert-a")
    assert believed() == [new.fingerprint, old.fingerprint]
    pki.retire(channel.b, old.fingerprint)
    assert introducing.words(channel.b) == words_expected(
        channel.a, "cert-b", introducing.our_card(channel.b)
    )


def test_what_is_believed_is_written_anew(channel: Channel) -> None:
    """A restored home has no file with the partner's authority: the check, and the worker, write it from the offer."""
    file = channel.b.settings.home / "trust" / "cert-a.pem"
    held = file.read_text()
    file.unlink()
    assert channel.lets_in()
    assert file.read_text() == held
    assert introducing.believe_again(channel.b) == 0
