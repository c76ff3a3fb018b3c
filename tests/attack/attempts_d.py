"""Attempts on what stands beside TAXII: feeds for defenders' tools, digests of a comparison, the self-test."""

from __future__ import annotations

from http.client import HTTPConnection
from typing import Any

from tests.attack import guards
from tests.attack.attempts import OUTSIDER, PARTNER, THIEF, attempt
from tests.attack.world import World
from tests.scenes import B_IDENTITY, indicator

from cert_exchange.services import feeding
from cert_exchange.services.feeding import Format, choose

OPENING = "cert_exchange.services.feeding.opening"
COMPARED = "cert_exchange.services.drift.answering"
SELFTEST = "cert_exchange.services.selftest.answering"


def _believing(**facts: Any) -> dict[str, Any]:
    """The check of a feed's credential that believes this, whatever is stored."""

    def make(real: Any) -> Any:
        return lambda whose, **given: real(whose, **{**given, **facts})

    return {f"{OPENING}.reason_against": guards.Wrapped(make)}


guards.add(
    "feed: secret", "the secret of a feed is compared on every request", _believing(right=True)
)
guards.add("feed: revoked", "a revoked credential opens no feed", _believing(revoked_at=None))
guards.add(
    "feed: lock-out",
    "the fifth failure locks a network out of a feed for a time that grows",
    {"cert_exchange.services.partners.lockouts.lock_seconds": guards.answers(0)},
)
guards.add(
    "feed: network",
    "a feed's credential works only from where it may come",
    {f"{OPENING}.is_within": guards.answers(True)},
)
guards.add(
    "compared: pause",
    "who had digests made waits longer than that took before the next",
    {f"{COMPARED}._PAUSE": -1_000_000},
)
guards.add(
    "selftest: number",
    "at most a hundred objects are tried at a time",
    {f"{SELFTEST}.MOST": 1_000},
)


def _credential(world: World, **more: Any) -> tuple[str, str]:
    """Id and secret of a feed with one value in it."""
    world.a.scene.publish(indicator("x"))
    feeding.add(world.a.node, "names", choose(Format.LIST), by="x")
    made = feeding.issue(world.a.node, "names", by="x", **more)
    number, _, secret = made.token.partition(".")
    return number, secret


def _shown(world: World, token: str) -> bool:
    """Whether somebody with this gets the feed's value."""
    connection = HTTPConnection("127.0.0.1", world.a.port, timeout=10)
    try:
        connection.request("GET", "/feeds/names", headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        return b"198.51.100.7" in answer.read() and answer.status == 200
    finally:
        connection.close()


@attempt("feed with a wrong secret", guard="feed: secret", by=OUTSIDER)
def feed_with_a_wrong_secret(world: World) -> bool:
    """Who saw the id of a feed's credential in a log guesses the rest."""
    number, secret = _credential(world)
    return _shown(world, f"{number}.{secret[::-1]}")


@attempt("feed with a revoked credential", guard="feed: revoked", by=THIEF)
def feed_with_a_revoked_credential(world: World) -> bool:
    """A tool was stolen, and its credential revoked."""
    number, secret = _credential(world)
    feeding.revoke(world.a.node, number, by="x")
    return _shown(world, f"{number}.{secret}")


@attempt("feed by many guesses", guard="feed: lock-out", by=OUTSIDER)
def feed_by_many_guesses(world: World) -> bool:
    """Guess on: whether the right secret, at last, is let in."""
    number, secret = _credential(world)
    assert not any(_shown(world, f"{number}.{secret[:-1]}{last}") for last in "!#$%&*")
    return _shown(world, f"{number}.{secret}")


@attempt("feed from elsewhere", guard="feed: network", by=THIEF)
def feed_from_elsewhere(world: World) -> bool:
    """A firewall's credential is used from another network than the firewall's."""
    number, secret = _credential(world, networks=["192.0.2.0/24"])
    return _shown(world, f"{number}.{secret}")


@attempt("digests without end", guard="compared: pause", by=PARTNER)
def digests_without_end(world: World) -> bool:
    """A partner has digests of all that it handed in made again and again."""
    world.a.scene.post("b", indicator("x", by=B_IDENTITY))
    client = world.a.client("b")
    asked = {"collection": "indicators", "of": "received"}
    answers = [client.get("/exchange/v1/compared", asked).status for _ in range(3)]
    return answers == [200, 200, 200]


@attempt("self-test as a validator", guard="selftest: number", by=PARTNER)
def selftest_as_a_validator(world: World) -> bool:
    """A partner has thousands of objects validated, which costs it nothing and is kept nowhere."""
    objects = [{"type": "indicator", "id": str(number)} for number in range(101)]
    return world.a.client("b").post("/exchange/v1/selftest", {"objects": objects}).status == 200
