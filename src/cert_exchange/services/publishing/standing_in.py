"""Which original a line of a derivative stands for, and what it is shown without: for sentences about what was released.

Asked in the transaction that made the lines: it reads what that wrote, also where it is rolled back afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cert_exchange.policy.decide import Redact
from cert_exchange.policy.document import Policy
from cert_exchange.policy.redaction import Unredactable
from cert_exchange.policy.redaction.comparing import parts_gone
from cert_exchange.policy.rules import Recipe
from cert_exchange.policy.wording import without
from cert_exchange.services.releasing import Line, Releasing
from cert_exchange.services.releasing.trimming import left_of
from cert_exchange.store import derivatives
from cert_exchange.store.derivatives import Derivative


@dataclass(slots=True)
class Standing:
    """The derivatives among a transaction's lines, which must have been kept with the verdicts."""

    releasing: Releasing
    _derivatives: dict[tuple[str, str], Derivative] = field(default_factory=dict)
    """by the derivative's own id and version"""
    _originals: dict[int, str] = field(default_factory=dict)
    """STIX ids by number"""
    _redacted: dict[tuple[int, int], tuple[Policy, Recipe]] = field(default_factory=dict)
    """by audience and version (objects.id): whose policy takes what of it"""

    def __post_init__(self) -> None:
        """Read what the lines stand for; nothing where no policy redacts."""
        releasing = self.releasing
        if not any(plan.deriving for plan in releasing.plans):
            return
        tx = releasing.tx
        found = derivatives.stood_for(tx, {line.stix_id for line in releasing.lines})
        self._originals = dict(found.values())
        for made in derivatives.of_originals(tx, self._originals):
            self._derivatives[made.stix_id, made.version] = made
        for plan, verdict, _ in releasing.verdicts:
            if plan.policy is not None and isinstance(verdict.decision, Redact):
                key = (plan.audience.id, verdict.version.id)
                self._redacted[key] = (plan.policy, verdict.decision.recipe)

    def of(self, line: Line) -> tuple[str, str, str]:
        """The STIX id and version that a line is about, and how that is shown; empty: as it is."""
        made = self._derivatives.get((line.stix_id, line.version))
        if made is None:
            return line.stix_id, line.version, ""
        versions = {one.id: one for one in self.releasing.pool.by_ident.get(made.original, ())}
        source = versions.get(made.source)
        version = line.version if source is None else source.version
        return self._originals[made.original], version, f"as a derivative, {self._without(made)}"

    def _without(self, made: Derivative) -> str:
        known = self._redacted.get((made.audience, made.source))
        if known is None:
            return without(made.withheld)
        (policy, recipe), pool = known, self.releasing.pool
        version = pool.by_id(made.source)
        left = left_of(pool, policy, version, recipe)
        if isinstance(left, Unredactable):
            return without(made.withheld)
        gone = parts_gone(left.content, pool.contents[version.rendition])
        return f"without {', '.join(gone)}" if gone else without(made.withheld)
