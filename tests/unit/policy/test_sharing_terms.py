"""Terms of sharing: read from an object or given beside it, combined, and asked for an audience."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.policy.making import DAY, MINUTE, NOW, context, policy

from cert_exchange.policy.binding import Binding, Consent, Promise, Recipient
from cert_exchange.policy.decide import Allow, Deny, DenyKind, Hold, decide, subject_of
from cert_exchange.policy.sharing_terms import (
    EXTENSION,
    Onward,
    SharingTerms,
    as_extension,
    from_text,
    recipient_word,
    terms_of,
    to_text,
)
from cert_exchange.stix.instants import format_micros
from cert_exchange.stix.markings import Tlp

B_IDENTITY = "identity--b0000000-0000-4000-8000-00000000000b"
ESTONIA = {"cert-b": Recipient(frozenset({B_IDENTITY}), "EE")}
ANY = "  - {name: everything, match: {origin: any}, allow: true}\n"
GREEN = ["marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"]
AMBER = ["marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421"]


def content(marks: list[str] | None = None, **terms: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "type": "indicator",
        "id": "indicator--6b616fc1-1505-48e3-8b2c-0d19337bff38",
        "object_marking_refs": marks or GREEN,
    }
    if terms:
        made["extensions"] = {EXTENSION: {"extension_type": "property-extension", **terms}}
    return made


def asked(
    what: dict[str, Any],
    *,
    origin: str = "own",
    beside: SharingTerms | None = None,
    consents: tuple[Consent, ...] = (),
    promise: Promise | None = None,
    rules: str = ANY,
    **where: Any,
) -> Any:
    """Decide for cert-b, which is in Estonia unless it is said otherwise."""
    bound = None
    if beside or consents or promise:
        bound = Binding(beside=beside or SharingTerms(), consents=consents, promise=promise)
    subject = subject_of(what, origin=origin, stored_at=NOW - MINUTE, given=bound)
    ceiling = "{tlp: amber, unmarked: deny}"
    return decide(
        policy(rules, ceiling=ceiling), subject, context(**{"recipients": ESTONIA, **where})
    )


def denied(answer: Any) -> str:
    assert isinstance(answer, Deny), answer
    assert answer.kind is DenyKind.TERMS
    assert answer.rule == "terms"
    return answer.reason


@pytest.mark.parametrize(
    ("only", "passes"),
    [
        (["cert-b"], True),
        (["country:EE"], True),
        ([B_IDENTITY], True),
        (["cert-c", "country:EE"], True),
        (["cert-c"], False),
        (["country:LV"], False),
        ([], False),
    ],
)
def test_only_to_names_partners_countries_and_identities(only: list[str], passes: bool):
    answer = asked(content(), beside=SharingTerms(only_to=(frozenset(only),)))
    assert isinstance(answer, Allow) is passes


@pytest.mark.parametrize("barred", ["cert-b", "country:EE", B_IDENTITY])
def test_not_to_shuts_out(barred: str):
    assert "not to" in denied(asked(content(), beside=SharingTerms(not_to=frozenset({barred}))))
    other = SharingTerms(not_to=frozenset({"cert-c", "country:LV"}))
    assert isinstance(asked(content(), beside=other), Allow)


def test_a_country_that_is_not_known_fails_closed():
    """It is in no list that lets in, and may be in any that shuts out."""
    nowhere = {"recipients": {}}
    only = SharingTerms(only_to=(frozenset({"country:EE"}),))
    assert "only to" in denied(asked(content(), beside=only, **nowhere))
    never = SharingTerms(not_to=frozenset({"country:LV"}))
    assert "not known" in denied(asked(content(), beside=never, **nowhere))


def test_every_member_of_an_audience_must_be_named():
    both = {"members": frozenset({"cert-b", "cert-c"})}
    only = SharingTerms(only_to=(frozenset({"cert-b"}),))
    assert "only to" in denied(asked(content(), beside=only, **both))
    never = SharingTerms(not_to=frozenset({"cert-c"}))
    assert "not to" in denied(asked(content(), beside=never, **both))


def test_an_embargo_holds_until_its_end_and_takes_back_what_was_released():
    until = NOW + DAY
    embargo = SharingTerms(embargo_until=until)
    assert asked(content(), beside=embargo) == Hold("terms", "our desk's embargo", until)
    assert isinstance(asked(content(), beside=embargo, released_at=NOW - DAY), Hold)
    assert isinstance(asked(content(), beside=embargo, approved=frozenset({"terms"})), Hold)
    assert isinstance(asked(content(), beside=embargo, now=until), Allow)
    assert isinstance(asked(content(), beside=embargo, carried=True), Deny)


def test_a_denial_wins_over_an_embargo_and_the_longer_hold_counts():
    embargo = SharingTerms(embargo_until=NOW + DAY)
    no = ANY + "  - {name: none, match: {origin: any}, deny: true}\n"
    assert asked(content(), beside=embargo, rules=no).rule == "none"
    wait = ANY + "  - {name: wait, match: {origin: any}, hold: {for: 3 days}}\n"
    assert asked(content(), beside=embargo, rules=wait).rule == "wait"
    short = ANY + "  - {name: wait, match: {origin: any}, hold: {for: 1 hour}}\n"
    assert asked(content(), beside=embargo, rules=short).rule == "terms"


def test_terms_that_an_object_carries_bind():
    """Whoever made it: a partner, or our desk with its own tool."""
    for origin in ("own", "cert-a"):
        carried = content(not_to=["country:ee"])
        assert "its originator's: not to country:EE" in denied(asked(carried, origin=origin))
        later = content(embargo_until=format_micros(NOW + DAY))
        assert isinstance(asked(later, origin=origin), Hold)
    assert isinstance(asked(content(only_to=[B_IDENTITY]), origin="cert-a"), Allow)
    # A name that another node gave a partner may be another's here.
    assert "only to nobody" in denied(asked(content(only_to=["cert-b"]), origin="cert-a"))


def test_onward_binds_what_came_from_a_partner():
    for word in ("none", "ask"):
        assert denied(asked(content(onward=word), origin="cert-a"))
        assert isinstance(asked(content(onward=word)), Allow)
    assert isinstance(asked(content(onward="free"), origin="cert-a"), Allow)


@pytest.mark.parametrize(
    "terms",
    [
        {"only_to": []},
        {"only_to": "cert-b"},
        {"not_to": ["Estonia!"]},
        {"onward": "perhaps"},
        {"embargo_until": "tomorrow"},
        {"test": "yes"},
        {"purpose": 5},
        {"purpose": "x" * 501},
        {"not_after": "2027-01-01T00:00:00Z"},
    ],
)
def test_terms_that_are_not_understood_deny(terms: dict[str, Any]):
    for origin in ("own", "cert-a"):
        assert "cannot be read" in denied(asked(content(**terms), origin=origin))
    what = content()
    what["extensions"] = {EXTENSION: "open"}
    assert "cannot be read" in denied(asked(what))


def test_a_consent_lifts_the_originators_terms_until_it_ends():
    """Also that what is above TLP:GREEN is not for others; never our desk's terms, the ceiling or a rule."""
    yes = (Consent("cert-b", NOW + DAY),)
    kept = content(
        AMBER, onward="none", not_to=["country:EE"], embargo_until=format_micros(NOW + DAY)
    )
    assert asked(kept, origin="cert-a").rule == "ceiling"
    assert isinstance(asked(kept, origin="cert-a", consents=yes), Allow)
    for recipient in ("any", "country:EE", B_IDENTITY):
        given_ = (Consent(recipient, NOW + DAY),)
        assert isinstance(asked(kept, origin="cert-a", consents=given_), Allow)
    assert isinstance(asked(kept, origin="cert-a", consents=(Consent("cert-c", NOW + DAY),)), Deny)
    over = {"now": NOW + DAY, "released_at": NOW}
    assert isinstance(asked(kept, origin="cert-a", consents=yes, **over), Deny)
    beside = SharingTerms(not_to=frozenset({"cert-b"}))
    assert "our desk's" in denied(asked(kept, origin="cert-a", consents=yes, beside=beside))
    no = ANY + "  - {name: none, match: {origin: any}, deny: true}\n"
    assert asked(kept, origin="cert-a", consents=yes, rules=no).rule == "none"
    red = content(["marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1"])
    assert asked(red, origin="cert-a", consents=yes).rule == "ceiling"


