"""How `publish` shows what it understood of an input that is no STIX, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from cert_exchange.cli import printing

if TYPE_CHECKING:
    from cert_exchange.services.taking import Found, Taken

_FOLLOWS: Final = {
    "warn": "told",
    "hold": "held: stored, shared with nobody until `intake release`",
    "refuse": "refused: not stored",
}


def print_found(found: Found) -> None:
    """What was understood of one input, before anything of it is stored."""
    how = found.how
    printing.result(f"{found.name}: {how.form}, {how.why}{'' if how.sure else ' (a guess)'}")
    if how.layout is not None and how.layout.delimiter:
        printing.table(
            ["column", "holds", "how we know", "first values"],
            [
                (
                    one.name,
                    one.aside or str(one.holds),
                    "stated" if one.stated else "its look" if one.has_values else "",
                    ", ".join(one.samples),
                )
                for one in how.layout.columns
            ],
        )
    for guess in how.guesses:
        printing.result(f"a guess: {guess}")
    if found.batches:
        printing.result(f"events: {'; '.join(found.batches)}")
    if found.names:
        printing.result(
            f"partners read as its name: {'; '.join(found.names)} (--name says another)"
        )
    for text in found.texts:
        printing.result(f"partners read as description, such as: {text}")
    kinds = sorted({*found.kinds, *found.told})
    printing.table(
        ["kind", "looked for", "told of", "such as"],
        [(one, found.kinds[one], found.told[one], ", ".join(found.samples[one])) for one in kinds],
        empty="no value of a kind that we know",
    )
    if found.losses:
        printing.table(
            ["not used", "what stands there", "why"],
            [(one.place, one.what, one.reason) for one in found.losses],
        )
        _say_more(found.lost.total() - len(found.losses), "place", "; --losses FILE names all")
    if found.warnings:
        printing.table(
            ["where", "warning", "what follows", "why"],
            [
                (found.places.get(one.id, ""), one.of, _FOLLOWS.get(one.act, one.act), f"{one.said} ({one.id})")
                for one in found.warnings
            ],
        )  # fmt: skip
        _say_more(found.warned.total() - len(found.warnings), "warning")
    if found.refused:
        printing.table(
            ["not taken", "where", "why"],
            [(one, found.places.get(one, ""), why) for one, why in found.refused],
        )
        _say_more(found.refusals.total() - len(found.refused), "object")
    for remark in found.remarks:
        printing.verdict(remark)
    for said in _beside_others(found):
        printing.verdict(said)
    printing.verdict(_in_words(found))
    if not found.findings and not found.dropped:
        doubt = "" if how.sure else f"; is it {how.form}? --format says another"
        unused = "; the places above say why not" if found.losses else ""
        printing.verdict(f"nothing in {found.name} can be published{unused}{doubt}")
    if found.preview is not None:
        _print_preview(found)


def _beside_others(found: Found) -> Iterator[str]:
    """What this input is to what was published before."""
    if found.apart:
        yield (
            f"{printing.count(found.apart, 'object')} of it another input published for a wider circle: those stay as they are,"
            " and what this input says stands beside them; `mark ID --tlp ...` or `terms set` narrows them too"
        )
    if found.bound:
        yield (
            f"{printing.count(found.bound, 'object')} of it are bound by terms of an earlier publication, and stay so;"
            " `terms show ID` says which"
        )
    if found.dropped:
        name = found.names[0] if found.names else found.name
        yield (
            f"the list {name!r} that stands names {printing.count(found.dropped, 'object')} which this input does not,"
            f" and {found.stay:,} which it does: what is dropped stays shared until `delist`; if this is another list,"
            " give it another --name"
        )


def _in_words(found: Found) -> str:
    states = ", ".join(f"{number:,} {state}" for state, number in sorted(found.states.items()))
    # The hashes of one file are one statement, and a value may be said twice.
    number = found.states.total()
    inside = "" if number == found.findings else f" in {printing.count(number, 'statement')}"
    said = [
        f"{printing.count(found.findings, 'value')}{f'{inside} ({states})' if states else ''}",
        printing.count(found.objects, "object"),
    ]
    if found.doubles:
        said.append(f"{found.doubles:,} said twice")
    if lost := found.lost.total():
        said.append(f"{printing.count(lost, 'place')} not used")
    if told := found.warned.total():
        said.append(printing.count(told, "warning"))
    return f"{found.name}: {', '.join(said)}"


def _print_preview(found: Found) -> None:
    assert found.preview is not None
    answers: dict[tuple[str, str, str], int] = {}
    for one in found.preview.sighted:
        key = (one.audience, one.answer, one.rule)
        answers[key] = answers.get(key, 0) + 1
    if found.previewed < found.objects:
        printing.verdict(f"of the first {printing.count(found.previewed, 'object')}:")
    for (audience, answer, rule), number in sorted(answers.items()):
        printing.verdict(f"{audience}: {printing.count(number, 'object')} {answer} by {rule}")
    if not answers and found.objects:
        printing.verdict("nobody would see anything new")


def print_taken(taken: Taken) -> None:
    """What became of one input."""
    # What is held was told among the warnings already.
    if refused := [one for one in taken.outcomes if not one.success]:
        printing.table(
            ["result", "id", "reason"], [(one.result, one.id, one.message) for one in refused]
        )
    for (audience, kind, rule), number in sorted(taken.gained.items()):
        printing.verdict(f"{audience}: {printing.count(number, kind)} by {rule}")
    if taken.let_in:
        printing.verdict(
            f"{printing.count(taken.let_in, 'observable')} let in, held so far for want of an indicator: policy decides"
        )
    elif not taken.gained:
        printing.verdict("no audience sees anything new; `cert-exchange policy explain` says why")
    told = ", ".join(f"{number:,} {result}" for result, number in sorted(taken.results.items()))
    held = f"; {taken.held:,} held until `intake release`" if taken.held else ""
    count = printing.count(taken.results.total(), "object")
    printing.verdict(f"{taken.found.name}: {count} published{f': {told}' if told else ''}{held}")


def _say_more(number: int, noun: str, where: str = "") -> None:
    if number > 0:
        printing.verdict(f"and {printing.count(number, f'more {noun}')}{where}")
