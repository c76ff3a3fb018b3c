"""What of an audience's sight is shown as a derivative, and what its derivatives say (DECISIONS 11-15).

1. Derived is what a rule redacts, and what refers to an id that the audience sees only as a derivative (fan-out): the
   least fixed point, so that a circle of originals is not derived for its own sake.
2. An audience sees an id whole or derived, as a reader of all its views does: whole in one view is whole.
3. A line whose new rendition equals the one that it serves stays; else it goes and the new version comes, in one
   transaction. Only the newest version in a view is rendered; older ones stand while they need no new rendition.
4. What cannot be rendered is not shown: `closing` begins again without it. So it does with what the new state touches.
5. A derivative in whose place its original is shown ends (`ending`).
6. A definition or derivative of somebody else is never rewritten for the sake of its maker's id.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cert_exchange.policy.redaction import Unredactable, never_redacted
from cert_exchange.services.releasing.ending import clear_beside_whole, end
from cert_exchange.services.releasing.governing import last_of
from cert_exchange.services.releasing.issuing import REDACTED
from cert_exchange.services.releasing.minting import Made
from cert_exchange.services.releasing.naming import Names
from cert_exchange.services.releasing.rendering import Rendering, Seen
from cert_exchange.services.releasing.settlement import Gain, Key
from cert_exchange.services.releasing.trimming import NOTHING, digest_of, needs_of
from cert_exchange.stix.references import Role
from cert_exchange.store import derivatives, in_force
from cert_exchange.store.derivatives import Derivative
from cert_exchange.store.objects import Version
from cert_exchange.store.releases import Live

if TYPE_CHECKING:
    from cert_exchange.services.releasing.closing import Closing

_MARKING: Final = "marking-definition--"


@dataclass(slots=True)
class Deriving:
    """The last step of one audience's settlement; `derive` is its only door."""

    closing: Closing
    done: Collection[int]
    """ids that were considered"""
    names: Names | None
    standing: dict[Key, Live] = field(default_factory=dict)
    """the lines of those that stay, or have something else come in their place"""
    keys: dict[int, set[Key]] = field(default_factory=dict)
    """by ident: what is in force afterwards"""
    derived: set[Key] = field(default_factory=set)
    unrendered: dict[int, str] = field(default_factory=dict)
    _served: dict[int, Derivative] = field(default_factory=dict)
    _gaining: dict[int, int] | None = None

    def derive(self) -> tuple[set[int], dict[int, str]]:
        """Complete the settlement; or else what must be considered as well, and what cannot be rendered and why."""
        if self.names is None:
            return set(), {}
        self._divide()
        more = self._touched()
        if more:
            return more, {}
        made = self._render(self.names)
        if self.unrendered:
            return set(), self.unrendered
        self._replace(made)
        end(self, self.names)
        return set(), {}

    # -- whole or derived ------------------------------------------------------------------------------------------

    def _divide(self) -> None:
        """Find what is derived, and carry what that needs; what is carried may be derived too."""
        closing = self.closing
        while True:
            self._collect()
            while self._mark():
                pass
            count = len(closing.result.gains)
            switching = [
                (number, view)
                for (view, number), line in self.standing.items()
                if line.derived or (view, number) in self.derived
            ]
            switching += [(n, v) for v, n in sorted(closing.sight.fanned & self.derived)]
            closing.carrying.carry(switching, closing.gaining())
            if len(closing.result.gains) == count:
                clear_beside_whole(self)
                return

    def _collect(self) -> None:
        sight, result = self.closing.sight, self.closing.result
        self.keys = {ident: set() for ident in self.done}
        self.standing.clear()
        for ident in self.done:
            for line in sight.live.get(ident, ()):
                key = (line.view, line.object)
                if key not in result.losses:
                    self.standing[key] = line
                    self.keys[ident].add(key)
        sight.load_live([gain.version.ident for gain in result.gains.values()])
        for key, gain in result.gains.items():
            self.keys.setdefault(gain.version.ident, set()).add(key)
        self.derived = {
            key
            for those in self.keys.values()
            for key in those
            if key in sight.redacted or key in sight.fanned
        }
        references = self.closing.pool.references
        sight.learn(
            {
                target
                for those in self.keys.values()
                for _, number in those
                for target, _ in references.get(number, ())
            }
        )

    def _mark(self) -> bool:
        """One round: drop what may not stand beside a derivative, and derive what refers to one."""
        changed = False
        for ident, keys in self.keys.items():
            for view in {view for view, _ in keys & self.derived}:
                here = [key for key in keys if key[0] == view]
                newest = self.newest(here)
                if newest not in self.derived:
                    continue
                for key in here:
                    alone = self._version(key).observable
                    if key != newest and (alone or key not in self.derived):
                        self.drop(ident, key)
                        changed = True
        for keys in self.keys.values():
            for key in keys - self.derived:
                if self._refers_to_derived(key):
                    self.derived.add(key)
                    self.closing.sight.fan(key)
                    changed = True
        return changed

    def newest(self, keys: Collection[Key]) -> Key:
        """Of one id's keys in a view the one that is last there."""
        last = last_of([self._version(key) for key in keys])
        return next(key for key in keys if key[1] == last.id)

    def _refers_to_derived(self, key: Key) -> bool:
        version = self._version(key)
        pool = self.closing.pool
        roles = {
            role
            for target, role in pool.references.get(version.id, ())
            if role != Role.EXTENSION
            and target != version.ident
            and self.seen(target) is Seen.DERIVED
            and not self.sent_it(target)
        }
        if roles != {Role.CREATOR.value}:
            return bool(roles)
        return never_redacted(pool.contents[version.rendition]) is None

    def seen(self, ident: int) -> Seen:
        """How the audience sees an id when all is done."""
        keys = self.keys.get(ident, set())
        lines = self.staying(ident)
        if any(not line.derived for line in lines) or not keys <= self.derived:
            return Seen.WHOLE
        return Seen.DERIVED if lines or keys else Seen.HIDDEN

    def staying(self, ident: int) -> list[Live]:
        """The lines that stay of an id that was not considered."""
        if ident in self.done:
            return []
        self.closing.sight.load_live((ident,))
        losses = self.closing.result.losses
        lines = self.closing.sight.live.get(ident, ())
        return [line for line in lines if (line.view, line.object) not in losses]

    def sent_it(self, ident: int) -> bool:
        """Whether a member sent us the id: it goes on knowing it under that."""
        return self.closing.sight.sent_it(ident)

    def may_dangle(self, ident: int, role: int) -> bool:
        """Whether a reference to an id that it does not see may stay."""
        if self._gaining is None:
            self._gaining = self.closing.gaining()
        return self.closing.stands(ident, role, self._gaining)

    def _before(self, ident: int) -> Seen:
        lines = self.closing.sight.live.get(ident, ())
        if not lines:
            return Seen.HIDDEN
        return Seen.DERIVED if all(line.derived for line in lines) else Seen.WHOLE

    def drop(self, ident: int, key: Key, rule: str = REDACTED) -> None:
        """A version is not seen in a view after all."""
        result = self.closing.result
        self.keys[ident].discard(key)
        self.derived.discard(key)
        result.gains.pop(key, None)
        result.carried_now.pop(key, None)
        line = self.standing.pop(key, None)
        if line is not None:
            result.losses[key] = (line, rule)

    def _touched(self) -> set[int]:
        """What else the new state touches: derivatives, and what refers to what becomes one or is none any more."""
        closing, pool = self.closing, self.closing.pool
        more = set(closing.affected)
        changed: dict[int, bool] = {}
        for ident, keys in self.keys.items():
            if ident not in self.done and keys & self.derived:
                more.add(ident)
            before, after = self._before(ident), self.seen(ident)
            if before is after or ident in pool.fresh:
                continue
            renamed = Seen.DERIVED in (before, after)
            # What is only carried now, or marks objects, is nothing that a derivative could do without.
            if renamed or (ident in self.done and not pool.texts[ident].startswith(_MARKING)):
                changed[ident] = renamed
        found = in_force.live_dependants(closing.tx, changed, closing.plan.view_ids)
        more.update(
            line.ident
            for target, line in found
            if line.ident != target and (changed[target] or line.derived)
        )
        return more - set(self.done)

    # -- renditions ------------------------------------------------------------------------------------------------

    def _render(self, names: Names) -> dict[Key, Made]:
        """What is to be shown at each derived key; lines of older versions that need a new rendition are lost."""
        closing = self.closing
        by_version: dict[int, list[Key]] = {}
        for key in sorted(self.derived):
            by_version.setdefault(key[1], []).append(key)
        names.load({self._version(key).ident for key in self.derived})
        lines = [self.standing[key] for key in self.derived if key in self.standing]
        self._served = derivatives.of_objects(
            closing.tx, [line.served for line in lines if line.derived]
        )
        policy = closing.plan.policy
        if policy is None:  # without one nothing is shown
            return {}
        rendering = Rendering(closing.pool, policy, names, self)
        found: dict[Key, Made] = {}
        # The newest last, so that its derivative is the newest too where views show several.
        for number in sorted(by_version, key=lambda one: closing.pool.by_id(one).version_key):
            keys, version = by_version[number], closing.pool.by_id(number)
            made = self._made(rendering, version, keys)
            for key in keys:
                here = [one for one in self.keys[version.ident] if one[0] == key[0]]
                if self.newest(here) == key:
                    if isinstance(made, Unredactable):
                        self.unrendered[number] = made.reason
                    else:
                        found[key] = made
                    continue
                line = self.standing.get(key)
                served = self._served.get(line.served) if line is not None else None
                if (
                    isinstance(made, Unredactable)
                    or served is None
                    or (served.content != made.content)
                ):
                    self.drop(version.ident, key)
        return found

    def _made(
        self, rendering: Rendering, version: Version, keys: Collection[Key]
    ) -> Made | Unredactable:
        closing, names = self.closing, rendering.names
        redacted = any(key in closing.sight.redacted for key in keys)
        recipe = closing.judge.recipes[version.id] if redacted else NOTHING
        shown = rendering.rendition(version, recipe)
        if isinstance(shown, Unredactable):
            return shown
        own = names.own if shown.creator is not None else None
        if redacted:
            refs, _ = needs_of(closing.pool, version, shown.left, own)
        else:
            refs = closing.sight.with_maker(version, own)
        return Made(
            version, names.name(version.ident, version.stix_id), shown.rendered, shown.modified,
            tuple(refs), digest_of(shown.left), shown.content, tuple(sorted(shown.left.withheld)),
        )  # fmt: skip

    # -- what comes and goes ---------------------------------------------------------------------------------------

    def _replace(self, found: Mapping[Key, Made]) -> None:
        """Gain what is made, in place of what stood there; what says the same already stays."""
        names, result = self.names, self.closing.result
        assert names is not None
        for key, made in found.items():
            line = self.standing.get(key)
            served = self._served.get(line.served) if line is not None else None
            if served is not None and served.content == made.content:
                continue
            prior = names.newest(made.source.ident)
            if (
                prior is not None
                and prior.source == made.source.id
                and prior.content == made.content
            ):
                result.reused[key] = prior.object
            else:
                result.made.setdefault(made.source.id, made).keys.append(key)
            if line is not None:
                self._take_place(key, line)
        for key, line in self.standing.items():
            if line.derived and key not in self.derived:
                self._take_place(key, line)

    def _take_place(self, key: Key, line: Live) -> None:
        """Something else comes in a line's place."""
        result = self.closing.result
        carried = result.carried_now.pop(key, line.carried)
        rule = "carried" if carried else self.closing.sight.rules.get(key, "carried")
        result.replaced[key] = line
        result.gains[key] = Gain(self._version(key), line.view, rule, carried)

    def _version(self, key: Key) -> Version:
        return self.closing.pool.by_id(key[1])
