"""Schema migrations; they only add."""
