"""Run the expectations that lie beside a policy: `policy test`, and before every `apply` of a file.

1. Beside `cert-b.yaml` lies `cert-b.expect.yaml`; where there is none, nothing is expected.
2. Objects in files of their own are read from the policy's folder and below, as the files that a policy names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from cert_exchange.errors import InputRefused, PolicyInvalid, Problem
from cert_exchange.policy.document import Policy
from cert_exchange.policy.expectations import SUFFIX, Expectations, broken, parse_expectations
from cert_exchange.policy.screening import FILE_NAME

SIZE_LIMIT: Final = 16 * 1024 * 1024
"""Bytes of one file of objects."""


@dataclass(frozen=True, slots=True)
class Tried:
    """How many expectations there are, and which the policy breaks."""

    policy: str
    expectations: int
    broken: tuple[Problem, ...]


def beside(file: Path) -> Path:
    """Where the expectations of a policy file lie."""
    return file.with_name(file.stem + SUFFIX)


def try_policy(policy: Policy, file: Path, *, now: int) -> Tried:
    """Ask a policy, as it was read from `file`, what its expectations ask. `now` is in micros.

    A mistake in the expectations counts as broken. Raises InputRefused where a file cannot be read.
    """
    place = beside(file)
    try:
        text = place.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return Tried(policy.name, 0, ())
    except UnicodeDecodeError as error:
        raise InputRefused(f"The file {place} is not UTF-8 text; save it in UTF-8.") from error
    except OSError as error:
        raise InputRefused(f"The file {place} cannot be read: {error.strerror}.") from error
    try:
        expectations = parse_expectations(text, file=str(place))
    except PolicyInvalid as error:
        return Tried(policy.name, 0, error.problems)
    found = broken(policy, expectations, _objects(expectations, file.parent), now=now)
    return Tried(policy.name, len(expectations.items), found)


def _objects(expectations: Expectations, folder: Path) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    return {name: _read(folder / name) for name in expectations.files}


def _read(path: Path) -> list[Mapping[str, Any]]:
    """The objects of a file: one object, a bundle or an envelope; none where it is missing or no JSON."""
    try:
        with path.open("rb") as opened:
            raw = opened.read(SIZE_LIMIT + 1)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise InputRefused(f"The file {path} cannot be read: {error.strerror}.") from error
    if len(raw) > SIZE_LIMIT:
        raise InputRefused(f"The file {path} holds more than {SIZE_LIMIT:,} bytes; take a sample.")
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InputRefused(
            f"The file {path} is no JSON; write one STIX object or a bundle."
        ) from error
    listed = value.get("objects") if isinstance(value, dict) and "objects" in value else [value]
    if not isinstance(listed, list):
        return []
    return [one for one in listed if isinstance(one, dict) and isinstance(one.get("type"), str)]


def policy_files(folder: Path) -> list[Path]:
    """The policy files of a folder, by name; expectations and the file of the way in are none."""
    return [
        one
        for one in sorted(folder.glob("*.y*ml"))
        if not one.name.endswith(SUFFIX) and one.name != FILE_NAME
    ]
