"""Attempts on the life of credentials, on suspensions, and on who owns a version."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import true
from tests.attack import guards
from tests.attack.attempts import PARTNER, THIEF, attempt
from tests.attack.world import World
from tests.scenes import B_IDENTITY, C_IDENTITY, THIRD_IDENTITY, envelope, indicator
from tests.taxii.conftest import TAXII, Client, objects_path

from cert_exchange.services import partners
from cert_exchange.services.partners import Direction, IssuedSecret, Limits, Reach

RECOGNISING = "cert_exchange.services.partners.recognising"
FAR = "2999-12-31T23:59:59.000Z"

guards.add(
    "suspension: sending",
    "while sending is suspended nothing goes out, and what comes in is taken",
    {
        f"{RECOGNISING}.Caller": guards.Wrapped(
            lambda real: lambda *given: real(*given[:5], False, *given[6:])
        )
    },
)
guards.add(
    "suspension: receiving",
    "while receiving is suspended nothing is taken in, at the door and in the transaction",
    {
        "cert_exchange.taxii.routes._check_receiving": guards.answers(None),
        "cert_exchange.store.partners.Authority": guards.Wrapped(
            lambda real: lambda *given: real(*given[:5])
        ),
    },
)
guards.add(
    "suspension: transaction",
    "what was let in before receiving was suspended is not stored after it",
    {
        "cert_exchange.store.partners.Authority": guards.Wrapped(
            lambda real: lambda *given: real(*given[:5])
        ),
    },
)
guards.add(
    "credential: its networks",
    "a credential that is limited to networks opens nothing from elsewhere",
    {f"{RECOGNISING}.is_within": guards.answers(value=True)},
)
guards.add(
    "credential: its scope",
    "a credential may no more than its scope says",
    {f"{RECOGNISING}.Caller": guards.Wrapped(lambda real: lambda *given: real(*given[:7]))},
)
guards.add(
    "peer face: rights",
    "what a partner handed in is shown again only where the credential that asks may read it",
    {
        "cert_exchange.store.reconciling.seen_with": guards.answers(true()),
        "cert_exchange.store.partner_epochs.seen_with": guards.answers(true()),
    },
)
guards.add(
    "credential: ends when replaced",
    "a replaced credential ends with its overlap",
    {"cert_exchange.store.credential_lives.end_credential": guards.answers(None)},
)
guards.add(
    "versions: none from the future",
    "a relay's version that lies ahead of our clock does not count",
    {"cert_exchange.services.publishing.knowing.AHEAD_MICROS": 10**17},
)
guards.add(
    "versions: the creator goes on",
    "what others brought in the creator's way is taken back when it comes",
    {"cert_exchange.services.publishing.admitting._is_creator": guards.answers(value=False)},
)


def _with(world: World, issued: IssuedSecret) -> Client:
    return Client(world.a.port, f"Bearer {issued.token}")


def _post(client: Client, *objects: dict[str, object]) -> int:
    got = client.post(objects_path(), envelope(*objects))
    return int(got.json["success_count"]) if got.status == 202 else 0


@attempt("polling on while sending is suspended", guard="suspension: sending", by=PARTNER)
def polling_on(world: World) -> bool:
    """The partner that is not to get anything any more asks for the next page, and for everything."""
    world.a.scene.publish(*[indicator(f"i{n}") for n in range(5)])
    client = world.a.client("b")
    page = client.objects({"limit": 2})
    partners.suspend(world.a.node, "b", direction=Direction.SENDING)
    return any(
        client.objects(query).status == 200 for query in ({"limit": 2, "next": page.next}, {})
    )


@attempt("posting on while receiving is suspended", guard="suspension: receiving", by=THIEF)
def posting_on(world: World) -> bool:
    """The stolen credential goes on posting after the duty officer stopped what comes in."""
    client = world.a.client("b")
    partners.suspend(world.a.node, "b", direction=Direction.RECEIVING)
    return _post(client, indicator("late", by=B_IDENTITY)) > 0


@attempt("a body that was begun before", guard="suspension: transaction", by=THIEF)
def begun_before(world: World) -> bool:
    """A POST whose head came before the suspension sends its body after it."""
    import socket

    body = envelope(indicator("late", by=B_IDENTITY))
    token = world.a.credential("b").token
    head = (
        f"POST {objects_path()} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nAccept: {TAXII}\r\n"
        f"Content-Type: {TAXII}\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", world.a.port), timeout=20) as line:
        line.sendall(head.encode())
        assert b" 100 " in line.recv(1_000)  # let in at the door
        partners.suspend(world.a.node, "b", direction=Direction.RECEIVING)
        line.sendall(body)
        return b" 202 " in line.recv(4_000).split(b"\r\n", 1)[0]


@attempt("a stolen secret from elsewhere", guard="credential: its networks", by=THIEF)
def from_elsewhere(world: World) -> bool:
    """The secret is right, but it comes from an address that the credential is not for."""
    issued = partners.issue(
        world.a.node, "b", lifetime=None, limits=Limits(networks=("192.0.2.0/24",))
    )
    return _with(world, issued).objects().status == 200


@attempt("reading beyond a credential's scope", guard="credential: its scope", by=THIEF)
def beyond_the_scope(world: World) -> bool:
    """The poller's stolen credential reads a collection that it is not for, and posts."""
    world.a.scene.publish(indicator("x"), to="reports")
    issued = partners.issue(
        world.a.node, "b", lifetime=None,
        limits=Limits(scope={"indicators": Reach(may_read=True, may_write=False)}),
    )  # fmt: skip
    client = _with(world, issued)
    return (
        client.objects(alias="reports").status == 200
        or _post(client, indicator("y", by=B_IDENTITY)) > 0
    )


