"""The first schema: every table of the store."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audiences",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.Column(
            "policy", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audiences")),
        sa.UniqueConstraint("name", name=op.f("uq_audiences_name")),
    )
    op.create_table(
        "collections",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "uuid", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.Column(
            "alias", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True
        ),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("file_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("retired_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_collections")),
        sa.UniqueConstraint("alias", name=op.f("uq_collections_alias")),
        sa.UniqueConstraint("uuid", name=op.f("uq_collections_uuid")),
    )
    op.create_table(
        "identifiers",
        sa.Column("num", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "stix_id", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("blocked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("num", name=op.f("pk_identifiers")),
        sa.UniqueConstraint("stix_id", name=op.f("uq_identifiers_stix_id")),
    )
    op.create_table(
        "ledger_head",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_head")),
    )
    op.create_table(
        "ledger_lines",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_lines")),
        sa.UniqueConstraint("seq", name=op.f("uq_ledger_lines_seq")),
    )
    op.create_table(
        "lockouts",
        sa.Column("partner", sa.Integer(), nullable=False),
        sa.Column(
            "network", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_failure_at", sa.BigInteger(), nullable=False),
        sa.Column("locked_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("partner", "network", name=op.f("pk_lockouts")),
    )
    op.create_table(
        "node_facts",
        sa.Column(
            "name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_node_facts")),
    )
    op.create_table(
        "partners",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("contact", sa.Text(), nullable=True),
        sa.Column("suspended_at", sa.BigInteger(), nullable=True),
        sa.Column("relays_any", sa.Boolean(), nullable=False),
        sa.Column("empty_objects_list", sa.Boolean(), nullable=False),
        sa.Column("requests_per_minute", sa.Integer(), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_partners")),
        sa.UniqueConstraint("name", name=op.f("uq_partners_name")),
    )
    op.create_table(
        "policies",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("applied_at", sa.BigInteger(), nullable=False),
        sa.Column("replaced_at", sa.BigInteger(), nullable=True),
        sa.Column("gains_after", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policies")),
        sa.UniqueConstraint("name", "version", name=op.f("uq_policies_name_version")),
    )
    op.create_table(
        "quarantine",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("origin", sa.Integer(), nullable=False),
        sa.Column("collection", sa.Integer(), nullable=True),
        sa.Column(
            "kind", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("stix_id", sa.Text(), nullable=True),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("raw", sa.Text(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantine")),
    )
    op.create_index(op.f("ix_quarantine_at"), "quarantine", ["at"], unique=False)
    op.create_table(
        "renditions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_renditions")),
        sa.UniqueConstraint("digest", name=op.f("uq_renditions_digest")),
    )
    op.create_table(
        "audience_members",
        sa.Column("audience", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("partner", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["audience"], ["audiences.id"], name=op.f("fk_audience_members_audience")
        ),
        sa.ForeignKeyConstraint(
            ["partner"], ["partners.id"], name=op.f("fk_audience_members_partner")
        ),
        sa.PrimaryKeyConstraint("audience", "partner", name=op.f("pk_audience_members")),
    )
    op.create_index(
        op.f("ix_audience_members_partner"),
        "audience_members",
        ["partner"],
        unique=True,
        sqlite_where=sa.text("until IS NULL"),
        postgresql_where=sa.text("until IS NULL"),
    )
    op.create_table(
        "collection_rights",
        sa.Column(
            "collection", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("partner", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("may_read", sa.Boolean(), nullable=False),
        sa.Column("may_write", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection"], ["collections.id"], name=op.f("fk_collection_rights_collection")
        ),
        sa.ForeignKeyConstraint(
            ["partner"], ["partners.id"], name=op.f("fk_collection_rights_partner")
        ),
        sa.PrimaryKeyConstraint("collection", "partner", name=op.f("pk_collection_rights")),
    )
    op.create_table(
        "credentials",
        sa.Column(
            "id", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("partner", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("issued_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["partner"], ["partners.id"], name=op.f("fk_credentials_partner")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credentials")),
    )
    op.create_table(
        "objects",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("ident", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "type", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.Column(
            "version", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.Column(
            "version_key",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("origin", sa.Integer(), nullable=False),
        sa.Column(
            "rendition", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("sameness", sa.LargeBinary(length=32), nullable=False),
        sa.Column("creator", sa.BigInteger(), nullable=True),
        sa.Column("revoked", sa.Boolean(), nullable=False),
        sa.Column("observable", sa.Boolean(), nullable=False),
        sa.Column(
            "status", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("stored_at", sa.BigInteger(), nullable=False),
        sa.Column("salt", sa.LargeBinary(length=16), nullable=True),
        sa.Column("commitment", sa.LargeBinary(length=32), nullable=True),
        sa.Column("ledger_line", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["ident"], ["identifiers.num"], name=op.f("fk_objects_ident")),
        sa.ForeignKeyConstraint(
            ["rendition"], ["renditions.id"], name=op.f("fk_objects_rendition")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_objects")),
        sa.UniqueConstraint(
            "ident", "version_key", "origin", name=op.f("uq_objects_ident_version_key_origin")
        ),
    )
    op.create_index(op.f("ix_objects_origin_id"), "objects", ["origin", "id"], unique=False)
    op.create_table(
        "partner_identities",
        sa.Column("partner", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "stix_id", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("relayed", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["partner"], ["partners.id"], name=op.f("fk_partner_identities_partner")
        ),
        sa.PrimaryKeyConstraint("partner", "stix_id", name=op.f("pk_partner_identities")),
    )
    op.create_table(
        "poll_notes",
        sa.Column("partner", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("note", sa.String(length=200), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["partner"], ["partners.id"], name=op.f("fk_poll_notes_partner")),
        sa.PrimaryKeyConstraint("partner", "note", name=op.f("pk_poll_notes")),
    )
    op.create_table(
        "sources",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("partner", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("remote_collection", sa.Text(), nullable=False),
        sa.Column(
            "collection", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("options", sa.Text(), nullable=False),
        sa.Column("cursor", sa.Text(), nullable=True),
        sa.Column("next_token", sa.Text(), nullable=True),
        sa.Column("paused_at", sa.BigInteger(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.BigInteger(), nullable=False),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=False),
        sa.Column("last_success_at", sa.BigInteger(), nullable=True),
        sa.Column("last_outcome", sa.Text(), nullable=True),
        sa.Column("counters", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection"], ["collections.id"], name=op.f("fk_sources_collection")
        ),
        sa.ForeignKeyConstraint(["partner"], ["partners.id"], name=op.f("fk_sources_partner")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sources")),
        sa.UniqueConstraint("name", name=op.f("uq_sources_name")),
    )
    op.create_table(
        "submissions",
        sa.Column(
            "id", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("partner", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "collection", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection"], ["collections.id"], name=op.f("fk_submissions_collection")
        ),
        sa.ForeignKeyConstraint(["partner"], ["partners.id"], name=op.f("fk_submissions_partner")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_submissions")),
    )
    op.create_index(
        op.f("ix_submissions_requested_at"), "submissions", ["requested_at"], unique=False
    )
    op.create_table(
        "targets",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("partner", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("remote_collection", sa.Text(), nullable=False),
        sa.Column(
            "collection", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("options", sa.Text(), nullable=False),
        sa.Column("cursor", sa.BigInteger(), nullable=False),
        sa.Column("view", sa.BigInteger(), nullable=True),
        sa.Column("pending", sa.Text(), nullable=True),
        sa.Column("paused_at", sa.BigInteger(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.BigInteger(), nullable=False),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=False),
        sa.Column("last_success_at", sa.BigInteger(), nullable=True),
        sa.Column("last_outcome", sa.Text(), nullable=True),
        sa.Column("counters", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection"], ["collections.id"], name=op.f("fk_targets_collection")
        ),
        sa.ForeignKeyConstraint(["partner"], ["partners.id"], name=op.f("fk_targets_partner")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_targets")),
        sa.UniqueConstraint("name", name=op.f("uq_targets_name")),
    )
    op.create_table(
        "views",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("audience", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "collection", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("head", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["audience"], ["audiences.id"], name=op.f("fk_views_audience")),
        sa.ForeignKeyConstraint(
            ["collection"], ["collections.id"], name=op.f("fk_views_collection")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_views")),
        sa.UniqueConstraint("audience", "collection", name=op.f("uq_views_audience_collection")),
    )
    op.create_table(
        "holds",
        sa.Column("audience", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("object", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "collection", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("held_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("released_at", sa.BigInteger(), nullable=True),
        sa.Column("released_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["audience"], ["audiences.id"], name=op.f("fk_holds_audience")),
        sa.ForeignKeyConstraint(
            ["collection"], ["collections.id"], name=op.f("fk_holds_collection")
        ),
        sa.ForeignKeyConstraint(["object"], ["objects.id"], name=op.f("fk_holds_object")),
        sa.PrimaryKeyConstraint("audience", "object", "collection", name=op.f("pk_holds")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_holds_due_at"), "holds", ["due_at"], unique=False)
    op.create_table(
        "live",
        sa.Column("view", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("object", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("ident", sa.BigInteger(), nullable=False),
        sa.Column(
            "type", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.Column(
            "version", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.Column(
            "version_key",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("origin", sa.Integer(), nullable=False),
        sa.Column("is_last", sa.SmallInteger(), nullable=False),
        sa.Column("is_first", sa.SmallInteger(), nullable=False),
        sa.Column("carried", sa.SmallInteger(), nullable=False),
        sa.Column(
            "rendition", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["object"], ["objects.id"], name=op.f("fk_live_object")),
        sa.ForeignKeyConstraint(["rendition"], ["renditions.id"], name=op.f("fk_live_rendition")),
        sa.ForeignKeyConstraint(["view"], ["views.id"], name=op.f("fk_live_view")),
        sa.PrimaryKeyConstraint("view", "position", name=op.f("pk_live")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_live_view_ident_object"), "live", ["view", "ident", "object"], unique=True
    )
    op.create_index(
        op.f("ix_live_view_is_last_position_rendition_size"),
        "live",
        ["view", "is_last", "position", "rendition", "size"],
        unique=False,
    )
    op.create_index(
        op.f("ix_live_view_type_is_last_position"),
        "live",
        ["view", "type", "is_last", "position"],
        unique=False,
    )
    op.create_table(
        "memberships",
        sa.Column("object", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "collection", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.Column("taken_back_at", sa.BigInteger(), nullable=True),
        sa.Column("taken_back_by", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["collection"], ["collections.id"], name=op.f("fk_memberships_collection")
        ),
        sa.ForeignKeyConstraint(["object"], ["objects.id"], name=op.f("fk_memberships_object")),
        sa.PrimaryKeyConstraint("object", "collection", name=op.f("pk_memberships")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_memberships_collection_object"),
        "memberships",
        ["collection", "object"],
        unique=False,
    )
    op.create_table(
        "references_to",
        sa.Column("source", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("target", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("role", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(["source"], ["objects.id"], name=op.f("fk_references_to_source")),
        sa.ForeignKeyConstraint(
            ["target"], ["identifiers.num"], name=op.f("fk_references_to_target")
        ),
        sa.PrimaryKeyConstraint("source", "target", name=op.f("pk_references_to")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_references_to_target_source"), "references_to", ["target", "source"], unique=False
    )
    op.create_table(
        "release_log",
        sa.Column("view", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column(
            "kind", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("object", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "rendition", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("policy", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("salt", sa.LargeBinary(length=16), nullable=True),
        sa.Column("commitment", sa.LargeBinary(length=32), nullable=True),
        sa.Column("ledger_line", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["object"], ["objects.id"], name=op.f("fk_release_log_object")),
        sa.ForeignKeyConstraint(["policy"], ["policies.id"], name=op.f("fk_release_log_policy")),
        sa.ForeignKeyConstraint(
            ["rendition"], ["renditions.id"], name=op.f("fk_release_log_rendition")
        ),
        sa.ForeignKeyConstraint(["view"], ["views.id"], name=op.f("fk_release_log_view")),
        sa.PrimaryKeyConstraint("view", "position", name=op.f("pk_release_log")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "staged_losses",
        sa.Column(
            "run", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("view", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("staged_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["view"], ["views.id"], name=op.f("fk_staged_losses_view")),
        sa.PrimaryKeyConstraint("run", "view", "position", name=op.f("pk_staged_losses")),
    )
    op.create_table(
        "waiting",
        sa.Column("audience", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("target", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("object", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["audience"], ["audiences.id"], name=op.f("fk_waiting_audience")),
        sa.ForeignKeyConstraint(["object"], ["objects.id"], name=op.f("fk_waiting_object")),
        sa.ForeignKeyConstraint(["target"], ["identifiers.num"], name=op.f("fk_waiting_target")),
        sa.PrimaryKeyConstraint("audience", "target", "object", name=op.f("pk_waiting")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_waiting_object"), "waiting", ["object"], unique=False)
    if op.get_bind().dialect.name == "postgresql":
        # On SQLite the marks are a file of their own: store.marks.
        op.create_table(
            "marks",
            sa.Column("partner", sa.Integer(), nullable=False),
            sa.Column("view", sa.BigInteger(), nullable=False),
            sa.Column("position", sa.BigInteger(), nullable=False),
            sa.Column("ledgered", sa.BigInteger(), nullable=False),
            sa.PrimaryKeyConstraint("partner", "view", name=op.f("pk_marks")),
        )
