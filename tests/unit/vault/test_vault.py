"""Locks, sealed files and sealed streams: what is changed, cut or opened with the wrong secret is refused."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest

from cert_exchange.errors import ConfigurationInvalid
from cert_exchange.vault.files import LOCK_FILE, SecretFiles
from cert_exchange.vault.locks import Lock, make_lock, new_key, open_lock
from cert_exchange.vault.sealing import PIECE, SealingWriter, UnsealingReader, seal, unseal

CHEAP = 2**4
WORDS = "otter gravel lantern quince"


def stream(raw: bytes, key: bytes) -> bytes:
    target = io.BytesIO()
    writer = SealingWriter(target, key)
    for start in range(0, len(raw), 300_000):
        writer.write(raw[start : start + 300_000])
    writer.close()
    return target.getvalue()


@pytest.mark.parametrize("secret", [WORDS, new_key()], ids=["words", "key"])
def test_a_lock_opens_with_its_secret_and_with_no_other(secret: str) -> None:
    """Also after a way through its file; a wrong secret of either kind is refused."""
    lock, key = make_lock(secret, cost=CHEAP)
    again = Lock.of(json.loads(json.dumps(lock.document())))
    assert open_lock(again, secret) == key
    for wrong in (WORDS + "s", new_key(), ""):
        with pytest.raises(ConfigurationInvalid, match="does not open"):
            open_lock(again, wrong)


def test_what_a_lock_states_cannot_be_changed() -> None:
    """Who lowers the cost in the file, or turns a bit of the wrapped key, gets nothing."""
    lock, _ = make_lock(WORDS, cost=CHEAP)
    for changed in (
        Lock(lock.kind, CHEAP * 2, lock.salt, lock.wrapped),
        Lock(lock.kind, lock.cost, lock.salt[::-1], lock.wrapped),
        Lock(lock.kind, lock.cost, lock.salt, lock.wrapped[:-1] + bytes([lock.wrapped[-1] ^ 1])),
    ):
        with pytest.raises(ConfigurationInvalid, match="does not open"):
            open_lock(changed, WORDS)
    costly = lock.document() | {"scrypt_n": 2**40}
    with pytest.raises(ConfigurationInvalid, match="damaged"):
        Lock.of(costly)


def test_a_short_passphrase_makes_no_lock() -> None:
    """The sentence says what would be better."""
    with pytest.raises(ConfigurationInvalid, match="at least 12"):
        make_lock("hunter2")


def test_a_sealed_file_opens_under_its_own_name_only() -> None:
    """Swapped with another file of the same node it is refused; so is any turned bit."""
    _, key = make_lock(new_key())
    sealed = seal(key, "a.key", b"canary")
    assert unseal(key, "a.key", sealed) == b"canary"
    assert b"canary" not in sealed
    with pytest.raises(ConfigurationInvalid, match="changed"):
        unseal(key, "b.key", sealed)
    for place in range(len(sealed)):
        turned = bytearray(sealed)
        turned[place] ^= 1
        with pytest.raises(ConfigurationInvalid):
            unseal(key, "a.key", bytes(turned))


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 2 * PIECE + 7])
def test_a_stream_comes_back_whole(size: int) -> None:
    """Also where it ends at the edge of a piece, read in odd portions."""
    key, raw = os.urandom(32), os.urandom(size)
    sealed = stream(raw, key)
    assert UnsealingReader(io.BytesIO(sealed), key).read() == raw
    reader, found = UnsealingReader(io.BytesIO(sealed), key), bytearray()
    while portion := reader.read(70_001):
        found += portion
    assert found == raw


def test_a_stream_that_was_tampered_with_is_refused() -> None:
    """Cut at any edge of a piece, cut inside, pieces swapped or doubled, a bit turned, another key."""
    key, raw = os.urandom(32), os.urandom(3 * PIECE + 5)
    sealed = stream(raw, key)
    head = len(sealed) - (3 * (PIECE + 16) + 5 + 16)
    pieces = [sealed[at : at + PIECE + 16] for at in range(head, len(sealed), PIECE + 16)]
    first = sealed[:head]
    for wrong in {
        "cut after one": first + pieces[0],
        "cut after three": first + b"".join(pieces[:3]),
        "cut inside": sealed[:-3],
        "only its head": first,
        "nothing": b"",
        "swapped": first + pieces[1] + pieces[0] + b"".join(pieces[2:]),
        "doubled": first + pieces[0] + b"".join(pieces),
        "longer": sealed + pieces[0],
        "turned": sealed[:-40] + bytes([sealed[-40] ^ 1]) + sealed[-39:],
    }.values():
        with pytest.raises(ConfigurationInvalid, match="cut off"):
            UnsealingReader(io.BytesIO(wrong), key).read()
    with pytest.raises(ConfigurationInvalid):
        UnsealingReader(io.BytesIO(sealed), os.urandom(32)).read()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "secrets"
    files = SecretFiles(made)
    files.write("one.key", b"canary-one")
    files.write("two.key", b"canary-two")
    return made


def held(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_a_locked_folder_shows_nothing_and_reads_as_before(folder: Path) -> None:
    """What is written later is sealed too; without the secret the sentence says how to give it."""
    assert SecretFiles(folder).lock(WORDS, cost=CHEAP) == 2
    files = SecretFiles(folder, lambda: WORDS)
    files.write("three.key", b"canary-three")
    assert not files.create("three.key", b"canary-other")
    assert files.create("four.key", b"canary-four")
    assert files.read("one.key") == b"canary-one"
    assert files.read("three.key") == b"canary-three"
    assert b"canary" not in held(folder)
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    with pytest.raises(ConfigurationInvalid, match="unlock_file"):
        SecretFiles(folder).read("one.key")
    with pytest.raises(ConfigurationInvalid, match="does not open"):
        SecretFiles(folder, lambda: WORDS[::-1]).read("one.key")


def test_a_plain_file_put_into_a_locked_folder_is_refused(folder: Path) -> None:
    """Who can write there but has no key cannot put his own key in place of ours."""
    SecretFiles(folder).lock(WORDS, cost=CHEAP)
    (folder / "one.key").write_bytes(b"planted")
    files = SecretFiles(folder, lambda: WORDS)
    with pytest.raises(ConfigurationInvalid, match="not encrypted"):
        files.read("one.key")
    assert files.lock(WORDS, cost=CHEAP) == 1
    assert files.read("one.key") == b"planted"
    (folder / LOCK_FILE).unlink()
    with pytest.raises(ConfigurationInvalid, match="missing"):
        files.read("two.key")


@pytest.mark.parametrize("sealed_before_the_kill", [0, 1])
def test_sealing_that_was_killed_goes_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch, sealed_before_the_kill: int
) -> None:
    """In between everything is read; repeated, all of it is sealed under the same key."""
    put, written = SecretFiles._put, []

    def killed(self: SecretFiles, name: str, raw: bytes) -> None:
        if len(written) > sealed_before_the_kill:
            raise KeyboardInterrupt
        written.append(name)
        put(self, name, raw)

    monkeypatch.setattr(SecretFiles, "_put", killed)
    with pytest.raises(KeyboardInterrupt):
        SecretFiles(folder).lock(WORDS, cost=CHEAP)
    monkeypatch.undo()
    files = SecretFiles(folder, lambda: WORDS)
    assert (files.read("one.key"), files.read("two.key")) == (b"canary-one", b"canary-two")
    assert files.lock(WORDS, cost=CHEAP) == 2 - sealed_before_the_kill
    assert b"canary" not in held(folder)
    assert files.read("two.key") == b"canary-two"


def test_what_a_kill_left_beside_a_file_is_sealed_and_swept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy of all keys under a name that nobody lists: encrypted with the rest, and gone some time later."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            SecretFiles(folder).write("one.key", b"canary-new")
    (left,) = SecretFiles(folder).leftovers()
    assert b"canary-new" in held(folder)
    assert SecretFiles(folder).lock(WORDS, cost=CHEAP) == 3
    assert b"canary" not in held(folder)
    files = SecretFiles(folder, lambda: WORDS)
    os.utime(folder / left, (1_000, 1_000))
    assert files.sweep(now=1_500_000_000) == 0  # somebody may be writing it
    assert files.sweep(now=1_601_000_000) == 1
    assert files.leftovers() == []
    assert files.read("one.key") == b"canary-one"


def test_another_passphrase_for_the_same_lock(folder: Path) -> None:
    """The old one opens nothing any more, no sealed file is written anew, and a key file may take over."""
    SecretFiles(folder).lock(WORDS, cost=CHEAP)
    before = (folder / "one.key").read_bytes()
    running = SecretFiles(folder, lambda: WORDS)
    assert running.read("one.key") == b"canary-one"
    key = new_key()
    SecretFiles(folder, lambda: WORDS).change_lock(key)
    assert (folder / "one.key").read_bytes() == before
    assert SecretFiles(folder, lambda: key).read("one.key") == b"canary-one"
    with pytest.raises(
        ConfigurationInvalid, match="this passphrase does not open it, for which a key file"
    ):
        SecretFiles(folder, lambda: WORDS).read("one.key")
    assert running.read("two.key") == b"canary-two"  # it holds the key inside, which is the same
    assert SecretFiles(folder, lambda: key).unlock() == 2
    assert SecretFiles(folder).read("two.key") == b"canary-two"
    assert not (folder / LOCK_FILE).exists()


def test_who_keeps_a_folder_open_sees_that_another_process_locked_it(folder: Path) -> None:
    """Without a restart, where it knows what opens the lock."""
    files = SecretFiles(folder, lambda: WORDS)
    assert files.read("one.key") == b"canary-one"
    SecretFiles(folder).lock(WORDS, cost=CHEAP)
    assert files.locked
    assert files.read("one.key") == b"canary-one"


def test_a_file_that_others_may_read_is_refused(folder: Path) -> None:
    """The sentence says what to type."""
    (folder / "one.key").chmod(0o644)
    with pytest.raises(ConfigurationInvalid, match="chmod 600"):
        SecretFiles(folder).read("one.key")
