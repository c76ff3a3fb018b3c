"""The settings of a node: `<home>/node.yaml`, over it the environment (CERT_EXCHANGE_...).

1. What is accepted is valid: nobody checks a setting again.
2. Every mistake is named at once, in a sentence that says what to write instead.
3. Secrets are in files of their own (`secrets/`), never here; only `database_url` may hold a password, and it is masked.
"""

from __future__ import annotations

import ipaddress
import os
import re
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from cert_exchange.errors import ConfigurationInvalid

FILE: Final = "node.yaml"
PASSPHRASE: Final = "CERT_EXCHANGE_PASSPHRASE"  # noqa: S105 - the name of a variable
"""The environment variable that opens encrypted secrets."""
PAGE_LIMIT_CAP: Final = 10_000
_IDENTITY: Final = re.compile(
    r"identity--[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
)
_ROOT: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


class Settings(BaseSettings):
    """A node's settings. Sizes are bytes, lifetimes and limits as their names say."""

    model_config = SettingsConfigDict(
        env_prefix="CERT_EXCHANGE_", extra="forbid", frozen=True, validate_default=True
    )

    home: Path
    identity: str
    """The STIX identity of this node's organisation."""
    title: str = "cert-exchange"
    description: str | None = None
    contact: str | None = None
    database_url: str = Field(default="", repr=False)
    host: str = "127.0.0.1"
    port: int = Field(default=8443, ge=0, le=65535)
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    public_url: str | None = None
    api_root: str = "api"
    max_content_length: int = Field(default=10 * 1024 * 1024, ge=1024, le=1 << 30)
    page_limit: int = Field(default=1_000, ge=1, le=PAGE_LIMIT_CAP)
    requests_per_minute: int = Field(default=600, ge=1, le=1_000_000)
    """The share of a partner that is added without one of its own."""
    megabytes_per_hour: int = Field(default=2_048, ge=1, le=1_000_000)
    """What one partner may post; more waits. It bounds how fast a stolen credential fills the disk."""
    collections_directory: Path = Path("collections")
    policies_directory: Path = Path("policies")
    policy_widening: int = Field(default=100, ge=0)
    """How many objects a policy may newly show without a person naming the number."""
    secrets_directory: Path = Path("secrets")
    erase_past_retention: bool = False
    """Whether the worker erases what agreements no longer let us keep, or a person does."""
    backups_keep_days: int | None = Field(default=None, ge=1, le=36_500)
    """After so many days the worker removes backups that this node made."""
    quarantine_days: int = Field(default=90, ge=1, le=3_650)
    """After so many days the worker forgets what was refused and nobody looked at."""
    quarantine_megabytes: int = Field(default=256, ge=1, le=100_000)
    """What is kept of the refused input of one partner; beyond that the oldest goes."""
    pki_algorithm: Literal["ec-p256", "ec-p384", "ed25519", "rsa-3072"] = "ec-p256"
    """Of the keys that we make for certificates."""
    crl_days: int = Field(default=7, ge=1, le=90)
    """How long our authority's revocation list holds; the worker signs a new one at half of it."""
    client_certificates: Literal["asked", "required"] = "asked"
    """Whether a TLS connection without a client certificate is refused, whoever it may be."""
    trusted_proxies: tuple[str, ...] = ()
    """Networks from which `Client-Cert` and `X-Forwarded-For` are believed."""
    heartbeat_minutes: int = Field(default=60, ge=0, le=1_440)
    """How often a TEST object goes to each partner, to see that it arrives; 0: never."""
    owner_group: tuple[str, ...] = ()
    """Partners that are other servers of our own organisation: what our identity made is taken from them too."""
    metrics_from: tuple[str, ...] = ()
    """Networks from which `/metrics` is answered; none: nowhere."""
    unlock_file: Path | None = None
    """The file with the passphrase or key that the secrets open with, where they are encrypted."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """`load_settings` merges file, environment and arguments; nothing else is read."""
        return (init_settings,)

    @field_validator("identity")
    @classmethod
    def _identity(cls, value: str) -> str:
        if not _IDENTITY.fullmatch(value):
            raise ValueError("give the STIX id of your organisation: identity-- and a UUID")
        return value

    @field_validator("api_root")
    @classmethod
    def _api_root(cls, value: str) -> str:
        if not _ROOT.fullmatch(value) or value == "taxii2":
            raise ValueError("give one path segment of a-z, 0-9, - and _, other than taxii2")
        return value

    @field_validator("public_url")
    @classmethod
    def _public_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("give the https:// address under which partners reach this node")
        return value.rstrip("/")

    @field_validator("trusted_proxies", "metrics_from")
    @classmethod
    def _proxies(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            try:
                ipaddress.ip_network(one)
            except ValueError:
                raise ValueError(
                    f"{one!r} is no network; give a list such as [192.0.2.7/32, 2001:db8::/64]"
                ) from None
        return value

    @model_validator(mode="after")
    def _together(self) -> Settings:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key belong together: give both or neither")
        return self

    @model_validator(mode="after")
    def _key_elsewhere(self) -> Settings:
        file = self.unlock_file
        if file is not None and _lies_in(self.home, self.path(file)):
            raise ValueError(
                "unlock_file lies in the node's folder, so that who takes the folder has the key; put it elsewhere"
            )
        return self

    @property
    def loopback(self) -> bool:
        """Whether `host` can be reached from this machine only."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def opening_secret(self) -> str | None:
        """What the encrypted secrets open with: the environment's CERT_EXCHANGE_PASSPHRASE, else what `unlock_file` holds.

        None where neither is there. Raises ConfigurationInvalid.
        """
        given = os.environ.get(PASSPHRASE)
        if given:
            return given
        return (
            None if self.unlock_file is None else read_unlocking_file(self.path(self.unlock_file))
        )

    def path(self, value: Path) -> Path:
        """A path of the settings: relative ones start at the home."""
        return value if value.is_absolute() else self.home / value


