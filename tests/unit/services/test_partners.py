"""Partners and their credentials, on both engines."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import pytest
from structlog.testing import capture_logs
from tests.conftest import OUR_IDENTITY, Wall

from cert_exchange.errors import ConfigurationInvalid, NotAuthenticated, NotFound, TooManyRequests
from cert_exchange.messages.evidence import decode_line
from cert_exchange.node import Node
from cert_exchange.services import partners
from cert_exchange.services.partners import Caller, IssuedSecret
from cert_exchange.store import ledger as ledger_rows

THEIRS = "identity--11111111-1111-4111-8111-111111111111"
OTHERS = "identity--22222222-2222-4222-8222-222222222222"
HOME = "192.0.2.7"


def ask(node: Node, credential_id: str, secret: str, network: str = HOME) -> Caller:
    with node.database.raw_reader() as connection:
        return partners.authenticate(node, connection, credential_id, secret, network=network)


def with_partner(node: Node, lifetime: timedelta | None = None) -> IssuedSecret:
    partners.add(node, "cert-b", title="CERT B", speaks_for=[THEIRS])
    return partners.issue(node, "cert-b", lifetime=lifetime)


def kinds(node: Node) -> list[str]:
    with node.database.reading() as tx:
        return [decode_line(row.body).kind for row in ledger_rows.unsealed_lines(tx)]


def test_a_partner_is_recognised_by_what_was_issued(node: Node) -> None:
    """`id.secret` names its partner; every change left a ledger line."""
    issued = with_partner(node)
    caller = ask(node, *partners.split_token(issued.token))
    assert (caller.name, caller.audience) == ("cert-b", None)
    assert kinds(node) == ["partner.add", "credential.issue"]


def test_the_secret_is_seen_once(node: Node) -> None:
    """Neither repr nor the database holds the secret."""
    issued = with_partner(node)
    assert issued.secret not in repr(issued)
    assert issued.secret not in str(issued)
    assert all(issued.secret not in str(one) for one in partners.listing(node))


@pytest.mark.parametrize(
    "guess", ["", "x", "\x00", "\ud800", "a" * 10_000, "'; DROP TABLE partners; --"]
)
def test_what_is_wrong_is_refused_alike(node: Node, guess: str) -> None:
    """Wrong secret, unknown id and malformed id give one public answer."""
    issued = with_partner(node)
    answers = set()
    for credential_id, secret in (
        (issued.credential_id, guess), (guess, issued.secret), ("a" * 12, guess),
    ):  # fmt: skip
        with pytest.raises(NotAuthenticated) as refused:
            ask(node, credential_id, secret)
        answers.add((refused.value.public, refused.value.status))
    assert len(answers) == 1


def test_the_state_is_checked_on_every_request(node: Node, wall: Wall) -> None:
    """Suspended, revoked or expired: refused from the next request on, without a restart."""
    issued = with_partner(node, timedelta(days=30))
    ask(node, issued.credential_id, issued.secret)
    partners.suspend(node, "cert-b")
    with pytest.raises(NotAuthenticated, match="suspended"):
        ask(node, issued.credential_id, issued.secret)
    partners.resume(node, "cert-b")
    ask(node, issued.credential_id, issued.secret)
    second = partners.issue(node, "cert-b", lifetime=None)
    wall.forward(timedelta(days=31))
    with pytest.raises(NotAuthenticated, match="expired"):
        ask(node, issued.credential_id, issued.secret)
    ask(node, second.credential_id, second.secret)
    partners.revoke(node, second.credential_id)
    with pytest.raises(NotAuthenticated, match="revoked"):
        ask(node, second.credential_id, second.secret)
    assert kinds(node)[2:] == [
        "partner.suspend", "partner.resume", "credential.issue", "credential.revoke",
    ]  # fmt: skip


def fail(node: Node, credential_id: str, times: int, network: str = HOME) -> None:
    for _ in range(times):
        with pytest.raises(NotAuthenticated):
            ask(node, credential_id, "wrong", network)


def test_failures_lock_out_one_partner_in_one_network(node: Node, wall: Wall) -> None:
    """Five failures lock for 15 s, each further one for twice as long; other networks go on."""
    issued = with_partner(node)
    fail(node, issued.credential_id, 5)
    with pytest.raises(TooManyRequests) as locked:
        ask(node, issued.credential_id, issued.secret, "192.0.2.250")
    assert 0 < locked.value.retry_after <= 15
    assert ask(node, issued.credential_id, issued.secret, "198.51.100.1").name == "cert-b"
    wall.forward(timedelta(seconds=16))
    assert ask(node, issued.credential_id, issued.secret).name == "cert-b"
    fail(node, issued.credential_id, 1)
    with pytest.raises(TooManyRequests) as longer:
        ask(node, issued.credential_id, issued.secret)
    assert 15 < longer.value.retry_after <= 30


def test_the_lock_does_not_grow_for_ever_and_is_forgotten(node: Node, wall: Wall) -> None:
    """At most a quarter of an hour; after an hour without failures counting starts anew."""
    issued = with_partner(node)
    assert partners.lock_seconds(10_000) == 900
    fail(node, issued.credential_id, 5)
    wall.forward(timedelta(hours=2))
    fail(node, issued.credential_id, 4)
    assert ask(node, issued.credential_id, issued.secret).name == "cert-b"


def test_unknown_credentials_lock_out_nobody(node: Node) -> None:
    """Outsiders in a partner's network who know no credential cannot silence it."""
    issued = with_partner(node)
    fail(node, "b" * 12, 5)
    with pytest.raises(TooManyRequests):
        ask(node, "c" * 12, "wrong")
    assert ask(node, issued.credential_id, issued.secret).name == "cert-b"


