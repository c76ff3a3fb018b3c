"""Attempts on what is kept: a thief of disks and backups, and partners who speak of restores."""

from __future__ import annotations

import json
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

from sqlalchemy import true
from tests.attack import guards
from tests.attack.attempts import FILES, INSIDER, PARTNER, attempt
from tests.attack.world import World
from tests.invariants.canaries import canary
from tests.scenes import B_IDENTITY, C_IDENTITY, indicator, uid
from tests.taxii.conftest import Client, serving

from cert_exchange.node import open_node
from cert_exchange.services import keys, releasing, safekeeping, syncing
from cert_exchange.store.copies import DUMP

guards.add(
    "secrets: sealed",
    "secret files are sealed where the folder has a lock",
    {"cert_exchange.vault.sealing.seal": lambda _key, _name, raw: raw},
)
guards.add(
    "secrets: no plain file among sealed ones",
    "a secret file that is not sealed is refused in a folder that has a lock",
    {"cert_exchange.vault.files._refuses_plain": guards.answers(False)},
)
guards.add(
    "secrets: a name's own key",
    "a sealed file opens under its own name only",
    {"cert_exchange.vault.sealing._key_of": lambda key, _name: key},
)
guards.add(
    "secrets: what opens them lies elsewhere",
    "the file that opens the secrets may not lie in the node's folder",
    {"cert_exchange.settings._lies_in": guards.answers(False)},
)
guards.add(
    "backup: sealed",
    "a backup of a node with locked secrets is sealed",
    {"cert_exchange.services.safekeeping.backing_up._sealing": guards.answers(None)},
)
guards.add(
    "backup: every byte counts",
    "a backup that differs from its list in one byte is not restored",
    {"cert_exchange.services.safekeeping.packing._check_plain": lambda _folder, listing: listing},
)
guards.add(
    "backup: nothing outside",
    "a backup's list cannot name a file outside of it",
    {"cert_exchange.services.safekeeping.packing._outside": guards.answers(False)},
)
guards.add(
    "restore: frozen",
    "nothing goes out of a restored node until a person lifts the freeze",
    {"cert_exchange.services.freezing.freeze_everyone": guards.answers(None)},
)
guards.add(
    "restore: given back to its sender",
    "what a partner asks back is what it sent itself",
    {"cert_exchange.store.partner_epochs._sent_by": lambda _partner: true()},
)
guards.add(
    "restore: once in an hour",
    "a partner's restore counts once in an hour",
    {"cert_exchange.services.restoring.PAUSE": 0},
)

WORDS = "otter gravel lantern quince"


def _words(folder: Path) -> bytes:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return b"".join(_unpacked(path) if path.name == DUMP else path.read_bytes() for path in files)


def _unpacked(dump: Path) -> bytes:
    """What PostgreSQL's own program makes of a dump, which is compressed."""
    done = subprocess.run(
        ["pg_restore", "--file=-", str(dump)], capture_output=True, check=False, timeout=60
    )
    return done.stdout


def _password(world: World) -> str:
    """A has a password for a source."""
    password = canary()
    file = world.folder / "password"
    file.write_text(password)
    syncing.add_source(
        world.a.node, "from-b", partner="b", url="https://taxii.cert-b.example/api/",
        remote_collection=uid("theirs"), collection="indicators", secret=file, options={"auth": "bearer"},
    )  # fmt: skip
    file.unlink()
    return password


@attempt("password out of a stolen home", guard="secrets: sealed", by=FILES)
def stolen_home(world: World) -> bool:
    """The whole folder of a node with locked secrets is stolen, and searched for its password at a partner's server."""
    password = _password(world)
    keys.lock(world.a.node, WORDS, by="desk")
    return password.encode() in _words(world.a.home)


@attempt("keys out of a stolen home", guard="secrets: sealed", by=FILES)
def stolen_keys(world: World) -> bool:
    """The signing key and the key of credentials are looked for in the stolen folder of a locked node."""
    secrets = world.a.node.secrets
    wanted = [secrets.signing_keys[0].private, secrets.credential_key]
    keys.lock(world.a.node, WORDS, by="desk")
    found = _words(world.a.home)
    return any(one in found or one.hex().encode() in found for one in wanted)


@attempt("objects out of a stolen backup", guard="backup: sealed", by=FILES)
def stolen_backup(world: World) -> bool:
    """A backup of a locked node is stolen; an object is looked for in it."""
    word = canary()
    world.a.scene.publish(indicator("ours", description=word))
    keys.lock(world.a.node, WORDS, by="desk")
    folder = safekeeping.backup(world.a.node, world.folder / "backup")
    return word.encode() in _words(folder)


