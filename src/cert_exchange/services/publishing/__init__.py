"""Objects come in: from our desk (`publish`), from a partner (`receive`), or in a caller's transaction (`take_in`)."""

from cert_exchange.services.publishing.limiting import counted
from cert_exchange.services.publishing.receiving import (
    Submission,
    forget_submissions,
    receive,
    submission,
)
from cert_exchange.services.publishing.rulings import Approval
from cert_exchange.services.publishing.sentences import (
    PublishPreview,
    PublishReport,
    Sighted,
    collection_number,
    preview_publish,
    publish,
    seed,
)
from cert_exchange.services.publishing.taking_in import Outcome, take_in
from cert_exchange.services.publishing.terming import binding_receivers, carry_terms
from cert_exchange.services.publishing.withholding import strike_off

__all__ = [
    "Approval",
    "Outcome",
    "PublishPreview",
    "PublishReport",
    "Sighted",
    "Submission",
    "binding_receivers",
    "carry_terms",
    "collection_number",
    "counted",
    "forget_submissions",
    "preview_publish",
    "publish",
    "receive",
    "seed",
    "strike_off",
    "submission",
    "take_in",
]
