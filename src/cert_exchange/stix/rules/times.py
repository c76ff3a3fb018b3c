"""Instants of one object: days that exist, in their order (STIX 2.16, 3.2, 3.6.1 and the tables of the types).

1. The schema has checked the form of every instant that STIX 2.1 defines; here are the days and the order.
2. Of custom types and extensions a property of the same name may hold something else: then nothing is said.
3. Instants are compared exactly, at any number of fraction digits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from cert_exchange.errors import ObjectInvalid
from cert_exchange.stix.instants import InstantInvalid, is_stix_timestamp, order_key, shown

_TIMESTAMPS: Final = frozenset(
    {
        "created",
        "modified",
        "valid_from",
        "valid_until",
        "first_seen",
        "last_seen",
        "first_observed",
        "last_observed",
        "start_time",
        "stop_time",
        "published",
        "submitted",
        "analysis_started",
        "analysis_ended",
        "object_modified",
        "start",
        "end",
        "date",
        "ctime",
        "mtime",
        "atime",
        "modified_time",
        "created_time",
        "account_created",
        "account_expires",
        "credential_last_changed",
        "account_first_login",
        "account_last_login",
        "validity_not_before",
        "validity_not_after",
    }
)
# Of each type: the earlier property, the later one, and whether both may be the same instant.
_ORDERED: Final[Mapping[str, tuple[str, str, bool]]] = {
    "campaign": ("first_seen", "last_seen", True),
    "indicator": ("valid_from", "valid_until", False),
    "infrastructure": ("first_seen", "last_seen", True),
    "intrusion-set": ("first_seen", "last_seen", True),
    "malware": ("first_seen", "last_seen", True),
    "network-traffic": ("start", "end", True),
    "observed-data": ("first_observed", "last_observed", True),
    "relationship": ("start_time", "stop_time", False),
    "sighting": ("first_seen", "last_seen", True),
    "threat-actor": ("first_seen", "last_seen", True),
}
_LOOKS_LIKE_ONE: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?Z"
)


def check_instants(content: Mapping[str, Any], stix_type: str) -> None:
    """Raise ObjectInvalid for a day that does not exist, or an order that the standard forbids."""
    for name in _TIMESTAMPS & content.keys():
        text = content[name]
        # The schema has checked the form; only days after the 28th may not exist. Of custom types and extensions a
        # property of the same name may hold something else.
        if (
            isinstance(text, str)
            and text[8:10] > "28"
            and _LOOKS_LIKE_ONE.fullmatch(text) is not None
            and not is_stix_timestamp(text)
        ):
            raise ObjectInvalid(
                f"{name} is {shown(text)}, a day that does not exist; give one that does, such as "
                "2024-02-29T07:08:09.123Z (STIX 2.16)."
            )
    _check_order(content, "created", "modified", same=True)
    ordered = _ORDERED.get(stix_type)
    if ordered is not None:
        _check_order(content, ordered[0], ordered[1], same=ordered[2])


def _check_order(content: Mapping[str, Any], earlier: str, later: str, *, same: bool) -> None:
    first, second = content.get(earlier), content.get(later)
    if first is None or second is None or (first == second and same):
        return
    try:
        first_key, second_key = order_key(first), order_key(second)
    except (InstantInvalid, TypeError):
        return  # of a type that STIX 2.1 does not define; for the others the schema has checked them
    if second_key < first_key or (second_key == first_key and not same):
        raise ObjectInvalid(
            f"{later} is {shown(second)} and {earlier} is {shown(first)}; {later} must be "
            f"{'the same as or ' if same else ''}later than {earlier}."
        )
