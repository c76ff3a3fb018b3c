"""Attempts on requests between desks: who reads them, and whose word counts."""

from __future__ import annotations

from tests.attack import guards
from tests.attack.attempts import PARTNER, attempt
from tests.attack.world import World
from tests.scenes import C_IDENTITY, TLP, envelope, uid
from tests.taxii.conftest import objects_path

from cert_exchange.messages.requests import Kind, State, Statement, write_statement
from cert_exchange.services import requesting

guards.add(
    "requests: to whom",
    "a request goes to the desk that it is for, whatever the policies of others allow",
    {
        "cert_exchange.services.requesting.delivering.SharingTerms": guards.Wrapped(
            lambda real: lambda only_to=(), **given: real(**given)
        )
    },
)
guards.add(
    "requests: whose word",
    "only the two desks of a request have a word in it",
    {"cert_exchange.services.requesting.threads.may_speak": guards.answers(value=True)},
)


def _asked(world: World) -> str:
    """A asks B; the request's id."""
    return requesting.send(
        world.a.node, Kind.TAKEDOWN, "b", text="Host 192.0.2.7", collection="indicators", by="desk"
    ).stix_id


@attempt("reading what another desk is asked", guard="requests: to whom", by=PARTNER)
def reading_a_request(world: World) -> bool:
    """C polls for what A asks B: its policy shares all that is A's own."""
    asked = _asked(world)
    return asked in world.a.client("c").objects().ids


@attempt("answering in another desk's place", guard="requests: whose word", by=PARTNER)
def answering_for_another(world: World) -> bool:
    """C, who got hold of the request's id, says that it is done, so that A waits no more."""
    asked = _asked(world)
    said = write_statement(
        Statement(State.DONE, "Done.", (asked,)), stix_id=f"note--{uid('forged')}",
        creator=C_IDENTITY, marking=TLP["green"], now=world.a.node.now(),
    )  # fmt: skip
    world.a.client("c").post(objects_path(), envelope(said))
    return requesting.find(world.a.node, asked).settled
