"""A node's home, settings and secrets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.conftest import OUR_IDENTITY

from cert_exchange.errors import ConfigurationInvalid
from cert_exchange.node import CREDENTIAL_KEY, TOKEN_KEYS, Node, make_home, open_node
from cert_exchange.settings import Settings, load_settings

TOKEN = "x" * 8


def make(home: Path, **settings: object) -> Path:
    return make_home(home, **{"identity": OUR_IDENTITY, "title": "A", **settings})


def write(home: Path, text: str) -> None:
    (home / "node.yaml").write_text(text)


def test_a_home_is_its_owners_alone(tmp_path: Path) -> None:
    """Folders 0700, everything that holds keys or data 0600."""
    home = make(tmp_path / "home")
    assert home.stat().st_mode & 0o777 == 0o700
    files = [
        home / "node.yaml",
        home / "exchange.db",
        home / "exchange-marks.db",
        *(home / "secrets").iterdir(),
    ]
    assert {path.name for path in files} >= {CREDENTIAL_KEY, TOKEN_KEYS}
    assert {oct(path.stat().st_mode & 0o777) for path in files} == {"0o600"}


@pytest.mark.case("D08")
def test_making_a_home_again_changes_nothing(tmp_path: Path) -> None:
    """Also one that was cut off in the middle: what is there stays, what lacks is made."""
    home = make(tmp_path / "home")
    before = {path: path.read_bytes() for path in (home / "secrets").iterdir()}
    (home / "node.yaml").unlink()
    make(home)
    assert {path: path.read_bytes() for path in (home / "secrets").iterdir()} == before
    open_node(home).close()


def test_two_homes_share_no_key(tmp_path: Path) -> None:
    """No known signing secret ships with the program."""
    one, two = (open_node(make(tmp_path / name)) for name in "ab")
    assert one.secrets.credential_key != two.secrets.credential_key
    assert not set(one.secrets.token_keys.values()) & set(two.secrets.token_keys.values())
    assert one.secrets.credential_key.hex() not in repr(one)
    one.close()
    two.close()


def test_old_token_keys_still_verify(sqlite_node: Node) -> None:
    """A new first key signs; the old ones stay as long as the log lives (DECISIONS 8)."""
    path = sqlite_node.settings.home / "secrets" / TOKEN_KEYS
    old = json.loads(path.read_text())
    path.write_text(json.dumps([{"id": "newest", "key": "11" * 32}, *old]))
    again = open_node(sqlite_node.settings.home)
    assert again.secrets.token_key_id == "newest"
    assert set(again.secrets.token_keys) == {"newest", old[0]["id"]}
    again.close()


def test_no_start_without_an_identity(tmp_path: Path) -> None:
    """The sentence says which line to write."""
    home = make(tmp_path / "home")
    write(home, "title: A\n")
    with pytest.raises(ConfigurationInvalid, match="write `identity: identity--"):
        open_node(home)


def test_no_start_where_there_is_no_home(tmp_path: Path) -> None:
    """Opening makes nothing."""
    with pytest.raises(ConfigurationInvalid, match="init"):
        open_node(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "exchange.example"])
def test_no_open_door_without_tls(tmp_path: Path, host: str) -> None:
    """Listening beyond this machine needs a certificate; the sentence says so."""
    home = make(tmp_path / "home", host=host)
    with pytest.raises(ConfigurationInvalid, match="tls_certificate"):
        open_node(home)
    write(
        home, f"identity: {OUR_IDENTITY}\nhost: '{host}'\ntls_certificate: a.pem\ntls_key: a.key\n"
    )
    open_node(home).close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.9.9.9"])
def test_loopback_needs_no_tls(tmp_path: Path, host: str) -> None:
    """What only this machine reaches may stay plain."""
    assert load_settings(tmp_path, identity=OUR_IDENTITY, host=host).loopback


@pytest.mark.parametrize("name", [CREDENTIAL_KEY, TOKEN_KEYS])
def test_a_missing_open_or_damaged_key_stops_the_start(tmp_path: Path, name: str) -> None:
    """Never made anew over a database whose credentials and tokens need the old one."""
    home = make(tmp_path / "home")
    path = home / "secrets" / name
    whole = path.read_text()
    path.chmod(0o644)
    with pytest.raises(ConfigurationInvalid, match="chmod"):
        open_node(home)
    path.chmod(0o600)
    path.write_text("[]" if name == TOKEN_KEYS else "zz")
    with pytest.raises(ConfigurationInvalid, match="damaged"):
        open_node(home)
    path.write_text(whole)
    path.unlink()
    with pytest.raises(ConfigurationInvalid, match="missing"):
        open_node(home)


def test_the_environment_stands_over_the_file_and_arguments_over_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """File, environment, argument, in rising order; HOME in the environment never moves a home that was named."""
    home = make(tmp_path / "home", port=1111)
    assert load_settings(home).port == 1111
    monkeypatch.setenv("CERT_EXCHANGE_PORT", "2222")
    monkeypatch.setenv("CERT_EXCHANGE_HOME", "/elsewhere")
    assert load_settings(home).port == 2222
    found = load_settings(home, port=3333)
    assert (found.port, found.home) == (3333, home)


def test_every_mistake_is_named_at_once(tmp_path: Path) -> None:
    """Unknown names, wrong kinds and values out of bounds, each with what it is."""
    write(
        tmp_path,
        "identity: acme\nprot: 1\nport: 70000\napi_root: taxii2\npublic_url: http://x\npage_limit: 0\n",
    )
    with pytest.raises(ConfigurationInvalid) as refused:
        load_settings(tmp_path)
    said = refused.value.public
    for word in ("identity is 'acme'", "prot: there is no such setting", "port is 70000", "api_root", "public_url", "page_limit is 0"):  # fmt: skip
        assert word in said


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("identity: [\n", "YAML"),
        ("- a\n- b\n", "name: value"),
        (f"identity: {OUR_IDENTITY}\ntls_key: a\n", "belong together"),
        (f"identity: {OUR_IDENTITY}\npage_limit: 10001\n", "page_limit"),
    ],
)
def test_a_broken_file_is_a_sentence(tmp_path: Path, text: str, word: str) -> None:
    """No traceback for a person's typing."""
    write(tmp_path, text)
    with pytest.raises(ConfigurationInvalid, match=word):
        load_settings(tmp_path)


@pytest.mark.case("D10")
def test_a_password_in_the_address_is_not_shown(tmp_path: Path) -> None:
    """Neither the settings' repr nor a refusal shows database_url."""
    secret = "hunter2-canary"
    settings = load_settings(
        tmp_path, identity=OUR_IDENTITY, database_url=f"postgresql+psycopg://u:{secret}@h/d"
    )
    assert secret not in repr(settings)
    with pytest.raises(ConfigurationInvalid) as refused:
        load_settings(tmp_path, identity="x", database_url=["wrong", secret])
    assert secret not in str(refused.value)


def test_settings_cannot_be_changed_after_the_check(tmp_path: Path) -> None:
    """What exists is valid."""
    settings = load_settings(tmp_path, identity=OUR_IDENTITY)
    with pytest.raises(ValueError, match="frozen"):
        settings.port = -1
    assert isinstance(settings, Settings)
