"""The query string: limit, added_after, match fields; what is malformed, repeated, unknown."""

from __future__ import annotations

import time
from urllib.parse import quote

import pytest
from structlog.testing import capture_logs
from tests.scenes import address, at, indicator, malware, note
from tests.taxii.conftest import ROOT, Served, fresh_id, objects_path

from cert_exchange.errors import QueryInvalid
from cert_exchange.services.polling import Filters, Resource, Versions
from cert_exchange.store import checkups
from cert_exchange.taxii.queries import deletion, page_query


@pytest.mark.checklist(29)
@pytest.mark.case("P26")
def test_a_limit_that_is_no_positive_integer_is_400(sqlite_server: Served) -> None:
    """400 on every endpoint with a sentence that says what a limit is."""
    for limit in ["0", "-1", "1.5", "abc", "", "1e3", "2^63", "10%20", "%2010", "+5", "0x10", "00", "%D9%A3", "1%00"]:  # fmt: skip
        some = fresh_id()
        for path in (
            objects_path(), f"{ROOT}collections/indicators/manifest/", objects_path(stix_id=some),
            objects_path(stix_id=some, tail="versions/"),
        ):  # fmt: skip
            got = sqlite_server.client().get(path, f"limit={limit}")
            assert (got.status, got.json["http_status"]) == (400, "400")
            assert "limit" in got.json["description"]


@pytest.mark.checklist(28)
@pytest.mark.checklist(29)
@pytest.mark.case("P25")
@pytest.mark.case("P29")
def test_a_huge_limit_is_cut_to_the_servers(sqlite_page_limit: Served) -> None:
    """Larger than the server's limit, absurdly large, or none: pages of the server's limit, and `more` is true."""
    server = sqlite_page_limit
    server.publish_many(12)
    for query in ("", "limit=6", "limit=5000", "limit=9223372036854775808", "limit=" + "9" * 5000):
        got = server.client().objects(query)
        assert (len(got.objects), got.json["more"]) == (5, True)
    pages = server.client().drain(limit=5000)
    # 12 indicators, the marking and our identity that they need
    assert [len(page.objects) for page in pages] == [5, 5, 4]
    exact = server.client().objects({"limit": "4", "next": pages[1].next or ""})
    assert (len(exact.objects), exact.json["more"]) == (4, False)


@pytest.mark.checklist(33)
def test_added_after_is_strictly_after(server: Served) -> None:
    """Equal instants are left out, one microsecond less is in."""
    server.publish_many(5)
    client = server.client()
    manifest = client.get(f"{ROOT}collections/indicators/manifest/").objects
    for n, record in enumerate(manifest):
        got = client.objects({"added_after": record["date_added"]})
        assert len(got.objects) == len(manifest) - n - 1
    assert client.objects({"added_after": "9999-12-31T23:59:59.999999Z"}).objects == []
    assert len(client.objects({"added_after": "0001-01-01T00:00:00Z"}).objects) == len(manifest)


@pytest.mark.checklist(33)
@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("2026-01-01T00:00:00Z", 0),
        ("2026-01-01T00:00:00.1Z", 100_000),
        ("2026-01-01T00:00:00.123456789Z", 123_456),
        ("2026-01-01T02:00:00%2B02:00", 0),
        ("2026-01-01T02:00:00+02:00", 0),
        ("2026-01-01T02:00:00 02:00", 0),
        ("2025-12-31T19:00:00-05:00", 0),
        ("2026-01-01t00:00:00z", 0),
    ],
)
def test_added_after_takes_what_rfc_3339_allows(text: str, micros: int) -> None:
    """0 to 9 digits, offsets, a plus that came as a space."""
    base = 1_767_225_600_000_000
    asked = page_query(f"added_after={text}".encode(), Resource.OBJECTS)
    assert asked.page.added_after == base + micros


@pytest.mark.checklist(33)
def test_a_leap_second_is_the_last_microsecond_before() -> None:
    """60 counts as 59.999999."""
    leap = page_query(b"added_after=2016-12-31T23:59:60Z", Resource.OBJECTS).page.added_after
    same = page_query(b"added_after=2016-12-31T23:59:59.999999Z", Resource.OBJECTS).page.added_after
    assert leap == same


