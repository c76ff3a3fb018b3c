"""What became of STIX objects that were published, or would become of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from cert_exchange.cli import printing
from cert_exchange.cli.options import operator

if TYPE_CHECKING:
    from cert_exchange.node import Node
    from cert_exchange.services.publishing import Outcome, PublishPreview
    from cert_exchange.services.taking import Warned
    from cert_exchange.services.terms import SharingTerms


_GOOD: Final = ("accepted", "duplicate")
_NO_POLICY: Final = "nobody: no policy covers this collection"
_UNSEEN: Final = {
    "duplicate": "who sees it already",
    "proposal": "nobody: it would be kept as a proposal",
    "conflict": "nobody: it would be kept as a conflict",
    "rejected": "nobody: it would not be stored",
    "erased": "nobody: it was erased here, and would not be stored",
}
_MARKS: Final = {
    "stays real": (
        "is already published for real and stays so",
        "are already published for real and stay so",
    ),
    "made real": (
        "was marked TEST by an earlier publication and is real with this one",
        "were marked TEST by an earlier publication and are real with this one",
    ),
    "stays TEST": (
        "is marked TEST and stays an exercise's, until `terms set ID --clear`",
        "are marked TEST and stay an exercise's, until `terms set ID --clear`",
    ),
}
"""What became of marks, of one object and of several."""
_NAMED: Final = 10
"""So many ids are named in a sentence."""


def publish(
    node: Node,
    bodies: dict[str, bytes],
    collection: str,
    terms: SharingTerms | None,
    *,
    quiet: bool,
    as_json: bool,
) -> int:
    """Publish these bodies and print what became of each object; how many were not accepted."""
    from cert_exchange.services import publishing, taking

    outcomes: list[Outcome] = []
    missing: set[str] = set()
    gained: Counter[tuple[str, str, str]] = Counter()
    warned = taking.look_at_stix(node, *bodies.values())
    for name, body in bodies.items():
        with printing.progress(f"publishing {name}") as progress:
            done = publishing.publish(
                node, body, collection=collection, by=operator(), terms=terms, progress=progress
            )
        outcomes.extend(done.outcomes)
        missing.update(done.unresolved)
        gained.update((line.audience, str(line.kind), line.rule) for line in done.lines)
    if as_json:
        printing.document(
            {
                "outcomes": [asdict(o) for o in outcomes],
                "lines": _counted(gained),
                "warnings": [asdict(one) for one in warned],
                "unresolved": sorted(missing),
            }
        )
    else:
        _print_outcomes(outcomes, {}, quiet=quiet)
    _say_warnings(warned)
    for (audience, kind, rule), number in sorted(gained.items()):
        printing.verdict(f"{audience}: {printing.count(number, kind)} by {rule}")
    if not gained:
        printing.verdict("no audience sees anything new; `cert-exchange policy explain` says why")
    _say_missing(missing)
    return _verdict(outcomes, terms, "published")


def preview(
    node: Node,
    bodies: dict[str, bytes],
    collection: str,
    terms: SharingTerms | None,
    *,
    quiet: bool,
    as_json: bool,
) -> int:
    """Print what publishing them would do; how many would not be accepted. Nothing is stored."""
    from cert_exchange.services import publishing, taking

    warned = taking.look_at_stix(node, *bodies.values())
    seen = publishing.preview_publish(
        node, *bodies.values(), collection=collection, by=operator(), terms=terms
    )
    outcomes = list(seen.outcomes)
    answers = Counter((s.audience, s.answer, s.rule) for s in seen.sighted)
    if as_json:
        printing.document(
            {
                "outcomes": [asdict(outcome) for outcome in outcomes],
                "seen": [asdict(sighted) for sighted in seen.sighted],
                "lines": _counted(answers),
                "warnings": [asdict(one) for one in warned],
                "unresolved": list(seen.unresolved),
            }
        )
    else:
        _print_outcomes(outcomes, _seen_by(seen), quiet=quiet)
    _say_warnings(warned)
    for (audience, answer, rule), number in sorted(answers.items()):
        printing.verdict(f"{audience}: {printing.count(number, 'object')} {answer} by {rule}")
    _say_missing(seen.unresolved)
    return _verdict(outcomes, terms, "looked at; nothing was stored")


def _say_warnings(warned: Sequence[Warned]) -> None:
    """What is told only; what is held or refused says so among the outcomes."""
    told = [one for one in warned if one.act == "warn"]
    for one in told[:_NAMED]:
        printing.verdict(f"warning ({one.of}): {one.said} ({one.id})")
    if len(told) > _NAMED:
        printing.verdict(
            f"and {printing.count(len(told) - _NAMED, 'more warning')}; --json has all"
        )


def _say_missing(ids: Collection[str]) -> None:
    """References are kept as they are; who refers to what is not here is shown to nobody until it comes."""
    if ids:
        more = f" and {len(ids) - _NAMED:,} more" if len(ids) > _NAMED else ""
        printing.verdict(
            f"not held here, and referred to: {', '.join(sorted(ids)[:_NAMED])}{more}; what refers to it waits for it,"
            " unless a policy says `unresolved: allow`"
        )


def _seen_by(preview: PublishPreview) -> dict[str, str]:
    words: dict[str, list[str]] = {}
    for sighted in preview.sighted:
        why = f" ({sighted.reason})" if sighted.reason else ""
        if why and sighted.answer == "released":
            why = f" {sighted.reason}"
        words.setdefault(sighted.stix_id, []).append(
            f"{sighted.audience}: {sighted.answer} by {sighted.rule}{why}"
        )
    return {stix_id: "; ".join(sorted(set(said))) for stix_id, said in words.items()}


def _print_outcomes(outcomes: list[Outcome], seen: dict[str, str], *, quiet: bool) -> None:
    shown = [outcome for outcome in outcomes if not quiet or outcome.result not in _GOOD]
    if quiet and not shown:
        return
    columns = ["result", "id", "version", "reason"]
    rows: list[tuple[Any, ...]] = [(o.result, o.id, o.version, o.message) for o in shown]
    if seen:
        columns.append("who would see it")
        rows = [
            (*row, seen.get(one.id) or _UNSEEN.get(one.result, _NO_POLICY))
            for one, row in zip(shown, rows, strict=True)
        ]
    printing.table(columns, rows)


def _counted(counter: Counter[tuple[str, str, str]]) -> list[dict[str, Any]]:
    return [
        {"audience": audience, "answer": answer, "rule": rule, "objects": number}
        for (audience, answer, rule), number in sorted(counter.items())
    ]


def _verdict(outcomes: list[Outcome], terms: SharingTerms | None, done: str) -> int:
    counts = Counter(outcome.result for outcome in outcomes)
    told = ", ".join(f"{number:,} {result}" for result, number in sorted(counts.items()))
    printing.verdict(f"{printing.count(len(outcomes), 'object')} {done}: {told}")
    if terms is not None and terms.test:
        _say_what_looks_real(outcomes)
    still = _say_marks(outcomes)
    return still + sum(number for result, number in counts.items() if result not in _GOOD)


def _say_marks(outcomes: list[Outcome]) -> int:
    """Of real objects under ids of an exercise and the reverse, what they are now; how many real ones stay marked TEST."""
    ids: dict[str, dict[str, None]] = {}
    for one in outcomes:
        ids.setdefault(one.mark, {})[one.id] = None
    for mark, (of_one, of_several) in _MARKS.items():
        if found := list(ids.get(mark, ())):
            more = f" and {len(found) - _NAMED:,} more" if len(found) > _NAMED else ""
            printing.verdict(
                f"{printing.count(len(found), 'object')} {of_one if len(found) == 1 else of_several}:"
                f" {', '.join(found[:_NAMED])}{more}"
            )
    return len(ids.get("stays TEST", ()))


def _say_what_looks_real(outcomes: list[Outcome]) -> None:
    """Of an exercise, what cannot say so itself: an observable's id may depend on all that is in it."""
    from cert_exchange.stix.references import is_observable_id

    bare = sum(
        one.result in _GOOD and not one.mark and is_observable_id(one.id) for one in outcomes
    )
    if bare:
        printing.verdict(
            f"{printing.count(bare, 'cyber-observable')} of the exercise cannot say TEST: whom your rules show them"
            " takes them for real"
        )
