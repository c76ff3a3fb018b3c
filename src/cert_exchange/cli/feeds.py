"""Commands about feeds: what defenders' tools read of this node, each at an address that stays."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cert_exchange.cli import outputs, printing
from cert_exchange.cli.credentials import Lifetime, Network, SecretTo, span
from cert_exchange.cli.files import new_text
from cert_exchange.cli.options import AsJson, Home, opened, operator
from cert_exchange.errors import InputRefused

if TYPE_CHECKING:
    from cert_exchange.node import Node
    from cert_exchange.services.feeding import Choice, Output

app = typer.Typer(
    help="Feeds for defenders' tools, of what this node may use: its own and what partners sent.",
    no_args_is_help=True,
)

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="The feed's name; its address is /feeds/NAME.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only say what it would hold; nothing is written down.")
]


@app.command()
def add(
    name: Name,
    form: outputs.Format,
    *,
    kind: outputs.Kinds = None,
    use: outputs.Use = None,
    tlp: outputs.Level = None,
    purpose: outputs.Purposes = None,
    origin: outputs.Origins = None,
    collection: outputs.Collections = None,
    confidence: outputs.Confidence = None,
    simple: outputs.Simple = False,
    subdomains: outputs.Subdomains = False,
    doubtful: outputs.Doubtful = False,
    dry_run: DryRun = False,
    home: Home = None,
) -> None:
    """Add a feed and say what it holds. `feeds issue` then makes what a tool logs in with.

    It holds what is in force here and may be used for that: withdrawn, revoked, expired, held and TEST objects are never
    in it, and what no list can say is counted by reason.
    """
    from cert_exchange.services import feeding

    choice = outputs.chosen(
        form, kinds=kind, use=use, tlp=tlp, purposes=purpose, simple=simple, subdomains=subdomains,
        doubtful=doubtful, origins=origin, collections=collection, confidence=confidence,
    )  # fmt: skip
    with opened(home) as node:
        if not dry_run:
            feeding.add(node, name, choice, by=operator())
        _tell(node, choice)
        if dry_run:
            printing.verdict(
                f"nothing was written down; without --dry-run the feed {name} is added"
            )
            return
        printing.verdict(
            f"feed {name} is at {_address(node, name)}; `cert-exchange feeds issue {name}` makes a credential for it"
        )


@app.command()
def change(
    name: Name,
    form: outputs.Format,
    *,
    kind: outputs.Kinds = None,
    use: outputs.Use = None,
    tlp: outputs.Level = None,
    purpose: outputs.Purposes = None,
    origin: outputs.Origins = None,
    collection: outputs.Collections = None,
    confidence: outputs.Confidence = None,
    simple: outputs.Simple = False,
    subdomains: outputs.Subdomains = False,
    doubtful: outputs.Doubtful = False,
    dry_run: DryRun = False,
    home: Home = None,
) -> None:
    """Let a feed give something else. Address and credentials stay; what is not said is as with `feeds add`."""
    from cert_exchange.services import feeding

    choice = outputs.chosen(
        form, kinds=kind, use=use, tlp=tlp, purposes=purpose, simple=simple, subdomains=subdomains,
        doubtful=doubtful, origins=origin, collections=collection, confidence=confidence,
    )  # fmt: skip
    with opened(home) as node:
        if not dry_run:
            feeding.change(node, name, choice, by=operator())
        _tell(node, choice)
    printing.verdict(
        f"nothing was changed; without --dry-run the feed {name} gives this"
        if dry_run
        else f"feed {name} gives this from now on"
    )


@app.command("list")
def list_(*, as_json: AsJson = False, home: Home = None) -> None:
    """List the feeds, what each gives, and what opens it."""
    from cert_exchange.services import feeding

    with opened(home) as node:
        found = feeding.listing(node)
        places = {one.name: _address(node, one.name) for one in found}
    if as_json:
        printing.document(
            [
                {
                    "name": feed.name,
                    "address": places[feed.name],
                    "gives": None if feed.choice is None else feeding.said(feed.choice),
                    "made_at": printing.instant(feed.made_at),
                    "made_by": feed.made_by,
                    "credentials": [
                        {
                            "id": one.id,
                            "label": one.label,
                            "networks": one.networks.split() if one.networks else None,
                            "issued_at": printing.instant(one.issued_at),
                            "expires_at": printing.instant(one.expires_at) or None,
                            "last_used_at": printing.instant(one.last_used_at) or None,
                        }
                        for one in feed.credentials
                    ],
                }
                for feed in found
            ]
        )
        return
    printing.table(
        ["name", "gives", "id", "label", "from", "ends", "last used"],
        [
            (
                feed.name,
                "nothing: written by another release"
                if feed.choice is None
                else _words(feed.choice),
                "none yet" if one is None else one.id,
                one and one.label,
                "" if one is None else one.networks or "anywhere",
                "" if one is None else printing.instant(one.expires_at) or "never",
                "" if one is None else printing.instant(one.last_used_at) or "never",
            )
            for feed in found
            for one in feed.credentials or (None,)
        ],
        empty="there is no feed; `cert-exchange feeds add` makes one",
    )


@app.command()
def show(
    name: Name,
    *,
    ids: Annotated[bool, typer.Option("--ids", help="Every id that is left out.")] = False,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Say what a feed holds now, and what it leaves out and why."""
    from cert_exchange.services import feeding

    with opened(home) as node, printing.progress(f"making {name}") as progress:
        choice, output = feeding.look(node, name, progress=progress)
        place = _address(node, name)
    size = sum(map(len, output.files.values()))
    if as_json:
        printing.document(
            {
                "name": name, "address": place, "gives": feeding.said(choice), "entries": output.held, "bytes": size,
                "strictest": output.tlp,
                "left_out": outputs.document(output.left_out),
            }
        )  # fmt: skip
        return
    printing.facts(
        {
            "address": place,
            **feeding.said(choice),
            "entries": f"{output.held:,}",
            "bytes": f"{size:,}",
            "strictest": outputs.level(output) or "nothing is in it",
        }
    )
    outputs.tell_left_out(output.left_out, every_id=ids)


