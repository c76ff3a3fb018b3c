"""The node's keys: which there are, changing them, and locking what they stand in.

1. A lock, and another passphrase for it, changes no key: nothing that partners hold is touched.
2. Keys of `next` tokens: a new one signs from now on, the old ones verify as long as the log lives.
3. The key of derivatives: before it is changed, every pseudonym that an audience may have been told is written down.
   Names stand in the map anyway, so that nothing is renamed.
4. All processes on the machine take a changed key from their next request on. A node on several machines: copy the
   secrets directory to the others right after; until then they know no new token and their clients ask once more.
5. Each change is a line of the ledger, which names no key.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cert_exchange import keyring
from cert_exchange.errors import ConfigurationInvalid
from cert_exchange.messages.evidence import Line
from cert_exchange.node import Node
from cert_exchange.services import ledger
from cert_exchange.services.releasing import issuer_of
from cert_exchange.store import pseudonyms, residues
from cert_exchange.store.database import Transaction
from cert_exchange.vault.locks import new_key

__all__ = [
    "Keys", "change_lock", "lock", "look", "new_key", "readable_copies", "rotate_derivatives", "rotate_tokens",
    "unlock",
]  # fmt: skip

TOKENS: Final = "tokens"
DERIVATIVES: Final = "derivatives"


@dataclass(frozen=True, slots=True)
class Keys:
    """Which keys there are; none of them itself."""

    opens_with: str | None
    """`passphrase` or `key`; None: the secrets are not encrypted"""
    plain: tuple[str, ...]
    """secret files that are not encrypted"""
    tokens: tuple[str, ...]
    """ids of the keys of `next`, the one that signs first"""
    signing: tuple[str, ...]
    """ids of the signing keys, the newest first"""
    derivatives_changed: bool
    """whether the key of derivatives was ever changed"""


def look(node: Node) -> Keys:
    """Which keys there are."""
    files = node.secret_files
    return Keys(
        files.opens_with,
        tuple(name for name in (*files.names(), *files.leftovers()) if files.open_to_plain(name)),
        tuple(node.secrets.token_keys),
        tuple(key.kid for key in node.secrets.signing_keys),
        files.exists(keyring.DERIVATIVE_KEY),
    )


def lock(node: Node, secret: str, *, by: str) -> int:
    """Encrypt all secret files, so that `secret` opens them; returns how many were encrypted now.

    Where they are encrypted already, `secret` must be what opens them, and what was put there since is encrypted too.
    Raises ConfigurationInvalid.
    """
    sealed = node.secret_files.lock(secret)
    if sealed:
        _record(node, "secrets.lock", by, {"files": sealed})
    return sealed


def readable_copies(node: Node) -> tuple[str, ...]:
    """Backups of this node, where it made them, that hold the same keys and are not encrypted."""
    with node.database.reading() as tx:
        made = residues.backups(tx, standing_only=True)
    return tuple(one.folder for one in made if any((Path(one.folder) / "secrets").glob("*")))


def unlock(node: Node, *, by: str) -> int:
    """Store all secret files unencrypted again; returns how many. Raises ConfigurationInvalid."""
    if not node.secret_files.locked:
        raise ConfigurationInvalid("the secrets are not encrypted.")
    opened = node.secret_files.unlock()
    _record(node, "secrets.unlock", by, {"files": opened})
    return opened


def change_lock(node: Node, secret: str, *, by: str) -> None:
    """From now on another passphrase or key opens the secrets. Raises ConfigurationInvalid."""
    if not node.secret_files.locked:
        raise ConfigurationInvalid(
            "the secrets are not encrypted; run `cert-exchange secrets lock`."
        )
    node.secret_files.change_lock(secret)
    _record(node, "secrets.relock", by, {})


def rotate_tokens(node: Node, *, by: str) -> str:
    """A new key signs `next` from now on; returns its id, which stands in each token."""
    made = keyring.add_token_key(node.secret_files)
    _record(node, "secrets.rotate", by, {"which": TOKENS, "key": made})
    return made


def rotate_derivatives(node: Node, *, by: str) -> int:
    """What is named from now on is named with a new key; returns how many pseudonyms were written down before."""
    issuer = issuer_of(node)

    def work(tx: Transaction) -> int:
        found = pseudonyms.told(tx)
        pseudonyms.keep(tx, {one: issuer.pseudonym(one[1], one[0]) for one in found})
        facts: dict[str, str | int | list[str]] = {"which": DERIVATIVES, "pseudonyms": len(found)}
        ledger.record(tx, Line("secrets.rotate", node.now(), by, facts=facts))
        return len(found)

    kept = node.database.transact(work)
    # After the commit: a kill in between leaves the old key, under which all that was written down is true as well.
    keyring.change_derivative_key(node.secret_files)
    return kept


def _record(node: Node, kind: str, by: str, facts: dict[str, str | int | list[str]]) -> None:
    node.database.transact(lambda tx: ledger.record(tx, Line(kind, node.now(), by, facts=facts)))
