"""Attempts with credentials: guessed, stolen, old, borrowed, and floods that are to hurt somebody else."""

from __future__ import annotations

from dataclasses import replace
from http.client import HTTPConnection

from sqlalchemy import update
from tests.attack import guards
from tests.attack.attempts import OUTSIDER, PARTNER, THIEF, attempt
from tests.attack.world import Side, World
from tests.scenes import B_IDENTITY, envelope, indicator
from tests.taxii.conftest import ROOT, TAXII, Client, basic, objects_path

from cert_exchange.errors import TooManyRequests
from cert_exchange.services import partners
from cert_exchange.store.tables import partners as partner_table

RECOGNISING = "cert_exchange.services.partners.recognising"


def _with(**changes):
    """The check of a credential that believes these facts, whatever is stored."""

    def make(real):
        def reason(found, *, right, now):
            fits = {name: value for name, value in changes.items() if hasattr(found, name)}
            return real(replace(found, **fits), right=changes.get("right", right), now=now)

        return reason

    return {f"{RECOGNISING}._reason_against": guards.Wrapped(make)}


guards.add("login: secret", "a credential's secret is compared on every request", _with(right=True))
guards.add("login: revoked", "a revoked credential opens nothing", _with(revoked_at=None))
guards.add("login: expired", "an expired credential opens nothing", _with(expires_at=None))
guards.add(
    "login: lock-out",
    "the fifth failure locks a partner out of that network for a time that grows",
    {"cert_exchange.services.partners.lockouts.lock_seconds": guards.answers(0)},
)
guards.add(
    "login: lock-out per network",
    "failures in one network do not lock a partner out of its own",
    {f"{RECOGNISING}.network_of": guards.answers("everywhere")},
)


def _matched_first(real):
    async def answer(self, request, noted):
        from cert_exchange.taxii.routes import match

        match(request.segments)
        return await real(self, request, noted)

    return answer


guards.add(
    "login: before the path",
    "nothing is looked up for a request before its credential is valid",
    {"cert_exchange.taxii.routes.Taxii.answer": guards.Wrapped(_matched_first)},
)


def _talkative(real):
    def refused(error, noted):
        error.public = f"{error.public} {error.detail}"
        return real(error, noted)

    return refused


guards.add(
    "answers: fixed words",
    "why a login failed is for our log alone",
    {"cert_exchange.http.application.refused": guards.Wrapped(_talkative)},
)
guards.add(
    "rate: per partner",
    "a partner has a share of requests a minute",
    {"cert_exchange.taxii.access.Shares.take": guards.answers(None)},
)


def _one_for_all(real):
    def take(self, caller, now):
        real(self, replace(caller, partner=0), now)

    return take


guards.add(
    "rate: own bucket",
    "one partner's flood is charged to nobody else",
    {"cert_exchange.taxii.access.Shares.take": guards.Wrapped(_one_for_all)},
)


def _believes_proxies(real):
    def configured(*given, **more):
        config = real(*given, **more)
        config.proxy_headers, config.forwarded_allow_ips = True, "*"
        return config

    return configured


guards.add(
    "address: from the socket",
    "X-Forwarded-For of a stranger changes nothing",
    {"cert_exchange.http.serving.configured": guards.Wrapped(_believes_proxies)},
)


