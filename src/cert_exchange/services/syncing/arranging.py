"""Sources and targets are added and removed, and their secrets changed; a channel's row becomes a connection.

1. A secret comes as a file and is copied to the node's secrets directory, readable by its owner only; the row holds
   the file's name.
2. What is refused is refused when it is added, with all mistakes in one sentence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from cert_exchange.errors import ConfigurationInvalid, NotFound
from cert_exchange.messages.evidence import Line
from cert_exchange.node import Node
from cert_exchange.remote import identity
from cert_exchange.remote.connection import (
    Connection,
    Exchanged,
    Options,
    check_url,
    decode_options,
    make_options,
)
from cert_exchange.remote.discovery import Offer, discover
from cert_exchange.remote.held_files import HeldFile
from cert_exchange.services import ledger
from cert_exchange.store import channels
from cert_exchange.store import collections as collection_rows
from cert_exchange.store.channels import Channel, Direction
from cert_exchange.store.database import Transaction

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_SECRET_BYTES: Final = 8192


def add_source(
    node: Node,
    name: str,
    *,
    partner: str,
    url: str,
    remote_collection: str,
    collection: str,
    secret: Path | bytes | None = None,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Pull from a remote collection from now on; what comes joins `collection` and counts as sent by `partner`.

    `url` is the remote API root, `secret` what we log in with, or a file of it, which is copied. Raises ConfigurationInvalid, NotFound.
    """
    _add(node, "pull", name, partner, url, remote_collection, collection, secret, options)


