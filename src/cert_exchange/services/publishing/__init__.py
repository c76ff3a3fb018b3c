"""Objects come in: from our desk (`publish`), from a partner (`receive`), or in a caller's transaction (`take_in`)."""

from cert_exchange.services.publishing.receiving import Submission, receive, submission
from cert_exchange.services.publishing.sentences import (
    PublishPreview,
    PublishReport,
    Sighted,
    preview_publish,
    publish,
    seed,
)
from cert_exchange.services.publishing.taking_in import Outcome, take_in

__all__ = [
    "Outcome",
    "PublishPreview",
    "PublishReport",
    "Sighted",
    "Submission",
    "preview_publish",
    "publish",
    "receive",
    "seed",
    "submission",
    "take_in",
]