def load_settings(home: Path, **given: Any) -> Settings:
    """Read the settings of the node at `home`: the file, over it the environment, over that `given`.

    Raises ConfigurationInvalid with every mistake.
    """
    home = home.absolute()
    file = home / FILE
    written: dict[str, Any] = {}
    if file.exists():
        try:
            written = YAML(typ="safe").load(file.read_text("utf-8")) or {}
        except (YAMLError, UnicodeDecodeError) as error:
            mark = getattr(error, "problem_mark", None)
            where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
            raise ConfigurationInvalid(f"{file}{where}: not readable as YAML.") from None
        if not isinstance(written, dict):
            raise ConfigurationInvalid(f"{file}: give `name: value` lines.")
    values = {**written, **EnvSettingsSource(Settings)(), **given, "home": home}
    values.setdefault("database_url", f"sqlite:///{home / 'exchange.db'}")
    try:
        return Settings(**values)
    except ValidationError as error:
        raise ConfigurationInvalid(
            "\n".join(_sentence(file, problem) for problem in error.errors())
        ) from None


def _lies_in(home: Path, file: Path) -> bool:
    return file.resolve().is_relative_to(home.resolve())


def read_unlocking_file(file: Path) -> str:
    """What a file holds that opens encrypted secrets: its only line. Raises ConfigurationInvalid."""
    try:
        mode = file.stat().st_mode
        secret = file.read_text("utf-8").removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise ConfigurationInvalid(
            f"{file}, which opens the secrets, cannot be read: {reason}."
        ) from None
    if mode & 0o077:
        raise ConfigurationInvalid(f"{file} can be read by others; run `chmod 600 {file}`.")
    if not secret or "\n" in secret:
        raise ConfigurationInvalid(
            f"{file} holds one line, a passphrase or a key, and nothing else."
        )
    return secret


def _sentence(file: Path, problem: Any) -> str:
    name = ".".join(str(part) for part in problem["loc"]) or "settings"
    if problem["type"] == "extra_forbidden":
        return f"{file}: {name}: there is no such setting."
    if problem["type"] == "missing" and name == "identity":
        return (
            f"{file} has no identity; write `identity: identity--...`, the STIX id of your"
            " organisation."
        )
    words = str(problem["msg"]).removeprefix("Value error, ")
    found = problem["input"]
    shown = (
        f"{name} is {found!r}; "
        if isinstance(found, (str, int, float)) and name != "database_url"
        else ""
    )
    return f"{file}: {shown}{name}: {words[:1].lower()}{words[1:]}."
