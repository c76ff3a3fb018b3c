"""Attempts on signed delivery: forged, altered and replayed statements and receipts, and keys of others."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode, urlsafe_b64decode
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy import select
from tests.attack import guards
from tests.attack.attempts import OUTSIDER, PARTNER, THIEF, attempt
from tests.attack.world import World
from tests.foreign.test_compared_ledgers import connect, copied, in_its_place
from tests.scenes import Scene, indicator, uid
from tests.taxii.conftest import Got
from tests.unit.syncing.peers import Relay, altered, public_key, relaying

from cert_exchange.errors import SignatureBroken
from cert_exchange.messages.deliveries import Way, delivery_commitment
from cert_exchange.messages.key_lists import write_list
from cert_exchange.messages.keys import make_signing_key
from cert_exchange.messages.signatures import canonical, sign
from cert_exchange.services import deliveries, freezing, releasing, signing, syncing
from cert_exchange.stix.canonical import sameness_digest
from cert_exchange.store import deliveries as rows
from cert_exchange.store.tables import identifiers, objects

CHECKING = "cert_exchange.services.deliveries.checking"
VOUCHING = "cert_exchange.services.syncing.vouching"
STRANGER = make_signing_key(bytes(range(32)), since=0)
BAD = "[ipv4-addr:value = '203.0.113.66']"


def _unverified(real):
    """A verification that reads whatever there is."""

    def verify(text, keys, now):
        from cert_exchange.messages.signatures import Verified, key_named_in

        middle = text.split(".")[1]
        payload = urlsafe_b64decode(middle + "=" * (-len(middle) % 4))
        return Verified(key_named_in(text), payload, json.loads(payload))

    return verify


guards.add(
    "signature: verified",
    "a statement is read only after its signature verified with a pinned key",
    {f"{CHECKING}.verify": guards.Wrapped(_unverified)},
)
guards.add(
    "signature: root",
    "the commitments beside a statement are those that were signed",
    {f"{CHECKING}.over": guards.answers(type("Any", (bytes,), {"__ne__": lambda *_: False})())},
)
guards.add(
    "signature: content",
    "an object is taken for signed only where it fits its commitment",
    {f"{CHECKING}.Opened.fits": guards.answers(True)},
)
guards.add(
    "signature: required",
    "with `statements: require` nothing comes in that its partner did not sign",
    {f"{VOUCHING}.UNSIGNED": None},
)
guards.add(
    "signature: receipts verified",
    "a receipt counts only where a pinned key of that partner signed it",
    {"cert_exchange.services.deliveries.receipting.verify": guards.Wrapped(_unverified)},
)
guards.add(
    "signature: receipt of its statement",
    "a receipt speaks of exactly the objects of the statement that it names",
    {"cert_exchange.services.deliveries.receipting._is_of": lambda *_: True},
)


def _ended_counts(real):
    def keys_of(tx, partner):
        return tuple(replace(key, until=None) for key in real(tx, partner))

    return keys_of


guards.add(
    "statements: one history",
    "a statement counts only where it goes on from the one before",
    {f"{CHECKING}._check_next": guards.answers(None)},
)
guards.add(
    "statements: none forgotten",
    "who lacks what it signed and announces no restore is refused until a person settles it",
    {f"{VOUCHING}.check_lacks": guards.answers(None)},
)
guards.add(
    "signature: ended key",
    "a key that a person ended verifies nothing and vouches for nothing",
    {"cert_exchange.store.partner_keys.keys_of": guards.Wrapped(_ended_counts)},
)


def _trusting_list(real):
    def read_list(document, identities, pinned, now):
        from cert_exchange.messages.key_lists import Vouched, _keys
        from cert_exchange.messages.signatures import Verified

        text = document["signed"][0]
        verified: Verified = _unverified(None)(text, (), now)
        return Vouched(_keys(verified.content, set(identities)), verified.kid)

    return read_list


guards.add(
    "signature: keys vouched for",
    "a partner's new key counts only where a pinned one vouches for it",
    {"cert_exchange.services.signing.read_list": guards.Wrapped(_trusting_list)},
)


@contextmanager
def _relay(world: World, **options: Any):
    """B pulls from A through somebody who sits on the line; each has pinned the other's key."""
    signing.pin(world.a.node, "b", public_key(world.b.node), by="x")
    signing.pin(world.b.node, "a", public_key(world.a.node), by="x")
    with relaying(world.a.port) as relay:
        secret = world.folder / "secret"
        secret.write_text(world.a.credential("b").token)
        syncing.add_source(
            world.b.node, "from-a", partner="a", url=relay.url, remote_collection="indicators",
            collection="indicators", secret=secret,
            options={
                "insecure": True, "auth": "bearer", "server": "cert-exchange", "read_seconds": 5.0,
                **options,
            },
        )  # fmt: skip
        yield relay