def _from(side: Side, address: str, authorization: str, **fields: str) -> int:
    """The status of one request from another of this machine's addresses."""
    connection = HTTPConnection("127.0.0.1", side.port, timeout=10, source_address=(address, 0))
    try:
        headers = {"Authorization": authorization, "Accept": TAXII, **fields}
        connection.request("GET", f"{ROOT}collections/", headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def _share(side: Side, partner: str, requests: int) -> None:
    number = side.scene.partner(partner)
    side.node.database.transact(
        lambda tx: tx.execute(
            update(partner_table)
            .where(partner_table.c.id == number)
            .values(requests_per_minute=requests)
        )
    )


def _guess(side: Side, partner: str, secret: str = "x" * 43) -> str:
    return f"Bearer {side.credential(partner).token.partition('.')[0]}.{secret}"


@attempt("wrong secret", guard="login: secret", by=OUTSIDER)
def wrong_secret(world: World) -> bool:
    """The id of a credential is public; its secret is guessed."""
    world.a.scene.publish(indicator("ours"))
    guess = world.a.stranger().with_(authorization=_guess(world.a, "b"))
    return guess.objects().status == 200


@attempt("another's secret", guard="login: secret", by=PARTNER)
def anothers_secret(world: World) -> bool:
    """Partner c's own secret under partner b's credential id."""
    secret = world.a.credential("c").token.partition(".")[2]
    name = world.a.credential("b").token.partition(".")[0]
    return world.a.stranger().with_(authorization=basic(name, secret)).objects().status == 200


@attempt("revoked credential", guard="login: revoked", by=THIEF)
def revoked(world: World) -> bool:
    """A stolen credential after its partner said so."""
    client = world.a.client("b")
    partners.revoke(world.a.node, world.a.credential("b").token.partition(".")[0])
    return client.objects().status == 200


@attempt("expired credential", guard="login: expired", by=THIEF)
def expired(world: World) -> bool:
    """A credential from an old backup of the partner's."""
    from datetime import timedelta

    old = partners.issue(world.a.node, "b", lifetime=timedelta(hours=1))
    world.wall.forward(timedelta(hours=2))
    return Client(world.a.port, f"Bearer {old.token}").objects().status == 200


@attempt("guessing on", guard="login: lock-out", by=OUTSIDER)
def guessing(world: World) -> bool:
    """Twenty guesses of one credential's secret in a row: each is looked at."""
    client = world.a.stranger().with_(authorization=_guess(world.a, "b"))
    return [client.objects().status for _ in range(20)] == [401] * 20


@attempt("silencing a partner", guard="login: lock-out per network", by=OUTSIDER)
def silencing(world: World) -> bool:
    """Wrong guesses from elsewhere, so that the partner itself is locked out."""
    wrong = _guess(world.a, "b")
    for _ in range(10):
        _from(world.a, "127.7.7.7", wrong)
    return _from(world.a, "127.0.0.1", f"Bearer {world.a.credential('b').token}") != 200


@attempt("forged address", guard="address: from the socket", by=OUTSIDER)
def forged_address(world: World) -> bool:
    """X-Forwarded-For gives each guess a network of its own, so that none is locked."""
    wrong = _guess(world.a, "b")
    answers = [
        _from(world.a, "127.0.0.1", wrong, **{"X-Forwarded-For": f"203.0.{n}.1"}) for n in range(20)
    ]
    return answers == [401] * 20


@attempt("mapping the paths", guard="login: before the path", by=OUTSIDER)
def mapping(world: World) -> bool:
    """A stranger learns from the answers which resources there are."""
    stranger = world.a.stranger()
    there = stranger.get(objects_path()).status
    return there != stranger.get(f"{ROOT}nothing/of/the/kind/").status


@attempt("telling credentials apart", guard="answers: fixed words", by=OUTSIDER)
def telling_apart(world: World) -> bool:
    """A stranger learns from the answers which credential ids exist."""
    known = world.a.stranger().with_(authorization=_guess(world.a, "b")).objects()
    unknown = world.a.stranger().with_(authorization=f"Bearer aaaabbbbcccc.{'x' * 43}").objects()
    differ = [
        {name: value for name, value in one.json.items() if name != "error_id"}
        for one in (known, unknown)
    ]
    return differ[0] != differ[1] or known.status != unknown.status


@attempt("flood of requests", guard="rate: per partner", by=PARTNER)
def flood(world: World) -> bool:
    """More requests than the partner's share."""
    _share(world.a, "b", 10)
    client = world.a.client("b")
    return [client.get("/taxii2/").status for _ in range(30)] == [200] * 30


@attempt("flood that hurts another", guard="rate: own bucket", by=PARTNER)
def flood_hurts(world: World) -> bool:
    """Partner b uses up its share, and partner c is told to wait."""
    for name in ("b", "c"):
        _share(world.a, name, 10)
    loud, other = world.a.client("b"), world.a.client("c")
    for _ in range(20):
        loud.get("/taxii2/")
    return other.get("/taxii2/").status == TooManyRequests.status


guards.add(
    "intake: bytes an hour",
    "a partner sends a bounded number of bytes an hour",
    {"cert_exchange.taxii.allowance.Allowance.check": guards.answers(None)},
)


@attempt("filling the disk", guard="intake: bytes an hour", by=THIEF)
def filling(world: World) -> bool:
    """Large bodies one after the other, within the share of requests."""
    world.a.open(megabytes_per_hour=1)
    client = world.a.client("b")
    taken = [
        client.post(
            objects_path(), envelope(indicator(f"l{n}", by=B_IDENTITY, description="x" * 600_000))
        )
        for n in range(4)
    ]
    return [one.status for one in taken] == [202] * 4
