"""Expressions of `when:`: a part of CEL, read, checked and asked."""

from cert_exchange.policy.expressions.running import (
    LENGTH_LIMIT,
    NAMES,
    PROPERTIES,
    Expression,
    ExpressionFailed,
    expression_of,
)
from cert_exchange.policy.expressions.words import GrammarError

__all__ = [
    "LENGTH_LIMIT",
    "NAMES",
    "PROPERTIES",
    "Expression",
    "ExpressionFailed",
    "GrammarError",
    "expression_of",
]