def _holds(scene: Scene, stix_id: str) -> bool:
    with scene.node.database.reading() as tx:
        found = tx.execute(
            select(objects.c.id)
            .join(identifiers, identifiers.c.num == objects.c.ident)
            .where(identifiers.c.stix_id == stix_id, objects.c.origin == scene.partner("a"))
        )
        return found.first() is not None


def _alters(relay: Relay) -> None:
    def change(page: Any) -> None:
        for one in page.get("objects", []):
            if one["type"] == "indicator":
                one["pattern"] = BAD

    relay.answers["objects"] = altered(change)


@attempt("altered on the line", guard="signature: content", by=OUTSIDER)
def altered_on_the_line(world: World) -> bool:
    """Who sits on the line changes a pattern; the ids and the statement stay."""
    world.a.scene.publish(indicator("x"))
    with _relay(world) as relay:
        _alters(relay)
        world.b.syncs("from-a")
    return _holds(world.b.scene, indicator("x")["id"])


@attempt("put in between", guard="signature: required", by=OUTSIDER)
def put_in_between(world: World) -> bool:
    """Who sits on the line adds an object that A never sent."""
    world.a.scene.publish(indicator("x"))
    with _relay(world, statements="require") as relay:
        relay.answers["objects"] = altered(lambda page: page["objects"].append(indicator("added")))
        world.b.syncs("from-a")
    return _holds(world.b.scene, indicator("added")["id"])


@attempt("statement signed by a stranger", guard="signature: verified", by=OUTSIDER)
def signed_by_a_stranger(world: World) -> bool:
    """Who sits on the line signs A's statement anew, with a key of his own under A's key's name."""
    world.a.scene.publish(indicator("x"))
    with _relay(world) as relay:

        def forge(document: Any) -> None:
            header, payload, _ = document["statement"].split(".")
            _, _, other = sign(canonical({"kind": "x"}), STRANGER).split(".")
            document["statement"] = f"{header}.{payload}.{other}"

        relay.answers["statements"] = altered(forge)
        world.b.syncs("from-a")
    return _holds(world.b.scene, indicator("x")["id"])


@attempt("other commitments beside a true statement", guard="signature: root", by=OUTSIDER)
def other_commitments(world: World) -> bool:
    """The statement stays, the commitments beside it are made anew for an altered object."""
    world.a.scene.publish(indicator("x"))
    forged = {**indicator("x"), "pattern": BAD}
    with _relay(world) as relay:
        _alters(relay)

        def refit(document: Any) -> None:
            if "leaves" not in document:
                return  # the long form, which it is asked for where something does not fit
            salt, content = bytes(15) + b"1", sameness_digest(forged)
            leaves = b64decode(document["leaves"])
            forged_leaf = delivery_commitment(salt, content)
            document["leaves"] = b64encode(leaves[:-32] + forged_leaf).decode()
            document["salts"] = b64encode(b64decode(document["salts"])[:-16] + salt).decode()

        relay.answers["statements"] = altered(refit)
        world.b.syncs("from-a")
    return _holds(world.b.scene, forged["id"])


