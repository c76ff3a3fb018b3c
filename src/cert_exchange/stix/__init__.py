"""STIX 2.1 as we need it, pure."""
