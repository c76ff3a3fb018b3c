"""One business sentence each, in one transaction."""
