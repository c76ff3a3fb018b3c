"""Backup and restore of a whole node, on both engines."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update
from sqlalchemy.engine import URL
from tests import engines
from tests.conftest import Wall
from tests.scenes import Scene, indicator

from cert_exchange.errors import ConfigurationInvalid, EvidenceBroken
from cert_exchange.node import Node, open_node
from cert_exchange.services import erasing, forgetting, ledger, partners, safekeeping
from cert_exchange.services.doctoring import forgotten
from cert_exchange.store import epochs
from cert_exchange.store.tables import release_log, views


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


def restored(folder: Path, home: Path, wall: Wall, url: str | None) -> Node:
    safekeeping.restore(folder, home, clock=wall.clock(), database_url=url)
    given = {} if url is None else {"database_url": url}
    return open_node(home, clock=wall.clock(), **given)


def test_what_comes_back_is_the_node(
    node: Node, wall: Wall, tmp_path: Path, fresh_url: Callable[[], str | None]
) -> None:
    """Objects, partners, credentials, keys and evidence; the old home untouched."""
    scene = Scene.set_up(node)
    scene.publish(indicator("one"))
    issued = partners.issue(node, "b", lifetime=None)
    ledger.seal(node)
    safekeeping.backup(node, tmp_path / "backup")
    scene.publish(indicator("after the backup"))

    again = restored(tmp_path / "backup", tmp_path / "again", wall, fresh_url())
    assert Scene(again).names("b") == ["one"]
    assert again.secrets.token_keys == node.secrets.token_keys
    with again.database.raw_reader() as connection:
        caller = partners.authenticate(
            again, connection, issued.credential_id, issued.secret, network="192.0.2.1"
        )
    assert caller.name == "b"
    assert scene.names("b") == ["one", "after the backup"]
    ledger.verify(again)
    again.close()


def test_a_restore_begins_an_epoch_above_all_that_was_handed_out(
    node: Node, wall: Wall, tmp_path: Path, fresh_url: Callable[[], str | None]
) -> None:
    """What was released and fetched after the backup lies below every line that comes: cursors miss nothing."""
    scene = Scene.set_up(node)
    scene.publish(indicator("one"))
    view = scene.view("b")
    safekeeping.backup(node, tmp_path / "backup")
    wall.forward(timedelta(days=1))
    scene.publish(*(indicator(f"lost {n}") for n in range(20)))
    with node.database.reading() as tx:
        handed_out = tx.execute(select(views.c.head).where(views.c.id == view)).scalar_one()

    before = node.now() // 1_000_000
    again = restored(tmp_path / "backup", tmp_path / "again", wall, fresh_url())
    with again.database.reading() as tx:
        assert before <= epochs.current(tx) <= again.now() // 1_000_000
    Scene(again).publish(indicator("new"))
    with again.database.reading() as tx:
        newest = (
            tx.execute(
                select(release_log.c.position)
                .where(release_log.c.view == view)
                .order_by(release_log.c.position.desc())
            )
            .scalars()
            .first()
        )
    assert newest is not None
    assert newest > handed_out
    ledger.verify(again)
    again.close()


def test_a_restored_node_lists_the_backup_it_came_from_and_says_what_it_cannot_know(
    node: Node, wall: Wall, tmp_path: Path, fresh_url: Callable[[], str | None]
) -> None:
    """What it erases is in that backup, too, and in those that were made after it, of which it knows nothing."""
    scene = Scene.set_up(node)
    scene.publish(indicator("one"))
    for name in ("first", "second", "third"):
        safekeeping.backup(node, tmp_path / name)
        wall.forward(timedelta(hours=1))

    again = restored(tmp_path / "second", tmp_path / "again", wall, fresh_url())
    restored_at = again.now()
    assert forgetting.leftovers(again).unknown == ()  # nothing was erased
    done = erasing.erase(again, indicator("one")["id"], by="anna", reason="on request")
    assert [Path(one.folder).name for one in done.backups] == ["first", "second"]
    left = forgetting.leftovers(again)
    assert [Path(one.folder).name for one in left.backups] == ["first", "second"]
    ((after, until),) = left.unknown
    assert after == left.backups[1].made_at
    assert after < until <= restored_at
    assert any("unknown to this node" in one.finding for one in forgotten.examine(again))
    object.__setattr__(
        again, "settings", again.settings.model_copy(update={"backups_keep_days": 30})
    )
    wall.forward(timedelta(days=31))
    assert forgetting.remove_old_backups(again) == 2
    assert not (tmp_path / "second").exists()
    assert (tmp_path / "third").exists()
    assert not any("unknown to this node" in one.finding for one in forgotten.examine(again))
    assert len(forgetting.leftovers(again).unknown) == 1
    again.close()


def test_a_restore_overwrites_nothing(sqlite_node: Node, tmp_path: Path) -> None:
    """A home with anything in it, or a folder that is no finished backup, is refused."""
    folder = safekeeping.backup(sqlite_node, tmp_path / "backup")
    with pytest.raises(ConfigurationInvalid, match="not empty"):
        safekeeping.restore(folder, sqlite_node.settings.home)
    with pytest.raises(ConfigurationInvalid, match="not empty"):
        safekeeping.backup(sqlite_node, folder)
    (folder / safekeeping.LIST).unlink()
    with pytest.raises(ConfigurationInvalid, match="no finished backup"):
        safekeeping.restore(folder, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_changed_backup_is_refused(sqlite_node: Node, tmp_path: Path) -> None:
    """A file that differs from the list, or a list that leads outside, is found before anything is copied."""
    folder = safekeeping.backup(sqlite_node, tmp_path / "backup")
    listed = json.loads((folder / safekeeping.LIST).read_text())
    key = folder / "secrets" / "credential.key"
    key.write_text("00" * 32)
    with pytest.raises(ConfigurationInvalid, match="changed"):
        safekeeping.restore(folder, tmp_path / "again")
    shutil.copy(sqlite_node.settings.home / "secrets" / "credential.key", key)
    listed["files"]["../outside"] = "0"
    (folder / safekeeping.LIST).write_text(json.dumps(listed))
    with pytest.raises(ConfigurationInvalid, match="outside"):
        safekeeping.restore(folder, tmp_path / "again")


def test_a_backup_of_broken_evidence_says_so(sqlite_node: Node, tmp_path: Path, wall: Wall) -> None:
    """Restoring verifies the whole ledger: what was tampered with before the backup is found."""
    scene = Scene.set_up(sqlite_node)
    scene.publish(indicator("one"))
    sqlite_node.database.transact(lambda tx: tx.execute(update(release_log).values(rule="forged")))
    folder = safekeeping.backup(sqlite_node, tmp_path / "backup")
    with pytest.raises(EvidenceBroken):
        safekeeping.restore(folder, tmp_path / "again", clock=wall.clock())


def test_a_backup_is_for_its_owner_only(sqlite_node: Node, tmp_path: Path) -> None:
    """It holds the keys: nobody else may read any of it, and the secret is not on a command line (D10)."""
    folder = safekeeping.backup(sqlite_node, tmp_path / "backup")
    assert folder.stat().st_mode & 0o077 == 0
    names = {path.name for path in folder.rglob("*") if path.is_file()}
    assert {
        "node.yaml",
        "credential.key",
        "token-keys.json",
        "exchange.db",
        "exchange-marks.db",
    } <= names
    for path in (
        folder / "exchange.db",
        folder / "exchange-marks.db",
        folder / "secrets" / "credential.key",
    ):
        assert path.stat().st_mode & 0o077 == 0