def add_target(
    node: Node,
    name: str,
    *,
    partner: str,
    url: str,
    remote_collection: str,
    collection: str,
    secret: Path | bytes | None = None,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Push from now on what policy releases to `partner` in `collection` to a remote collection.

    `url` is the remote API root, `secret` what we log in with, or a file of it, which is copied. Raises ConfigurationInvalid, NotFound.
    """
    _add(node, "push", name, partner, url, remote_collection, collection, secret, options)


def _add(
    node: Node,
    direction: Direction,
    name: str,
    partner: str,
    url: str,
    remote_collection: str,
    collection: str,
    secret: Path | bytes | None,
    options: Mapping[str, Any] | None,
) -> None:
    given = dict(options or {})
    if not _NAME.fullmatch(name):
        raise ConfigurationInvalid(
            f"{name!r} is no name of a channel; give up to 63 of a-z, 0-9, dot, dash, underscore."
        )
    if not remote_collection or any(ord(sign) < 0x21 for sign in remote_collection):
        raise ConfigurationInvalid("Give the remote collection's id or alias.")
    raw = None
    if secret is not None:
        given["secret_file"] = _secret_name(direction, name)
        raw = _read_given(secret)
    checked = make_options(given)
    check_url(url, insecure=checked.insecure)
    for file in (checked.ca_file, checked.client_certificate, checked.client_key):
        if file and not node.settings.path(Path(file)).is_file():
            raise ConfigurationInvalid(f"There is no file {file}.")

    def known(tx: Transaction) -> tuple[int, int]:
        if any(one.direction == direction for one in channels.channels(tx, only=name)):
            raise ConfigurationInvalid(
                f"There is a {_word(direction)} {name} already; choose another name."
            )
        partner_id = channels.find_partner(tx, partner)
        if partner_id is None:
            raise NotFound(f"There is no partner {partner}; add it first.")
        found = collection_rows.find_collection(tx, collection)
        if found is None:
            raise NotFound(f"There is no collection {collection}; its file declares it.")
        return partner_id, found.id

    def work(tx: Transaction) -> None:
        partner_id, collection_id = known(tx)
        channels.add(
            tx,
            direction,
            name=name,
            partner=partner_id,
            url=url if url.endswith("/") else url + "/",
            remote_collection=remote_collection,
            collection=collection_id,
            options=checked.encode(),
        )

    with node.database.reading() as tx:
        known(tx)
    if raw is not None:
        # Before the row, so that no worker meets a row without its secret; a file alone harms nobody.
        text = identity.secret_of(raw, name=checked.secret_file)
        node.secret_files.write(checked.secret_file, f"{text}\n".encode())
    node.database.transact(work)


def _read_given(secret: Path | bytes) -> bytes:
    if isinstance(secret, bytes):
        return secret
    try:
        with secret.open("rb") as stream:
            return stream.read(_SECRET_BYTES + 1)
    except OSError as error:
        raise ConfigurationInvalid(f"The secret file cannot be read: {error.strerror}.") from error


def _word(direction: Direction) -> str:
    return "source" if direction == "pull" else "target"


def _secret_name(direction: Direction, name: str) -> str:
    return f"remote-{direction}-{name}.secret"


def look_around(
    node: Node,
    url: str,
    *,
    secret: Path | bytes | None = None,
    options: Mapping[str, Any] | None = None,
) -> tuple[Offer, ...]:
    """List what a remote server offers to a credential, before anything is added; it proves the credential too.

    `url` is its discovery address, such as https://host/taxii2/; `secret`, or the file of it, is read and not kept. Raises
    ConfigurationInvalid, errors.Remote*.
    """
    given = dict(options or {})
    text = ""
    if secret is not None:
        name = secret.name if isinstance(secret, Path) else "secret"
        given["secret_file"] = name.lstrip(".")
        text = identity.secret_of(_read_given(secret), name=name)
    checked = make_options(given)
    check_url(url, insecure=checked.insecure)
    return discover(_connection(node, url, checked, text))


def find(tx: Transaction, name: str) -> list[Channel]:
    """Find the source, the target or both of that name. Raises NotFound."""
    found = channels.channels(tx, only=name)
    if not found:
        raise NotFound(f"There is no source or target {name}.")
    return found


def change_secret(node: Node, name: str, text: str, *, by: str) -> tuple[Channel, ...]:
    """Log in with a new secret from the next request on; returns the channels that do, with their places as they were.

    Other channels of the same partner that held the secret before get the new one too: it is one credential. Raises
    ConfigurationInvalid, NotFound.
    """
    secret = identity.secret_of(text.encode(), name="the new secret")

    def file_of(channel: Channel) -> str:
        file = decode_options(channel.options).secret_file
        return file if file and node.secret_files.exists(file) else ""

    with node.database.reading() as tx:
        named = [one for one in find(tx, name) if file_of(one)]
        every = [one for one in channels.channels(tx) if file_of(one)]
    if not named:
        raise ConfigurationInvalid(
            f"{name} logs in without a secret of its own; add it anew with one."
        )
    partners = {one.partner for one in named}
    before = {node.secret_files.read(file_of(one)) for one in named}
    changed = tuple(
        one
        for one in every
        if one.partner in partners and node.secret_files.read(file_of(one)) in before
    )
    for file in sorted({file_of(one) for one in changed}):
        node.secret_files.write(file, f"{secret}\n".encode())
    now = node.now()

    def work(tx: Transaction) -> None:
        for one in changed:
            if not one.paused:
                channels.set_paused(tx, one, at=None)  # due at once, whatever the old secret met
        facts: dict[str, str | int | list[str]] = {
            "partner": changed[0].partner_name,
            "channels": [f"{_word(one.direction)} {one.name}" for one in changed],
        }
        ledger.record(tx, Line("channel.secret", now, by, facts=facts))

    node.database.transact(work)
    return changed


def remove(node: Node, direction: Direction, name: str, *, by: str) -> Channel:
    """Delete a source or target with its place and its secret; returns what it was. What was exchanged stays.

    Added again it begins anew, and what is held already comes as duplicates. Raises NotFound.
    """
    now = node.now()

    def work(tx: Transaction) -> Channel:
        found = [one for one in channels.channels(tx, only=name) if one.direction == direction]
        if not found or not channels.remove(tx, found[0]):
            raise NotFound(f"There is no {_word(direction)} {name}.")
        gone = found[0]
        facts: dict[str, str | int | list[str]] = {
            "name": name,
            "partner": gone.partner_name,
            "url": gone.url,
            "remote_collection": gone.remote_collection,
            "cursor": (gone.cursor or "") if direction == "pull" else gone.position,
        }
        ledger.record(tx, Line(f"{_word(direction)}.remove", now, by, facts=facts))
        return gone

    gone = node.database.transact(work)
    # Only the copy that `add` made under this name: an option may name a file that others need.
    if decode_options(gone.options).secret_file == _secret_name(direction, name):
        node.secret_files.remove(_secret_name(direction, name))
    return gone


def connect(
    node: Node,
    channel: Channel,
    *,
    run: str = "",
    tell: Callable[[Exchanged], None] | None = None,
) -> Connection:
    """Open a connection to a channel's remote, with its secret; its requests name the `run`.

    `tell` is given each request with its answer, without secrets. Raises ConfigurationInvalid.
    """
    options = decode_options(channel.options)
    name = options.secret_file
    secret = identity.secret_of(node.secret_files.read(name), name=name) if name else ""
    connection = _connection(node, channel.url, options, secret, tell)
    if run:
        connection.run = run
    return connection


def _connection(
    node: Node,
    url: str,
    options: Options,
    secret: str,
    tell: Callable[[Exchanged], None] | None = None,
) -> Connection:
    def path(text: str) -> Path | None:
        if not text:
            return None
        file = node.settings.path(Path(text))
        if not file.is_file():
            raise ConfigurationInvalid(f"There is no file {file}.")
        return file

    def opened(text: str) -> Path | HeldFile | None:
        file = path(text)
        if file is None or not file.is_relative_to(node.secret_files.folder):
            return file
        return HeldFile(node.secret_files.read(str(file.relative_to(node.secret_files.folder))))

    return Connection(
        url,
        options,
        credential=identity.Credential(options.auth, options.user, secret, options.header),
        trust=identity.Trust(
            path(options.ca_file), opened(options.client_certificate), opened(options.client_key)
        ),
        monotonic=node.clock.monotonic,
        tell=tell,
    )
