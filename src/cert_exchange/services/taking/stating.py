"""What a person states about an input, from words to values.

A word that is none of ours is refused with those that are. Profiles of tables have their own room: `services/table_profiles`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, cast, get_args

from cert_exchange.errors import InputRefused
from cert_exchange.intake.building import Around
from cert_exchange.intake.recognising import Format
from cert_exchange.node import Node
from cert_exchange.policy.spellings import micros_of, tlp_named
from cert_exchange.services import table_profiles, warning
from cert_exchange.services.taking.reading import Order, Understanding
from cert_exchange.stix.markings import TLP_BY_ID, TLP_DEFINITIONS

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
    again: bool = False,
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
        profile=None if profile is None else table_profiles.load(node, profile),
        markings=() if tlp is None else (marking_of(tlp),),
        name=_name(name or ""),
        confidence=None if confidence is None else warning.confidence(node, confidence),
        valid_for=None if valid_for is None else _lasting(valid_for),
        around=cast("Around | None", around),
        observables=observables,
        again=again,
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


def save_profile(node: Node, how: Understanding, name: str) -> Path:
    """Keep how a table was read under a name, for the next file. Raises ConfigurationInvalid, InputRefused."""
    if how.layout is None:
        raise InputRefused(f"A profile says how a table is read; this is {how.form}.")
    return table_profiles.keep(node, table_profiles.from_layout(how.layout, name))


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
