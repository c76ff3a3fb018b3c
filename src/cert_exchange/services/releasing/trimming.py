"""What redaction leaves of a version, and whether that may be shown (DECISIONS 11-14).

1. Where a rule redacts and nothing of the object is in question, the object is shown as it is. What may do without some
   of its references is a derivative from the start, so that its id stays when one of them becomes hidden.
2. What is left is asked once more, as if nothing were known of how it came about; whatever fails means "not shared".
3. One audience is shown one content of a version: what rules take in any of its views is taken in all that redact.
4. What the same recipe takes from other versions of the id, and how its maker is called where that is taken, stands in
   none: who compares versions, or guesses at names, finds nothing.
5. Found once per version, recipe and policy in a transaction.
6. What a partner sent and, redacted, would say what the audience was told before of another id is that derivative come
   back round a ring, where somebody dropped its extension: it is not shown (DECISIONS 14).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

from cert_exchange.policy.decide import (
    Allow,
    Context,
    Decision,
    Deny,
    DenyKind,
    Redact,
    ceiling_for,
    stands,
)
from cert_exchange.policy.document import Policy
from cert_exchange.policy.redaction import (
    Need,
    Trimmed,
    Unredactable,
    essence_of,
    may_be_derived,
    names_of,
    never_redacted,
    takes,
    trim,
)
from cert_exchange.policy.rules import Recipe
from cert_exchange.services.releasing.evaluating import Pool
from cert_exchange.stix.canonical import canonical_bytes
from cert_exchange.stix.references import Role
from cert_exchange.store import derivatives
from cert_exchange.store.objects import Version
from cert_exchange.store.tables import OWN

NOTHING: Final = Recipe()
"""Takes nothing away: of what is rewritten only because of what it refers to."""


def left_of(pool: Pool, policy: Policy, version: Version, recipe: Recipe) -> Trimmed | Unredactable:
    """What a recipe leaves of a version, by its number and under its own id still."""
    makers = _makers(pool, version) if recipe.source else frozenset()
    pool.load(makers)
    try:
        also = _besides(pool, policy, version, recipe, makers)
        key = (version.id, recipe, id(policy), also)
        found = pool.trims.get(key)
        if found is None:
            ceiling = ceiling_for(policy, pool.subject(version))
            found = trim(pool.contents[version.rendition], recipe, ceiling, also)
            pool.trims[key] = found
    except Exception as error:  # noqa: BLE001 - invariant 1: whatever fails here must deny, never pass
        found = Unredactable(f"redacting failed with {type(error).__name__}")
    return found


def _makers(pool: Pool, version: Version) -> frozenset[int]:
    return frozenset(
        target
        for target, role in pool.references.get(version.id, ())
        if role == Role.CREATOR and target != version.ident
    )


def _besides(
    pool: Pool, policy: Policy, version: Version, recipe: Recipe, makers: frozenset[int]
) -> frozenset[str]:
    """What must not stand in a version besides what is taken from itself."""
    found: set[str] = set()
    if recipe != NOTHING:
        for other in pool.by_ident.get(version.ident, ()):
            if other.id != version.id and other.origin == version.origin:
                found |= _taken(pool, policy, other, recipe)
    for maker in makers:
        for identity in pool.by_ident[maker]:
            found.update(names_of(pool.contents[identity.rendition]))
    return frozenset(found)


def _taken(pool: Pool, policy: Policy, version: Version, recipe: Recipe) -> frozenset[str]:
    key = (version.id, recipe, id(policy))
    if key not in pool.taken:
        ceiling = ceiling_for(policy, pool.subject(version))
        pool.taken[key] = takes(pool.contents[version.rendition], recipe, ceiling)
    return pool.taken[key]


def settle(
    pool: Pool, audience: int, policy: Policy, version: Version, redact: Redact, context: Context
) -> Decision:
    """What becomes of a decision to redact for an audience: the object as it is, what is left of it, or nothing."""
    left = left_of(pool, policy, version, redact.recipe)
    if isinstance(left, Unredactable):
        return _unredactable(redact, left.reason)
    never = never_redacted(pool.contents[version.rendition])
    if not left.changed and (never is not None or not left.may_be_cut):
        # A rule that redacts may have lifted what bars the whole: what it leaves untouched is asked without that.
        barred = stands(policy, pool.subject(version), context)
        return barred or Allow(redact.rule, redact.reason)
    if never is not None:
        return _unredactable(redact, never)
    if _is_echo(pool, audience, version, left):
        return _unredactable(redact, "it is a derivative that came back under another id")
    whole = pool.subject(version)
    try:
        subject = whole.reread(left.content)
    except Exception as error:  # noqa: BLE001 - invariant 1: whatever fails here must deny, never pass
        return _unredactable(redact, f"reading it failed with {type(error).__name__}")
    return stands(policy, subject, context, whole=whole) or redact


def _is_echo(pool: Pool, audience: int, version: Version, left: Trimmed) -> bool:
    """Whether it says what a derivative said that the audience was shown of an id that we knew before."""
    if version.origin == OWN or not may_be_derived(version.stix_id):
        return False
    essence = essence_of(left.content)
    return derivatives.said_before(pool.tx, audience, essence, original=version.ident)


def needs_of(
    pool: Pool, version: Version, left: Trimmed, own: int | None
) -> tuple[list[tuple[int, int]], Mapping[int, Need]]:
    """What a derivative refers to: (target ident, role), and how badly, by target. `own`: our identity's number.

    The maker of the original is not among it; ours is, and may be missing.
    """
    targets = pool.references.get(version.id, [])
    pool.know([target for target, _ in targets])
    refs: list[tuple[int, int]] = []
    needs: dict[int, Need] = {}
    for target, role in targets:
        need = left.needs.get(pool.texts[target])
        if need is not None:
            refs.append((target, role if role == Role.MARKING else Role.REQUIRED.value))
            needs[target] = need
    if own is not None and own != version.ident and own not in needs and not version.observable:
        pool.know([own])
        refs.append((own, Role.CREATOR.value))
        needs[own] = Need.OPTIONAL
    return refs, needs


def digest_of(left: Trimmed) -> bytes:
    """SHA-256 of what was left of a version."""
    return hashlib.sha256(canonical_bytes(left.content)).digest()


def _unredactable(redact: Redact, reason: str) -> Deny:
    return Deny(redact.rule, f"{redact.reason}; it cannot be redacted: {reason}", DenyKind.RULE)
