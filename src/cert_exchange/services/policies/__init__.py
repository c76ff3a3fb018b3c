"""Policies come into force, and explain themselves."""

from cert_exchange.policy.schema import policy_schema
from cert_exchange.policy.tracing import Step
from cert_exchange.services.policies.agreeing import Agreed, agreements, remind
from cert_exchange.services.policies.applying import Applied, apply, apply_together
from cert_exchange.services.policies.checking import (
    Checked,
    Read,
    check,
    check_together,
    read_policy,
)
from cert_exchange.services.policies.expecting import Tried, policy_files, try_policy
from cert_exchange.services.policies.explaining import Explained, Explanation, explain
from cert_exchange.services.policies.failing import Failing, failing
from cert_exchange.services.policies.gaining import continue_gains
from cert_exchange.services.policies.history import (
    Drift,
    PastVersion,
    difference,
    drift,
    history,
    restore,
    text_of,
)
from cert_exchange.services.policies.previewing import (
    Change,
    Preview,
    Prospect,
    preview,
    previews,
)
from cert_exchange.services.policies.surveying import (
    NEIGHBOURS,
    Around,
    SeenCount,
    Seer,
    WithheldCount,
    sees,
    sees_around,
    who,
    withheld,
)
from cert_exchange.services.policies.weighing import weigh, weigh_together

__all__ = [
    "NEIGHBOURS",
    "Agreed",
    "Applied",
    "Around",
    "Change",
    "Checked",
    "Drift",
    "Explained",
    "Explanation",
    "Failing",
    "PastVersion",
    "Preview",
    "Prospect",
    "Read",
    "SeenCount",
    "Seer",
    "Step",
    "Tried",
    "WithheldCount",
    "agreements",
    "apply",
    "apply_together",
    "check",
    "check_together",
    "continue_gains",
    "difference",
    "drift",
    "explain",
    "failing",
    "history",
    "policy_files",
    "policy_schema",
    "preview",
    "previews",
    "read_policy",
    "remind",
    "restore",
    "sees",
    "sees_around",
    "text_of",
    "try_policy",
    "weigh",
    "weigh_together",
    "who",
    "withheld",
]
