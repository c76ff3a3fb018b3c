"""Options that many commands share, and how a command gets its node."""

from __future__ import annotations

import getpass
import logging
import os
import pwd
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cert_exchange.cli import printing
from cert_exchange.errors import ConfigurationInvalid

if TYPE_CHECKING:
    from cert_exchange.node import Node

Home = Annotated[
    Path | None,
    typer.Option(
        "--home", envvar="CERT_EXCHANGE_HOME", help="The node's folder.", show_default=False
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def said(reason: str | None) -> str | None:
    """What a person gave as the reason, without what surrounds it. Raises BadParameter where nothing can be read in it."""
    if reason is None:
        return None
    if not any(char.isalnum() and char not in _BLANK_LETTERS for char in reason):
        raise typer.BadParameter("say why in words: it stands in the ledger")
    return reason.strip()


_BLANK_LETTERS: Final = "\u115f\u1160\u3164\uffa0"
"""Letters by their category, which nothing draws."""
_WHY: Final = "Why, for the ledger and for whoever asks later."
Reason = Annotated[str, typer.Option("--reason", callback=said, help=_WHY)]
ReasonToAct = Annotated[str | None, typer.Option("--reason", callback=said, help=_WHY)]
"""Where the command only looks unless it is told to act; the command asks for it then."""
Limit = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="At most so many.")]


def home_of(home: Path | None) -> Path:
    """Give the folder of the node that is meant; raises ConfigurationInvalid when nobody said which."""
    if home is None:
        raise ConfigurationInvalid("Which node? Give --home FOLDER or set CERT_EXCHANGE_HOME.")
    return home.expanduser()


@contextmanager
def opened(
    home: Path | None, *, opens_with: Callable[[], str | None] | None = None
) -> Iterator[Node]:
    """Open the node, and close it afterwards. `opens_with`: what its secrets open with, in place of the setting."""
    from cert_exchange.node import open_node

    place = home_of(home)
    if opens_with is None:
        ask_passphrase(place)
    with quiet_logs():
        node = open_node(place, opens_with=opens_with)
        try:
            yield node
        finally:
            node.close()


def ask_passphrase(place: Path) -> None:
    """Where the node's secrets are encrypted, nothing says what opens them and a person sits there: let it be typed.

    What was typed goes to our children (the worker) by the environment, like CERT_EXCHANGE_PASSPHRASE itself.
    """
    from cert_exchange.node import secret_files_of
    from cert_exchange.settings import FILE, PASSPHRASE, load_settings

    if not sys.stdin.isatty() or not (place / FILE).exists():
        return
    settings = load_settings(place)
    if (
        secret_files_of(settings).opens_with != "passphrase"
        or settings.opening_secret() is not None
    ):
        return
    os.environ[PASSPHRASE] = getpass.getpass("Passphrase of this node: ")


def typed_passphrase() -> str | None:
    """What opens an encrypted backup: CERT_EXCHANGE_PASSPHRASE, else what a person types; None where nobody can."""
    from cert_exchange.settings import PASSPHRASE

    given = os.environ.get(PASSPHRASE)
    if given or not sys.stdin.isatty():
        return given or None
    os.environ[PASSPHRASE] = getpass.getpass("Passphrase of this backup: ")
    return os.environ[PASSPHRASE]


@contextmanager
def quiet_logs() -> Iterator[None]:
    """Keep what services log off this terminal: the command's own verdict says it better.

    With CERT_EXCHANGE_DEBUG=1 it goes to standard error, a JSON object a line as in the log of `serve`.
    """
    import structlog

    from cert_exchange.logs import without_texts

    loud = os.environ.get("CERT_EXCHANGE_DEBUG") == "1"
    before = structlog.get_config()
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            without_texts,
            structlog.processors.JSONRenderer(),
        ],
        # Nothing of ours is critical: a command has an exit code for that.
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.INFO if loud else logging.CRITICAL
        ),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
    libraries, nowhere = logging.getLogger(), logging.NullHandler()
    libraries.addHandler(nowhere)  # without any handler the standard library prints warnings
    try:
        yield
    finally:
        libraries.removeHandler(nowhere)
        structlog.configure(**before)


def operator() -> str:
    """Who types: goes to the ledger as the author. CERT_EXCHANGE_OPERATOR wins over the account's name."""
    named = os.environ.get("CERT_EXCHANGE_OPERATOR", "").strip()
    if named:
        return named
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def read_secret(file: Path | None, variable: str | None, *, prompt: str) -> str:
    """Read a secret from a file, an environment variable or the keyboard, never from an argument (others can read those).

    Raises ConfigurationInvalid when the file or the variable is missing or empty.
    """
    if file is not None:
        try:
            secret = file.read_text(encoding="utf-8").strip("\r\n")
        except OSError as error:
            raise ConfigurationInvalid(
                f"The secret file {file} cannot be read: {error.strerror}."
            ) from error
    elif variable is not None:
        secret = os.environ.get(variable, "")
    else:
        secret = getpass.getpass(f"{prompt}: ")
    if not secret:
        raise ConfigurationInvalid(
            "The secret is empty: give --secret-file FILE or --secret-env NAME."
        )
    return secret


def original_of(node: Node, stix_id: str) -> str:
    """The id of the object that an id is about; where that is a derivative's, say so and give its original's.

    Of an object of an exercise that is said as well: who reads on must not take it for real.
    """
    from cert_exchange.services import holdings, recalling

    about = recalling.asked_about(node, stix_id)
    if about != stix_id:
        printing.verdict(f"{stix_id} is what was shown in place of {about}; that one is meant")
    if holdings.is_of_exercise(node, about):
        printing.verdict(f"{about} is marked TEST: it belongs to an exercise")
    return about
