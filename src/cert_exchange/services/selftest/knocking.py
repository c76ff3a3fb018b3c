"""From the name of a remote to its TAXII: the steps that every channel there needs.

1. One after the other, each with its own words: what fails first is what has to be mended first.
2. The clock is a step of its own that ends nothing: an exchange works with a wrong clock, and goes wrong later.
"""

from __future__ import annotations

import email.utils
from typing import Any, Final
from urllib.parse import urljoin

from cert_exchange import errors
from cert_exchange.node import Node
from cert_exchange.policy.wording import lasting
from cert_exchange.remote import probing
from cert_exchange.remote.connection import Answer, Connection, cleaned
from cert_exchange.services.beating.alarming import judged_skew
from cert_exchange.services.selftest.steps import Found, Walk

_DAY: Final = 86_400_000_000
_ENDS_SOON: Final = 21 * _DAY
STEPS: Final = ("DNS", "TCP", "TLS", "HTTP", "clock", "TAXII")
_ROOT_STEP: Final = "compare the address of its API root with its people; source look shows what its discovery names"


def knock(walk: Walk, node: Node, connection: Connection) -> int | None:
    """Take the steps of STEPS; how many microseconds its clock is behind ours, None where nobody knows."""
    place = probing.place_of(connection.root, connection.options.proxy)
    seconds = connection.options.connect_seconds
    walk.take("DNS", lambda: _name(place))
    walk.take("TCP", lambda: _port(place, seconds))
    if place.proxy:
        walk.leave(["TLS"], "requests go through a proxy: the first request shows it")
    elif not place.tls:
        said = "it is spoken to in the clear (option insecure): anybody on the way reads along"
        walk.take("TLS", lambda: Found(said, "note", "use https where it is not on this machine"))
    else:
        walk.take("TLS", lambda: _shake(node, place, connection))
    answers: list[Answer] = []
    walk.take("HTTP", lambda: _root(connection, answers))
    if not answers:
        walk.leave(["clock", "TAXII"], f"not asked, since {walk.broken} failed")
        return None
    skew = skew_of(node, answers[0].headers.get("Date", ""))
    walk.take("clock", lambda: about_skew(skew), needed=False)
    walk.take("TAXII", lambda: _taxii(connection, answers[0]))
    return skew


def _name(place: probing.Place) -> Found:
    found = probing.resolve(place)
    shown = ", ".join(found[:4])
    if found == (place.host,):
        return Found(f"the address {shown} stands in our settings: no name is asked")
    return Found(f"{place.host} is {shown}{' (the proxy)' if place.proxy else ''}")


def _port(place: probing.Place, seconds: float) -> Found:
    return Found(f"{probing.reach(place, seconds=seconds)} answers at port {place.port}")


def _shake(node: Node, place: probing.Place, connection: Connection) -> Found:
    found = probing.shake(place, connection, seconds=connection.options.connect_seconds)
    left = found.ends_at - node.now()
    said = (
        f"{found.protocol}; its certificate for {', '.join(found.names)} holds for {lasting(left)}"
    )
    if left < _ENDS_SOON:
        return Found(said, "note", "tell its people that it ends soon")
    return Found(said)


def _root(connection: Connection, answers: list[Answer]) -> Found:
    answer = connection.fetch("GET", connection.root)
    answers.append(answer)
    return Found(f"{answer.status} from {connection.root}; our credential is taken")


def skew_of(node: Node, date: str) -> int | None:
    """How far a `Date` header is behind our clock, in microseconds; None where it is none."""
    try:
        theirs = email.utils.parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    # It has whole seconds: half of one is what it leaves out on average.
    return node.now() - round(theirs * 1_000_000) - 500_000


def about_skew(skew: int | None) -> Found:
    """What two clocks that differ by so much mean."""
    if skew is None:
        return Found("it says no Date: nobody knows its clock", "note", "ask its people for it")
    grade, said, todo = judged_skew(skew)
    return Found(said, grade, todo)


def _taxii(connection: Connection, root: Answer) -> Found:
    document = root.document()
    versions = [one for one in _list(document, "versions") if isinstance(one, str)]
    if versions and not any(
        "version=2.1" in one.replace(" ", "") or one == "taxii-2.1" for one in versions
    ):
        return Found(
            f"its API root speaks {cleaned(', '.join(versions), 100)}, and not TAXII 2.1", "wrong", _ROOT_STEP, "blocked",
        )  # fmt: skip
    if not versions:
        return Found(
            "its answer is JSON, but names no TAXII versions: this may be no API root", "wrong", _ROOT_STEP, "blocked",
        )  # fmt: skip
    size = document.get("max_content_length")
    took = (
        f"takes up to {size:,} bytes a request"
        if isinstance(size, int)
        else "names no largest request"
    )
    try:
        found = connection.fetch("GET", urljoin(connection.root, "/taxii2/")).document()
    except errors.RemoteError as error:
        return Found(f"TAXII 2.1, {took}; its discovery is not shown to us: {error.public}", "note",
                     "nothing depends on it here; others find its API root by it")  # fmt: skip
    named = [*_list(found, "api_roots"), found.get("default")]
    roots = {urljoin(connection.root, one).rstrip("/") for one in named if isinstance(one, str)}
    if connection.root.rstrip("/") not in roots:
        return Found(
            f"TAXII 2.1, {took}; its discovery does not name {connection.root}", "note", _ROOT_STEP
        )
    return Found(f"TAXII 2.1, {took}; its discovery names this API root")


def _list(document: dict[str, Any], name: str) -> list[Any]:
    value = document.get(name)
    return value if isinstance(value, list) else []
