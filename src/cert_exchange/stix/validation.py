"""Validation: the only place where a StixObject is made.

    (1) type, spec_version, id    the sentences that a sender needs most come first
    (2) size                      of the canonical bytes
    (3) null and empty lists      anywhere in the object (STIX 2.12)
    (4) schema                    the OASIS schema of the type, `schemas`
    (5) rules                     what no schema can say, `rules`
    (6) references, digests       kept beside the bytes

`validate` does all of it; nobody checks again. Whether the sender may write this id, and whether the version is new, is
for the services. The cost of one object is linear in its size.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import orjson

from cert_exchange.errors import ObjectInvalid
from cert_exchange.stix import refusals, rules, schemas
from cert_exchange.stix.canonical import Limits, canonical_bytes, sameness_of_body
from cert_exchange.stix.instants import shown
from cert_exchange.stix.objects import StixObject
from cert_exchange.stix.references import OBSERVABLE_TYPES, is_identifier, references_of

_META_TYPES: Final = frozenset({"marking-definition", "language-content", "extension-definition"})


def validate(content: Mapping[str, Any], *, limits: Limits) -> StixObject:
    """Check one object and make the StixObject that everything else works with.

    `content` is a JSON object as `canonical.parse_json` read it; it is not copied and must not be changed afterwards.
    Raises ObjectInvalid, whose `public` names property, value found, value allowed and the next step.
    """
    plain = content if isinstance(content, dict) else dict(content)
    stix_type, stix_id, observable = _head(plain)
    body, exact = _body(plain)
    if len(body) > limits.object_bytes:
        raise ObjectInvalid(
            f"The object has {len(body)} bytes as compact JSON; at most {limits.object_bytes} are taken. "
            "Split it, or refer to the content by url."
        )
    if b"null" in body or b"[]" in body:
        refusals.refuse_empty(plain)
    compiled = schemas.validator(schemas.schema_name(stix_type, observable=observable))
    checked = plain if exact else orjson.loads(body)
    if not compiled.is_valid(checked):
        raise ObjectInvalid(refusals.explain(compiled, checked))
    rules.check(plain, observable=observable)
    modified = plain.get("modified") if not _is_unversioned(plain, observable=observable) else None
    created = plain.get("created") if not observable or modified is not None else None
    return StixObject(
        id=stix_id,
        type=stix_type,
        version=modified if modified is not None else created,
        created=created,
        creator=plain.get("created_by_ref"),
        revoked=plain.get("revoked") is True,
        observable=observable and modified is None,
        body=body,
        digest=hashlib.sha256(body).digest(),
        sameness=sameness_of_body(plain, body if exact else None),
        references=references_of(plain, body),
        content=plain,
    )


def warnings_of(item: StixObject) -> tuple[str, ...]:
    """What the standard says an object SHOULD be and this one is not; never a reason to refuse it."""
    return rules.warnings(item.content, observable=item.observable)


def is_observable(content: Mapping[str, Any]) -> bool:
    """Whether the object is a cyber-observable: by its type, else by its extension, else by having no instants.

    A type that STIX 2.1 does not define is one when an extension says `new-sco`, or when nothing says otherwise and it
    has neither `created` nor `modified` (11.2.1: those are required of every other custom object).
    """
    stix_type = content.get("type")
    if stix_type in OBSERVABLE_TYPES:
        return True
    if isinstance(stix_type, str) and (stix_type in _META_TYPES or schemas.is_defined(stix_type)):
        return False
    extensions = content.get("extensions")
    if isinstance(extensions, dict):
        for extension in extensions.values():
            kind = extension.get("extension_type") if isinstance(extension, dict) else None
            if kind == "new-sco":
                return True
            if kind in ("new-sdo", "new-sro"):
                return False
    return "created" not in content and "modified" not in content


def _is_unversioned(content: Mapping[str, Any], *, observable: bool) -> bool:
    """STIX 3.6 lets a cyber-observable be versioned, with all four properties' rules and an id of its own."""
    return observable and not rules.is_versioned_observable(content)


def _head(content: Mapping[str, Any]) -> tuple[str, str, bool]:
    """Type, id, and whether it is an observable: checked first, for they tell what the rest should be."""
    stix_type = content.get("type")
    if not isinstance(stix_type, str):
        raise ObjectInvalid(
            "type is missing or no text; every STIX object names its type, such as indicator."
        )
    if stix_type == "bundle":
        raise ObjectInvalid(
            "type is bundle: a bundle is no object of a collection; send the objects that it holds, or the bundle itself "
            "as the whole body."
        )
    observable = is_observable(content)
    spec_version = content.get("spec_version")
    if spec_version is None and not observable:
        raise ObjectInvalid(
            "spec_version is missing, so this is STIX 2.0 or older; STIX 2.1 objects say spec_version 2.1. "
            "Convert it to STIX 2.1, for example with the stix2-elevator of OASIS."
        )
    if spec_version == "2.0":
        raise ObjectInvalid(
            "spec_version is '2.0': this is STIX 2.0; only STIX 2.1 is taken. Convert it and send spec_version 2.1."
        )
    if spec_version is not None and spec_version != "2.1":
        raise ObjectInvalid(f"spec_version is {refusals.value(spec_version)}; it must be '2.1'.")
    stix_id = content.get("id")
    if not isinstance(stix_id, str):
        raise ObjectInvalid(
            f"id is missing or no text; give {shown(stix_type)}, two hyphens and a UUID (STIX 2.9)."
        )
    if not is_identifier(stix_id):
        raise ObjectInvalid(
            f"id is {shown(stix_id)}; it must be the type, two hyphens and a UUID as in RFC 4122, such as "
            "indicator--f2a0f638-a65b-4283-9c34-4e6140f51e15 (STIX 2.9)."
        )
    if stix_id[:-38] != stix_type:
        raise ObjectInvalid(
            f"id is {shown(stix_id)} but type is {shown(stix_type)}; the id must begin with the type (STIX 2.9)."
        )
    return stix_type, stix_id, observable


def _body(content: dict[str, Any]) -> tuple[bytes, bool]:
    """Canonical bytes, and whether the content is free of `Number`, which neither orjson nor the schemas know."""
    try:
        return orjson.dumps(content, option=orjson.OPT_SORT_KEYS), True
    except TypeError:
        pass
    try:
        return canonical_bytes(content), False
    except TypeError as wrong:
        raise ObjectInvalid("The object holds what is no JSON value.") from wrong
