"""Certificates: our own authorities, what they sign, whose certificates we believe (DECISIONS 29)."""

from cert_exchange.remote.pki import spoken
from cert_exchange.services.pki.authorities import (
    describe_own,
    init,
    newest_list,
    renew_lists,
    retire,
)
from cert_exchange.services.pki.certifying import issue_for_partner, revoke
from cert_exchange.services.pki.listing import Listing, findings, listing
from cert_exchange.services.pki.own import (
    accept,
    issue_own,
    leaning_on,
    pair_file,
    renew_due,
    request,
)
from cert_exchange.services.pki.pinning import new_list, pin, require, unpin
from cert_exchange.services.pki.trusting import (
    Material,
    Stamp,
    load_material,
    load_trust,
    material_stamp,
    trust_changes,
)

__all__ = [
    "Listing",
    "Material",
    "Stamp",
    "accept",
    "describe_own",
    "findings",
    "init",
    "issue_for_partner",
    "issue_own",
    "leaning_on",
    "listing",
    "load_material",
    "load_trust",
    "material_stamp",
    "new_list",
    "newest_list",
    "pair_file",
    "pin",
    "renew_due",
    "renew_lists",
    "request",
    "require",
    "retire",
    "revoke",
    "spoken",
    "trust_changes",
    "unpin",
]