def test_a_consent_must_cover_every_member():
    both = {"members": frozenset({"cert-b", "cert-c"})}
    half = (Consent("cert-b", NOW + DAY),)
    assert isinstance(asked(content(onward="none"), origin="cert-a", consents=half, **both), Deny)
    whole = (*half, Consent("cert-c", NOW + DAY))
    answer = asked(content(onward="none"), origin="cert-a", consents=whole, **both)
    assert isinstance(answer, Allow)


def test_an_agreement_binds_what_came_from_its_partner():
    """Embargo and onward sharing, which a consent lifts, and retention, which nothing lifts."""
    yes = (Consent("any", NOW + DAY),)
    kept = Promise(onward=Onward.ASK)
    assert "the agreement's: ask first" in denied(asked(content(), origin="cert-a", promise=kept))
    assert isinstance(asked(content(), origin="cert-a", promise=kept, consents=yes), Allow)
    assert isinstance(asked(content(), promise=kept), Allow)  # ours
    later = Promise(embargo=DAY)
    held = asked(content(), origin="cert-a", promise=later)
    assert held == Hold("terms", "the agreement's embargo", NOW - MINUTE + DAY)
    short = Promise(retention=DAY)
    assert isinstance(asked(content(), origin="cert-a", promise=short), Allow)
    over = {"now": NOW - MINUTE + DAY, "released_at": NOW}
    answer = asked(content(), origin="cert-a", promise=short, consents=yes, **over)
    assert "its retention ended" in denied(answer)