@attempt("a key of the thief's own", guard="secrets: no plain file among sealed ones", by=INSIDER)
def planted_key(world: World) -> bool:
    """Who may write into the folder, but has no passphrase, puts a key of credentials that he knows in place of ours."""
    keys.lock(world.a.node, WORDS, by="desk")
    file = world.a.home / "secrets" / "credential.key"
    file.write_text("11" * 32)
    file.chmod(0o600)
    node = open_node(world.a.home, opens_with=lambda: WORDS)
    try:
        return node.secrets.credential_key == bytes.fromhex("11" * 32)
    finally:
        node.close()


@attempt("one sealed file for another", guard="secrets: a name's own key", by=INSIDER)
def swapped_files(world: World) -> bool:
    """A sealed file is put in place of another, so that a key is used for what it is not for."""
    keys.rotate_derivatives(world.a.node, by="desk")
    keys.lock(world.a.node, WORDS, by="desk")
    folder = world.a.home / "secrets"
    shutil.copy2(folder / "derivative.key", folder / "credential.key")
    node = open_node(world.a.home, opens_with=lambda: WORDS)
    try:
        return node.secrets.credential_key == node.secrets.derivative_key
    finally:
        node.close()


@attempt("a key changed in a backup", guard="backup: every byte counts", by=FILES)
def changed_backup(world: World) -> bool:
    """A plain backup is changed before it is restored: a key of the thief's own in it."""
    folder = safekeeping.backup(world.a.node, world.folder / "backup")
    (folder / "secrets" / "credential.key").write_text("11" * 32)
    safekeeping.restore(folder, world.folder / "again", database_url=world.empty_database())
    return "11" * 32 in (world.folder / "again" / "secrets" / "credential.key").read_text()


@attempt("read from a restored node at once", guard="restore: frozen", by=PARTNER)
def restored_and_read(world: World) -> bool:
    """What was taken back after the backup is read from the restored node before anybody looked."""
    wrong = indicator("names a victim")
    world.a.scene.publish(wrong)
    token = world.a.credential("b").token
    folder = safekeeping.backup(world.a.node, world.folder / "backup")
    releasing.withdraw(world.a.node, wrong["id"], by="desk", reason="names a victim")
    safekeeping.restore(folder, world.folder / "again", database_url=world.empty_database())
    node = open_node(world.folder / "again")
    world.ends(node.close)
    port = world.enters(serving(node))
    return wrong["id"] in Client(port, f"Bearer {token}").objects().ids


@attempt("crying restore", guard="restore: once in an hour", by=PARTNER)
def crying_restore(world: World) -> bool:
    """A partner says again and again that it was restored, so that we send and write for ever."""
    client = world.a.client("b")
    counted = 0
    for epoch in range(1, 8):
        body = json.dumps({"epoch": epoch, "lost_since": "2026-01-01T00:00:00Z"}).encode()
        answer = client.ask(
            "/exchange/v1/epoch",
            method="POST",
            body=body,
            headers={"Content-Type": "application/json"},
        )
        counted += answer.status == 200 and json.loads(answer.raw).get("restored") is True
    return counted > 1


@attempt("another's objects given back", guard="restore: given back to its sender", by=PARTNER)
def anothers_objects(world: World) -> bool:
    """A partner asks back what another partner sent, as if it had lost it."""
    world.a.scene.post("c", indicator("of c", by=C_IDENTITY))
    world.a.scene.post("b", indicator("of b", by=B_IDENTITY))
    answer = world.a.client("b").ask("/exchange/v1/returned?since=2020-01-01T00:00:00Z")
    return indicator("of c")["id"].encode() in answer.raw


@attempt("a file outside of a restored home", guard="backup: nothing outside", by=FILES)
def outside_of_backup(world: World) -> bool:
    """The list of a backup names a file beside it, so that restoring writes beside the new home."""
    folder = safekeeping.backup(world.a.node, world.folder / "backup")
    (world.folder / "planted").write_text("planted")
    listed = json.loads((folder / safekeeping.LIST).read_text())
    listed["files"]["../planted"] = sha256(b"planted").hexdigest()
    (folder / safekeeping.LIST).write_text(json.dumps(listed))
    (world.folder / "place").mkdir()
    home = world.folder / "place" / "home"
    safekeeping.restore(folder, home, database_url=world.empty_database())
    return (world.folder / "place" / "planted").exists()


@attempt("the key with the stolen home", guard="secrets: what opens them lies elsewhere", by=FILES)
def key_in_the_home(world: World) -> bool:
    """The passphrase lies in the folder that is stolen, where a careless setting put it."""
    keys.lock(world.a.node, WORDS, by="desk")
    held = world.a.home / "passphrase"
    held.write_text(WORDS)
    held.chmod(0o600)
    with (world.a.home / "node.yaml").open("a") as stream:
        stream.write("unlock_file: passphrase\n")
    stolen = world.folder / "stolen"
    shutil.copytree(world.a.home, stolen)
    node = open_node(stolen, database_url=f"sqlite:///{world.folder / 'none.db'}")
    try:
        return node.secrets.credential_key == world.a.node.secrets.credential_key
    finally:
        node.close()
