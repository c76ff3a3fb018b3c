"""What an administrator may set for one source or target, checked once and stored as JSON in its row.

1. It names secret files and never holds a secret.
2. What it lets through is right: no plain HTTP but to loopback, no unknown key, no limit of zero.
3. Seconds are seconds, bytes are bytes; the names say which.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final, Literal
from urllib.parse import SplitResult, urlsplit

from cert_exchange import errors
from cert_exchange.remote import identity
from cert_exchange.stix import instants

Server = Literal["foreign", "cert-exchange"]
SERVERS: Final[tuple[Server, ...]] = ("foreign", "cert-exchange")
Statements = Literal["check", "require"]
STATEMENTS: Final[tuple[Statements, ...]] = ("check", "require")
_FILTERS: Final = ("type", "id", "version", "spec_version")


@dataclass(frozen=True, slots=True)
class Options:
    """How one remote is spoken to. The defaults suit a foreign TAXII 2.1 server."""

    auth: identity.AuthKind = "none"
    user: str = ""
    secret_file: str = ""  # a name inside the node's secrets directory
    header: str = ""  # of `api_key`
    ca_file: str = ""
    client_certificate: str = ""
    client_key: str = ""
    proxy: str = ""
    insecure: bool = False  # plain HTTP, to loopback only
    server: Server = "foreign"  # cert-exchange: one instant per object, so no overlap is needed
    accept_types: tuple[str, ...] = ()  # wrong Content-Types that this remote is forgiven
    mend_spec_version: bool = False  # OpenTAXII up to 0.9.3 writes the object's type there
    connect_seconds: float = 10.0
    read_seconds: float = 30.0
    answer_seconds: float = 120.0  # one whole answer
    run_seconds: float = 1800.0  # one whole run; what is left waits for the next
    max_answer_bytes: int = 64 * 1024 * 1024  # after decompression
    every_seconds: int = 300
    limit: int = 1000  # objects a page that we ask for
    page_cap: int = 10_000  # pages a run
    overlap_seconds: int = 600  # asked again at each run of a foreign server
    start: str = ""  # the first added_after
    match: Mapping[str, str] = field(default_factory=dict)
    batch_objects: int = 1000  # objects a POST
    status_seconds: float = 30.0  # how long a run waits for a status to become complete
    delete: bool = False  # take back by DELETE what policy withdrew
    most_objects: int = (
        50_000  # a window, in new versions; more shuts the source until a person looks
    )
    most_revocations: int = 500  # objects that its revocations and notices take out of use
    most_proposals: int = 1000
    most_rejects: int = 1000
    window_hours: int = 24
    approval: bool = False  # what comes is kept, and not used until a person approves it
    statements: Statements = (
        "check"  # of a cert-exchange: `require` takes in nothing that its partner did not sign
    )

    @property
    def overlap_micros(self) -> int:
        """How far below the cursor a run begins, in microseconds (taxii21 66, 67)."""
        return 0 if self.server == "cert-exchange" else max(self.overlap_seconds * 1_000_000, 1)

    def encode(self) -> str:
        """Return what stands in the row: only what differs from the defaults."""
        default = asdict(Options())
        return json.dumps(
            {name: value for name, value in asdict(self).items() if value != default[name]},
            sort_keys=True,
        )


def decode_options(text: str) -> Options:
    """Read a row's options. Raises ConfigurationInvalid when they are not what `make_options` lets through."""
    try:
        values = json.loads(text)
    except ValueError as error:
        raise errors.ConfigurationInvalid("The options of a channel are no JSON.") from error
    if not isinstance(values, dict):
        raise errors.ConfigurationInvalid("The options of a channel are no JSON object.")
    return make_options(values)


