"""Attempts at the door: credentials, paths, bodies, and what a partner may say of others' objects."""

from __future__ import annotations

from tests.attack import guards
from tests.attack.attempts import OUTSIDER, PARTNER, attempt
from tests.attack.world import World
from tests.scenes import envelope, indicator
from tests.taxii.conftest import TAXII, objects_path

guards.add(
    "login: secret",
    "a credential's secret is compared on every request",
    {"cert_exchange.services.partners.recognising._reason_against": guards.answers(None)},
)
guards.add(
    "body: limit",
    "a body above max_content_length is refused, while it is read and before it is parsed",
    {
        "cert_exchange.taxii.routes.read_body": guards.Wrapped(
            lambda real: lambda request, _limit: real(request, 1 << 30)
        ),
        "cert_exchange.node.Limits": guards.Wrapped(
            lambda real: lambda **_given: real(body_bytes=1 << 30)
        ),
    },
)


@attempt("wrong secret", guard="login: secret", by=OUTSIDER)
def wrong_secret(world: World) -> bool:
    """The id of a credential is public; its secret is guessed."""
    world.a.scene.publish(indicator("ours"))
    known = world.a.credential("b").token.partition(".")[0]
    guess = world.a.stranger().with_(authorization=f"Bearer {known}.{'x' * 43}")
    return guess.objects().status == 200


@attempt("body above the limit", guard="body: limit", by=PARTNER)
def large_body(world: World) -> bool:
    """A body larger than max_content_length, sent in pieces without a Content-Length."""
    world.a.open(max_content_length=2048)
    body = envelope(indicator("large", description="x" * 4000))
    got = world.a.client("b").ask(
        objects_path(), method="POST", body=[body[:1000], body[1000:]], chunked=True,
        headers={"Content-Type": TAXII},
    )  # fmt: skip
    return got.status == 202