@attempt("a thief's key after the old one was ended", guard="signature: ended key", by=THIEF)
def ended_key(world: World) -> bool:
    """Who stole A's signing key goes on signing with it after B's people ended it."""
    world.a.scene.publish(indicator("x"))
    with _relay(world):
        stolen = world.a.node.secrets.signing_keys[0]
        signing.end(world.b.node, "a", stolen.kid, by="x")
        world.b.syncs("from-a")
    return _holds(world.b.scene, indicator("x")["id"])


@attempt("a key that vouches for itself", guard="signature: keys vouched for", by=THIEF)
def self_vouching(world: World) -> bool:
    """Who stole A's credential and sits in its place offers a key of his own, vouched for by itself alone."""
    signing.pin(world.b.node, "a", public_key(world.a.node), by="x")
    identity = world.a.node.identity
    document = write_list(identity, [STRANGER], now=world.b.node.now())
    try:
        keys = signing.follow(world.b.node, world.b.scene.partner("a"), document)
    except SignatureBroken:
        return False
    return any(key.kid == STRANGER.kid for key in keys)


def _receipted(world: World, receipt: str) -> bool:
    """Whether A takes a receipt that is handed over with b's credential."""
    got = world.a.client("b").post(
        "/exchange/v1/receipts", {"receipt": receipt}, media="application/json"
    )
    with world.a.node.database.reading() as tx:
        return got.status == 200 and rows.listing(tx)[0].receipt is not None


def _stated(world: World) -> deliveries.Told:
    scene = world.a.scene
    signing.pin(world.a.node, "b", public_key(world.b.node), by="x")
    scene.publish(indicator("x"), indicator("y"))
    span = deliveries.Span(
        scene.partner("b"), scene.collection("indicators"), "u", Way.SERVED, "u", after=0
    )
    told = deliveries.tell_next(world.a.node, span, None)
    assert told is not None
    return told


def _receipt_of(world: World, told: deliveries.Told, count: int) -> dict[str, Any]:
    return {
        "kind": "cert-exchange receipt 1",
        "from": world.b.node.identity,
        "to": [world.a.node.identity],
        "way": "served",
        "stream": "u",
        "seq": 1,
        "statement": told.row.digest.hex(),
        "previous": bytes(32).hex(),
        "outcomes": [[count, "received"]],
        "reasons": [],
        "at": world.a.node.now(),
        "ledger": [0, bytes(32).hex()],
    }


