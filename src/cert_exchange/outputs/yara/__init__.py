"""YARA rules of others: read so far that it is certain that each compiles, and changes nothing of the rules beside it."""
