"""secrets, backup, restore at the command line; and a locked node that serves, its worker beside it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from tests.cli.conftest import Cli
from tests.foreign.conftest import free_port

from cert_exchange.settings import PASSPHRASE

WORDS = "otter gravel lantern quince"


@pytest.fixture
def key(cli: Cli, tmp_path: Path) -> Path:
    """A key file as `secrets new-key` makes it."""
    assert cli("secrets", "new-key", tmp_path / "the.key").code == 0
    return tmp_path / "the.key"


def test_a_key_file_is_new_and_its_owners(cli: Cli, key: Path) -> None:
    """One line of 64 hex digits; an existing file is never overwritten."""
    assert key.stat().st_mode & 0o777 == 0o600
    assert len(bytes.fromhex(key.read_text().strip())) == 32
    before = key.read_text()
    again = cli("secrets", "new-key", key)
    assert again.code != 0
    assert key.read_text() == before


def test_locking_showing_and_unlocking(
    cli: Cli, home: Path, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without what opens it every command says what to do; no key is ever printed."""
    shown = cli("secrets", "show", "--json").json()
    assert shown["opens_with"] is None
    assert {"credential.key", "token-keys.json", "signing-keys.json"} <= set(shown["plain"])
    assert cli("backup", home.with_name("old")).code == 0
    locked = cli("secrets", "lock", "--unlock-file", key)
    assert locked.code == 0
    assert f"{home.with_name('old')} is a backup from before, and readable" in locked.err
    refused = cli("status")
    assert refused.code == 1
    assert "unlock_file" in refused.err
    with (home / "node.yaml").open("a") as stream:
        stream.write(f"unlock_file: {key}\n")
    assert cli("status").code == 0
    ran = cli("secrets", "show")
    assert "encrypted\tyes, opened by a key" in ran.out
    assert "not encrypted\tnothing" in ran.out
    for verb in ("tokens", "derivatives"):
        assert cli("secrets", "rotate", verb).code == 0
    assert len(cli("secrets", "show", "--json").json()["token_keys"]) == 2
    secrets_shown = cli("secrets", "show").out + cli("secrets", "show", "--json").out
    assert key.read_text().strip() not in secrets_shown
    assert cli("ledger", "verify").code == 0

    other = key.with_name("passphrase")
    other.write_text(WORDS)
    other.chmod(0o600)
    changed = cli("secrets", "relock", "--unlock-file", other)
    assert changed.code == 0
    assert f"before the next start set unlock_file in node.yaml to {other}" in changed.err
    assert cli("status").code == 1
    monkeypatch.setenv(PASSPHRASE, WORDS)
    assert cli("status").code == 0
    assert cli("secrets", "unlock").code == 1
    assert cli("secrets", "unlock", "--yes").code == 0
    monkeypatch.delenv(PASSPHRASE)
    assert cli("status").code == 0


def test_the_key_may_not_lie_in_the_home(cli: Cli, home: Path) -> None:
    """Who takes the folder would have it."""
    refused = cli("secrets", "new-key", home / "key")
    assert (refused.code, "who takes that has the key" in refused.err) == (1, True)
    (home / "key").write_text("00" * 32)
    (home / "key").chmod(0o600)
    with (home / "node.yaml").open("a") as stream:
        stream.write("unlock_file: key\n")
    ran = cli("status")
    assert ran.code == 1
    assert "put it elsewhere" in ran.err


def test_an_encrypted_backup_at_the_command_line(
    cli: Cli, home: Path, key: Path, tmp_path: Path
) -> None:
    """Made, rehearsed and restored with its key; without it a sentence, and nothing made."""
    assert home.exists()
    plain = cli("backup", tmp_path / "plain")
    assert "NOT encrypted" in plain.err
    made = cli("backup", tmp_path / "copy", "--unlock-file", key)
    assert (made.code, "encrypted, and read again" in made.err) == (0, True)
    refused = cli("restore", tmp_path / "copy", "--home", tmp_path / "again")
    assert refused.code == 1
    assert "--unlock-file" in refused.err
    assert not (tmp_path / "again").exists()
    rehearsed = cli("restore", tmp_path / "copy", "--rehearse", "--unlock-file", key)
    assert rehearsed.code == 0, rehearsed.err
    assert "Nothing was changed" in rehearsed.err
    ran = cli("restore", tmp_path / "copy", "--home", tmp_path / "again", "--unlock-file", key)
    assert ran.code == 0, ran.err
    assert "unfreeze --all --reason" in ran.err
    frozen = cli("frozen", "--home", tmp_path / "again")
    assert "restored from a backup of" in frozen.out
    assert cli("unfreeze", "--all", "--reason", "looked", "--home", tmp_path / "again").code == 0


