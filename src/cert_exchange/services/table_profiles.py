"""The node's profiles: how the tables of one source are read, a file each in the folder `profiles/` of the node.

1. A profile is found by its name; what has a slash or ends in .yaml is a file that a person names.
2. A profile is written whole or not at all, and never over another that says something else, unless told so.
3. A file with a mistake is listed with it: it is not passed over.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cert_exchange.errors import ConfigurationInvalid, InputRefused, NotFound, PolicyInvalid
from cert_exchange.intake.tables.decoding import HEAD
from cert_exchange.intake.tables.profiles import (
    NAME,
    Layout,
    Profile,
    layout_as_profile,
    read_profile,
    write_profile,
)
from cert_exchange.intake.tables.proposing import propose
from cert_exchange.node import Node

__all__ = [
    "HEAD",
    "Kept",
    "Layout",
    "Profile",
    "as_text",
    "from_layout",
    "keep",
    "listed",
    "load",
    "tell",
]

FOLDER: Final = "profiles"
MOST: Final = 1_000
"""Profiles of one node."""
LONGEST: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Kept:
    """One file of the folder; `profile` is None where it has a mistake, which `wrong` says."""

    name: str
    file: Path
    profile: Profile | None
    wrong: str = ""


def load(node: Node, named: str) -> Profile:
    """The profile of this name, or in this file. Raises NotFound, InputRefused, PolicyInvalid with every mistake."""
    if "/" in named or named.endswith((".yaml", ".yml")):
        file = Path(named)
    elif NAME.fullmatch(named) is None:
        raise InputRefused(
            f"{named!r} is no name of a profile: small letters, digits, dots and dashes."
        )
    else:
        file = _file(node, named)
    return read_profile(_text(node, file, named), file=str(file))


def keep(node: Node, profile: Profile, *, replace: bool = False) -> Path:
    """Write a profile into the folder; its file. Raises InputRefused where another of its name says something else."""
    if NAME.fullmatch(profile.name) is None:
        raise InputRefused(
            f"{profile.name!r} is no name of a profile: small letters, digits, dots and dashes."
        )
    file = _file(node, profile.name)
    text = write_profile(profile)
    if file.exists() and not replace and _text(node, file, profile.name) != text:
        raise InputRefused(
            f"There is a profile {profile.name} already, and it says something else: {file}."
            f" Take another name, change the file, or `profile make {profile.name} FILE --replace`."
        )
    try:
        file.parent.mkdir(mode=0o750, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=file.parent, prefix=".", delete=False) as out:
            out.write(text.encode())
            out.flush()
            os.fsync(out.fileno())
        Path(out.name).chmod(0o640)
        Path(out.name).replace(file)
    except OSError as error:
        raise ConfigurationInvalid(f"{file} cannot be written: {error.strerror}.") from None
    return file


def listed(node: Node) -> list[Kept]:
    """The profiles of the node, by name."""
    found: list[Kept] = []
    for file in sorted((node.settings.home / FOLDER).glob("*.yaml"))[:MOST]:
        try:
            profile = read_profile(_text(node, file, file.stem), file=file.name)
        except (InputRefused, PolicyInvalid) as error:
            found.append(Kept(file.stem, file, None, error.public))
            continue
        wrong = "" if profile.name == file.stem else f"its name inside is {profile.name}"
        found.append(Kept(file.stem, file, profile, wrong))
    return found


def tell(head: bytes, *, profile: Profile | None = None, delimiter: str | None = None) -> Layout:
    """How a file that begins so would be read. Raises InputRefused where it is no table, or says nothing to us."""
    return propose(head, profile=profile, delimiter=delimiter)


def from_layout(layout: Layout, name: str) -> Profile:
    """What was told of a file, as a profile to keep."""
    return layout_as_profile(layout, name)


def as_text(profile: Profile) -> str:
    """A profile as it stands in its file."""
    return write_profile(profile)


def _file(node: Node, name: str) -> Path:
    return node.settings.home / FOLDER / f"{name}.yaml"


def _text(node: Node, file: Path, named: str) -> str:
    try:
        with file.open("rb") as stream:
            raw = stream.read(LONGEST + 1)
        return raw.decode("utf-8-sig")
    except FileNotFoundError:
        there = ", ".join(path.stem for path in sorted(file.parent.glob("*.yaml"))[:20])
        if file.parent != node.settings.home / FOLDER:
            raise NotFound(f"There is no file {named}; look at the name.") from None
        raise NotFound(
            f"There is no profile {named}; there {'is' if there else 'are none yet'}"
            f"{f': {there}' if there else ': `profile make NAME FILE` keeps one'}."
        ) from None
    except UnicodeDecodeError:
        raise InputRefused(
            f"The file {file} is not UTF-8 text; save it as YAML in UTF-8."
        ) from None
    except OSError as error:
        raise InputRefused(f"The file {file} cannot be read: {error.strerror}.") from None