@attempt("a receipt without the key", guard="signature: receipts verified", by=THIEF)
def receipt_without_the_key(world: World) -> bool:
    """Who stole b's credential, but not its signing key, receipts what b never got."""
    told = _stated(world)
    content = _receipt_of(world, told, len(told.row.leaves) // 32)
    header = sign(canonical({"kind": "x"}), world.b.node.secrets.signing_keys[0]).split(".")[0]
    _, payload, signature = sign(canonical(content), STRANGER).split(".")
    return _receipted(world, f"{header}.{payload}.{signature}")


@attempt(
    "a receipt for less than was signed", guard="signature: receipt of its statement", by=PARTNER
)
def receipt_for_less(world: World) -> bool:
    """A partner receipts one object of a statement of several, so that it looks whole."""
    told = _stated(world)
    content = _receipt_of(world, told, 1)
    key = world.b.node.secrets.signing_keys[0]
    return _receipted(world, sign(canonical(content), key))


guards.add(
    "statements: frozen",
    "while what goes out is frozen, the peer face names nothing either",
    {
        "cert_exchange.services.deliveries.answering._check_frozen": guards.answers(None),
    },
)
guards.add(
    "statements: rights",
    "a collection that a partner may not read has no statements for it",
    {"cert_exchange.services.deliveries.answering._check_read": guards.answers(None)},
)


@attempt("statements while frozen", guard="statements: frozen", by=PARTNER)
def statements_while_frozen(world: World) -> bool:
    """A partner whose channel is frozen learns ids from statements in place of pages."""
    world.a.scene.publish(indicator("x"))
    freezing.freeze(world.a.node, "b", by="x", reason="x")
    _asks(world)
    return indicator("x")["id"] in _asks(world, again=1, named=True).raw.decode()


@attempt("ids of what was taken back", guard="statements: only in force", by=PARTNER)
def ids_of_what_was_taken_back(world: World) -> bool:
    """A partner that has a statement, but never fetched its objects, asks for the ids after one was withdrawn."""
    world.a.scene.publish(indicator("x"), indicator("never"))
    assert _asks(world).status == 200
    releasing.withdraw(world.a.node, indicator("never")["id"], by="x", reason="x")
    return indicator("never")["id"] in _asks(world, again=1, named=True).raw.decode()


def _asks(world: World, **more: Any) -> Got:
    question = {"collection": "indicators", **more}
    return world.a.client("b").post("/exchange/v1/statements", question, media="application/json")


def _from_the_log(real):
    """What a statement would list that reads the release log in place of what is in force."""

    def lines(tx, view, *, after, upto, partner):
        from cert_exchange.store.delivered import Listed
        from cert_exchange.store.tables import release_log

        found = tx.execute(
            select(
                identifiers.c.stix_id, objects.c.version, objects.c.sameness, release_log.c.salt
            )
            .join(objects, objects.c.id == release_log.c.object)
            .join(identifiers, identifiers.c.num == objects.c.ident)
            .where(release_log.c.view == view, release_log.c.kind == "release")
            .order_by(release_log.c.position)
        )  # fmt: skip
        return [Listed(row[0], row[1], bytes(row[2]), bytes(row[3]), is_last=True) for row in found]

    return lines


guards.add(
    "statements: only in force",
    "a statement lists what is in force, never what was taken back",
    {"cert_exchange.store.delivered.lines": guards.Wrapped(_from_the_log)},
)


@attempt("statements of a write-only collection", guard="statements: rights", by=PARTNER)
def statements_of_a_write_only_collection(world: World) -> bool:
    """A partner that may only write into a collection asks for statements of what others see there."""
    world.a.scene.publish(indicator("x"))
    folder = world.a.node.settings.home / "collections"
    file = folder / "indicators.yaml"
    file.write_text(file.read_text().replace("read: [b, c]", "read: [c]"))
    from cert_exchange.services import collections

    collections.load_collections(world.a.node, folder)
    _asks(world)
    return indicator("x")["id"] in _asks(world, again=1, named=True).raw.decode()


def _goes_on_as_a_copy(world: World, *, says_its_own: bool) -> bool:
    """B has two statements of A's; a copy of A from between them takes A's place, with a key that is A's."""
    connect(world, world.b, world.a)
    world.a.scene.publish(indicator("x"))
    assert world.b.syncs("from-a").ok
    with copied(world, world.a, "copy") as copy:
        world.a.scene.publish(indicator("y"))
        assert world.b.syncs("from-a").ok
        scene = Scene(copy)
        scene.publish(indicator("z"))
        if says_its_own:
            stream = uid("collection indicators")
            with copy.database.reading() as tx:
                (first,) = rows.listing(tx, ours=True)
            has = {stream: [first.seq, first.digest.hex()]}
            asked = {"collection": "indicators", "has": has, "after": 0}
            assert deliveries.answer_statement(copy, scene.caller("b"), asked)["statement"]
            scene.publish(indicator("more"))
        with in_its_place(world, copy):
            world.b.syncs("from-a")
    return _holds(world.b.scene, indicator("more" if says_its_own else "z")["id"])


@attempt("a second history of statements", guard="statements: one history", by=PARTNER)
def second_history(world: World) -> bool:
    """A partner told two others under the same numbers, and goes on from the one that we were not told."""
    return _goes_on_as_a_copy(world, says_its_own=True)


@attempt("statements that were never made", guard="statements: none forgotten", by=PARTNER)
def forgotten_statements(world: World) -> bool:
    """A partner forgets what it signed, announces no restore, and goes on without signatures."""
    return _goes_on_as_a_copy(world, says_its_own=False)
