"""Bodies: what is an envelope, what one object does to the others, what it costs, and that nothing is fetched."""

from __future__ import annotations

import json
import socket
import tomllib
from typing import Any

import pytest
from tests.counting import calls_made
from tests.unit.stix.samples import ADDRESS, SAMPLES, indicator

from cert_exchange import errors
from cert_exchange.errors import BodyTooLarge, CertExchangeError, EnvelopeInvalid, NotJson
from cert_exchange.stix.canonical import Limits
from cert_exchange.stix.envelopes import Batch, examine

LIMITS = Limits()
UUID = "11111111-1111-4111-8111-111111111111"
EXPECTED = tomllib.loads((SAMPLES / "hostile" / "expected.toml").read_text())


def batch(value: Any) -> Batch:
    return examine(json.dumps(value).encode(), limits=LIMITS)


@pytest.mark.checklist(53)
@pytest.mark.parametrize(
    "value",
    [
        {"objects": [indicator()]},
        {"objects": [indicator()], "more": False, "x_own": 1},
        {"type": "bundle", "id": f"bundle--{UUID}", "objects": [indicator()]},
        {
            "type": "bundle",
            "id": f"bundle--{UUID}",
            "spec_version": "2.0",
            "objects": [indicator()],
        },
        [indicator()],
        indicator(),
    ],
)
def test_forms_of_a_body(value: Any) -> None:
    """Envelope, bundle (also one that says 2.0 around objects of 2.1), list, single object."""
    (examined,) = batch(value).items
    assert (examined.index, examined.id, examined.refusal) == (0, indicator()["id"], None)
    assert examined.item is not None
    assert examined.version == examined.item.version


@pytest.mark.checklist(53)
@pytest.mark.parametrize(
    "value",
    [
        {},
        {"objects": []},
        {"objects": {}},
        {"objects": None},
        [],
        5,
        "x",
        None,
        True,
        {"more": True},
        {"type": "bundle"},
        {"type": "bundle", "objects": {}},
    ],
)
def test_what_is_no_envelope(value: Any) -> None:
    """JSON that holds no objects is refused as a whole, in words that say what to send."""
    with pytest.raises(EnvelopeInvalid, match="object"):
        batch(value)


@pytest.mark.case("T27")
def test_a_bundle_inside_is_one_failure() -> None:
    """A bundle among the objects is refused alone; a bare bundle is an envelope."""
    inner = {"type": "bundle", "id": f"bundle--{UUID}", "objects": [indicator()]}
    good, bad = batch({"objects": [ADDRESS, inner]}).items
    assert good.item is not None
    assert bad.id == inner["id"]
    assert bad.refusal is not None
    assert "bundle" in bad.refusal
    assert batch(inner).items[0].item is not None


@pytest.mark.checklist(54)
@pytest.mark.case("H05")
@pytest.mark.case("H20")
def test_one_bad_object_spoils_nothing() -> None:
    """A hundred good ones around one bad one are taken, each in its place."""
    good = [indicator(id=f"indicator--11111111-1111-4111-8111-{n:012d}") for n in range(100)]
    bad = indicator(labels=[])
    items = batch({"objects": [*good[:50], bad, *good[50:]]}).items
    assert [examined.index for examined in items] == list(range(101))
    assert [examined.index for examined in items if examined.item is None] == [50]
    assert items[50].raw is not None
    assert json.loads(items[50].raw) == bad


@pytest.mark.checklist(55)
@pytest.mark.parametrize(
    ("content", "stix_id", "version"),
    [
        ({}, "unknown--0", None),
        ({"id": 5}, "unknown--0", None),
        ({"id": ""}, "unknown--0", None),
        ({"id": "a\nb"}, "unknown--0", None),
        ({"id": "x" * 400}, "unknown--0", None),
        ("text", "unknown--0", None),
        (
            {"id": "nonsense", "modified": "2024-05-06T07:08:09Z"},
            "nonsense",
            "2024-05-06T07:08:09Z",
        ),
        ({"id": "nonsense", "modified": "soon"}, "nonsense", None),
    ],
)
def test_failures_have_a_name(content: Any, stix_id: str, version: str | None) -> None:
    """A refused object keeps its id and version where it has usable ones, else it is counted."""
    examined, _ = batch({"objects": [content, {}]}).items
    assert (examined.id, examined.version) == (stix_id, version)
    assert examined.item is None
    assert examined.refusal


@pytest.mark.checklist(53)
def test_objects_that_are_none_at_all() -> None:
    """A list without a single JSON object is no envelope."""
    with pytest.raises(EnvelopeInvalid):
        batch({"objects": ["text", 1, None]})


@pytest.mark.case("O20")
def test_one_version_with_two_contents() -> None:
    """The same id and version with other content: both are refused; a double is fine, another version too."""
    one, other = indicator(), indicator(name="Other")
    # The same instant, spelt otherwise.
    third = indicator(name="Third", modified="2024-05-06T07:08:09.123000Z")
    later = indicator(modified="2024-05-06T07:08:10.000Z")
    refused = batch({"objects": [one, ADDRESS, other, third, later, one]}).items
    assert [examined.item is None for examined in refused] == [True, False, True, True, False, True]
    assert all("more than once" in (examined.refusal or "more than once") for examined in refused)
    assert all(examined.item for examined in batch({"objects": [one, one, later]}).items)