def _shown_again(client: Client, stix_id: str) -> bool:
    """Whether the peer face names an object in what it gives back, or in its account of what it holds."""
    asked = ("returned?since=2020-01-01T00:00:00Z", "received")
    return any(stix_id.encode() in client.get(f"/exchange/v1/{one}").raw for one in asked)


@attempt("a sensor's secret reads what its owner handed in", guard="peer face: rights", by=THIEF)
def handed_in_by_the_owner(world: World) -> bool:
    """A credential that may only write into one collection asks back what the partner sent into another."""
    incident = indicator("incident", by=B_IDENTITY)
    world.a.scene.post("b", incident, to="reports")
    issued = partners.issue(
        world.a.node, "b", lifetime=None,
        limits=Limits(scope={"indicators": Reach(may_read=False, may_write=True)}),
    )  # fmt: skip
    return _shown_again(_with(world, issued), incident["id"])


@attempt("reading an inbox that one only writes", guard="peer face: rights", by=PARTNER)
def write_only(world: World) -> bool:
    """Who may hand in and not read asks for it as if it had lost it."""
    incident = indicator("incident", by=B_IDENTITY)
    world.a.scene.post("b", incident, to="reports")
    _change(world, "reports", "read: [", "read: [c] # [")
    return _shown_again(world.a.client("b"), incident["id"])


@attempt("the account while sending is suspended", guard="suspension: sending", by=PARTNER)
def account_while_suspended(world: World) -> bool:
    """The partner that is not to get anything any more asks what we hold of its."""
    world.a.scene.post("b", indicator("x", by=B_IDENTITY))
    client = world.a.client("b")
    partners.suspend(world.a.node, "b", direction=Direction.SENDING)
    return client.get("/exchange/v1/received").status == 200


@attempt("a replaced secret", guard="credential: ends when replaced", by=THIEF)
def replaced_secret(world: World) -> bool:
    """The old secret is used after it was rotated without an overlap."""
    client = world.a.client("b")
    partners.rotate(world.a.node, "b", overlap=timedelta(0))
    return client.objects().status == 200


@attempt("a version from the future", guard="versions: none from the future", by=PARTNER)
def from_the_future(world: World) -> bool:
    """A relay dates another's object far ahead, so that no genuine version ever stands again."""
    node = world.a.node
    partners.amend(node, "b", speaks_for=[B_IDENTITY], relays=(), relays_any=True)
    client = world.a.client("b")
    _post(client, indicator("x", by=THIRD_IDENTITY))
    return (
        _post(client, indicator("x", by=THIRD_IDENTITY, modified=FAR, description="squatted")) > 0
    )


@attempt("revoking for the creator", guard="versions: the creator goes on", by=PARTNER)
def revoking_for_the_creator(world: World) -> bool:
    """A relay revokes another's object; its creator comes, goes on, and must be seen alive in every view."""
    scene, node = world.a.scene, world.a.node
    everything = (
        "partners: [b]\ncollections: [indicators, reports]\nceiling: {tlp: amber, unmarked: green}\n"
        "rules:\n  - name: everything\n    match: {origin: any}\n    allow: true\n"
    )
    scene.apply("b", everything)
    partners.amend(node, "c", speaks_for=[C_IDENTITY], relays=(), relays_any=True)
    relay = world.a.client("c")
    _post(relay, indicator("x", by=THIRD_IDENTITY))
    _post(relay, indicator("x", by=THIRD_IDENTITY, modified=FAR, revoked=True))
    _post(relay, indicator("x", by=THIRD_IDENTITY, version=5, revoked=True))
    partners.add(node, "d", title="CERT D", speaks_for=[THIRD_IDENTITY])
    _grant(world, "d")
    _post(world.a.client("d"), indicator("x", by=THIRD_IDENTITY, version=9, description="alive"))
    alive = [one for one in scene.sees("b") if one["id"] == indicator("x")["id"]]
    return [one.get("revoked", False) for one in alive] != [False]


def _grant(world: World, name: str) -> None:
    _change(world, "*", "write: [", f"write: [{name}, ")


def _change(world: World, alias: str, before: str, after: str) -> None:
    from cert_exchange.services import collections

    directory = world.a.node.settings.home / "collections"
    for file in directory.glob(f"{alias}.yaml"):
        file.write_text(file.read_text().replace(before, after))
    collections.load_collections(world.a.node, directory)