def test_a_new_credential_lifts_the_lock(node: Node) -> None:
    """Who got a new secret need not wait out what the old one caused."""
    issued = with_partner(node)
    fail(node, issued.credential_id, 5)
    fresh = partners.issue(node, "cert-b", lifetime=None)
    assert ask(node, fresh.credential_id, fresh.secret).name == "cert-b"


def test_a_locked_out_network_only_reads(sqlite_node: Node) -> None:
    """Hammering behind the lock writes nothing."""
    issued = with_partner(sqlite_node)
    fail(sqlite_node, issued.credential_id, 5)
    before = partners.listing(sqlite_node)[0].lockouts
    for _ in range(3):
        with pytest.raises(TooManyRequests):
            ask(sqlite_node, issued.credential_id, "wrong")
    assert partners.listing(sqlite_node)[0].lockouts == before


@pytest.mark.case("U01")
def test_a_failed_login_leaves_a_trace(node: Node) -> None:
    """The administrator sees failures per network; the log names the partner and no secret."""
    issued = with_partner(node)
    with capture_logs() as logs:
        fail(node, issued.credential_id, 2)
        fail(node, "s3cret-typed-as-a-name", 1)
    (lockout,) = partners.listing(node)[0].lockouts
    assert (lockout.network, lockout.failures) == ("192.0.2.0/24", 2)
    assert len(logs) == 3
    assert "s3cret" not in str(logs)
    assert issued.secret not in str(logs)


def test_as_many_statements_for_known_and_unknown(node: Node) -> None:
    """A known and an unknown credential run the same statement."""
    issued = with_partner(node)
    traces = []
    for credential_id, secret in (
        (issued.credential_id, issued.secret), (issued.credential_id, "wrong"), ("b" * 12, "wrong"),
    ):  # fmt: skip
        seen: list[str] = []
        with (
            node.database.raw.observed(seen.append),
            node.database.raw_reader() as connection,
            contextlib.suppress(NotAuthenticated),
        ):
            partners.recognise(node, connection, credential_id, secret, network=HOME)
        traces.append([text.partition("credentials.id =")[0] for text in seen])
    assert traces[0] == traces[1] == traces[2]
    assert len(traces[0]) == 1


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1::/48"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("fe80::1%eth0", "fe80::/48"),
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("testclient", "unknown"),
    ],
)
def test_networks(address: str, network: str) -> None:
    """IPv4 counts by /24, IPv6 by /48, mapped addresses as IPv4."""
    assert partners.network_of(address) == network


@pytest.mark.parametrize("name", ["", "A", "own", "any", "partners", "a/b", "-a", "a" * 64, "é"])
def test_names_that_policies_could_misread_are_refused(sqlite_node: Node, name: str) -> None:
    """A partner's name is one plain word that no policy uses otherwise."""
    with pytest.raises(ConfigurationInvalid):
        partners.add(sqlite_node, name, title="T")


@pytest.mark.parametrize(
    ("speaks_for", "relays"),
    [
        ([OUR_IDENTITY], []),
        ([], [OUR_IDENTITY]),
        ([THEIRS], []),
        ([], [THEIRS]),
        (["identity--x"], []),
        ([OTHERS], [OTHERS]),
    ],
)
def test_an_identity_is_one_partners_alone(
    node: Node, speaks_for: list[str], relays: list[str]
) -> None:
    """Ours belongs to nobody else; a partner's is neither spoken for nor relayed by another (DECISIONS 27)."""
    with_partner(node)
    with pytest.raises(ConfigurationInvalid):
        partners.add(node, "cert-c", title="CERT C", speaks_for=speaks_for, relays=relays)
    assert [one.partner.name for one in partners.listing(node)] == ["cert-b"]


def test_a_relay_ends_before_its_creator_becomes_a_partner(node: Node) -> None:
    """Who relays an identity must stop before another partner speaks for it."""
    partners.add(node, "hub", title="Hub", relays=[THEIRS])
    with pytest.raises(ConfigurationInvalid, match="hub"):
        partners.add(node, "cert-b", title="CERT B", speaks_for=[THEIRS])
    partners.amend(node, "hub", speaks_for=[], relays=[])
    partners.add(node, "cert-b", title="CERT B", speaks_for=[THEIRS])


def test_names_are_used_once(node: Node) -> None:
    """A second partner of the same name is refused in a sentence, and an unknown one names those there are."""
    with_partner(node)
    with pytest.raises(ConfigurationInvalid, match="already"):
        partners.add(node, "cert-b", title="again")
    with pytest.raises(NotFound, match="cert-b"):
        partners.issue(node, "cert-x", lifetime=None)
