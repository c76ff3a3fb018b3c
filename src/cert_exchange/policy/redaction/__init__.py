"""Redaction: lawful derivatives of objects that an audience may not see whole (DECISIONS 11-18). Pure.

`trim` takes away what a recipe says, with every other occurrence of what was taken; `render` gives what is left its own
id, rewrites its references, and checks the bytes once more. Whatever is in doubt is `Unredactable`.
"""

from cert_exchange.policy.redaction.choosing import names_of
from cert_exchange.policy.redaction.rendering import (
    essence_of,
    may_be_derived,
    never_redacted,
    render,
)
from cert_exchange.policy.redaction.trimming import takes, trim
from cert_exchange.policy.redaction.values import (
    EXTENSION,
    EXTENSION_DEFINITION,
    Naming,
    Need,
    Rendered,
    Trimmed,
    Unredactable,
)

__all__ = [
    "EXTENSION",
    "EXTENSION_DEFINITION",
    "Naming",
    "Need",
    "Rendered",
    "Trimmed",
    "Unredactable",
    "essence_of",
    "may_be_derived",
    "names_of",
    "never_redacted",
    "render",
    "takes",
    "trim",
]
