"""What defenders' tools read, made of STIX objects: pure, as `intake` is in the other direction."""