@pytest.mark.checklist(33)
@pytest.mark.checklist(37)
def test_added_after_that_is_no_date_is_400(sqlite_server: Served) -> None:
    """400 with an example of a right one, and the answer repeats no control character."""
    for text in [
        "", "2024-02-30T00:00:00Z", "2024-01-01T24:61:00Z", "2024-01-01", "yesterday", "1700000000",
        "2024-01-01T00:00:00", "2024-01-01T00:00:00Z,2024-01-02T00:00:00Z", "2024-13-01T00:00:00Z",
        "0000-01-01T00:00:00Z", "%ff", "2024-01-01T00:00:00Z%00",
    ]:  # fmt: skip
        got = sqlite_server.client().objects(f"added_after={text}")
        assert got.status == 400
        assert "added_after" in got.json["description"]
        assert "\x00" not in got.json["description"]


@pytest.mark.checklist(36)
@pytest.mark.case("T19")
def test_a_repeated_parameter_is_400(sqlite_server: Served) -> None:
    """Also when both say the same, and when one is percent-encoded."""
    for query in [
        "limit=1&limit=2", "limit=1&limit=1", "match[type]=indicator&match[type]=malware",
        "match[type]=indicator&match%5Btype%5D=malware", "match[id]=a&match[id]=b", "next=&next=",
        "added_after=2024-01-01T00:00:00Z&added_after=2024-01-02T00:00:00Z", "match[foo]=1&match[foo]=2",
    ]:  # fmt: skip
        got = sqlite_server.client().objects(query)
        assert got.status == 400
        assert "more than once" in got.json["description"]


@pytest.mark.checklist(37)
@pytest.mark.case("P05")
def test_a_known_name_in_other_letters_is_400(sqlite_server: Served) -> None:
    """It is not ignored, since the answer would be more than was asked for."""
    for name in ["Next", "LIMIT", "Added_After", "match[Type]", "Match[version]"]:  # fmt: skip
        got = sqlite_server.client().objects({name: "x"})
        assert got.status == 400
        assert name.lower() in got.json["description"]


@pytest.mark.checklist(37)
def test_unknown_parameters_are_ignored_and_shown_once(server: Served) -> None:
    """A parameter nobody knows changes nothing; the operator sees its name, once per partner."""
    server.publish_many(3)
    client = server.client()
    plain = client.objects()
    with capture_logs() as logged:
        for _ in range(3):
            got = client.objects("match[colour]=red&page=2&%0Ax=1")
            assert (got.status, got.raw) == (200, plain.raw)
        assert client.get("/taxii2/", "foo=1&foo=2").status == 200
    names = [one["name"] for one in logged if one["event"] == "parameter ignored"]
    assert names == ["match[colour]", "page", "a parameter with an unusual name", "foo"]
    for _ in range(200):
        with server.node.database.reading() as tx:
            notes = checkups.noted(tx)
        if len(notes) == 4:
            break
        time.sleep(0.05)
    assert {one.partner for one in notes} == {"b"}
    assert {one.note for one in notes} == {
        "ignored parameter match[colour] at objects", "ignored parameter page at objects",
        "ignored parameter a parameter with an unusual name at objects", "ignored parameter foo at discovery",
    }  # fmt: skip


def mixed(server: Served) -> None:
    """Objects of four types, one of them with three versions."""
    server.scene.publish(
        indicator("i1"), indicator("i2"), malware("m1"), address("198.51.100.7"),
        note("n1", [indicator("i1")["id"]]),
    )  # fmt: skip
    for version in (1, 2):
        server.scene.publish(indicator("i1", version=version))