def test_doctor_speaks_of_secrets_and_backups(
    cli: Cli, home: Path, key: Path, tmp_path: Path
) -> None:
    """Not encrypted, no backup; then both; then a plain file among the encrypted."""
    before = cli("doctor").out
    assert "not encrypted on the disk" in before
    assert "none was ever made" in before
    assert cli("secrets", "lock", "--unlock-file", key).code == 0
    with (home / "node.yaml").open("a") as stream:
        stream.write(f"unlock_file: {key}\n")
    assert cli("backup", tmp_path / "copy").code == 0
    after = cli("doctor").out
    assert "encrypted, opened by a key" in after
    assert "the last one was made at" in after
    planted = home / "secrets" / "planted"
    planted.write_text("x")
    planted.chmod(0o600)
    ran = cli("doctor")
    assert ran.code == 1
    assert "not encrypted among the encrypted: planted" in ran.out


@pytest.fixture
def serving(home: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def serve(**environment: str) -> subprocess.Popen[bytes]:
        given = {key: value for key, value in os.environ.items() if key != PASSPHRASE}
        started.append(
            subprocess.Popen(
                [Path(sys.executable).with_name("cert-exchange"), "serve", "--home", str(home)],
                env=given | environment,
                stdin=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
        )
        return started[-1]

    yield serve
    for process in started:
        process.kill()
        process.wait(30)
        if process.stderr is not None:
            process.stderr.close()


def _until(process: subprocess.Popen[bytes], word: bytes) -> bytes:
    assert process.stderr is not None
    seen = b""
    for line in process.stderr:
        seen += line
        if word in line:
            break
    return seen


@pytest.mark.long
def test_a_locked_node_serves_and_its_worker_works(
    cli: Cli, home: Path, serving: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    """With the passphrase in the environment both processes open the secrets; without it the start ends with a sentence."""
    file = tmp_path / "passphrase"
    file.write_text(WORDS)
    file.chmod(0o600)
    assert cli("secrets", "lock", "--unlock-file", file).code == 0
    refused = serving()
    _, said = refused.communicate(timeout=60)
    assert refused.returncode == 1
    assert b"unlock_file" in said
    assert WORDS.encode() not in said
    port = free_port()
    process = serving(**{PASSPHRASE: WORDS, "CERT_EXCHANGE_PORT": str(port)})
    for _ in range(300):
        try:
            with urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5) as answer:
                assert answer.status == 200
                break
        except URLError:
            time.sleep(0.1)
    # The worker is a child that opens the secrets for itself; it says so in the same log.
    reader = threading.Thread(target=lambda: said_so.append(_until(process, b"worker started")))
    said_so: list[bytes] = []
    reader.start()
    reader.join(90)
    process.send_signal(signal.SIGTERM)
    _, rest = process.communicate(timeout=60)
    log = b"".join(said_so) + rest
    assert process.returncode == 0
    assert b"worker started" in log
    assert WORDS.encode() not in log


def typed(home: Path, arguments: list[str], *lines: str) -> tuple[int, str]:
    """Run the program on a terminal of its own, on which a person types these lines; exit code and what stood there."""
    ours, theirs = os.openpty()
    try:
        process = subprocess.Popen(
            [Path(sys.executable).with_name("cert-exchange"), *arguments, "--home", str(home)],
            env={key: value for key, value in os.environ.items() if key != PASSPHRASE},
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            bufsize=0,
        )
        assert process.stdout is not None
        out = b""
        for line in lines:
            # What is typed before the question is thrown away.
            while not out.endswith(b": "):
                one = process.stdout.read(1)
                assert one, out
                out += one
            os.write(ours, f"{line}\n".encode())
            out += b"\n"
        rest, _ = process.communicate(timeout=60)
    finally:
        os.close(ours)
        os.close(theirs)
    return process.returncode, (out + rest).decode()


@pytest.mark.long
def test_a_person_types_the_passphrase(cli: Cli, home: Path) -> None:
    """Twice when it is new, once for a command; a wrong one is refused, and none is ever echoed or printed."""
    code, out = typed(home, ["secrets", "lock"], WORDS, WORDS[::-1])
    assert (code, "two different passphrases" in out) == (1, True)
    code, out = typed(home, ["secrets", "lock"], WORDS, WORDS)
    assert (code, "encrypted" in out) == (0, True), out
    code, said = typed(home, ["status"], WORDS)
    assert (code, "Passphrase of this node" in said) == (0, True), said
    wrong, refused = typed(home, ["status"], "something else entirely")
    assert (wrong, "does not open it" in refused) == (1, True), refused
    assert WORDS not in out + said + refused
    assert cli("status").code == 1  # where nobody sits
