"""A collection's file: the id, title and alias of a TAXII collection, and who may read and write it.

1. The id is a UUID version 4 in small letters (TAXII 2.1 section 5.1: unique, and clients keep it in URLs), given once
   and never changed.
2. An alias never looks like a UUID, so that an address names one collection only.
3. Rights name partners; a partner that no list names does not learn that the collection exists.
4. `digest` is of the file's bytes: a file that did not change is not loaded again.

The format for people: docs/policy.md.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, StrictStr

from cert_exchange.errors import Problem
from cert_exchange.policy.forms import Plain
from cert_exchange.policy.reading import (
    Path,
    Place,
    fill_form,
    nearest,
    place_in,
    read_document,
    shown,
)
from cert_exchange.policy.spellings import partner_name, refuse

_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_LIKE_UUID: Final = re.compile(r"(?i)[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}")
_ALIAS: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")

ADVICE: Final[Mapping[str, str]] = {
    "id": "write a UUID of version 4 in small letters, made once for this collection",
    "title": "write a short text on one line",
    "description": "write a text",
    "alias": "write a short word for addresses: small letters, digits, '-' or '_'",
    "read": "write a list of partners' names; [] means nobody",
    "write": "write a list of partners' names; [] means nobody",
}


@dataclass(frozen=True, slots=True)
class CollectionFile:
    """One collection as its file declares it."""

    uuid: str
    title: str
    description: str | None
    alias: str | None
    read: tuple[str, ...]
    write: tuple[str, ...]
    digest: bytes  # SHA-256 of the file's text in UTF-8
    file: str = field(compare=False)
    places: Mapping[Path, Place] = field(compare=False, repr=False)


def _uuid(value: Any) -> str:
    if not isinstance(value, str) or _UUID.fullmatch(value) is None:
        refuse(f"{shown(value)} is no id of a collection; {ADVICE['id']}")
    return value


def _alias(value: Any) -> str:
    if isinstance(value, str) and _LIKE_UUID.fullmatch(value) is not None:
        refuse(f"the alias {shown(value)} looks like a UUID; {ADVICE['alias']}")
    if not isinstance(value, str) or _ALIAS.fullmatch(value) is None:
        refuse(f"{shown(value)} is no alias; {ADVICE['alias']}")
    return value


_Partners = tuple[Annotated[str, BeforeValidator(partner_name)], ...]


class _CollectionForm(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, BeforeValidator(_uuid)]
    title: Plain
    description: StrictStr | None = None
    alias: Annotated[str, BeforeValidator(_alias)] | None = None
    read: _Partners
    write: _Partners


def parse_collection(text: str, *, file: str) -> CollectionFile:
    """Read one collection's file. Raises PolicyInvalid with every mistake, line and column."""
    document = read_document(text, file=file)
    form = fill_form(document, _CollectionForm, advice=ADVICE)
    for key, names in (("read", form.read), ("write", form.write)):
        for index, name in enumerate(names):
            if name in names[:index]:
                document.complain((key, index), f"partner {shown(name)} stands twice; keep one")
    if document.problems:
        raise document.refuse()
    return CollectionFile(
        uuid=form.id,
        title=form.title,
        description=form.description.strip() if form.description is not None else None,
        alias=form.alias,
        read=form.read,
        write=form.write,
        digest=hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest(),
        file=file,
        places=document.places,
    )


def problems_of_collections(
    files: Sequence[CollectionFile], known_partners: Collection[str]
) -> tuple[Problem, ...]:
    """Find what is wrong with the files taken together: ids, titles and aliases that are not unique, unknown partners."""
    found: list[Problem] = []
    for what, key in (("id", "uuid"), ("title", "title"), ("alias", "alias")):
        first: dict[str, CollectionFile] = {}
        for item in files:
            value = getattr(item, key)
            if value is None:
                continue
            earlier = first.setdefault(value.casefold(), item)
            if earlier is not item:
                found.append(
                    _problem(
                        item,
                        (what,),
                        f"the {what} {shown(value)} is also in {earlier.file}; change one",
                    )
                )
    for item in files:
        for key, names in (("read", item.read), ("write", item.write)):
            for index, name in enumerate(names):
                if name not in known_partners:
                    step = (
                        nearest(name, known_partners)
                        if known_partners
                        else "add it with `cert-exchange partner add`"
                    )
                    found.append(
                        _problem(item, (key, index), f"unknown partner {shown(name)}; {step}")
                    )
    return tuple(sorted(found, key=lambda problem: (problem.file, problem.line, problem.column)))


def _problem(item: CollectionFile, path: Path, message: str) -> Problem:
    return Problem(item.file, *place_in(item.places, path), message)