def make_options(values: Mapping[str, Any]) -> Options:
    """Check what an administrator gave. Raises ConfigurationInvalid naming all that is wrong."""
    default = Options()
    known = {item.name: getattr(default, item.name) for item in fields(Options)}
    wrong = [
        f"{name!r} is no option; there are {', '.join(sorted(known))}"
        for name in sorted(set(values) - set(known))
    ]
    taken: dict[str, Any] = {}
    for name in sorted(set(values) & set(known)):
        try:
            taken[name] = _typed(name, values[name], known[name])
        except _WrongError as error:
            wrong.append(f"{name} {error}")
    if not wrong:
        options = Options(**taken)
        wrong = _contradictions(options)
        if not wrong:
            return options
    raise errors.ConfigurationInvalid("; ".join(wrong) + ".")


class _WrongError(ValueError):
    """The second half of a sentence about one option."""


def _typed(name: str, value: Any, default: object) -> Any:
    match default:
        case bool():
            if not isinstance(value, bool):
                raise _WrongError(f"is {value!r}; give true or false")
        case int() | float():
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise _WrongError(f"is {value!r}; give a number")
            if isinstance(default, int) and not isinstance(value, int):
                raise _WrongError(f"is {value!r}; give a whole number")
            if value < 0 or (value == 0 and name != "overlap_seconds"):
                raise _WrongError(f"is {value!r}; give a number above 0")
            value = type(default)(value)
        case tuple():
            if not isinstance(value, list | tuple) or not all(
                isinstance(one, str) for one in value
            ):
                raise _WrongError("is no list of texts")
            value = tuple(one.strip().lower() for one in value)
        case str():
            if not isinstance(value, str) or any(ord(sign) < 0x20 for sign in value):
                raise _WrongError("is no text of one line")
        case _:  # the only mapping: match
            if not isinstance(value, Mapping) or not all(
                key in _FILTERS and isinstance(one, str) and one for key, one in value.items()
            ):
                raise _WrongError(f"knows the filters {', '.join(_FILTERS)}, each with a text")
            value = dict(value)
    return value


def _contradictions(options: Options) -> list[str]:
    wrong = []
    if options.auth not in identity.AUTH_KINDS:
        wrong.append(f"auth is {options.auth!r}; give one of {', '.join(identity.AUTH_KINDS)}")
    if options.server not in SERVERS:
        wrong.append(f"server is {options.server!r}; give one of {', '.join(SERVERS)}")
    if options.statements not in STATEMENTS:
        wrong.append(f"statements is {options.statements!r}; give one of {', '.join(STATEMENTS)}")
    if options.auth != "none" and not options.secret_file:
        wrong.append(f"auth {options.auth} needs a secret file")
    if options.auth == "basic" and ":" in options.user:
        wrong.append("a user of Basic cannot hold a colon (RFC 7617); the password can")
    if options.auth == "api_key" and not options.header:
        wrong.append("auth api_key needs the header's name")
    if "/" in options.secret_file or options.secret_file.startswith("."):
        wrong.append("secret_file is a name inside the secrets directory, without a path")
    if options.client_key and not options.client_certificate:
        wrong.append("client_key needs client_certificate")
    if options.start:
        try:
            instants.parse_micros(options.start)
        except ValueError:
            wrong.append(f"start is {options.start!r}; give an instant like 2026-01-31T00:00:00Z")
    return wrong


def check_url(url: str, *, insecure: bool) -> SplitResult:
    """Return the parts of an API root's address that we may speak to (taxii21 61).

    Raises ConfigurationInvalid: no host, credentials inside, another scheme, or plain HTTP that is not both to
    loopback and marked `insecure`.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError as error:
        raise errors.ConfigurationInvalid(f"The address is malformed: {error}.") from error
    if parts.scheme not in ("https", "http") or not host:
        raise errors.ConfigurationInvalid("The address needs https:// and a host.")
    if "@" in parts.netloc:
        raise errors.ConfigurationInvalid("The address holds a user or password; give them apart.")
    if parts.scheme == "http" and not (insecure and _is_loopback(host)):
        raise errors.ConfigurationInvalid(
            "Plain http is taken only to a loopback address and with `--option insecure=true`; use https."
        )
    return parts


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
