"""Attempts by who has a right credential: on others' objects, on what is hidden, and on where things go."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

from tests.attack import guards
from tests.attack.attempts import PARTNER, THIEF, attempt
from tests.attack.world import Side, World
from tests.scenes import (
    ALLOW_ALL,
    B_IDENTITY,
    C_IDENTITY,
    OWN_IDENTITY,
    THIRD_IDENTITY,
    TLP,
    address,
    envelope,
    identity,
    indicator,
    malware,
    report,
    uid,
)
from tests.taxii.conftest import ROOT, Got, objects_path

from cert_exchange.policy.rules import Allow

ADMITTING = "cert_exchange.services.publishing.admitting"
ROUTES = "cert_exchange.taxii.routes"
DECIDE = "cert_exchange.policy.decide"


def _sent(side: Side, partner: str, *objects, to: str = "indicators") -> Got:
    return side.client(partner).post(objects_path(to), envelope(*objects))


def _counted(got: Got) -> int:
    return int(got.json["success_count"]) if got.status == 202 else 0


def _held(side: Side, stix_id: str) -> list[str]:
    """The versions of an object that count here."""
    from cert_exchange.store import versions
    from cert_exchange.store.objects import idents_of
    from cert_exchange.store.tables import ObjectStatus

    with side.node.database.reading() as tx:
        ident = idents_of(tx, [stix_id]).get(stix_id, 0)
        return [
            one.version
            for one in versions.versions(tx, [ident])
            if one.status == ObjectStatus.ACCEPTED.value
        ]


guards.add(
    "owner: speaks for",
    "who may not speak for a creator brings nothing in its name",
    {f"{ADMITTING}.may_bring": guards.answers(value=True)},
)
guards.add(
    "owner: continues",
    "a new version of an object comes from its creator",
    {
        f"{ADMITTING}._continues": guards.answers(value=True),
        f"{ADMITTING}.may_bring": guards.answers(value=True),
    },
)
guards.add(
    "owner: identities",
    "an identity that somebody speaks for is brought by nobody else",
    {
        f"{ADMITTING}.may_bring_identity": guards.answers(value=True),
        f"{ADMITTING}._continues": guards.answers(value=True),
    },
)


@attempt("overwriting ours", guard="owner: continues", by=THIEF)
def overwriting_ours(world: World) -> bool:
    """A newer version of our own indicator, with our creator in it."""
    world.a.scene.publish(indicator("ours"))
    _sent(world.a, "b", indicator("ours", version=5, description="harmless"))
    return len(_held(world.a, indicator("ours")["id"])) > 1


@attempt("revoking ours", guard="owner: continues", by=THIEF)
def revoking_ours(world: World) -> bool:
    """A last version of our indicator that says revoked, so that everybody stops using it."""
    world.a.scene.publish(indicator("ours"))
    _sent(world.a, "b", indicator("ours", version=5, revoked=True))
    return len(_held(world.a, indicator("ours")["id"])) > 1


@attempt("overwriting another partner's", guard="owner: continues", by=PARTNER)
def overwriting_others(world: World) -> bool:
    """Partner b sends a newer version of what partner c sent."""
    _sent(world.a, "c", indicator("theirs", by=C_IDENTITY))
    _sent(world.a, "b", indicator("theirs", by=C_IDENTITY, version=3, description="harmless"))
    return len(_held(world.a, indicator("theirs")["id"])) > 1


@attempt("in our name", guard="owner: speaks for", by=PARTNER)
def in_our_name(world: World) -> bool:
    """A new object that says we made it."""
    return _counted(_sent(world.a, "b", indicator("new", by=OWN_IDENTITY))) == 1


@attempt("in another partner's name", guard="owner: speaks for", by=PARTNER)
def in_others_name(world: World) -> bool:
    """A new object that says partner c made it."""
    _sent(world.a, "b", indicator("new", by=C_IDENTITY))
    return bool(_held(world.a, indicator("new")["id"]))


@attempt("in a third party's name", guard="owner: speaks for", by=PARTNER)
def in_third_name(world: World) -> bool:
    """A new object of a creator that the partner was never named a relay for."""
    _sent(world.a, "b", indicator("new", by=THIRD_IDENTITY))
    return bool(_held(world.a, indicator("new")["id"]))


@attempt("another content under one key", guard="owner: continues", by=PARTNER)
def other_content(world: World) -> bool:
    """The id and version of our object with other content: two truths under one key."""
    world.a.scene.publish(indicator("ours"))
    _sent(world.a, "b", indicator("ours", by=B_IDENTITY, version=1, description="other"))
    return len(_held(world.a, indicator("ours")["id"])) > 1


@attempt("renaming us", guard="owner: identities", by=PARTNER)
def renaming_us(world: World) -> bool:
    """An identity object under our own id, made by the partner."""
    before = _held(world.a, OWN_IDENTITY)
    _sent(world.a, "b", identity(OWN_IDENTITY, "CERT of the attacker", by=B_IDENTITY, version=5))
    return _held(world.a, OWN_IDENTITY) != before


@attempt("renaming another partner", guard="owner: identities", by=PARTNER)
def renaming_other(world: World) -> bool:
    """The identity of partner c, made by partner b."""
    _sent(world.a, "b", identity(C_IDENTITY, "not C", by=B_IDENTITY))
    return bool(_held(world.a, C_IDENTITY))


def _anyones(real):
    def withdraw(node, caller, collection, stix_id, **more):
        from sqlalchemy import select

        from cert_exchange.store.objects import idents_of
        from cert_exchange.store.tables import objects

        with node.database.reading() as tx:
            ident = idents_of(tx, [stix_id]).get(stix_id, 0)
            origin = tx.execute(
                select(objects.c.origin).where(objects.c.ident == ident)
            ).scalar_one()
        return real(node, replace(caller, partner=origin), collection, stix_id, **more)

    return withdraw


guards.add(
    "delete: own submissions",
    "a DELETE takes back only what its sender submitted",
    {"cert_exchange.services.releasing.withdraw_submitted": guards.Wrapped(_anyones)},
)


@attempt("deleting ours", guard="delete: own submissions", by=THIEF)
def deleting_ours(world: World) -> bool:
    """DELETE of an object that our desk published."""
    world.a.scene.publish(indicator("ours"))
    world.a.client("b").delete(objects_path("indicators", indicator("ours")["id"]))
    return not world.a.client("c").objects({"match[type]": "indicator"}).objects


@attempt("deleting another partner's", guard="delete: own submissions", by=THIEF)
def deleting_others(world: World) -> bool:
    """DELETE of what partner c submitted."""
    _sent(world.a, "c", indicator("theirs", by=C_IDENTITY))
    got = world.a.client("b").delete(objects_path("indicators", indicator("theirs")["id"]))
    return got.status == 200


def _everything_allowed(real):
    def find(*given):
        grant = real(*given)
        return None if grant is None else replace(grant, can_read=True, can_write=True)

    return find


guards.add(
    "rights: of a collection",
    "reading and writing are granted apart, per partner and collection",
    {"cert_exchange.store.rights.find": guards.Wrapped(_everything_allowed)},
)


def _rights(world: World, alias: str, *, read: str, write: str) -> None:
    from cert_exchange.services import collections

    folder = world.a.node.settings.home / "collections"
    (folder / f"{alias}.yaml").write_text(
        f"id: {uid('collection ' + alias)}\ntitle: {alias}\nalias: {alias}\n"
        f"read: [{read}]\nwrite: [{write}]\n"
    )
    collections.load_collections(world.a.node, folder)


@attempt("writing where it may only read", guard="rights: of a collection", by=PARTNER)
def writing(world: World) -> bool:
    """POST to a collection that the partner may only read."""
    _rights(world, "indicators", read="b, c", write="c")
    return _counted(_sent(world.a, "b", indicator("x", by=B_IDENTITY))) == 1


@attempt("reading where it may only write", guard="rights: of a collection", by=PARTNER)
def reading(world: World) -> bool:
    """GET of a collection that the partner may only write."""
    _rights(world, "indicators", read="c", write="b")
    return world.a.client("b").objects().status == 200


def _of_anybody(real):
    def find(conn, wanted, *, partner, since):
        del partner
        return next(
            (found for n in range(1, 9) if (found := real(conn, wanted, partner=n, since=since))),
            None,
        )

    return find


guards.add(
    "status: own submissions",
    "only its submitter reads a status",
    {"cert_exchange.store.submissions.find": guards.Wrapped(_of_anybody)},
)


@attempt("another's status", guard="status: own submissions", by=PARTNER)
def anothers_status(world: World) -> bool:
    """The status of partner c's submission names what c sent."""
    status = _sent(world.a, "c", indicator("theirs", by=C_IDENTITY)).json["id"]
    return world.a.client("b").get(f"{ROOT}status/{status}/").status == 200


