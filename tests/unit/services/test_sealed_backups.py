"""Sealed backups and a locked home: whoever takes the files reads no key, password, token or object out of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.engine import URL
from tests import engines
from tests.conftest import Wall, reopen
from tests.invariants.canaries import Sieve, canary
from tests.scenes import Scene, indicator, uid

from cert_exchange.errors import ConfigurationInvalid
from cert_exchange.node import Node, open_node
from cert_exchange.services import freezing, keys, ledger, partners, safekeeping, syncing
from cert_exchange.services.safekeeping import packing
from cert_exchange.store import residues
from cert_exchange.store.tables import ledger_lines, metadata
from cert_exchange.vault.locks import new_key

WORDS = "otter gravel lantern quince"
CHEAP = 2**4


@pytest.fixture
def fresh_url(node: Node, request: pytest.FixtureRequest) -> Callable[[], str | None]:
    """Where a restore may go: a new file in the new home, or an empty database."""

    def make() -> str | None:
        if node.database.dialect == "sqlite":
            return None
        server: URL = request.getfixturevalue("postgresql_server")
        url = engines.make_database(server)
        request.addfinalizer(lambda: engines.drop_database(server, url))
        return url.render_as_string(hide_password=False)

    return make


def filled(node: Node, folder: Path) -> tuple[Scene, Sieve]:
    """A node with every kind of secret, and the sieve that knows them all."""
    scene = Scene.set_up(node)
    sieve = Sieve()
    password, word = canary(), canary()
    secret = folder / "from-b.secret"
    secret.write_text(password)
    syncing.add_source(
        node, "from-b", partner="b", url="https://taxii.cert-b.example/api/",
        remote_collection=uid("theirs"), collection="indicators", secret=secret,
        options={"auth": "bearer"},
    )  # fmt: skip
    issued = partners.issue(node, "b", lifetime=None)
    keys.rotate_tokens(node, by="test")
    keys.rotate_derivatives(node, by="test")
    scene.publish(indicator("one", description=word))
    sieve.add(password, "a password for a source")
    sieve.add(issued.secret, "a partner's credential")
    sieve.add(issued.token, "a partner's token")
    for name, key in {
        "the credential key": node.secrets.credential_key,
        "the derivative key": node.secrets.derivative_key,
        "a signing key": node.secrets.signing_keys[0].private,
        **{f"token key {one}": key for one, key in node.secrets.token_keys.items()},
    }.items():
        sieve.add(key.hex(), name)
        sieve.secrets[key.lower()] = name
    sieve.add(word, "an object")
    return scene, sieve


def found_in(sieve: Sieve, folder: Path) -> set[str]:
    """What the sieve finds in any file of a folder, or in the names of files."""
    found: set[str] = set()
    for path in folder.rglob("*"):
        if path.is_file():
            found |= sieve.found_in(path.name.encode() + b"\n" + path.read_bytes())
    return found


def test_a_sealed_backup_shows_nothing_and_comes_back_whole(
    node: Node, wall: Wall, tmp_path: Path, fresh_url: Callable[[], str | None]
) -> None:
    """Two files for its owner only; without the key nothing of it is taken, with it the node is there again."""
    scene, sieve = filled(node, tmp_path)
    ledger.seal(node)
    key = new_key()
    folder = safekeeping.backup(node, tmp_path / "backup", secret=key)
    assert sorted(path.name for path in folder.iterdir()) == ["backup.json", "node.sealed"]
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert found_in(sieve, folder) == set()
    # The sieve finds what it looks for: the same backup, not sealed.
    plain = found_in(sieve, safekeeping.backup(node, tmp_path / "plain"))
    assert {"a password for a source", "the credential key", "a signing key"} <= plain
    assert not list(node.settings.home.glob(".backup-*"))

    home = tmp_path / "again"
    for wrong in (lambda: None, new_key, lambda: WORDS):
        with pytest.raises(ConfigurationInvalid):
            safekeeping.restore(folder, home, opens_with=wrong)
        assert not home.exists()
    url = fresh_url()
    safekeeping.restore(folder, home, clock=wall.clock(), database_url=url, opens_with=lambda: key)
    assert not list(home.glob(".restoring*"))
    given = {} if url is None else {"database_url": url}
    again = open_node(home, clock=wall.clock(), **given)
    assert Scene(again).names("b") == scene.names("b") == ["one"]
    assert again.secrets.token_keys == node.secrets.token_keys
    ledger.verify(again)
    again.close()


def test_a_database_alone_holds_no_secret(node: Node, tmp_path: Path) -> None:
    """Every value of every table, locked or not: keys and passwords are files, credentials are keyed digests."""
    _, sieve = filled(node, tmp_path)
    seen: set[str] = set()
    with node.database.reading() as tx:
        for table in metadata.sorted_tables:
            for row in tx.execute(select(table)):
                raw = b"\n".join(
                    one if isinstance(one, bytes) else str(one).encode() for one in row
                )
                seen |= sieve.found_in(raw)
    assert seen == {"an object"}


def test_a_locked_home_shows_no_secret(sqlite_node: Node, wall: Wall, tmp_path: Path) -> None:
    """All files of the node, its database with its log and marks: no key, password or token in them; it works as before."""
    scene, sieve = filled(sqlite_node, tmp_path)
    assert keys.lock(sqlite_node, WORDS, by="test") == len(sqlite_node.secret_files.names())
    seen = found_in(sieve, sqlite_node.settings.home)
    assert seen == {"an object"}  # what it is there for; the disk's own encryption is for that
    with pytest.raises(ConfigurationInvalid, match="unlock_file"):
        reopen(sqlite_node, wall)
    again = open_node(sqlite_node.settings.home, clock=wall.clock(), opens_with=lambda: WORDS)
    assert again.secrets.token_keys == sqlite_node.secrets.token_keys
    assert again.secrets.signing_keys == sqlite_node.secrets.signing_keys
    assert Scene(again).names("b") == scene.names("b")
    looked = keys.look(again)
    assert (looked.opens_with, looked.plain) == ("passphrase", ())
    assert keys.unlock(again, by="test") == len(again.secret_files.names())
    again.close()
    reopen(sqlite_node, wall).close()


def test_a_locked_node_makes_sealed_backups_by_itself(
    sqlite_node: Node, wall: Wall, tmp_path: Path
) -> None:
    """What opens the node opens its backups; one made before the passphrase was changed, the old one."""
    _, sieve = filled(sqlite_node, tmp_path)
    sqlite_node.secret_files.lock(WORDS, cost=CHEAP)
    first = safekeeping.backup(sqlite_node, tmp_path / "first")
    sqlite_node.secret_files.change_lock(WORDS[::-1], cost=CHEAP)
    second = safekeeping.backup(sqlite_node, tmp_path / "second")
    assert found_in(sieve, first) | found_in(sieve, second) == set()
    for folder, word in ((first, WORDS), (second, WORDS[::-1])):
        with pytest.raises(ConfigurationInvalid):
            safekeeping.check(folder, lambda: "another passphrase")
        home = tmp_path / f"home of {folder.name}"
        safekeeping.restore(folder, home, clock=wall.clock(), opens_with=lambda word=word: word)
        again = open_node(home, clock=wall.clock(), opens_with=lambda word=word: word)
        assert again.secrets.credential_key == sqlite_node.secrets.credential_key
        again.close()


def test_the_node_and_its_backup_may_open_differently(
    sqlite_node: Node, wall: Wall, tmp_path: Path
) -> None:
    """A backup under a key of its own of a node whose passphrase stands in its unlock_file."""
    Scene.set_up(sqlite_node)
    sqlite_node.secret_files.lock(WORDS, cost=CHEAP)
    held = tmp_path / "passphrase"
    held.write_text(WORDS + "\n")
    held.chmod(0o600)
    with (sqlite_node.settings.home / "node.yaml").open("a") as stream:
        stream.write(f"unlock_file: {held}\n")
    node = reopen(sqlite_node, wall)
    key = new_key()
    folder = safekeeping.backup(node, tmp_path / "backup", secret=key)
    node.close()
    safekeeping.restore(folder, tmp_path / "again", clock=wall.clock(), opens_with=lambda: key)
    open_node(tmp_path / "again", clock=wall.clock()).close()


def changes(folder: Path) -> dict[str, Callable[[], None]]:
    """Ways to spoil a sealed backup."""
    sealed, listed = folder / packing.SEALED_FILE, folder / packing.LIST
    raw = sealed.read_bytes()

    def edit(**to: object) -> None:
        document = json.loads(listed.read_text())
        listed.write_text(json.dumps(document | to))

    return {
        "cut": lambda: sealed.write_bytes(raw[: len(raw) // 2]),
        "its last byte": lambda: sealed.write_bytes(raw[:-1]),
        "a bit": lambda: sealed.write_bytes(raw[:-9] + bytes([raw[-9] ^ 1]) + raw[-8:]),
        "more": lambda: sealed.write_bytes(raw + b"x"),
        "gone": sealed.unlink,
        "no lock": lambda: edit(lock=None),
        "another form": lambda: edit(format=1),
        "a newer form": lambda: edit(format=3),
    }


@pytest.mark.parametrize("way", [
    "cut", "its last byte", "a bit", "more", "gone", "no lock", "another form", "a newer form"
])  # fmt: skip
def test_a_spoilt_sealed_backup_is_refused(sqlite_node: Node, tmp_path: Path, way: str) -> None:
    """Before anything of it counts, and the home is left as it was: not there."""
    key = new_key()
    folder = safekeeping.backup(sqlite_node, tmp_path / "backup", secret=key)
    safekeeping.check(folder, lambda: key)
    changes(folder)[way]()
    with pytest.raises(ConfigurationInvalid):
        safekeeping.check(folder, lambda: key)
    with pytest.raises(ConfigurationInvalid):
        safekeeping.restore(folder, tmp_path / "again", opens_with=lambda: key)
    assert not (tmp_path / "again").exists()


def test_a_backup_is_rehearsed_without_a_trace(
    sqlite_node: Node, wall: Wall, tmp_path: Path
) -> None:
    """All of it comes back and verifies in a place of its own; neither node nor backup is touched."""
    scene = Scene.set_up(sqlite_node)
    scene.publish(indicator("one"))
    ledger.seal(sqlite_node)
    key = new_key()
    place = tmp_path / "place"
    place.mkdir()
    for secret in (None, key):
        folder = safekeeping.backup(sqlite_node, tmp_path / f"backup {secret}", secret=secret)
        before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        proved = safekeeping.rehearse(
            folder, clock=wall.clock(), opens_with=lambda secret=secret: secret, beside=place
        ).proved
        assert proved.objects > 0
        assert list(place.iterdir()) == []
        assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_nothing_goes_out_of_a_restored_node_until_a_person_looked(
    sqlite_node: Node, wall: Wall, tmp_path: Path
) -> None:
    """What was decided after the backup is forgotten: it says since when, and is frozen for everyone."""
    scene = Scene.set_up(sqlite_node)
    scene.publish(indicator("one"))
    begun = sqlite_node.now()
    folder = safekeeping.backup(sqlite_node, tmp_path / "backup")
    restored = safekeeping.restore(folder, tmp_path / "again", clock=wall.clock())
    assert begun - 120_000_000 < restored.kept_until < begun
    again = open_node(tmp_path / "again", clock=wall.clock())
    [freeze] = freezing.frozen(again)
    assert (freeze.audience, freeze.frozen_by) == (None, "restore")
    assert "restored from a backup of" in freeze.reason
    freezing.unfreeze(again, by="desk", reason="looked")
    assert freezing.frozen(again) == ()
    ledger.verify(again)
    again.close()


def test_backups_are_written_down(sqlite_node: Node, tmp_path: Path) -> None:
    """In the ledger, whether sealed or not, and where erasures look for copies."""
    folder = safekeeping.backup(sqlite_node, tmp_path / "backup", secret=new_key())
    with sqlite_node.database.reading() as tx:
        [made] = residues.backups(tx, standing_only=True)
        bodies = [str(one) for one in tx.execute(select(ledger_lines.c.body)).scalars()]
    assert made.folder == str(folder)
    assert sum('"sealed"' in one for one in bodies) == 1


def test_a_backup_that_was_killed_leaves_no_plain_copy(sqlite_node: Node, tmp_path: Path) -> None:
    """The next one removes what the kill left in the home."""
    left = sqlite_node.settings.home / ".backup-0123456789ab"
    left.mkdir()
    (left / "exchange.db").write_bytes(b"plain")
    safekeeping.backup(sqlite_node, tmp_path / "backup", secret=new_key())
    assert not left.exists()
    shutil.rmtree(tmp_path / "backup")
