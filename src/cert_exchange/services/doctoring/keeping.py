"""What keeps the node: whether its secrets are encrypted, and what a restore has still to make good."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from cert_exchange.services.doctoring.findings import Finding
from cert_exchange.services.restoring import RECOVERED
from cert_exchange.stix.instants import format_micros
from cert_exchange.store import epochs, partner_epochs, residues

if TYPE_CHECKING:
    from cert_exchange.node import Node

DAY: Final = 86_400 * 1_000_000
TOLD_DAYS: Final = 14
BACKUP_DAYS: Final = 8
"""A week and a day without a backup is a backup that nobody makes."""


def examine(node: Node) -> list[Finding]:
    """Look at secrets, backups and restores."""
    return [*_secrets(node), *_backups(node), *_restores(node)]


def _secrets(node: Node) -> Iterator[Finding]:
    files = node.secret_files
    if not files.locked:
        yield Finding(
            "note", "secrets", "keys and passwords are not encrypted on the disk",
            "cert-exchange secrets lock, or see that the disk is encrypted",
        )  # fmt: skip
        return
    plain = [name for name in files.names() if files.open_to_plain(name)]
    if plain:
        yield Finding(
            "wrong", "secrets", f"not encrypted among the encrypted: {', '.join(plain)}",
            "find out who put it there, then cert-exchange secrets lock",
        )  # fmt: skip
    else:
        yield Finding("ok", "secrets", f"encrypted, opened by a {files.opens_with}")
    key = node.settings.tls_key
    folder = node.settings.path(node.settings.secrets_directory)
    if key is not None and not node.settings.path(key).is_relative_to(folder):
        yield Finding(
            "note", "secrets", f"the key {key} is not among the encrypted",
            f"put it into {folder}, run `cert-exchange secrets lock`, and name it there in tls_key",
        )  # fmt: skip


def _backups(node: Node) -> Iterator[Finding]:
    with node.database.reading() as tx:
        made = [one.made_at for one in residues.backups(tx, standing_only=False)]
    if not made:
        yield Finding("note", "backup", "none was ever made", "cert-exchange backup FOLDER")
    elif node.now() - max(made) > BACKUP_DAYS * DAY:
        yield Finding(
            "note", "backup", f"the last one was made at {format_micros(max(made))}",
            "cert-exchange backup FOLDER, every day",
        )  # fmt: skip
    else:
        yield Finding("ok", "backup", f"the last one was made at {format_micros(max(made))}")


def _restores(node: Node) -> Iterator[Finding]:
    with node.database.reading() as tx:
        epoch, lost = epochs.current(tx), epochs.lost_since(tx, 1)
        known = partner_epochs.every(tx)
    for name, one in known:
        about = f"partner {name}"
        heard, kept = one.heard_at, one.kept_until
        if heard is not None and kept is not None and node.now() - heard < TOLD_DAYS * DAY:
            yield Finding(
                "note", about,
                f"says that it was restored (heard {format_micros(heard)}) and may have lost what came after"
                f" {format_micros(max(kept, 0))}; our targets send it again",
                "ask it by telephone whether that is so",
            )  # fmt: skip
        if lost is not None and (one.told < epoch or one.asked < epoch):
            yield Finding(
                "note", about, "does not know yet that this node was restored, or did not give back what we lost",
                "look at its channels: cert-exchange source list, target list",
            )  # fmt: skip
    for file in sorted((node.settings.home / RECOVERED).glob("*.json")):
        yield Finding(
            "note", "restore", f"{file} holds what only a partner still had of ours",
            "look at it, cert-exchange publish FILE, then move it away",
        )  # fmt: skip