guards.add(
    "next: bound to its reader",
    "a `next` is worth nothing to another partner or in another collection",
    {"cert_exchange.services.cursors.Scope.packed": guards.answers(b"")},
)
guards.add(
    "next: signed",
    "a `next` that we did not make is refused",
    {"cert_exchange.services.cursors._digest": guards.answers(bytes(16))},
)


@attempt("another's next", guard="next: bound to its reader", by=PARTNER)
def anothers_next(world: World) -> bool:
    """Partner b goes on from partner c's `next`."""
    world.a.scene.publish(*(indicator(f"n{number}") for number in range(4)))
    token = world.a.client("c").objects({"limit": 1}).next
    return world.a.client("b").objects({"limit": 1, "next": token}).status == 200


@attempt("forged next", guard="next: signed", by=PARTNER)
def forged_next(world: World) -> bool:
    """A `next` with the position of one's choice and no signature of ours."""
    from cert_exchange.services.cursors import Cursor, Scope, sign
    from cert_exchange.store.pages import Filters

    world.a.scene.publish(*(indicator(f"n{number}") for number in range(4)))
    name = world.a.node.secrets.token_key_id
    wrong = SimpleNamespace(token_key_id=name, token_keys={name: bytes(32)})
    scene = world.a.scene
    scope = Scope(scene.partner("b"), scene.collection("indicators"), scene.view("b"), 1)
    token = sign(wrong, scope, Cursor(1, 1, Filters()))
    return world.a.client("b").objects({"limit": 1, "next": token}).status == 200


