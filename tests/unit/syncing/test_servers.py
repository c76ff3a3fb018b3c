"""What servers of other makers answer and insist on, as their sources show it: our pull and push survive each.

One line per server and habit, on the scripted peer; the servers themselves are tried in `foreign/`. SQL is not the subject.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from tests.neighbour import MEDIA, Asked, Collection, Reply, page
from tests.scenes import B_IDENTITY, Scene, indicator
from tests.unit.syncing.conftest import add_source, add_target, quarantined, received, sync

from cert_exchange.node import Node
from cert_exchange.stix.instants import parse_micros

COUNT = 12
THEIRS = [indicator(f"i{n:02d}", by=B_IDENTITY) for n in range(COUNT)]
NAMES = [one["name"] for one in THEIRS]

Server = Callable[[Collection, Asked], Reply | None]
"""What it does otherwise than a plain collection: None goes on as that."""


def error(status: int, **said: Any) -> Reply:
    return Reply(status, json.dumps(said).encode())


def medallion(remote: Collection, asked: Asked) -> Reply | None:
    """Accept and Content-Type with their version; a POST has a length; `next` is good for one reading and a limit above 0."""
    if "version=2.1" not in asked.headers["accept"] or "*/*" in asked.headers["accept"]:
        return error(406, title="No", description="Media type in the Accept header is invalid")
    if asked.method == "POST" and asked.headers.get("content-type") != MEDIA:
        return error(415, title="No")
    if asked.method == "POST" and "content-length" not in asked.headers:
        return error(400, title="No")
    if int(asked.query.get("limit", "1")) < 1:
        return error(400, title="No")
    token = asked.query.get("next")
    if token is None:
        remote.refuse.clear()  # a new walk has tokens of its own
    elif token in remote.refuse:
        return error(400, title="ProcessingError", description="The next token is not valid")
    else:
        remote.refuse[token] = "read"
    return None


def opentaxii(_remote: Collection, asked: Asked) -> Reply | None:
    """The whole string of a POST's type, a fraction in added_after, `{}` without headers for nothing, errors of its own."""
    if asked.method == "POST" and asked.headers.get("content-type") != MEDIA:
        return error(415, code=415, name="Unsupported Media Type", description="no")
    after = asked.query.get("added_after")
    if after is not None and "." not in after:
        return error(400, code=400, name="validation error", description={"added_after": ["Not."]})
    if after is not None and parse_micros(after) >= parse_micros("2026-06-01T00:00:11.000000Z"):
        return Reply()
    return None


def workbench(remote: Collection, asked: Asked) -> Reply | None:
    """`next` is a number of a page, past the end 404; dates are those of the objects and no timestamps either; POST is 503."""
    if asked.headers["accept"] == "*/*":
        return error(400, title="No")
    if asked.method == "POST":
        return error(503, title="Not implemented")
    if not asked.path.endswith("/objects/"):
        return None
    number, limit = int(asked.query.get("next", "1")), int(asked.query["limit"])
    some = [one for _, one in remote.rows][(number - 1) * limit : number * limit]
    if not some:
        return error(404, title="No page", description="past the end")
    more = number * limit < len(remote.rows)
    return page(
        some, more=more, next=str(number + 1) if more else None,
        first="Mon Jan 05 2026 12:00:00 GMT+0000", last="Sun Jan 04 2026 12:00:00 GMT+0000",
    )  # fmt: skip


def opencti(remote: Collection, asked: Asked) -> Reply | None:
    """Five a page whatever is asked, `next` at the end too, a filter that is coarser than the dates, a root without title."""
    if asked.path == "/root/":
        return Reply(body=json.dumps({"versions": [MEDIA]}).encode())
    if not asked.path.endswith("/objects/") or asked.method != "GET":
        return None
    if "match[version]" in asked.query:
        return error(400, title="only last")
    after = asked.query.get("added_after", "1970-01-01T00:00:00Z")
    after = after.partition(".")[0].rstrip("Z") + "Z"  # whole seconds, and inclusive
    start = int(asked.query.get("next", "0"))
    wanted = [row for row in remote.rows if parse_micros(row[0] or "") >= parse_micros(after)]
    some = wanted[start : start + 5]
    if not some:
        return page([], more=False, next=str(start))
    more = start + 5 < len(wanted)
    return page(
        [row[1] for row in some], more=more, next=str(start + 5), first=some[0][0], last=some[-1][0]
    )


