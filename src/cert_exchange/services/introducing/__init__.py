"""A channel between two administrators: invited, accepted, tried, checked, opened, and confirmed anew in time."""

from cert_exchange.messages.contact_cards import Card
from cert_exchange.messages.spoken_words import shown as words_shown
from cert_exchange.services.introducing.accepting import Accepted, Seen, accept, look
from cert_exchange.services.introducing.answering import answer_check
from cert_exchange.services.introducing.cards import (
    Confirmed,
    card_of,
    confirm,
    our_card,
    set_our_card,
    show_our_card,
    words,
)
from cert_exchange.services.introducing.checking import Checked, card_from, check
from cert_exchange.services.introducing.connecting import believe_again
from cert_exchange.services.introducing.inviting import Invited, invite
from cert_exchange.services.introducing.promoting import Progress, demote, progress, promote, pull
from cert_exchange.services.introducing.reminding import Due, due, remind
from cert_exchange.services.introducing.renewing import (
    answer_renewal,
    renew,
    renew_due,
    unaware_of,
)

__all__ = [
    "Accepted",
    "Card",
    "Checked",
    "Confirmed",
    "Due",
    "Invited",
    "Progress",
    "Seen",
    "accept",
    "answer_check",
    "answer_renewal",
    "believe_again",
    "card_from",
    "card_of",
    "check",
    "confirm",
    "demote",
    "due",
    "invite",
    "look",
    "our_card",
    "progress",
    "promote",
    "pull",
    "remind",
    "renew",
    "renew_due",
    "set_our_card",
    "show_our_card",
    "unaware_of",
    "words",
    "words_shown",
]
