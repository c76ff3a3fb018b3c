"""Partners, what they may use, and where this node pulls from and pushes to."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
)

from cert_exchange.store.tables.schema import Exact, Number, metadata

collections = Table(
    "collections",
    metadata,
    Column("id", Number, primary_key=True),
    Column("uuid", Exact, nullable=False, unique=True),
    Column("alias", Exact, unique=True),
    Column("title", Text, nullable=False),
    Column("description", Text),
    Column("file_digest", LargeBinary(32), nullable=False),
    Column("retired_at", BigInteger),  # its file is gone: nobody may read or write it
)

collection_rights = Table(
    "collection_rights",
    metadata,
    Column("collection", ForeignKey("collections.id"), primary_key=True),
    Column("partner", ForeignKey("partners.id"), primary_key=True),
    Column("may_read", Boolean, nullable=False),
    Column("may_write", Boolean, nullable=False),
)

partners = Table(
    "partners",
    metadata,
    Column("id", Number, primary_key=True),
    Column("name", Exact, nullable=False, unique=True),
    Column("title", Text, nullable=False),
    Column("contact", Text),
    Column("suspended_at", BigInteger),  # neither direction: it is let in nowhere
    Column("relays_any", Boolean, nullable=False, default=False),
    Column("empty_objects_list", Boolean, nullable=False, default=False),
    Column("requests_per_minute", Integer, nullable=False),
    Column("added_at", BigInteger, nullable=False),
    Column("country", Exact),  # two capital letters; NULL: unknown
    Column(
        "certificates_since", BigInteger
    ),  # since when it must show a certificate; NULL: need not
    Column("sending_suspended_at", BigInteger),  # nothing goes out to it
    Column("receiving_suspended_at", BigInteger),  # nothing is taken from it
    # test: it sees the TEST collection only, whatever files and policies say; live: what they say
    Column("stage", Exact, nullable=False, server_default="live"),
    Column("gate", Text),  # JSON of services.gating.standing; NULL: no limit, and nothing waits
)

partner_identities = Table(
    "partner_identities",
    metadata,
    Column("partner", ForeignKey("partners.id"), primary_key=True),
    Column("stix_id", Exact, primary_key=True),
    Column(
        "relayed", Boolean, nullable=False
    ),  # False: it speaks for this identity; True: it may relay it
)

credentials = Table(
    "credentials",
    metadata,
    Column("id", Exact, primary_key=True),  # the public half of `id.secret`
    Column("partner", ForeignKey("partners.id"), nullable=False),
    Column("digest", LargeBinary(32), nullable=False),  # keyed SHA-256 of the secret half
    Column("issued_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("label", Text),  # what it is for
    Column("networks", Text),  # where it may come from, by blanks; NULL: from anywhere
    Column(
        "scoped_at", BigInteger
    ),  # since when credential_scopes say what it may; NULL: they need not
    Column("replaces", Exact),  # the credential that it follows
)

lockouts = Table(
    "lockouts",
    metadata,
    Column("partner", Integer, primary_key=True),  # 0: the credential named no partner
    Column("network", Exact, primary_key=True),  # IPv4 /24 or IPv6 /48 in text
    Column("failures", Integer, nullable=False),
    Column("last_failure_at", BigInteger, nullable=False),
    Column("locked_until", BigInteger, nullable=False),
)

sources = Table(
    "sources",
    metadata,
    Column("id", Number, primary_key=True),
    Column("name", Exact, nullable=False, unique=True),
    Column("partner", ForeignKey("partners.id"), nullable=False),
    Column("url", Text, nullable=False),  # the API root
    Column("remote_collection", Text, nullable=False),
    Column("collection", ForeignKey("collections.id"), nullable=False),  # what is pulled joins it
    Column(
        "options", Text, nullable=False
    ),  # JSON of remote.connection.Options: names of secret files, never secrets
    Column("cursor", Text),  # X-TAXII-Date-Added-Last as received
    Column("next_token", Text),  # in the middle of a run
    Column("paused_at", BigInteger),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_attempt_at", BigInteger, nullable=False, default=0),
    Column("lease_owner", Text),
    Column("lease_until", BigInteger, nullable=False, default=0),
    Column("last_success_at", BigInteger),
    Column("last_outcome", Text),  # a sentence for `status`
    Column("counters", Text, nullable=False, default="{}"),
)

targets = Table(
    "targets",
    metadata,
    Column("id", Number, primary_key=True),
    Column("name", Exact, nullable=False, unique=True),
    Column("partner", ForeignKey("partners.id"), nullable=False),
    Column("url", Text, nullable=False),
    Column("remote_collection", Text, nullable=False),
    Column(
        "collection", ForeignKey("collections.id"), nullable=False
    ),  # the partner's view of it is pushed
    Column("options", Text, nullable=False),
    Column(
        "cursor", BigInteger, nullable=False, default=0
    ),  # the position up to which all was pushed
    Column("view", BigInteger),  # the view the cursor belongs to
    Column("pending", Text),  # a status resource that was still pending, with what it covers
    Column("paused_at", BigInteger),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_attempt_at", BigInteger, nullable=False, default=0),
    Column("lease_owner", Text),
    Column("lease_until", BigInteger, nullable=False, default=0),
    Column("last_success_at", BigInteger),
    Column("last_outcome", Text),
    Column("counters", Text, nullable=False, default="{}"),
)

poll_notes = Table(
    "poll_notes",
    metadata,
    # What a partner's client sends that we ignored: shown by `doctor` (taxii21 37).
    Column("partner", ForeignKey("partners.id"), primary_key=True),
    Column("note", String(200), primary_key=True),
    Column("first_at", BigInteger, nullable=False),
)