def dated() -> list[tuple[str | None, dict[str, Any]]]:
    return [(f"2026-06-01T00:00:{n:02d}.000000Z", one) for n, one in enumerate(THEIRS)]


@pytest.mark.checklist(65)
@pytest.mark.checklist(67)
@pytest.mark.parametrize("limit", [5, 1000])
@pytest.mark.parametrize(
    "server", [medallion, opentaxii, workbench, opencti], ids=lambda one: one.__name__
)
def test_everything_comes_once_and_what_comes_later_too(
    sqlite_node: Node, neighbour: Any, server: Server, limit: int
) -> None:
    """Three polls of what does not change bring it once; then what is new, also where a person gave a start without fraction."""
    scene = Scene.set_up(sqlite_node)
    remote = Collection(dated())
    remote.before = lambda asked: server(remote, asked)
    peer = neighbour(remote)
    add_source(sqlite_node, peer, limit=limit, start="2026-01-01T00:00:00Z")
    for number in range(3):
        report = sync(sqlite_node)
        assert report.ok, report.outcome
        assert report.fates["new"] == (0 if number else COUNT)
    assert received(scene) == NAMES
    remote.rows.append(("2026-06-01T00:01:00.500000Z", indicator("late", by=B_IDENTITY)))
    report = sync(sqlite_node)
    assert (report.ok, report.fates["new"]) == (True, 1), report.outcome
    assert quarantined(sqlite_node) == []
    for asked in peer.gets():
        assert asked.headers["accept"] == MEDIA
        assert "." in asked.query.get("added_after", ".")


@pytest.mark.checklist(68)
@pytest.mark.parametrize(
    ("server", "fine"),
    [(medallion, True), (opentaxii, True), (workbench, False), (opencti, True)],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_what_is_pushed_is_taken_or_it_is_said_why_not(
    sqlite_node: Node, neighbour: Any, server: Server, *, fine: bool
) -> None:
    """The types that each insists on; a server that takes no objects at all is waiting, and costs none."""
    scene = Scene.set_up(sqlite_node)
    scene.publish(*(indicator(f"ours {n}") for n in range(7)))
    remote = Collection()
    remote.before = lambda asked: server(remote, asked)
    add_target(sqlite_node, neighbour(remote), batch_objects=3)
    report = sync(sqlite_node)
    assert report.ok is fine, report.outcome
    assert quarantined(sqlite_node) == []
    if fine:
        assert report.counts["confirmed"] == report.counts["sent"] == len(scene.ids("b"))
        assert sync(sqlite_node).outcome == "Nothing new to push."
    else:
        assert "503, 'Not implemented'" in report.outcome


@pytest.mark.parametrize("token", ["MjAyNnxpbmRpY2F0b3I=", "a b+c/d&e=f?#%", "7", "é☂"])
def test_next_goes_back_as_it_came(sqlite_node: Node, neighbour: Any, token: str) -> None:
    """OpenTAXII's is base64, Workbench's a number: whatever it is, the server reads what it wrote."""
    Scene.set_up(sqlite_node)

    def server(asked: Asked) -> Reply:
        date = "2026-06-01T00:00:00.000000Z"
        if "next" not in asked.query:
            return page([THEIRS[0]], more=True, next=token, first=date, last=date)
        return page([THEIRS[1]], more=False, first=date, last=date)

    peer = neighbour(server)
    add_source(sqlite_node, peer)
    assert sync(sqlite_node).fates["new"] == 2
    assert peer.gets()[1].query["next"] == token, quote(token)
