"""Commands about the node's secrets: which there are, encrypting them, changing keys."""

from __future__ import annotations

import getpass
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cert_exchange.cli import printing
from cert_exchange.cli.files import writing_to
from cert_exchange.cli.options import AsJson, Home, opened, operator
from cert_exchange.errors import ConfigurationInvalid

app = typer.Typer(
    no_args_is_help=True, help="The node's keys and passwords: encrypt them, change them."
)

NewUnlockFile = Annotated[
    Path | None,
    typer.Option(
        "--unlock-file",
        help="The file with the passphrase or key that is to open them. Typed twice if not given.",
        show_default=False,
    ),
]


class Which(StrEnum):
    """What can be changed here. Signing keys and certificates have commands of their own."""

    TOKENS = "tokens"
    DERIVATIVES = "derivatives"


@app.command()
def show(*, as_json: AsJson = False, home: Home = None) -> None:
    """Say which keys there are, and what is encrypted. No key is printed."""
    from cert_exchange.services import keys

    with opened(home) as node:
        found = keys.look(node)
    if as_json:
        printing.document(
            {
                "opens_with": found.opens_with,
                "plain": found.plain,
                "token_keys": found.tokens,
                "signing_keys": found.signing,
                "derivative_key_changed": found.derivatives_changed,
            }
        )
        return
    printing.facts(
        {
            "encrypted": f"yes, opened by a {found.opens_with}" if found.opens_with else "no",
            "not encrypted": ", ".join(found.plain) or "nothing",
            "keys of next tokens": ", ".join(found.tokens),
            "signing keys": ", ".join(found.signing),
            "key of derivatives": "changed" if found.derivatives_changed else "the first one",
        }
    )


@app.command()
def lock(*, unlock_file: NewUnlockFile = None, home: Home = None) -> None:
    """Encrypt all secret files: keys, passwords for sources and targets, private keys of certificates.

    From then on the node starts with `unlock_file` in node.yaml, with CERT_EXCHANGE_PASSPHRASE, or after you typed the passphrase.
    Run again, it encrypts what was put there since.
    """
    from cert_exchange.services import keys

    given = None if unlock_file is None else _new_secret(unlock_file)
    # A lock that was killed half-way opens with what was given to it, which no setting names yet.
    with opened(home, opens_with=None if given is None else lambda: given) as node:
        held = given or (node.settings.opening_secret() if node.secret_files.locked else None)
        sealed = keys.lock(node, held or _new_secret(None), by=operator())
        readable = keys.readable_copies(node)
    printing.verdict(
        f"{printing.count(sealed, 'file')} encrypted. Set unlock_file in node.yaml, or give CERT_EXCHANGE_PASSPHRASE"
        " to `serve`, and start it again. Without the passphrase or key nobody opens them: keep a copy elsewhere."
    )
    for folder in readable:
        printing.verdict(
            f"{folder} is a backup from before, and readable: it holds the same keys. Make a new one, then remove it"
        )


@app.command()
def unlock(
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Yes, store them readable.")] = False,
    home: Home = None,
) -> None:
    """Store all secret files unencrypted again."""
    from cert_exchange.services import keys

    if not yes:
        raise ConfigurationInvalid(
            "Afterwards whoever reads the node's folder has its keys; add --yes if that is meant."
        )
    with opened(home) as node:
        count = keys.unlock(node, by=operator())
    printing.verdict(f"{printing.count(count, 'file')} stored unencrypted")


@app.command()
def relock(*, unlock_file: NewUnlockFile = None, home: Home = None) -> None:
    """Let another passphrase or key open the secrets; the old one opens nothing any more.

    Backups that were made before open with the old one.
    """
    from cert_exchange.services import keys

    with opened(home) as node:
        if not node.secret_files.locked:
            raise ConfigurationInvalid(
                "The secrets are not encrypted; run `cert-exchange secrets lock`."
            )
        node.secret_files.key()  # the old one is needed, so asked for first
        keys.change_lock(node, _new_secret(unlock_file), by=operator())
        named = node.settings.unlock_file
        settled = node.settings.path(named) if named is not None else None
    printing.verdict(
        "changed. Processes that run go on; older backups still open with the old one: keep it with them"
    )
    if unlock_file is not None and settled != unlock_file.absolute():
        printing.verdict(f"before the next start set unlock_file in node.yaml to {unlock_file}")
    elif unlock_file is None and settled is not None:
        printing.verdict(
            f"before the next start write the new passphrase into {settled}, or take unlock_file out of node.yaml"
        )


@app.command("new-key")
def new_key(
    file: Annotated[Path, typer.Argument(help="A new file, not in the node's folder.")],
) -> None:
    """Write a new random key into a file, for `--unlock-file` and the setting unlock_file."""
    from cert_exchange.services import keys

    for folder in file.absolute().parents:
        if (folder / "node.yaml").exists():
            raise ConfigurationInvalid(
                f"{file} would lie in the folder of the node {folder}: who takes that has the key. Write it elsewhere."
            )
    with writing_to(file):
        number = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(number, "w") as stream:
            stream.write(keys.new_key() + "\n")
    printing.verdict(
        f"{file} holds a new key. Keep a copy of it where neither the node nor its backups are"
    )


@app.command()
def rotate(
    which: Annotated[
        Which,
        typer.Argument(
            help="tokens: what `next` is signed with. derivatives: what new derivatives are named with."
        ),
    ],
    *,
    home: Home = None,
) -> None:
    """Make a new key. Partners notice nothing: old tokens stay valid, nothing is renamed.

    Signing keys, certificates and partners' credentials are changed by `keys rotate`, `pki` and `partner rotate`.
    """
    from cert_exchange.services import keys

    with opened(home) as node:
        if which is Which.TOKENS:
            made = keys.rotate_tokens(node, by=operator())
            said = f"new tokens bear {made}; the older ones stay valid"
        else:
            kept = keys.rotate_derivatives(node, by=operator())
            said = f"what is named from now on is named with a new key; {printing.count(kept, 'pseudonym')} written down"
    printing.verdict(
        f"{said}. Running processes take it at their next request; copy secrets/ to other machines now"
    )


def _new_secret(file: Path | None) -> str:
    """What shall open the secrets, from a file or typed twice. Raises ConfigurationInvalid."""
    from cert_exchange.settings import read_unlocking_file

    if file is not None:
        return read_unlocking_file(file.absolute())
    first = getpass.getpass("New passphrase: ")
    if first != getpass.getpass("The same again: "):
        raise ConfigurationInvalid("These were two different passphrases; nothing was changed.")
    return first
