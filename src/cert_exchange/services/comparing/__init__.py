"""Whether partners' ledgers still say what they said, and whether ours is the one that they hold. See docs/ledger-format.md."""