guards.add(
    "policy: decides",
    "what no policy allows is not released",
    {
        "cert_exchange.services.releasing.judging.decide": guards.answers(Allow("none", "off")),
    },
)


@attempt("reading what is above the ceiling", guard="policy: decides", by=PARTNER)
def above_ceiling(world: World) -> bool:
    """TLP:RED is asked for by its id."""
    world.a.scene.publish(indicator("red", tlp="red"))
    got = world.a.client("b").get(objects_path("indicators", indicator("red")["id"]))
    return got.status == 200 and bool(got.objects)


@attempt("getting back what another sent", guard="policy: decides", by=PARTNER)
def sending_back(world: World) -> bool:
    """What partner c sent as TLP:AMBER reaches partner b."""
    _sent(world.a, "c", indicator("theirs", by=C_IDENTITY, tlp="amber"))
    return bool(world.a.client("b").objects({"match[type]": "indicator"}).objects)


@attempt("pulling hidden objects by reference", guard="policy: decides", by=PARTNER)
def by_reference(world: World) -> bool:
    """A report of the partner's own that names a hidden object of ours, so that it is carried along."""
    world.a.scene.publish(malware("secret", tlp="red"))
    _sent(world.a, "b", report("bait", [malware("secret")["id"]], by=B_IDENTITY), to="reports")
    pages = [world.a.client("b").objects(alias=alias) for alias in ("indicators", "reports")]
    return malware("secret")["id"] in [one for page in pages for one in page.ids]


def _as_told(real):
    """What a sender is told depends on what we hold, not on what it may see."""

    def rule_on(item, version_key, known, sender, identities, *, collection, seen):
        del seen
        everything = {one.id for one in known}
        return real(
            item, version_key, known, sender, identities, collection=collection, seen=everything
        )

    return rule_on


guards.add(
    "answers: only what it may see",
    "an answer to a POST depends only on what its sender may see",
    {"cert_exchange.services.publishing.taking_in.rule_on": guards.Wrapped(_as_told)},
)


@attempt("asking for hidden ids by POST", guard="answers: only what it may see", by=PARTNER)
def asking_by_post(world: World) -> bool:
    """Objects under guessed ids: the answers differ where we hold something hidden."""
    world.a.scene.publish(indicator("hidden", tlp="red"))
    answers = []
    for name in ("hidden", "unknown"):
        got = _sent(world.a, "b", indicator(name, by=B_IDENTITY, version=2))
        answers.append((got.json["success_count"], got.json["failure_count"]))
    return answers[0] != answers[1]


guards.add(
    "observables: our copy is last",
    "a partner's copy of an observable never stands in the place of ours",
    {
        "cert_exchange.services.releasing.arranging.last_of": lambda versions: max(
            versions, key=lambda one: one.version_key
        )
    },
)
OF_ALL = """\
  - name: of others
    match: {origin: b}
    allow: true
"""