@pytest.mark.checklist(38)
@pytest.mark.case("T09")
@pytest.mark.case("T18")
def test_comma_is_or_and_fields_are_and(server: Served) -> None:
    """One field: any of its values; several fields: all of them. Encoded brackets and commas are the same."""
    mixed(server)
    client = server.client()
    one, two, bad = indicator("i1")["id"], indicator("i2")["id"], malware("m1")["id"]

    def ids(query: str) -> list[str]:
        return sorted(client.objects(query).ids)

    assert ids(f"match[id]={one},{two}") == sorted([one, two])
    assert ids(f"match%5Bid%5D={one}%2C{two}") == sorted([one, two])
    assert ids("match[type]=malware,note") == sorted([bad, note("n1", [])["id"]])
    assert ids(f"match[id]={one},{bad}&match[type]=malware") == [bad]
    assert ids(f"match[id]={one}&match[type]=malware") == []
    assert ids(f"match[id]={one},{one}") == [one]
    everything = client.objects("match[version]=all").objects
    assert ids("match[type]=indicator&match[version]=all") == sorted(
        item["id"] for item in everything if item["type"] == "indicator"
    )
    raw = client.objects("match[type]=indicator,malware,note,ipv4-addr,identity,marking-definition")
    assert raw.raw == client.objects().raw


@pytest.mark.checklist(39)
def test_any_type_is_taken_unknown_ones_match_nothing(server: Served) -> None:
    """All of STIX 2.1's and custom types; nonsense matches nothing and is no error."""
    mixed(server)
    client = server.client()
    for name in (
        "attack-pattern",
        "x509-certificate",
        "x-custom",
        "no-such-type",
        "Indicator",
        "ü",
        "a b",
        "'",
        "%00",
    ):
        got = client.objects(f"match[type]={quote(name, safe='%')}")
        assert (got.status, got.json) == (200, {"more": False})
    assert len(client.objects("match[type]=indicator,no-such-type").objects) == 2
    assert client.objects("match[type]=" + ",".join(f"x-{n}" for n in range(100))).status == 200
    many = client.objects("match[type]=" + ",".join(f"x-{n}" for n in range(101)))
    assert (many.status, "100" in many.json["description"]) == (400, True)


@pytest.mark.checklist(40)
def test_ids_that_are_none_match_nothing_and_200_are_the_most(server: Served) -> None:
    """No STIX id: nothing matched. 200 are fine, 201 are 400 with the limit named."""
    mixed(server)
    client = server.client()
    one = indicator("i1")["id"]
    for text in ("x", "indicator--x", "*", one.upper(), "%27;--", "%00"):
        got = client.objects(f"match[id]={text}")
        assert (got.status, got.json) == (200, {"more": False})
    assert client.objects(f"match[id]=nonsense,{one}").ids == [one]
    ids = [fresh_id() for _ in range(199)]
    assert client.objects({"match[id]": ",".join([*ids, one])}).ids == [one]
    many = client.objects({"match[id]": ",".join([*ids, one, fresh_id()])})
    assert (many.status, "200" in many.json["description"]) == (400, True)


@pytest.mark.checklist(41)
def test_versions_are_last_first_all_and_instants(server: Served) -> None:
    """`last` is the default; instants are compared, not texts; a union has no doubles."""
    mixed(server)
    client = server.client()
    one = indicator("i1")["id"]

    def versions(wanted: str) -> list[str]:
        found = client.objects(
            {"match[id]": one, "match[version]": wanted} if wanted else {"match[id]": one}
        )
        assert found.status == 200, found.raw
        return [item["modified"] for item in found.objects]

    assert versions("") == versions("last") == [at(2)]
    assert versions("first") == [at(0)]
    assert versions("all") == [at(0), at(1), at(2)]
    assert versions("first,last") == [at(0), at(2)]
    assert versions(at(1)) == [at(1)]
    assert versions("2026-01-01T00:00:01Z") == versions("2026-01-01T00:00:01.000000000Z") == [at(1)]
    assert versions("2026-01-01T02:00:01+02:00") == [at(1)]
    assert versions(f"last,{at(1)},{at(2)}") == [at(1), at(2)]
    assert versions("2001-01-01T00:00:00Z") == []
    two = client.objects("match[version]=first,last").ids
    assert len(two) == len(client.objects("match[version]=all").ids) - 1
    only = indicator("i2")["id"]
    assert client.objects({"match[id]": only, "match[version]": "first,last"}).ids == [only]


