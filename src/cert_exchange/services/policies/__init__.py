"""Policies come into force, and explain themselves."""

from cert_exchange.services.policies.applying import Applied, Checked, apply, check, continue_gains
from cert_exchange.services.policies.explaining import (
    Explained,
    Explanation,
    WithheldCount,
    explain,
    withheld,
)

__all__ = [
    "Applied",
    "Checked",
    "Explained",
    "Explanation",
    "WithheldCount",
    "apply",
    "check",
    "continue_gains",
    "explain",
    "withheld",
]