def test_what_belongs_to_an_exercise_needs_a_rule_that_says_so():
    """A rule without the key never permits it, and denies or holds it as everything else."""
    beside = SharingTerms(test=True)
    assert asked(content(), beside=beside).reason == (
        "it is marked TEST, and no rule with test: true allows it"
    )
    assert isinstance(asked(content(test=True), origin="cert-a"), Deny)
    drill = "  - {name: drill, match: {origin: any, test: true}, allow: true}\n"
    assert asked(content(), beside=beside, rules=drill).rule == "drill"
    assert asked(content(), rules=drill).kind is DenyKind.DEFAULT
    no = drill + "  - {name: none, match: {origin: any}, deny: true}\n"
    assert asked(content(), beside=beside, rules=no).rule == "none"
    serious = ANY + drill + "  - {name: serious, match: {origin: any, test: false}, deny: true}\n"
    assert asked(content(), beside=beside, rules=serious).rule == "drill"
    assert asked(content(), rules=serious).rule == "serious"
    when = (
        "  - {name: any, match: {origin: any, when: 'object.type == \"indicator\"'}, allow: true}\n"
    )
    assert isinstance(asked(content(), beside=beside, rules=when), Deny)


def test_a_redact_rule_permits_an_exercise_only_where_it_is_about_them():
    beside = SharingTerms(test=True)
    cut = "  - {name: cut, match: {origin: own}, redact: {remove: [description]}}\n"
    assert isinstance(asked(content(), beside=beside, rules=cut), Deny)
    drill = cut + "  - {name: drill, match: {test: true}, allow: true}\n"
    assert asked(content(), beside=beside, rules=drill).rule == "drill"  # who let it go answers


@pytest.mark.case("M34")
def test_a_local_marking_only_tightens():
    """The effective marking is the strictest of both, also where the object has none of its own."""
    red, clear = SharingTerms(tlp=Tlp.RED), SharingTerms(tlp=Tlp.CLEAR)
    assert asked(content(), beside=red).rule == "ceiling"
    assert isinstance(asked(content(), beside=clear), Allow)
    assert asked(content(["marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1"]), beside=clear).rule == "ceiling"  # fmt: skip
    bare = content()
    del bare["object_marking_refs"]
    assert asked(bare, beside=clear).rule == "ceiling"
    amber = SharingTerms(tlp=Tlp.AMBER)
    assert isinstance(asked(content(), beside=amber), Allow)
    assert asked(content(), beside=amber, origin="cert-a").rule == "ceiling"
    no_amber = ANY + "  - {name: none, match: {origin: any, tlp: amber}, deny: true}\n"
    assert asked(content(), beside=amber, rules=no_amber).rule == "none"


_WORDS = st.sampled_from(["cert-b", "cert-c", "country:EE", "country:LV", B_IDENTITY])
_TERMS = st.builds(
    SharingTerms,
    only_to=st.lists(st.frozensets(_WORDS, max_size=3), max_size=2).map(tuple),
    not_to=st.frozensets(_WORDS, max_size=3),
    embargo_until=st.none() | st.integers(NOW - DAY, NOW + DAY),
    purposes=st.lists(st.sampled_from(["incident 5", "statistics"]), max_size=1).map(tuple),
    onward=st.none() | st.sampled_from(Onward),
    test=st.booleans(),
    tlp=st.none() | st.sampled_from(Tlp),
)


@given(one=_TERMS, other=_TERMS, origin=st.sampled_from(["own", "cert-a"]))
def test_more_terms_never_let_more_pass(one: SharingTerms, other: SharingTerms, origin: str):
    """What both together let pass, each of them lets pass."""
    both = asked(content(), origin=origin, beside=one & other)
    if isinstance(both, Allow):
        for single in (one, other):
            assert isinstance(asked(content(), origin=origin, beside=single), Allow)


@given(one=_TERMS)
def test_terms_are_stored_and_carried_as_they_are(one: SharingTerms):
    assert from_text(to_text(one)) == one
    if all(one.only_to) and frozenset.intersection(*one.only_to or [frozenset({"x"})]):
        carried = as_extension(one)
        found = terms_of({"extensions": {EXTENSION: carried}})
        assert found is not None
        assert found.not_to == one.not_to
        assert found.embargo_until == one.embargo_until
        assert (found.onward, found.test, found.tlp) == (one.onward, one.test, None)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("country:ee", "country:EE"),
        (" CERT-B ", "cert-b"),
        (B_IDENTITY.upper(), B_IDENTITY),
        ("country:EST", None),
        ("country:", None),
        ("cert b", None),
        ("", None),
        ("identity--1", "identity--1"),
    ],
)
def test_how_recipients_are_spelled(text: str, word: str | None):
    assert recipient_word(text) == word
