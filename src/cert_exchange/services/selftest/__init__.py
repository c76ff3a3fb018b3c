"""A self-test of everything between us and one partner: `doctor partner P`, and what a partner may ask of us."""

from cert_exchange.services.selftest.answering import answer_selftest, try_objects
from cert_exchange.services.selftest.causes import CAUSES, NOTHING_TRIED, NOTHING_WRONG
from cert_exchange.services.selftest.steps import Step
from cert_exchange.services.selftest.walking import SelfTest, try_partner

__all__ = [
    "CAUSES",
    "NOTHING_TRIED",
    "NOTHING_WRONG",
    "SelfTest",
    "Step",
    "answer_selftest",
    "try_objects",
    "try_partner",
]