@pytest.mark.case("O20")
def test_an_observable_may_change() -> None:
    """A cyber-observable has no version, so other content under its id is no contradiction."""
    one, other = {**ADDRESS, "x_seen": 1}, {**ADDRESS, "x_seen": 2}
    assert all(examined.item for examined in batch({"objects": [one, other]}).items)


@pytest.mark.parametrize("name", sorted(EXPECTED), ids=str)
def test_hostile_files(name: str) -> None:
    """Each hostile file is refused for its own fault, and takes down nothing beside it."""
    wanted = EXPECTED[name]
    raw = (SAMPLES / "hostile" / name).read_bytes()
    if wanted["where"] == "body":
        with pytest.raises(CertExchangeError) as refused:
            examine(raw, limits=LIMITS)
        assert type(refused.value) is getattr(errors, wanted["error"])
        assert wanted["says"] in refused.value.public
        return
    items = examine(raw, limits=LIMITS).items
    bad = items[::2] if wanted["where"] == "both" else items[-1:]
    assert all(wanted["says"] in (examined.refusal or "") for examined in bad)
    assert all(examined.item is not None for examined in items if examined not in bad)


def test_every_hostile_file_has_its_reason() -> None:
    """No file of the folder is left out."""
    here = {path.name for path in (SAMPLES / "hostile").iterdir()} - {"expected.toml"}
    assert here == set(EXPECTED)


def test_limits_of_a_body() -> None:
    """Size, number of objects and depth are bounded; the answer names the limit."""
    with pytest.raises(BodyTooLarge, match="at most 100"):
        examine(b" " * 101, limits=Limits(body_bytes=100))
    with pytest.raises(EnvelopeInvalid, match="at most 2"):
        examine(json.dumps([ADDRESS] * 3).encode(), limits=Limits(objects=2))
    with pytest.raises(NotJson, match="deeper"):
        examine(b'{"objects":[' + b"[" * 70 + b"]" * 70 + b"]}", limits=LIMITS)


@pytest.mark.case("H16")
def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    """References, addresses, schemas and patterns in content never open a connection."""

    def no_network(*_: object, **__: object) -> None:
        raise AssertionError("the door opened a socket")

    # A real listener too: what the Rust parts did would pass by Python's socket module.
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/x"
    monkeypatch.setattr(socket, "socket", no_network)
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    monkeypatch.setattr(socket, "create_connection", no_network)
    content = [
        indicator(
            external_references=[{"source_name": "x", "url": url}],
            extensions={
                f"extension-definition--{UUID}": {
                    "extension_type": "property-extension",
                    "$ref": url,
                }
            },
        ),
        indicator(**{"$ref": url, "$schema": url}),
        {"type": "url", "id": f"url--{UUID}", "value": url},
        {
            "type": "extension-definition",
            "spec_version": "2.1",
            "id": f"extension-definition--{UUID}",
            "created_by_ref": f"identity--{UUID}",
            "created": "2024-05-06T07:08:09.123Z",
            "modified": "2024-05-06T07:08:09.123Z",
            "name": "x",
            "schema": url,
            "version": "1",
            "extension_types": ["new-sdo"],
        },
    ]
    for value in content:
        batch(value)
    with pytest.raises(NotJson):
        examine(f'<!DOCTYPE x [<!ENTITY e SYSTEM "{url}">]><x>&e;</x>'.encode(), limits=LIMITS)
    with listener, pytest.raises(BlockingIOError):
        listener.accept()


def traffic(number: int) -> dict[str, Any]:
    return {
        "type": "network-traffic",
        "id": f"network-traffic--11111111-1111-4111-8111-{number:012d}",
        "protocols": ["ipv4", "tcp", "http"],
        "src_ref": ADDRESS["id"],
        "extensions": {
            "http-request-ext": {
                "request_method": "get",
                "request_value": "/download.html",
                "request_header": {"Accept": ["text/html"], "Host": ["example.com"]},
            },
            "socket-ext": {"address_family": "AF_INET", "socket_type": "SOCK_STREAM"},
        },
    }


@pytest.mark.case("H01")
@pytest.mark.parametrize(
    "spoil", [{}, {"protocols": []}, {"extensions": {"socket-ext": {}}}, {"src_ref": "0"}]
)
def test_cost_grows_linearly(spoil: dict[str, Any]) -> None:
    """Two thousand network-traffic objects cost about ten times as much as two hundred, valid or not."""

    def cost(count: int) -> int:
        raw = json.dumps({"objects": [{**traffic(n), **spoil} for n in range(count)]}).encode()
        return calls_made(lambda: examine(raw, limits=LIMITS))

    cost(200)  # what is compiled or cached once
    assert cost(2_000) < 11 * cost(200)
