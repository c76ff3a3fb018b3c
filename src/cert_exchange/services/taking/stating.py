"""What a person states about an input, from words to values; and the profiles of tables, files in the node's folder.

1. A word that is none of ours is refused with those that are.
2. A profile is found by its name in `profiles/`, or by the path of a file; `save` never writes over another.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, cast, get_args

from cert_exchange.errors import ConfigurationInvalid, InputRefused, NotFound
from cert_exchange.intake.building import Around
from cert_exchange.intake.recognising import Format
from cert_exchange.intake.tables.profiles import (
    NAME,
    Profile,
    layout_as_profile,
    read_profile,
    write_profile,
)
from cert_exchange.node import Node
from cert_exchange.policy.spellings import micros_of, tlp_named
from cert_exchange.services import warning
from cert_exchange.services.taking.reading import Order, Understanding
from cert_exchange.stix.markings import TLP_BY_ID, TLP_DEFINITIONS

FOLDER: Final = "profiles"
_MOST_BYTES: Final = 262_144
_LONGEST_NAME: Final = 500


def order_of(
    node: Node,
    *,
    form: str | None = None,
    profile: str | None = None,
    tlp: str | None = None,
    name: str | None = None,
    confidence: str | None = None,
    valid_for: str | None = None,
    around: str | None = None,
    observables: bool = True,
) -> Order:
    """What a person said, in values. Raises InputRefused, NotFound for a profile, PolicyInvalid for what is wrong in it."""
    try:
        stated = None if form is None else Format(form.strip().casefold())
    except ValueError:
        raise InputRefused(f"{form!r} is no format; there are {', '.join(Format)}.") from None
    if around is not None and around not in get_args(Around):
        raise InputRefused(
            f"{around!r} is nothing to put around; there are {', '.join(get_args(Around))}."
        )
    return Order(
        form=stated,
        profile=None if profile is None else find_profile(node, profile),
        markings=() if tlp is None else (marking_of(tlp),),
        name=_name(name or ""),
        confidence=None if confidence is None else warning.confidence(node, confidence),
        valid_for=None if valid_for is None else _lasting(valid_for),
        around=cast("Around | None", around),
        observables=observables,
    )


def marking_of(word: str) -> str:
    """The id of the marking definition (TLP 2.0) of a level's name. Raises InputRefused."""
    level = tlp_named(word)
    if level is None:
        raise InputRefused(f"{word!r} is no TLP; write clear, green, amber, amber+strict or red.")
    # TLP 2.0 stands behind TLP 1 among the definitions.
    return next(
        str(one["id"]) for one in reversed(TLP_DEFINITIONS) if TLP_BY_ID[str(one["id"])] is level
    )


def find_profile(node: Node, name: str) -> Profile:
    """A profile of this node by its name, or of a file by its path. Raises NotFound, InputRefused, PolicyInvalid."""
    named = NAME.fullmatch(name) is not None
    place = node.settings.home / FOLDER / f"{name}.yaml"
    file = place if named and place.exists() else Path(name)
    try:
        text = file.read_bytes()[: _MOST_BYTES + 1].decode()
    except (FileNotFoundError, IsADirectoryError):
        known = sorted(one.stem for one in (node.settings.home / FOLDER).glob("*.yaml"))
        there = (
            f"there are {', '.join(known)}"
            if known
            else "there is none yet; --save-profile makes one"
        )
        raise NotFound(f"There is no profile {name}: {there}.") from None
    except OSError as error:
        raise InputRefused(f"The profile {file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise InputRefused(f"The profile {file} is not UTF-8 text.") from None
    if len(text) > _MOST_BYTES:
        raise InputRefused(f"The profile {file} has more than {_MOST_BYTES:,} bytes.")
    return read_profile(text, file=str(file))


def save_profile(node: Node, how: Understanding, name: str) -> Path:
    """Keep how a table was read under a name, for the next file. Raises ConfigurationInvalid, InputRefused."""
    if how.layout is None:
        raise InputRefused(f"A profile says how a table is read; this is {how.form}.")
    if NAME.fullmatch(name) is None:
        raise InputRefused(
            f"{name!r} is no name of a profile: small letters, digits, dots and dashes."
        )
    folder = node.settings.home / FOLDER
    file = folder / f"{name}.yaml"
    try:
        folder.mkdir(exist_ok=True)
        with file.open("x", encoding="utf-8") as out:
            out.write(write_profile(layout_as_profile(how.layout, name)))
    except FileExistsError:
        raise ConfigurationInvalid(
            f"There is a profile {name} already: change {file}, or choose another name."
        ) from None
    except OSError as error:
        raise ConfigurationInvalid(f"{file} cannot be written: {error.strerror}.") from error
    return file


def _lasting(text: str) -> int:
    try:
        return micros_of(text)
    except ValueError as error:
        raise InputRefused(f"--valid-for: {error}") from error


def _name(text: str) -> str:
    name = " ".join(text.split())
    if len(name) > _LONGEST_NAME or not name.isprintable():
        raise InputRefused(f"A name is one line of at most {_LONGEST_NAME} characters.")
    return name
