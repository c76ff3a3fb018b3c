"""Expressions of `when:`, compiled when a policy is read and asked of one object after another.

1. An expression sees one object and where it came from, and no clock: the same object gets the same answer.
2. What is neither true nor false is a failure, and so is every error of the evaluator; deciding denies then.
3. Only what the expression names is handed over to the evaluator, and of the object only the properties it names.
4. `matches` takes time that grows with the text alone, and its pattern is compiled once (`patterns`): the evaluator's own
   compiles it for every object, which costs up to milliseconds.
5. The evaluator is loaded where there is an expression: it brings a command line of its own, which every command of ours
   would wait for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from cert_exchange.policy.expressions.grammar import Reading, read_expression
from cert_exchange.policy.expressions.patterns import MATCHES, fits, pattern_of
from cert_exchange.policy.expressions.words import OBJECT, GrammarError, Kind
from cert_exchange.policy.subject import Subject

if TYPE_CHECKING:
    import cel

# A failure is the decision's to tell, once; the evaluator would log it for every object.
logging.getLogger("cel").disabled = True

LENGTH_LIMIT: Final = 2_000
_WANTED_LIMIT: Final = 64
UNMARKED: Final = "unmarked"
"""What `tlp` is for an object without TLP."""

NAMES: Final[Mapping[str, Kind]] = {
    OBJECT: Kind.ANY,
    "type": Kind.TEXT,
    "labels": Kind.LIST,
    "tlp": Kind.TEXT,
    "confidence": Kind.ANY,
    "origin": Kind.TEXT,
    "creator": Kind.TEXT,
    "collection": Kind.TEXT,
}
PROPERTIES: Final[Mapping[str, str]] = {
    "labels": "labels",
    "confidence": "confidence",
    "creator": "created_by_ref",
}
"""The property that a name reads, where a malformed value of it denies."""

_FACTS: Final[Mapping[str, Callable[[Subject], Any]]] = {
    "type": lambda subject: subject.type,
    "labels": lambda subject: sorted(subject.labels),
    "tlp": lambda subject: UNMARKED if subject.tlp is None else spelled_level(subject),
    "confidence": lambda subject: subject.confidence,
    "origin": lambda subject: subject.origin,
    "creator": lambda subject: subject.creator or "",
}


class ExpressionFailed(Exception):
    """An expression gave no answer for an object; `said` is why, and `rule` whose `when` it is."""

    def __init__(self, said: str, rule: str = "") -> None:
        self.said = said
        self.rule = rule
        super().__init__(said)


def spelled_level(subject: Subject) -> str:
    """The TLP of an object as policies spell it, such as amber+strict."""
    return "" if subject.tlp is None else subject.tlp.name.lower().replace("_", "+")


class Expression:
    """One expression that was checked. Safe to use from all threads."""

    __slots__ = (
        "_facts", "_matches", "_program", "_properties", "_sees_collection", "_sees_object",
        "_whole", "names", "text",
    )  # fmt: skip

    def __init__(self, text: str) -> None:
        """Check and compile an expression. Raises GrammarError."""
        if len(text) > LENGTH_LIMIT:
            raise GrammarError(LENGTH_LIMIT, f"{len(text):,} characters; {LENGTH_LIMIT:,} may be")
        reading = read_expression(text, NAMES)
        self.text = text
        self.names = frozenset(reading.names)
        self._program = _compiled(_with_own_matches(text, reading))
        self._matches = bool(reading.patterns)
        self._facts = tuple((name, _FACTS[name]) for name in sorted(reading.names & _FACTS.keys()))
        self._sees_collection = "collection" in reading.names
        self._sees_object = OBJECT in reading.names
        self._whole = reading.whole
        self._properties = frozenset(reading.properties)
        if len(_wanted) < _WANTED_LIMIT:
            _wanted.update(self._properties)

    def holds(self, subject: Subject, collection: str) -> bool:
        """Ask it of one object in one collection. Raises ExpressionFailed."""
        given: _Given = subject.noted(_Given, _Given)
        if (known := given.answers.get(self)) is not None:
            return known
        try:
            answer = self._program.execute(self._told(given, subject, collection))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - a foreign evaluator, whose panics are no Exception: there is no answer
            raise ExpressionFailed(_said(error, self.text)) from None
        if answer is True or answer is False:
            if not self._sees_collection:
                given.answers[self] = answer
            return answer
        raise ExpressionFailed(f"it gives {type(answer).__name__}, no truth value")

    def _told(self, given: _Given, subject: Subject, collection: str) -> cel.Context:
        """The evaluator's context of an object, with all that this expression looks at."""
        context = given.context
        if self._matches and not given.matches:
            context.add_function(MATCHES, fits)
            given.matches = True
        for name, fact in self._facts:
            if name not in given.names:
                context.add_variable(name, fact(subject))
                given.names.add(name)
        if self._sees_collection and given.collection != collection:
            context.add_variable("collection", collection)
            given.collection = collection
        if self._sees_object and not given.whole:
            if self._whole:
                context.add_variable(OBJECT, dict(subject.content))
                given.whole = True
            elif not given.told or not self._properties <= given.properties:
                given.tell(subject.content, self._properties)
        return context