@attempt("replacing an observable", guard="observables: our copy is last", by=PARTNER)
def replacing_observable(world: World) -> bool:
    """The partner's copy of an address that we published, with other properties, in a third party's eyes."""
    world.a.scene.apply("c", ALLOW_ALL.format(partner="c") + OF_ALL)
    world.a.scene.publish(address("198.51.100.7"))
    _sent(world.a, "b", address("198.51.100.7", defanged=True))
    shown = world.a.client("c").objects({"match[type]": "ipv4-addr"}).objects
    return any(one.get("defanged") for one in shown)


guards.add(
    "markings: fixed content",
    "a TLP definition has the content that the standard fixes",
    {"cert_exchange.stix.rules.check_marking_definition": guards.answers(None)},
)


@attempt("TLP:RED that says CLEAR", guard="markings: fixed content", by=PARTNER)
def red_says_clear(world: World) -> bool:
    """The id of TLP:RED with the words of TLP:CLEAR."""
    forged = {
        "type": "marking-definition", "spec_version": "2.1", "id": TLP["red"],
        "created": "2022-10-01T00:00:00.000Z", "name": "TLP:CLEAR",
        "extensions": {
            "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d": {
                "extension_type": "property-extension", "tlp_2_0": "clear",
            }
        },
    }  # fmt: skip
    return _counted(_sent(world.a, "b", forged)) == 1


def _obeys_all(_real):
    def obey(intake, item, ident):
        from cert_exchange.messages.notices import Notice, read
        from cert_exchange.store import objects, versions

        said = read(item.content)
        if isinstance(said, Notice):
            named = {intake.nums[one] for one in said.subjects} - {ident}
            ids = [one.id for one in versions.versions(intake.tx, sorted(named))]
            objects.take_back(
                intake.tx, ids, collection=None, by=intake.sender.origin, at=intake.now
            )
            intake.changed.update(dict.fromkeys(sorted(named)))

    return obey


guards.add(
    "notices: own objects",
    "a notice ends nothing but what its sender brought",
    {"cert_exchange.services.publishing.taking_in.obey": guards.Wrapped(_obeys_all)},
)


@attempt("notice about ours", guard="notices: own objects", by=THIEF)
def notice_about_ours(world: World) -> bool:
    """A notice of withdrawal that names our objects, so that nobody gets them any more."""
    from cert_exchange.messages import notices

    world.a.scene.publish(indicator("ours"))
    now = world.wall.read()
    about = notices.notice_of([indicator("ours")["id"]], notices.Reason.MISTAKE, now=now)
    stix_id = f"note--{uid('notice')}"
    _sent(world.a, "b", notices.write_notice(about, stix_id=stix_id, creator=B_IDENTITY, now=now))
    return not world.a.client("c").objects({"match[type]": "indicator"}).objects


@attempt("object larger than the limit", guard="objects: limit", by=PARTNER)
def large_object(world: World) -> bool:
    """One object of 3 MiB, which every poll and every desk would carry from then on."""
    return (
        _counted(
            _sent(world.a, "b", indicator("large", by=B_IDENTITY, description="x" * 3_000_000))
        )
        == 1
    )


guards.add(
    "objects: limit",
    "an object has at most 1 MiB",
    {
        "cert_exchange.node.Limits": guards.Wrapped(
            lambda real: lambda **given: real(**given, object_bytes=1 << 30)
        )
    },
)


ATTACKED = "203.0.113.9"
SCREEN = """\
lists: [lists/keep-out.txt]
listed: {keep-out: hold}
"""
guards.add(
    "intake: screen",
    "what is listed is held at the way in, whoever sent it",
    {
        "cert_exchange.services.publishing.taking_in.screened": lambda _intake, _ident, _item, ruling: (
            ruling
        )
    },
)


@attempt("turning sensors against us", guard="intake: screen", by=THIEF)
def our_own_address(world: World) -> bool:
    """An indicator against our own address, which every sensor that trusts the channel would block."""
    from cert_exchange.services import screening

    folder = world.a.node.settings.home / "policies"
    (folder / "lists").mkdir(exist_ok=True)
    (folder / "lists" / "keep-out.txt").write_text(f"{ATTACKED}\n")
    found = screening.check(world.a.node, SCREEN, file="intake.yaml", folder=folder)
    screening.apply(world.a.node, found, by="anna", reason="ours")
    world.a.scene.apply("c", ALLOW_ALL.format(partner="c") + OF_ALL)
    item = indicator("ours", by=B_IDENTITY, pattern=f"[ipv4-addr:value = '{ATTACKED}']")
    _sent(world.a, "b", item)
    return item["id"] in world.a.client("c").objects().ids