@app.command("print")
def print_(
    name: Name,
    file: Annotated[Path, typer.Argument(help="Where to write it; - is standard output.")] = Path(
        "-"
    ),
    *,
    home: Home = None,
) -> None:
    """Write what a feed gives now, as a tool gets it. A file that is there is replaced as a whole."""
    from cert_exchange.services import feeding

    with opened(home) as node, printing.progress(f"making {name}") as progress:
        _, output = feeding.look(node, name, progress=progress)
    outputs.write(output, file)


@app.command()
def issue(
    name: Name,
    *,
    label: Annotated[
        str | None, typer.Option("--label", help="Which tool has it, as `list` shows it.")
    ] = None,
    network: Network = None,
    lifetime: Lifetime = None,
    to: SecretTo = None,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace",
            help="With --to: in one step in the place of the file that is there, as a tool finds it. What stood in it is"
            " valid until `feeds revoke`.",
        ),
    ] = False,
    home: Home = None,
) -> None:
    """Issue what one tool logs in with, and show it once. Others of the feed go on.

    With Bearer it is the whole; with Basic the part before the dot is the user and the rest the password. It opens this
    feed and nothing else.
    """
    from cert_exchange.services import feeding

    lives = span(lifetime)
    with opened(home) as node:
        if to is None:
            issued = feeding.issue(
                node, name, label=label, networks=network or (), lifetime=lives, by=operator()
            )
            printing.result(issued.token)
            printing.verdict("shown once: give it to the tool, it cannot be shown again")
            return
        before = _held_in(to) if replace else None
        if to.exists() and not replace:
            raise InputRefused(
                f"{to} is there already; name a new file, or --replace it. No credential was issued."
            )
        fresh = to.with_name(f"{to.name}.new") if replace else to
        with new_text(fresh) as out:
            issued = feeding.issue(
                node, name, label=label, networks=network or (), lifetime=lives, by=operator()
            )
            out.write(issued.token + "\n")
        fresh.replace(to)
    printing.verdict(f"{issued.credential_id} written to {to}; give it to the tool")
    if before is not None:
        printing.verdict(
            f"{before}, which stood there, is still valid: cert-exchange feeds revoke {before}"
        )


@app.command()
def revoke(
    credential: Annotated[
        str, typer.Argument(help="The id of the credential: the part before its dot.")
    ],
    *,
    home: Home = None,
) -> None:
    """End a credential at once. The feed's others go on."""
    from cert_exchange.services import feeding

    with opened(home) as node:
        feeding.revoke(node, credential, by=operator())
    printing.verdict(f"{credential} is not valid any more")


@app.command()
def remove(name: Name, *, home: Home = None) -> None:
    """Remove a feed, and end what opened it. Tools that still ask are refused."""
    from cert_exchange.services import feeding

    with opened(home) as node:
        ended = feeding.remove(node, name, by=operator())
    printing.verdict(f"feed {name} removed, and {printing.count(ended, 'credential')} with it")


def _held_in(file: Path) -> str | None:
    """The id of the credential in a file; None where there is no file. Raises InputRefused where it holds none."""
    if not file.exists():
        return None
    try:
        with file.open(encoding="utf-8") as opened_file:
            word, _, secret = opened_file.read(1_000).strip().partition(".")
    except (OSError, UnicodeDecodeError):
        word = secret = ""
    if not (word.isalnum() and secret.isprintable() and secret):
        raise InputRefused(f"{file} holds no credential, so it stays. No credential was issued.")
    return word


def _tell(node: Node, choice: Choice) -> None:
    """What it holds now, before anything reads it."""
    from cert_exchange.services import feeding

    with printing.progress("looking at what is here") as progress:
        output = feeding.preview(node, choice, progress=progress)
    outputs.tell_left_out(output.left_out)
    _count(output, "now")


def _count(output: Output, where: str) -> None:
    left = sum(map(len, output.left_out.values()))
    entries = f"{output.held:,} {'entry' if output.held == 1 else 'entries'}"
    printing.verdict(f"{entries} {where}; {printing.count(left, 'object')} left out")


def _words(choice: Choice) -> str:
    from cert_exchange.services import feeding

    return "; ".join(f"{name} {words}" for name, words in feeding.said(choice).items())


def _address(node: Node, name: str) -> str:
    """Where tools find it: at the public URL, else where this node listens."""
    settings = node.settings
    scheme = "http" if settings.tls_certificate is None else "https"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{settings.public_url or f'{scheme}://{host}:{settings.port}'}/feeds/{name}"