class _Given:
    """What the evaluator was told of one object, once for all expressions: converting costs more than asking."""

    __slots__ = (
        "answers", "collection", "context", "matches", "names", "properties", "told", "whole",
    )  # fmt: skip

    def __init__(self) -> None:
        import cel  # noqa: PLC0415 - rule 5: where there is one

        self.context = cel.Context()
        self.answers: dict[Expression, bool] = {}
        """of expressions that look at the object alone: audiences share base policies, and each would ask again"""
        self.names: set[str] = set()
        self.matches = False
        self.collection: str | None = None
        self.properties: frozenset[str] = frozenset()
        self.told = False
        self.whole = False

    def tell(self, content: Mapping[str, Any], needed: frozenset[str]) -> None:
        """Hand over the properties that are needed, and those that other expressions of this process name."""
        for properties in (needed | _wanted, needed):
            # A value that the evaluator cannot take must not spoil an expression that does not look at it.
            try:
                known = {name: content[name] for name in properties if name in content}
                self.context.add_variable(OBJECT, known)
            except Exception:
                if properties == needed:
                    raise
                continue
            self.properties, self.told = properties, True
            return


_wanted: set[str] = set()
"""Properties of the object that expressions of this process name; only what is converted early depends on it."""


@lru_cache(maxsize=1024)
def expression_of(text: str) -> Expression:
    """The expression of a text, compiled once. Raises GrammarError."""
    return Expression(text)


def _compiled(text: str) -> Any:
    import cel  # noqa: PLC0415 - rule 5: where there is one

    try:
        return cel.compile(text)
    except Exception as error:  # noqa: BLE001 - a foreign parser: the author gets a sentence whatever it lets out
        raise GrammarError(1, f"the evaluator does not take it: {_said(error)}") from None


def _with_own_matches(text: str, reading: Reading) -> str:
    """The same expression with our own function in place of the evaluator's `matches`; checks the patterns."""
    if reading.patterns:
        import cel  # noqa: PLC0415 - rule 5: where there is one
    for name, literal in reversed(reading.patterns):
        try:
            pattern_of(str(cel.evaluate(literal.text)))
        except Exception as error:  # noqa: BLE001 - a foreign parser: its author gets a sentence whatever it lets out
            raise GrammarError(
                literal.where,
                f"the pattern {literal.text[:60]} cannot be read, or is too large: {_first(error)}",
            ) from None
        at = name.where - 1
        text = text[:at] + MATCHES + text[at + len(name.text) :]
    return text


def _first(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:200]


def _said(error: BaseException, text: str = "") -> str:
    """The reason in words of ours where the evaluator's could hold a value of the object."""
    match error:
        case KeyError():
            name = str(error.args[0]) if error.args else ""
            return f"there is no {name}" if name and name in text else "there is no such property"
        case IndexError():
            return "a list is shorter than that"
        case TypeError():
            return "kinds of values that do not go together"
        case ZeroDivisionError():
            return "division by zero"
        case OverflowError():
            return "a number is too large"
    if text:
        return "a function does not take this value"
    return " ".join(str(error).split())[:200]
