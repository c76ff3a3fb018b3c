"""Policies are read, and their names looked up: those that come into force together are checked together.

1. Every mistake of a file is found at once, and of several files all are.
2. A partner is governed by one policy at a time. Who changes from one to another is named by the new text of the one and
   not by that of the other: both files are given, and come into force in one transaction (`applying`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cert_exchange.errors import PolicyInvalid, Problem
from cert_exchange.node import Node
from cert_exchange.policy.companions import Companions
from cert_exchange.policy.document import Policy, parse_policy, problems_of_names
from cert_exchange.policy.doubts import warnings_of_policy
from cert_exchange.services.policies.agreeing import warnings_of_agreements
from cert_exchange.services.policies.companions import read_companions
from cert_exchange.store import policies as policy_rows
from cert_exchange.store import releases

Place = tuple[str | int, ...]
"""where in a document: keys and indexes"""
_ALONE: Final[Mapping[str, Collection[str]]] = {}


@dataclass(frozen=True, slots=True)
class Checked:
    """A policy that can be applied, and what in it may not be meant."""

    policy: Policy
    warnings: tuple[Problem, ...]
    companions: Companions
    """the texts of the files that it names, by name"""


@dataclass(frozen=True, slots=True)
class Read:
    """A policy whose text was understood; whether its names are known is still to be asked."""

    policy: Policy
    file: str
    companions: Companions


def read_policy(
    text: str, *, file: str, folder: Path | None = None, companions: Companions | None = None
) -> Read:
    """Parse a policy. Raises as `check` does."""
    if companions is None:
        companions = read_companions(text, folder)
    return Read(parse_policy(text, file=file, companions=companions), file, companions)


def check(
    node: Node,
    text: str,
    *,
    file: str,
    folder: Path | None = None,
    companions: Companions | None = None,
) -> Checked:
    """Parse a policy and look up its names. Raises PolicyInvalid with every problem at once.

    The files that it names are read from `folder`, or given as `companions`, as an earlier version had them.
    Raises InputRefused where one of them cannot be read.
    """
    found = read_policy(text, file=file, folder=folder, companions=companions)
    checked = check_names(node, found, _ALONE)
    if isinstance(checked, PolicyInvalid):
        raise checked
    return checked


def check_together(node: Node, read: Sequence[Read]) -> list[Checked | PolicyInvalid]:
    """Look up the names of policies that come into force together; of each what it is, or what is wrong with it."""
    together: dict[str, Collection[str]] = {}
    for one in read:
        together.setdefault(one.policy.name, one.policy.partners)
    found: list[Checked | PolicyInvalid] = []
    names: dict[str, str] = {}
    members: dict[str, str] = {}
    for one in read:
        said: list[tuple[Place, str]] = []
        other = names.setdefault(one.policy.name, one.file)
        if other != one.file:
            said.append((("name",), f"policy '{one.policy.name}' is in {other} as well; give one"))
        for index, partner in enumerate(one.policy.partners):
            rival = members.setdefault(partner, one.policy.name)
            if rival != one.policy.name:
                said.append(
                    (("partners", index), f"partner '{partner}' is named by policy '{rival}' too")
                )
        problems = [_problem(one, path, words) for path, words in said]
        found.append(check_names(node, one, together, problems))
    return found


def check_names(
    node: Node,
    read: Read,
    together: Mapping[str, Collection[str]],
    problems: Sequence[Problem] = (),
) -> Checked | PolicyInvalid:
    """Look up the names of a policy. `together`: whom the policies govern that come into force with it, by name."""
    policy, file = read.policy, read.file
    with node.database.reading() as conn:
        known_partners = policy_rows.partner_ids(conn)
        names = list(releases.read_sharing(conn).collections.values())
        rivals = policy_rows.rival_policies(conn, policy.name, policy.partners)
    names_of = {name: uuid for uuid, alias in names for name in (uuid, alias) if name is not None}
    problems = [*problems, *problems_of_names(policy, known_partners, names_of.keys(), file)]
    problems += [
        _problem(
            read, ("partners",),
            f"partner '{partner}' is governed by policy '{rival}'; take it out there, and apply both files with one command",
        )
        for partner, rival in rivals
        if partner in together.get(rival, {partner})
    ]  # fmt: skip
    first: dict[str, str] = {}
    for index, name in enumerate(policy.collections):
        other = first.setdefault(names_of.get(name, name), name)
        if (
            other != name
        ):  # a rule that names the one spelling would silently not count for the other
            said = f"'{name}' is the collection '{other}' again; name it once"
            problems.append(_problem(read, ("collections", index), said))
    if problems:
        return PolicyInvalid(tuple(problems))
    warnings = warnings_of_policy(
        policy, file, now=node.now(), partners=known_partners
    ) + warnings_of_agreements(node, policy, file)
    return Checked(policy, warnings, read.companions)


def _problem(read: Read, path: Place, said: str) -> Problem:
    places = read.policy.places
    return Problem(read.file, *(places.get(path) or places.get(path[:1]) or (0, 0)), said)