@pytest.mark.checklist(41)
@pytest.mark.case("T19")
def test_versions_that_contradict_are_400(sqlite_server: Served) -> None:
    """`all` with anything else, a value twice (also as another text of one instant), no version at all."""
    for text in ["all,last", "all,2026-01-01T00:00:00Z", "last,last", "", "newest", "2026-02-30T00:00:00Z",
             "2026-01-01T00:00:00.1Z,2026-01-01T00:00:00.100Z", "last,", "LAST"]:  # fmt: skip
        assert sqlite_server.client().objects({"match[version]": text}).status == 400


@pytest.mark.checklist(42)
def test_the_version_of_an_observable_is_constant(server: Served) -> None:
    """A cyber-observable's version is when it was first stored, and stays so when it comes again."""
    mixed(server)
    client = server.client()
    stix_id = address("198.51.100.7")["id"]
    path = objects_path(stix_id=stix_id, tail="versions/")
    (version,) = client.get(path).json["versions"]
    server.scene.publish(address("198.51.100.7"))
    assert client.get(path).json["versions"] == [version]
    (record,) = client.get(
        f"{ROOT}collections/indicators/manifest/", {"match[id]": stix_id}
    ).objects
    assert record["version"] == version
    assert client.objects({"match[id]": stix_id, "match[version]": version}).ids == [stix_id]


@pytest.mark.checklist(43)
def test_spec_version_2_1_is_all_and_2_0_none(server: Served) -> None:
    """`2.1` matches all ours, `2.0` none, both together all; what is no version is 400."""
    mixed(server)
    client = server.client()
    plain = client.objects()
    for wanted in ("2.1", "2.0,2.1", "2.1,2.1"):
        assert client.objects({"match[spec_version]": wanted}).raw == plain.raw
    for wanted in ("2.0", "3.7"):
        assert client.objects({"match[spec_version]": wanted}).json == {"more": False}
    for wanted in ("", "two", "2.1,"):
        assert client.objects({"match[spec_version]": wanted}).status == 400


@pytest.mark.checklist(44)
def test_first_and_last_are_those_of_the_view(server: Served) -> None:
    """A version that the partner may not see counts neither as first nor as last, nor in any number."""
    server.scene.publish(indicator("i", version=0, tlp="red"))
    server.scene.publish(indicator("i", version=1))
    client = server.client()
    one = indicator("i")["id"]
    for wanted in ("first", "last", "all"):
        found = client.objects({"match[id]": one, "match[version]": wanted}).objects
        assert [item["modified"] for item in found] == [at(1)]
    assert client.get(objects_path(stix_id=one, tail="versions/")).json["versions"] == [at(1)]


@pytest.mark.checklist(45)
def test_first_is_chosen_before_the_date(server: Served) -> None:
    """`first` with `added_after`: the date filters what was chosen; it does not make a later version the first."""
    server.scene.publish(indicator("i"))
    client = server.client()
    cursor = client.objects().last
    server.scene.publish(indicator("i", version=1), indicator("j"))
    found = client.objects({"match[version]": "first", "added_after": cursor})
    assert found.ids == [indicator("j")["id"]]


def test_the_queries_of_pages_that_filter_less() -> None:
    """An object takes no match[id] nor match[type], versions no match[version]: ignored, with their names."""
    some = fresh_id()
    asked = page_query(b"match[type]=x&match[id]=y&match[version]=all", Resource.OBJECT, some)
    assert asked.ignored == ("match[type]", "match[id]")
    assert asked.page.filters == Filters(versions=Versions(last=False, every=True))
    asked = page_query(b"match[version]=last&limit=3", Resource.VERSIONS, some)
    assert asked.ignored == ("match[version]",)
    assert asked.page.filters.versions.every


def test_the_query_of_a_deletion() -> None:
    """No match[version] and `all` are every version; instants come in UTC."""
    assert deletion(b"").versions == deletion(b"match[version]=all").versions == ()
    assert deletion(b"match[version]=last,first").versions == ("last", "first")
    assert deletion(b"match[version]=2026-01-01T02:00:00%2B02:00").versions == (
        "2026-01-01T00:00:00.000000Z",
    )
    assert deletion(b"match[spec_version]=2.0").nothing
    with pytest.raises(QueryInvalid):
        deletion(b"match[version]=all,last")
